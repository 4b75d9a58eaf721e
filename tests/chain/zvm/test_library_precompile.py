"""ZvmLibrary, the precompile that runs functions of modules for other contracts, without any state."""

import re
from collections.abc import Sequence
from pathlib import Path

import brotli
import pytest
from eth_abi.abi import decode, encode

from tests.chain.vm.support import CONTRACT, ETHER, SENDER, FakeAccount
from tests.chain.zvm.contracts import (
    OTHER,
    TARGET,
    accounts_of,
    contract,
    evm_relay,
    executor,
    invoke,
    measured,
    measuring,
    module,
    path,
    request_to,
    send,
    unwrapped,
    wasm_relay,
    word,
)
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome, VmErrorKind
from zevm.chain.zvm.host_table import HOST_FUNCTIONS
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.precompiles import ARBWASM_ADDRESS, LIBRARY_ADDRESS
from zevm.chain.zvm.price_table import ZVM
from zevm.storage.keccak import keccak256

INTERFACE = Path(__file__).parents[3] / "examples/src/IZvmLibrary.sol"
FAILED = keccak256(b"ZvmFailed(uint8)")[:4]
INVALID_FUNCTION, RUNTIME_ERROR, INVALID_MODULE = 4, 5, 6

SUM = '(func (export "sum") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))'
NARROW = '(func (export "narrow") (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))'
SILENT = '(func (export "silent"))'
DIVIDE = '(func (export "divide") (param i64 i64) (result i64) (i64.div_u (local.get 0) (local.get 1)))'
SPIN = '(func (export "spin") (loop $l (br $l)))'
DEEP = '(func $deep (export "deep") (call $deep))'
ECHO = f"""(func (export "echo") (param i32) (result i32)
  {invoke("read_args", 0)} {invoke("write_result", 0, "(local.get 0)")} (i32.load8_u (i32.const 0)))"""
NUMBERS = SUM + NARROW + SILENT + DIVIDE + SPIN + DEEP
LIBRARY = module(NUMBERS + ECHO)


def selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def compute(code: bytes, name: str, numbers: Sequence[int]) -> bytes:
    types = ("bytes", "string", "uint64[]")
    return selector("compute(bytes,string,uint64[])") + encode(types, (code, name, numbers))


def execute(code: bytes, name: str, data: bytes) -> bytes:
    return selector("execute(bytes,string,bytes)") + encode(("bytes", "string", "bytes"), (code, name, data))


def compute_at(address: bytes, name: str, numbers: Sequence[int]) -> bytes:
    types = ("address", "string", "uint64[]")
    return selector("computeAt(address,string,uint64[])") + encode(types, ("0x" + address.hex(), name, numbers))


def execute_at(address: bytes, name: str, data: bytes) -> bytes:
    types = ("address", "string", "bytes")
    return selector("executeAt(address,string,bytes)") + encode(types, ("0x" + address.hex(), name, data))


def runner_of(codes: dict[bytes, bytes] | None = None, **options: object) -> Executor:
    return executor(accounts_of({OTHER: evm_relay("CALL")} | (codes or {})), **options)


def ask(data: bytes, runner: Executor | None = None, **request: object) -> Outcome:
    return (runner or runner_of()).call(request_to(LIBRARY_ADDRESS, data, **request))


def failure(outcome: Outcome) -> int:
    """The status of ZvmFailed."""
    assert outcome.error is not None
    assert outcome.error.kind is VmErrorKind.REVERT
    assert (outcome.output[:4], len(outcome.output)) == (FAILED, 36)
    return int.from_bytes(outcome.output[4:], "big")


# Results


@pytest.mark.parametrize(
    ("name", "numbers", "result"),
    [
        ("sum", [2, 3], 5),
        ("sum", [2**64 - 1, 2], 1),
        ("narrow", [0], 2**32 - 1),
        ("narrow", [2**33 + 7], 6),
        ("silent", [], 0),
    ],
)
def test_functions_of_integers(name: str, numbers: list[int], result: int) -> None:
    runner = runner_of({TARGET: contract("", functions=NUMBERS)})
    for data in (compute(LIBRARY, name, numbers), compute_at(TARGET, name, numbers)):
        outcome = ask(data, runner)
        assert (outcome.error, outcome.output) == (None, word(result))


@pytest.mark.parametrize("packed", [False, True])
def test_functions_of_bytes(packed: bool) -> None:
    code = b"\xef\xf0\0\0" + brotli.compress(LIBRARY) if packed else LIBRARY
    outcome = ask(execute(code, "echo", b"\0hello"))
    assert outcome.error is None
    assert decode(("bytes",), outcome.output) == (b"\0hello",)


def test_a_contracts_entry_point_runs_as_any_function() -> None:
    """On its arguments: what the contract has stored is not there."""
    echo = contract(invoke("read_args", 0) + invoke("write_result", 0, "(local.get $n)"))
    outcome = ask(execute_at(TARGET, "user_entrypoint", b"abc"), runner_of({TARGET: echo}))
    assert decode(("bytes",), outcome.output) == (b"abc",)


