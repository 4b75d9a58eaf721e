"""Storage of contracts in Zig against the same declarations in Solidity: the layout that solc exports, and every slot
after the same random calls."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from eth_abi import grammar
from eth_abi.abi import encode

from testing.contracts import compiled
from tests.chain.vm.support import CONTRACT, ETHER, FakeAccount, environment_of
from tests.chain.zvm.twins import SENDERS, Arena, Step, Twin, World
from tests.clients.tools import CLIENTS, run_tool
from tests.contracts.declarations import Function, transient_pair
from tests.contracts.declared_contracts import CONTRACTS, VALUES, structures
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.zvm.machine import ZvmMachine
from zevm.contracts import Artifact
from zevm.storage.keccak import keccak256

pytestmark = [pytest.mark.clients, pytest.mark.slow]

STEPS = 400
BAD_TEXTS = (2 * 5 + 1, 2 * 31 + 1, 2 * 32, 0xFE)
"""Words of a string's slot: long ones of less than 32 bytes, short ones of more than 31."""
LENGTHS = (0, 1, 2, 30, 31, 32, 33, 63, 64, 65, 100)
"""Of strings and bytes: around the ends of slots."""


@pytest.fixture(scope="module")
def environment() -> Iterator[BlockEnvironment]:
    machine = ZvmMachine("zvm")
    yield environment_of(base_fee_per_gas=0, wasm_machine=machine)
    machine.close()


def compile_solidity(texts: dict[str, str], *, by_ir: bool = False) -> dict[str, dict[str, Any]]:
    """What solc makes of contracts by their names: code, and layout. by_ir: the way that can copy nested arrays."""
    request = {
        "language": "Solidity",
        "sources": {f"{name}.sol": {"content": text} for name, text in texts.items()},
        "settings": {
            "evmVersion": "osaka",
            "optimizer": {"enabled": by_ir},
            "viaIR": by_ir,
            "outputSelection": {"*": {"*": ["evm.deployedBytecode.object", "storageLayout", "transientStorageLayout"]}},
        },
    }
    found = solc(request)["contracts"]
    return {name: found[f"{name}.sol"][name] for name in texts}


@cache
def compiled_by_solc(*, by_ir: bool) -> dict[str, dict[str, Any]]:
    """The contracts that want this way, in one run: solc takes longer to begin than for most of them."""
    contracts = [contract for make in CONTRACTS if (contract := make()).needs_ir is by_ir]
    return compile_solidity({contract.name: contract.solidity for contract in contracts}, by_ir=by_ir)


def solc(request: dict[str, Any]) -> dict[str, Any]:
    """Run solc with a request in its standard JSON."""
    finished = run_tool(CLIENTS / "bin" / "solc", "--standard-json", stdin=json.dumps(request))
    answer = json.loads(finished.stdout)
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    assert not errors, errors[0]
    return answer


def a_value(draw: random.Random, kind: str) -> object:
    """Of an ABI type: small numbers and ends of ranges as often as any other."""
    parsed = grammar.parse(kind)
    if parsed.is_array:
        count = draw.choice((0, 1, 2, 3, 12)) if parsed.arrlist[-1] == () else parsed.arrlist[-1][0]
        return [a_value(draw, parsed.item_type.to_type_str()) for _ in range(count)]
    if isinstance(parsed, grammar.TupleType):
        return tuple(a_value(draw, part.to_type_str()) for part in parsed.components)
    if parsed.to_type_str() in ("uint8",) and draw.random() < 0.5:
        return draw.choice((0, 1, 2))
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


@dataclass(frozen=True)
class Pair:
    """One contract by both compilers."""

    functions: list[Function]
    solidity: dict[str, Any]
    zig: Artifact

    def compare(self, environment: BlockEnvironment, storage: dict[int, int], count: int = STEPS) -> None:
        """Make the same random calls of both, and compare what callers see, and every slot. storage: of the start."""
        draw = random.Random(self.zig.name)
        steps = [Step(SENDERS[0], CONTRACT, a_call(draw, self.functions)) for _ in range(count)]
        code = bytes.fromhex(self.solidity["evm"]["deployedBytecode"]["object"])
        twins = [Twin("solidity", code, b"", is_module=False), Twin("zig", self.zig.module, b"", is_module=True)]
        Arena(environment, twins, {sender: FakeAccount(balance=ETHER) for sender in SENDERS}).compare(storage, steps)


