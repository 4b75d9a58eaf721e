"""The codec of Zig contracts against solc's: what is decoded, answered, logged, reverted with, and refused.

The same contract is written in both languages for every value type, every nesting, and random types.
"""

import json
import random
from functools import cache

import pytest
from eth_abi.abi import encode

from tests.chain.vm.support import FakeAccount
from tests.chain.zvm.contracts import executor, request_to, send
from tests.clients.tools import CLIENTS, run_tool
from tests.contracts.abi_types import MIXED, SHAPES, STATIC, Array, Basic, Echoes, Type, random_type, value_of
from tests.contracts.zig_sources import PANIC, artifact, compiled, selector
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome

pytestmark = [pytest.mark.clients, pytest.mark.slow]

ZIG, SOLIDITY = b"\x51" * 20, b"\x52" * 20
RANDOM_LISTS = 4
VALUES, FAULTS = 4, 60
"""Of each list of types: values, and encodings with a fault."""

_draw = random.Random(10)
LISTS: tuple[tuple[Type, ...], ...] = (
    *((shape,) for shape in SHAPES),
    (Basic("uint256"), Basic("string"), Array(Basic("uint8"), 2), MIXED, Basic("bytes")),
    (STATIC, Basic("bool"), Array(Basic("string"))),
    *(
        tuple(random_type(_draw, 3, f"Random{number}x{place}") for place in range(_draw.randint(1, 3)))
        for number in range(RANDOM_LISTS)
    ),
)
ECHOES = Echoes(LISTS)


@cache
def solc() -> dict[str, object]:
    """What solc makes of the twin."""
    request = {
        "language": "Solidity",
        "sources": {"source.sol": {"content": ECHOES.solidity}},
        "settings": {
            "evmVersion": "osaka",
            "optimizer": {"enabled": False},
            "outputSelection": {"*": {"*": ["abi", "evm.deployedBytecode.object"]}},
        },
    }
    answer = json.loads(run_tool(CLIENTS / "bin" / "solc", "--standard-json", stdin=json.dumps(request)).stdout)
    errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
    assert not errors, errors[0]
    return answer["contracts"]["source.sol"]["Echoes"]


@cache
def both() -> Executor:
    """A state with both contracts."""
    code = bytes.fromhex(solc()["evm"]["deployedBytecode"]["object"])  # type: ignore[index]
    return executor({ZIG: FakeAccount(nonce=1, code=compiled(ECHOES.zig)), SOLIDITY: FakeAccount(nonce=1, code=code)})


def outcomes(data: bytes) -> tuple[Outcome, Outcome]:
    first, second = (both().call(request_to(to, data, gas_limit=30_000_000)) for to in (ZIG, SOLIDITY))
    return first, second


def signature(verb: str, index: int, kinds: tuple[Type, ...]) -> str:
    return f"{verb}{index}({','.join(kind.abi for kind in kinds)})"


@pytest.mark.parametrize("index", range(len(LISTS)), ids=lambda index: signature("", index, LISTS[index])[:60])
def test_values_come_back_as_they_went(index: int) -> None:
    kinds, draw = LISTS[index], random.Random(index)
    for _ in range(VALUES):
        data = encode([kind.abi for kind in kinds], [value_of(draw, kind) for kind in kinds])
        zig, solidity = outcomes(selector(signature("echo", index, kinds)) + data)
        assert (zig.error, zig.output) == (None, data)
        assert (solidity.error, solidity.output) == (None, data)
        zig, solidity = outcomes(selector(signature("fail", index, kinds)) + data)
        assert zig.output == solidity.output == selector(signature("Failed", index, kinds)) + data
        one = encode([kinds[0].abi], [value_of(draw, kinds[0])])
        call = selector(signature("log", index, kinds[:1])) + one
        logs = [send(both(), to, call).logs[0] for to in (ZIG, SOLIDITY)]
        assert (logs[0].topics, logs[0].data) == (logs[1].topics, logs[1].data)
        assert logs[0].data == one


def with_fault(draw: random.Random, data: bytes) -> bytes:
    """The encoding shortened, or with a word of it changed: other offsets and lengths, bits where none belong."""
    kind = draw.randrange(5)
    if kind == 0:
        return data[: draw.randrange(len(data))]
    place = 32 * draw.randrange(len(data) // 32)
    old = int.from_bytes(data[place : place + 32], "big")
    new = {
        1: draw.choice((0, 1, 2, 3, 4, 31, 32, 33, 2**31, 2**32, 2**63, 2**64 - 1, 2**64, 2**255, 2**256 - 1)),
        2: (old + draw.choice((-64, -32, -1, 1, 32, 64))) % 2**256,
        3: old ^ (1 << draw.randrange(256)),
        4: draw.randrange(len(data) + 64),
    }[kind]
    return data[:place] + new.to_bytes(32, "big") + data[place + 32 :]


@pytest.mark.parametrize("index", range(len(LISTS)), ids=lambda index: signature("", index, LISTS[index])[:60])
def test_what_solidity_refuses_is_refused(index: int) -> None:
    kinds, draw = LISTS[index], random.Random(1000 + index)
    for _ in range(FAULTS):
        data = with_fault(draw, encode([kind.abi for kind in kinds], [value_of(draw, kind) for kind in kinds]))
        zig, solidity = outcomes(selector(signature("echo", index, kinds)) + data)
        if solidity.error is None:
            assert (zig.error, zig.output) == (None, solidity.output), data.hex()
        else:
            assert zig.error is not None, (data.hex(), solidity.output.hex())
            assert zig.output == b"", data.hex()
            assert solidity.output in (b"", PANIC + (0x41).to_bytes(32, "big")), "a length that no memory holds"


def comparable(abi: list[dict[str, object]]) -> list[str]:
    """The entries in an order of their own, with types as the source has them without the contract's name."""
    return sorted(json.dumps(entry, sort_keys=True).replace("Echoes.", "") for entry in abi)


def test_the_abi_is_what_solc_writes() -> None:
    assert comparable(artifact(ECHOES.zig).abi) == comparable(solc()["abi"])  # type: ignore[arg-type]


NAMED = """
const covenant = @import("covenant");
fn Base(comptime Contract: type) type {
    return struct {
        pub fn inherited(first: u8, second: []const struct { a: u8, b: u8 }) void { _ = .{ first, second, Contract }; }
    };
}
const Other = struct { pub fn twice(other: u8) void { _ = other; } };
const Named = struct {
    pub const bases = .{Base(Named)};
    pub fn constructor(  start: u256, ) void { _ = start; }
    pub fn spread(
        // a comment, with a comma: and a colon
        one: u256,
        two: [2]u8, // the second, of two
        _: struct { u8, u16 },
        /// said of it
        four: ?covenant.Address,
    ) void { _ = .{ one, two, four }; }
    pub fn twice(here: u8, there: u8) void { _ = .{ here, there }; }
};
comptime {
    covenant.define(Named);
}
"""


def test_parameters_have_the_names_of_the_source() -> None:
    entries = {entry.get("name", entry["type"]): entry["inputs"] for entry in artifact(NAMED).abi}
    names = {function: [parameter["name"] for parameter in inputs] for function, inputs in entries.items()}
    assert names == {
        "constructor": ["start"],
        "inherited": ["first", "second"],
        "spread": ["one", "two", "", "four"],
        "twice": ["", ""],
    }, "two functions of the file are called twice"
    without_names = entries["spread"][2]
    assert without_names["internalType"] == without_names["type"] == "tuple"
    assert [(part["name"], part["type"]) for part in without_names["components"]] == [("", "uint8"), ("", "uint16")]