def test_another_status_reverts_with_what_the_function_set() -> None:
    outcome = ask(execute(LIBRARY, "echo", b"\x07oops"))
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.status, outcome.output) == (VmErrorKind.REVERT, 7, b"\x07oops")


# Errors


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (compute(LIBRARY, "nothing", []), INVALID_FUNCTION),
        (compute(LIBRARY, "sum", [1]), INVALID_FUNCTION),
        (compute(LIBRARY, "sum", [1, 2, 3]), INVALID_FUNCTION),
        (execute(LIBRARY, "sum", b""), INVALID_FUNCTION),
        (execute(LIBRARY, "memory", b""), INVALID_FUNCTION),
        (execute(LIBRARY, "zvm_ink", b""), INVALID_FUNCTION),
        (compute_at(TARGET, "sum", [1, 2]), INVALID_FUNCTION),
        (execute_at(OTHER, "echo", b""), INVALID_FUNCTION),
        (execute_at(SENDER, "echo", b""), INVALID_FUNCTION),
        (compute(LIBRARY, "divide", [1, 0]), RUNTIME_ERROR),
        (compute(b"", "sum", []), INVALID_MODULE),
        (compute(LIBRARY[:-1], "sum", []), INVALID_MODULE),
        (compute(b"\xef\xf0\0\0rubbish", "sum", []), INVALID_MODULE),
        (compute(b"\xef\xf0\0\0" + brotli.compress(bytes(1 << 24), quality=4), "sum", []), INVALID_MODULE),
    ],
)
def test_what_fails_tells_its_status_and_gives_the_gas_back(data: bytes, status: int) -> None:
    outcome = ask(data, runner_of({TARGET: contract("")}))
    assert failure(outcome) == status
    assert outcome.gas_used < 100_000
    paid = ask(data, runner_of({TARGET: contract("")})).gas_used_before_refund - 21_000
    if status == INVALID_MODULE:
        assert paid >= 30_000, "checking is paid for whatever it finds"


@pytest.mark.parametrize("name", ["spin", "deep"])
def test_what_runs_out_takes_all_gas_of_the_call_and_no_more(name: str) -> None:
    outcome = ask(compute(LIBRARY, name, []), gas_limit=500_000)
    assert outcome.error is not None
    assert (outcome.gas_used, outcome.output) == (500_000, b"")
    runner = runner_of()
    relayed = runner.call(
        request_to(OTHER, path(LIBRARY_ADDRESS, payload=compute(LIBRARY, name, [])), gas_limit=640_000)
    )
    assert unwrapped(relayed.output, 1) == ([0], b"")
    assert relayed.gas_used < 640_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02\x03",
        selector("destroy()") + bytes(96),
        compute(LIBRARY, "sum", [1, 2])[:-1],
        selector("compute(bytes,string,uint64[])"),
        selector("computeAt(address,string,uint64[])") + b"\xff" * 32 + encode(("string", "uint64[]"), ("sum", [1, 2])),
        execute(LIBRARY, "x", b"")[:4] + encode(("bytes", "bytes", "bytes"), (LIBRARY, b"\xff\xfe", b"")),
        compute(LIBRARY, "x", [])[:4] + encode(("bytes", "string", "uint256[]"), (LIBRARY, "narrow", [2**64])),
        compute(LIBRARY, "x", [])[:4] + word(2**255) * 3,
    ],
    ids=["nothing", "short", "unknown", "cut", "no arguments", "dirty address", "no text", "too large", "far offset"],
)
def test_call_data_that_does_not_decode_fails_as_any_precompile(data: bytes) -> None:
    outcome = ask(data, gas_limit=1_000_000)
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.gas_used, outcome.output) == (VmErrorKind.PRECOMPILE, 1_000_000, b"")


# Gas


def inner_gas(data: bytes, runner: Executor | None = None) -> int:
    """What the precompile takes, without a transaction around it."""
    outcome = (runner or runner_of()).call_alone(request_to(LIBRARY_ADDRESS, data))
    return outcome.gas_used


