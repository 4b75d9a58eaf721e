"""The contracts in Zig, C and AssemblyScript against their twins in Solidity: one sequence of transactions on a world
for each of them, after which success, output, logs, storage and balances are the same."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from testing.contracts import build_examples
from testing.rust import has_rust, rust_counter
from tests.chain.vm.support import CONTRACT, environment_of
from tests.chain.zvm.twins import (
    ECHO,
    NOBODY,
    PROXIES,
    SENDERS,
    VAULT,
    WALL,
    Arena,
    Step,
    Twin,
    mapping_slot,
    module_twin,
    solidity_twin,
    twin_of,
    users,
)
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.keccak import keccak256

pytestmark = [pytest.mark.clients, pytest.mark.slow]

ZERO = bytes(20)
ACCOUNTS = (*SENDERS, VAULT, ECHO, WALL, *PROXIES.values(), CONTRACT, NOBODY, ZERO)
PAIRS = tuple((owner, spender) for owner in ACCOUNTS[:6] for spender in (*SENDERS, ECHO, *PROXIES.values()))
MOST = 2**256 - 1
Key = TypeVar("Key")
Drawn = TypeVar("Drawn")
PROFILE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=150,
)

accounts = st.sampled_from(ACCOUNTS)
numbers = st.one_of(
    st.integers(0, 30),
    st.sampled_from((0, 1, 9, 10, 1000, 999_999, 1_000_000, 1_000_001, 2**255, MOST - 1, MOST)),
    st.integers(0, 2000),
    st.integers(0, MOST),
)
amounts = st.integers(0, 30).map(lambda number: 100 * number)
wei = st.sampled_from((0,) * 9 + (1,))


def one_each(keys: Sequence[Key], values: st.SearchStrategy[int]) -> st.SearchStrategy[dict[Key, int]]:
    """A number for every key."""
    return st.tuples(*[values] * len(keys)).map(lambda drawn: dict(zip(keys, drawn, strict=True)))


@pytest.fixture(scope="module")
def environment() -> Iterator[BlockEnvironment]:
    machine = ZvmMachine("zvm")
    yield environment_of(base_fee_per_gas=0, wasm_machine=machine)
    machine.close()


@pytest.fixture(scope="module")
def solidity() -> None:
    build_examples()


@pytest.fixture(scope="module")
def arenas(environment: BlockEnvironment, solidity: None) -> dict[str, Arena]:  # noqa: ARG001
    others = users(solidity_twin(environment, "Vault").code)

    rust = [twin_of(environment, "rust/counter", rust_counter(), is_module=True)] if has_rust() else []

    def arena(name: str, *sources: str, further: Sequence[Twin] = ()) -> Arena:
        modules = [module_twin(environment, source) for source in sources]
        return Arena(environment, [solidity_twin(environment, name), *modules, *further], others)

    return {
        "counters": arena("Counter", "zig/counter.zig", "c/counter.c", "assemblyscript/counter.ts", further=rust),
        "tokens": arena("TwinToken", "zig/token.zig"),
    }


# What is called


def canonical(signature: str, values: Sequence[object]) -> bytes:
    inner = signature[signature.index("(") + 1 : -1]
    return keccak256(signature.encode())[:4] + encode(inner.split(",") if inner else [], values)


Functions = dict[str, tuple[st.SearchStrategy[object], ...]]


def calls_of(functions: Functions) -> st.SearchStrategy[bytes]:
    """Call data of one of these functions, most often well formed."""
    each = [st.tuples(st.just(signature), st.tuples(*values)) for signature, values in functions.items()]
    good = st.sampled_from(each).flatmap(lambda call: call).map(lambda call: canonical(*call))
    bad = st.builds(spoil, good, st.integers(0, 3), st.integers(0, 255), st.binary(max_size=40))
    return weighted((8, good), (2, bad))


def weighted(*choices: tuple[int, st.SearchStrategy[Drawn]]) -> st.SearchStrategy[Drawn]:
    """One of these, the more often the higher its weight."""
    each = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.sampled_from(each).flatmap(lambda strategy: strategy)


def spoil(data: bytes, kind: int, place: int, other: bytes) -> bytes:
    """Call data that is cut, or goes on, or has other bytes or a single bit more somewhere."""
    position = place % (len(data) + 1)
    if kind == 0:
        return data[:position]
    if kind == 1:
        return data + other
    if kind == 2:
        return data[:position] + other + data[position + len(other) :]
    return data[:position] + bytes(byte | 1 for byte in data[position : position + 1]) + data[position + 1 :]


addresses = accounts.map(lambda address: "0x" + address.hex())
COUNTER_FUNCTIONS: Functions = {
    "setNumber(uint256)": (numbers,),
    "increment()": (),
    "number()": (),
    "changes(address)": (addresses,),
    "divide(uint256,uint256)": (numbers, numbers),
    "refuse()": (),
    "LIMIT()": (),
    "nothing()": (),
    "stylus_constructor()": (),
}
counter_calls = weighted((19, calls_of(COUNTER_FUNCTIONS)), (1, st.just(b"")))

TOKEN_FUNCTIONS: Functions = {
    "transfer(address,uint256)": (addresses, numbers),
    "approve(address,uint256)": (addresses, numbers),
    "transferFrom(address,address,uint256)": (addresses, addresses, numbers),
    "balanceOf(address)": (addresses,),
    "allowance(address,address)": (addresses, addresses),
    "name()": (),
    "symbol()": (),
    "decimals()": (),
    "totalSupply()": (),
    "transferAndCall(address,uint256,bytes)": (addresses, numbers, st.binary(max_size=70)),
}
plain_calls = calls_of(TOKEN_FUNCTIONS)
# the receiver calls back with the data: once, or to have itself called again
back = calls_of({"transferAndCall(address,uint256,bytes)": (st.just("0x" + ECHO.hex()), amounts, plain_calls)})
again = calls_of({"transferAndCall(address,uint256,bytes)": (st.just("0x" + ECHO.hex()), amounts, back)})
token_calls = weighted((7, plain_calls), (2, back), (1, again))
vault_calls = calls_of(
    {
        "withdraw(address,uint256)": (st.just("0x" + CONTRACT.hex()), numbers),
        "heldOf(address)": (st.just("0x" + CONTRACT.hex()),),
    }
)


def steps_of(calls: st.SearchStrategy[bytes], vault_weight: int = 0) -> st.SearchStrategy[list[Step]]:
    """Transactions to CONTRACT, by proxies, and, so often out of ten, to the vault."""
    targets = st.sampled_from((*[CONTRACT] * 5, *PROXIES.values()))
    direct = st.builds(Step, st.sampled_from(SENDERS), targets, calls, wei)
    by_vault = st.builds(Step, st.sampled_from(SENDERS), st.just(VAULT), vault_calls)
    return st.lists(weighted((10 - vault_weight, direct), (vault_weight, by_vault)), min_size=1, max_size=12)


# The tests


@PROFILE
@given(steps=steps_of(counter_calls), number=numbers, changes=st.sampled_from((0, 1, MOST)))
def test_counters(arenas: dict[str, Arena], steps: list[Step], number: int, changes: int) -> None:
    arenas["counters"].compare({0: number, mapping_slot(1, SENDERS[0]): changes}, steps)


@PROFILE
@given(
    steps=steps_of(token_calls, vault_weight=1),
    supply=numbers,
    balances=one_each(ACCOUNTS, st.one_of(amounts, numbers)),
    allowances=one_each(PAIRS, st.one_of(st.just(MOST), amounts, numbers)),
)
def test_tokens(
    arenas: dict[str, Arena],
    steps: list[Step],
    supply: int,
    balances: dict[bytes, int],
    allowances: dict[tuple[bytes, bytes], int],
) -> None:
    storage = {2: supply, 3: int.from_bytes(b"Twin Token".ljust(31, b"\0") + b"\x14", "big")}
    storage |= {mapping_slot(0, owner): value for owner, value in balances.items()}
    storage |= {mapping_slot(1, *pair): value for pair, value in allowances.items()}
    arenas["tokens"].compare(storage, steps)


@settings(PROFILE, max_examples=20)
@given(
    arguments=st.one_of(numbers.map(lambda number: encode(["uint256"], [number])), st.binary(max_size=70)), value=wei
)
@pytest.mark.parametrize("name", ["counters", "tokens"])
def test_constructors(arenas: dict[str, Arena], name: str, arguments: bytes, value: int) -> None:
    arenas[name].compare({}, [Step(SENDERS[0], None, arguments, value)])