def compile_zig(name: str, text: str, folder: Path) -> Artifact:
    source = folder / f"{name.lower()}.zig"
    source.write_text(text)
    return compiled(source)


@pytest.fixture(scope="module", params=CONTRACTS, ids=lambda make: make.__name__)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    contract = request.param()
    zig = compile_zig(contract.name, contract.zig, tmp_path_factory.mktemp("sources"))
    return Pair(contract.functions, compiled_by_solc(by_ir=contract.needs_ir)[contract.name], zig)


def test_slots_are_equal_after_the_same_calls(pair: Pair, environment: BlockEnvironment) -> None:
    pair.compare(environment, {})


@pytest.mark.parametrize("pair", [structures], indirect=True, ids=["structures"])
@pytest.mark.parametrize("word", BAD_TEXTS)
def test_strings_that_no_compiler_writes_panic_alike(pair: Pair, environment: BlockEnvironment, word: int) -> None:
    layout = pair.solidity["storageLayout"]
    texts = [entry for entry in layout["storage"] if layout["types"][entry["type"]]["encoding"] == "bytes"]
    pair.compare(environment, {int(entry["slot"]): word for entry in texts}, count=100)


def comparable(value: Any) -> Any:
    """A layout without what only numbers the parts of one compilation."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in ("astId", "contract")}
        return {comparable(key): comparable(each) for key, each in kept.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return re.sub(r"(t_(?:struct|enum)\(\w+\))\d+", r"\1", value) if isinstance(value, str) else value


def test_layout_is_what_solc_exports(pair: Pair) -> None:
    assert comparable(pair.zig.storage_layout) == comparable(pair.solidity["storageLayout"])


def test_transient_values_are_packed_as_storage_is(environment: BlockEnvironment, tmp_path: Path) -> None:
    solidity, zig, functions = transient_pair(VALUES[::3])
    by_solc = compile_solidity({"Transient": solidity})["Transient"]
    pair = Pair(functions, by_solc, compile_zig("Transient", zig, tmp_path))
    pair.compare(environment, {})
    wanted = comparable(pair.solidity["transientStorageLayout"])
    assert comparable(pair.zig.as_json()["transientStorageLayout"]) == wanted


NAMESPACE = """
const covenant = @import("covenant");

const Main = struct {
    pub const storage = covenant.layout(struct { own: u8 });
    pub const main = covenant.namespace("example.main", struct { x: u64, y: covenant.Address, z: u256 });

    pub fn set(x: u64, y: covenant.Address, z: u256) void {
        main.x.set(x);
        main.y.set(y);
        main.z.set(z);
    }
};

comptime {
    covenant.define(Main);
}
"""
EXAMPLE_MAIN = 0x183A6125C38840424C4A85FA12BAB2AB606C4B6D0E7CC73C0C06BA5300EAB500
"""The slot of "example.main", from the text of ERC-7201."""


def test_a_namespace_lies_where_erc_7201_says(environment: BlockEnvironment, tmp_path: Path) -> None:
    zig = compile_zig("Main", NAMESPACE, tmp_path)
    namespaces = zig.as_json()["storageLayout"]["namespaces"]
    found = [(entry["label"], entry["slot"], entry["offset"]) for entry in namespaces["erc7201:example.main"]]
    assert found == [("x", "0", 0), ("y", "0", 8), ("z", "1", 0)]
    world = World(environment, Twin("zig", zig.module, b"", is_module=True), {SENDERS[0]: FakeAccount()}, {})
    call = keccak256(b"set(uint64,address,uint256)")[:4] + encode(["uint64", "address", "uint256"], [5, SENDERS[1], 9])
    assert world.run(Step(SENDERS[0], CONTRACT, call)).error is None
    _, slots = world.changes()
    packed = int.from_bytes(SENDERS[1]) << 64 | 5
    assert slots == {CONTRACT: {EXAMPLE_MAIN: packed, EXAMPLE_MAIN + 1: 9}}