def test_the_price_is_call_data_activation_entry_and_work() -> None:
    data = compute(LIBRARY, "sum", [2, 3])
    activation = prepare(LIBRARY, ZVM, library=True).activation_gas
    words = -(-len(data) // 32)
    ink = 2_450 + 75 + 75 + 100 + 1
    expected = 3 * words + activation + 700 + activation // 256 + -(-ink // 10_000)
    assert inner_gas(data) == expected
    again = runner_of()
    assert [inner_gas(data, again) for _ in range(2)] == [expected] * 2, "each time anew"


def test_a_deployed_function_costs_its_access_in_place_of_its_activation() -> None:
    code = contract("", functions=NUMBERS)
    data = compute_at(TARGET, "sum", [2, 3])
    words, ink = -(-len(data) // 32), 2_450 + 75 + 75 + 100 + 1
    entry = 700 + prepare(code, ZVM).activation_gas // 256
    assert inner_gas(data, runner_of({TARGET: code})) == 3 * words + 2_600 + entry + -(-ink // 10_000)


def test_its_pages_count_in_the_transaction() -> None:
    """A caller with two pages open pays for the library's."""
    data = compute(LIBRARY, "sum", [2, 3])
    costs = []
    for pages in ("1 1", "2 2"):
        code = contract(
            invoke("read_args", 1_024)
            + f"(drop {invoke('static_call_contract', 64, 1_024, '(local.get $n)', -1, 200)})",
            memory=pages,
            data={64: LIBRARY_ADDRESS},
        )
        costs.append(runner_of({CONTRACT: code}, schedule="stylus").call(request_to(CONTRACT, data)).gas_used)
    assert costs[1] - costs[0] == 1_000


# No state

ALLOWED = {
    *("native_keccak256", "math_div", "math_mod", "math_pow", "math_add_mod", "math_mul_mod", "pay_for_memory_grow"),
    *("read_args", "write_result", "exit_early", "evm_gas_left", "evm_ink_left", "tx_ink_price", "msg_value"),
    *("is_constructing", "storage_flush_cache", "return_data_size", "read_return_data"),
}


@pytest.mark.parametrize("key", HOST_FUNCTIONS, ids=lambda key: key[1])
def test_only_what_depends_on_the_call_alone_is_there(key: tuple[str, str]) -> None:
    row = HOST_FUNCTIONS[key]
    call = invoke(key[1], *[0] * len(row.parameters))
    body = f"(drop {call})" if row.result else call
    outcome = ask(execute(module(f'(func (export "f") (param i32) (result i32) {body} (i32.const 0))'), "f", b""))
    if key[1] in ALLOWED:
        assert outcome.error is None
    else:
        assert failure(outcome) == RUNTIME_ERROR


@pytest.mark.parametrize("kind", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_contracts_of_the_evm_call_it_in_every_way(kind: str) -> None:
    runner = runner_of({CONTRACT: evm_relay(kind)})
    outcome = runner.call(request_to(CONTRACT, path(LIBRARY_ADDRESS, payload=compute(LIBRARY, "sum", [20, 22]))))
    assert unwrapped(outcome.output, 1) == ([1], word(42))


@pytest.mark.parametrize("kind", ["CALL", "DELEGATECALL", "STATICCALL"])
def test_webassembly_calls_it_as_well(kind: str) -> None:
    runner = runner_of({CONTRACT: wasm_relay(kind)})
    outcome = runner.call(request_to(CONTRACT, path(LIBRARY_ADDRESS, payload=compute(LIBRARY, "sum", [20, 22]))))
    assert unwrapped(outcome.output, 1) == ([1], word(42))


def test_nothing_changes_on_the_chain() -> None:
    runner = runner_of()
    before = runner.state.diff()
    runner.call_alone(request_to(LIBRARY_ADDRESS, execute(LIBRARY, "echo", b"\0")))
    assert runner.state.diff() == before
    outcome = send(runner, LIBRARY_ADDRESS, compute(LIBRARY, "sum", [1, 2]))
    assert (outcome.error, outcome.logs) == (None, ())
    assert runner.state.get_code(LIBRARY_ADDRESS) == b""


def test_it_is_warm_from_the_start_and_runs_for_no_delegated_account() -> None:
    runner = executor(
        accounts_of({CONTRACT: evm_relay("CALL")}) | {TARGET: FakeAccount(1, ETHER, b"\xef\x01\x00" + LIBRARY_ADDRESS)}
    )
    payload = compute(LIBRARY, "sum", [1, 2])
    delegated = runner.call(request_to(CONTRACT, path(TARGET, payload=payload)))
    assert unwrapped(delegated.output, 1) == ([1], b"")
    steps = [invoke("account_balance", 0, 64), invoke("account_balance", 32, 64)]
    code = measuring(steps, data={0: LIBRARY_ADDRESS, 32: ARBWASM_ADDRESS})
    outcome = executor(accounts_of({CONTRACT: code})).call(request_to(CONTRACT))
    assert measured(outcome.output, steps, "zvm") == [108_153 + 100 * 10_000] * 2


def test_where_the_chain_has_no_webassembly_there_is_nobody() -> None:
    outcome = ask(compute(LIBRARY, "sum", [1, 2]), runner_of(schedule=None))
    assert (outcome.error, outcome.output) == (None, b"")
    assert ask(compute(LIBRARY, "sum", [1, 2]), runner_of(fork=Fork.FRONTIER)).output == word(3)


def test_the_interface_in_solidity_has_these_functions() -> None:
    source = INTERFACE.read_text()
    found = set()
    for name, parameters in re.findall(r"function (\w+)\(([^)]*)\)", source):
        found.add(f"{name}({','.join(parameter.split()[0] for parameter in parameters.split(','))})")
    assert found == {
        "execute(bytes,string,bytes)",
        "executeAt(address,string,bytes)",
        "compute(bytes,string,uint64[])",
        "computeAt(address,string,uint64[])",
    }
    assert "error ZvmFailed(uint8 status);" in source
    assert f"address(0x{LIBRARY_ADDRESS.hex().lstrip('0')})" in source
