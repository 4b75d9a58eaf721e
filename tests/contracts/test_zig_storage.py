"""Storage of contracts in Zig against the same declarations in Solidity: the layout that solc exports, and every slot
after the same random calls."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from eth_abi.abi import encode

from testing.contracts import module_of
from tests.chain.vm.support import CONTRACT, ETHER, FakeAccount, environment_of
from tests.chain.zvm.twins import SENDERS, Arena, Step, Twin
from tests.clients.tools import CLIENTS, run_tool
from tests.contracts.declarations import Contract, Function
from tests.contracts.declared_contracts import CONTRACTS
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.zvm.machine import ZvmMachine
from zevm.storage.keccak import keccak256

pytestmark = [pytest.mark.clients]

Twins = tuple[Contract, dict[str, Any], bytes]
"""A contract, what solc made of it, and its module."""
NAMES = ("solidity", "zig")
STEPS = 400
LENGTHS = (0, 1, 2, 30, 31, 32, 33, 63, 64, 65, 100)
"""Of strings and bytes: around the ends of slots."""


@pytest.fixture(scope="module")
def environment() -> Iterator[BlockEnvironment]:
    machine = ZvmMachine("zvm")
    yield environment_of(base_fee_per_gas=0, wasm_machine=machine)
    machine.close()


def compile_solidity(contract: Contract) -> dict[str, Any]:
    """What solc makes of it: its code, and its layout."""
    request = {
        "language": "Solidity",
        "sources": {"source.sol": {"content": contract.solidity}},
        "settings": {
            "evmVersion": "osaka",
            "optimizer": {"enabled": True},
            "outputSelection": {"*": {"*": ["evm.deployedBytecode.object", "storageLayout", "transientStorageLayout"]}},
        },
    }
    return solc(request)["contracts"]["source.sol"][contract.name]


def solc(request: dict[str, Any]) -> dict[str, Any]:
    """Run solc with a request in its standard JSON."""
    finished = run_tool(CLIENTS / "bin" / "solc", "--standard-json", stdin=json.dumps(request))
    answer = json.loads(finished.stdout)
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    assert not errors, errors[0]
    return answer


def a_value(draw: random.Random, kind: str) -> object:
    """Of an ABI type: small numbers and ends of ranges as often as any other."""
    if kind.startswith(("uint", "int")):
        bits = int(kind.lstrip("uint"))
        low, high = (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return draw.choice((0, 1, 2, low, high, draw.randint(low, high)))
    if kind == "address":
        return "0x" + draw.choice(SENDERS).hex()
    if kind == "bool":
        return draw.random() < 0.5
    size = draw.choice(LENGTHS) if kind in ("bytes", "string") else int(kind[5:])
    return "".join(draw.choice("abc") for _ in range(size)) if kind == "string" else draw.randbytes(size)


def a_key(draw: random.Random, kind: str) -> object:
    """One of a few, so that the same ones come again."""
    return (
        a_value(random.Random(draw.randrange(3)), kind) if kind != "uint256" else draw.choice((0, 0, 0, 1, 1, 2, 5, 40))
    )


def a_call(draw: random.Random, functions: list[Function]) -> bytes:
    """Call data of one of these, most often one that writes."""
    function = draw.choice(functions)
    if function.name.startswith(("del", "pop", "get", "len")) and draw.random() < 0.6:
        function = draw.choice(functions)
    has_value = function.name.startswith(("set", "push", "put"))
    keys = function.parameters[:-1] if has_value else function.parameters
    arguments = [a_key(draw, kind) for kind in keys]
    arguments += [a_value(draw, function.parameters[-1])] if has_value else []
    return keccak256(function.signature.encode())[:4] + encode(function.parameters, arguments)


@pytest.fixture(scope="module", params=CONTRACTS, ids=lambda make: make.__name__)
def twins(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    contract = request.param()
    source = tmp_path_factory.mktemp("sources") / f"{contract.name.lower()}.zig"
    source.write_text(contract.zig)
    return contract, compile_solidity(contract), module_of(source)


def test_slots_are_equal_after_the_same_calls(twins: Twins, environment: BlockEnvironment) -> None:
    contract, solidity, module = twins
    codes = (bytes.fromhex(solidity["evm"]["deployedBytecode"]["object"]), module)
    pair = [
        Twin(name, code, b"", is_module=name == "zig") for name, code in zip(("solidity", "zig"), codes, strict=True)
    ]
    users = {sender: FakeAccount(balance=ETHER) for sender in SENDERS}
    draw = random.Random(contract.name)
    steps = [Step(SENDERS[0], CONTRACT, a_call(draw, contract.functions)) for _ in range(STEPS)]
    Arena(environment, pair, users).compare({}, steps)
