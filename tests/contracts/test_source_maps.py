"""Source maps: from an offset in deployed code to its function, file and line."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.contracts import CONTRACTS, compiled
from testing.speed import slowness
from tests.chain.vm.support import CONTRACT
from tests.chain.zvm.contracts import request_to
from tests.contracts.zig_sources import artifact, panic, running, selector
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.tracer import WatchedFrame
from zevm.chain.zvm.module.binary import decode
from zevm.contracts import Artifact, load_artifact
from zevm.contracts.sections import sections
from zevm.contracts.source_maps import Place, SourceMap
from zevm.contracts.source_maps.dwarf import function_names
from zevm.contracts.source_maps.mappings import Mapped, Scope, source_map_document
from zevm.contracts.source_maps.solc import SourceText, solc_source_map
from zevm.storage.keccak import keccak256

pytestmark = pytest.mark.lengthy

PRICES = """const covenant = @import("covenant");

pub const Prices = struct {
    pub const storage = covenant.layout(struct { rate: u256 });

    pub fn set(rate: u256) void {
        storage.rate.set(doubled(rate));
    }

    fn doubled(rate: u256) u256 {
        return rate *
            2;
    }
};

comptime {
    covenant.define(Prices);
}
"""
"""Lines 6 to 8 call the function of lines 10 to 13, which the compiler copies into its caller."""

NAMES = st.sampled_from(["f", "g", "Token.transfer"])
SCOPES = st.recursive(
    st.builds(Scope, NAMES),
    lambda callers: st.builds(Scope, NAMES, callers, st.sampled_from(["a.zig", "b.zig"]), st.integers(1, 99)),
    max_leaves=4,
)
ROWS = st.lists(
    st.builds(
        Mapped,
        st.integers(0, 5_000),
        st.none() | SCOPES,
        st.sampled_from(["a.zig", "src/b.zig"]),
        st.integers(1, 70_000),
    ),
    unique_by=lambda row: row.offset,
    max_size=20,
)


def places(row: Mapped) -> tuple[Place, ...]:
    """The frames that a row stands for."""
    if row.scope is None:
        return ()
    scope, found = row.scope, [Place(row.scope.function, row.file, row.line)]
    while scope.caller is not None:
        found.append(Place(scope.caller.function, scope.file, scope.line))
        scope = scope.caller
    return tuple(found)


@settings(max_examples=50)
@given(ROWS)
def test_a_document_leads_from_each_offset_to_its_row(unsorted: list[Mapped]) -> None:
    rows = sorted(unsorted, key=lambda row: row.offset)
    document = source_map_document(rows, end=6_000)
    found = SourceMap(json.loads(json.dumps(document)))
    for offset in {0, 5_999, 6_000, *(row.offset + step for row in rows for step in (-1, 0, 1))}:
        before = [row for row in rows if row.offset <= offset] if offset < 6_000 else []
        expected = places(before[-1]) if before else ()
        assert found.frames(offset) == expected
        assert found.at(offset) == (expected[0] if expected else None)


GOOD = source_map_document([Mapped(3, Scope("f", Scope("g"), "a.zig", 2), "a.zig", 5)], end=9)


@pytest.mark.parametrize(
    "changes",
    [
        {"mappings": GOOD["mappings"].replace("A", "?")},
        {"mappings": ";" + GOOD["mappings"]},
        {"mappings": GOOD["mappings"][:-1] + "g"},
        {"mappings": None},
        {"mappings": "AAAA"},
        {"mappings": "A" * ((16 << 20) + 1)},
        {"mappings": "GAAAA,DAAAA"},
        {"sources": []},
        {"names": []},
        {"x_zvm_callers": [[0, 0, 1], None]},
        {"x_zvm_callers": [[1, 0, 1], [0, 0, 1]]},
        {"x_zvm_callers": [None]},
        {"mappings": "g" * 100_000 + "A"},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_what_is_no_source_map_is_a_value_error(changes: dict[str, Any]) -> None:
    assert SourceMap(GOOD).frames(3) == (Place("f", "a.zig", 5), Place("g", "a.zig", 2))
    with pytest.raises(ValueError, match=r"source map|mappings"):
        SourceMap(GOOD | changes)


def in_code(built: Artifact) -> tuple[SourceMap, list[tuple[int, int]]]:
    """The map of a module, and where its functions' code is."""
    assert built.module is not None
    found = SourceMap.from_artifact(built)
    assert found is not None
    return found, decode(built.module).bodies


@pytest.mark.lengthy
def test_each_byte_of_a_zig_contracts_code_has_a_place() -> None:
    built = artifact(PRICES, source_map=True)
    found, bodies = in_code(built)
    assert built.debug_module is not None
    names = function_names(built.debug_module)
    imports = len(decode(built.module or b"").imports)
    for index, (start, stop) in enumerate(bodies):
        for offset in range(start, stop):
            frames = found.frames(offset)
            assert frames[-1].function == names[imports + index]
    assert (found.at(bodies[0][0] - 10), found.at(bodies[-1][1])) == (None, None)
    assert "contract.zig" in found.files
    assert all(name == "contract.zig" or name.startswith(("lib/covenant/", "zig/")) for name in found.files)


def test_lines_and_inlined_calls_of_a_zig_contract_are_those_of_its_source() -> None:
    found, bodies = in_code(artifact(PRICES, source_map=True))
    frames = {found.frames(offset) for start, stop in bodies for offset in range(start, stop)}
    mine = {place for chain in frames for place in chain if place.file == "contract.zig"}
    assert {place.function for place in mine} == {"contract.Prices.set", "contract.Prices.doubled"}
    assert {place.line for place in mine if place.function == "contract.Prices.set"} <= {6, 7, 8}
    assert {place.line for place in mine if place.function == "contract.Prices.doubled"} <= {10, 11, 12}
    inlined = [chain for chain in frames if chain[0].function == "contract.Prices.doubled"]
    assert inlined
    assert all(chain[1] == Place("contract.Prices.set", "contract.zig", 7) for chain in inlined)


@pytest.mark.parametrize("source", ["zig/token.zig", "c/counter.c"])
def test_the_deployed_module_has_the_code_of_the_debug_module(source: str) -> None:
    built = compiled(CONTRACTS / source)
    assert built.module is not None
    assert built.debug_module is not None
    code = [content for identifier, content in sections(built.module) if identifier == 10]
    assert code == [content for identifier, content in sections(built.debug_module) if identifier == 10]
    found, bodies = in_code(built)
    name = Path(source).name
    lines = [place.line for start, stop in bodies for at in range(start, stop) for place in found.frames(at)
             if place.file == name]  # fmt: skip
    assert lines
    assert max(lines) <= len((CONTRACTS / source).read_text().splitlines())


SOLIDITY = b"""// contract Not { function no() {} }
library Maths { function twice(uint a) internal pure returns (uint) { return a * 2; } }
contract Shop {
    string public name = "a } brace";
    function(uint) internal pure returns (uint) stored;
    constructor() { name = '\\'{'; }
    modifier only() { require(true); /* } */ _; }
    function declared() external virtual;
    function pay(uint a) public only { if (a > 1) { name = "\xc3\xbc"; } }
    receive() external payable {}
}
function free(uint a) pure returns (uint) { return a; }
"""
SOLIDITY_PLACES = {
    b"a * 2": Place("Maths.twice", "src/Shop.sol", 2),
    b"name = '": Place("Shop.constructor", "src/Shop.sol", 6),
    b"require(true)": Place("Shop.only", "src/Shop.sol", 7),
    b"if (a > 1)": Place("Shop.pay", "src/Shop.sol", 9),
    b'"\xc3\xbc"': Place("Shop.pay", "src/Shop.sol", 9),
    b"{}\n": Place("Shop.receive", "src/Shop.sol", 10),
    b"return a; }": Place("free", "src/Shop.sol", 12),
    b"string public name": Place("Shop", "src/Shop.sol", 4),
    b"library Maths": Place("Maths", "src/Shop.sol", 2),
}
VYPER = b"""# pragma version 0.4.3
count: public(uint256)

@external
def add(a: uint256):
    self.count += a

@internal
def _twice(
    a: uint256
) -> uint256:
    return a * 2
"""
VYPER_PLACES = {
    b"self.count +=": Place("add", "src/Count.vy", 6),
    b"return a * 2": Place("_twice", "src/Count.vy", 12),
    b"count: public": Place("src/Count.vy", "src/Count.vy", 2),
}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [("src/Shop.sol", SOLIDITY, SOLIDITY_PLACES), ("src/Count.vy", VYPER, VYPER_PLACES)],
    ids=["solidity", "vyper"],
)
def test_functions_and_lines_of_evm_bytecode(name: str, text: bytes, expected: dict[bytes, Place]) -> None:
    # a PUSH2 with its two bytes for each place, then code without a source, and of an unknown one
    entries = [f"{text.index(part)}:{len(part.rstrip())}:7:-" for part in expected]
    code = b"\x61\x5b\x5b" * len(expected) + b"\x56\x56\x56"
    source_map = ";".join([*entries, "-1:-1:-1:i", "5:1:3:o", "5:999999:7"])
    found = SourceMap(solc_source_map(code, source_map, {7: SourceText(name, text)}))
    for index, place in enumerate(expected.values()):
        assert [found.at(3 * index + step) for step in range(3)] == [place] * 3
    end = 3 * len(expected)
    assert [found.at(end + step) for step in range(4)] == [None] * 4
    assert [found.jump(offset) for offset in (0, end, end + 1, end + 2)] == ["-", "i", "o", "o"]


HOSTILE = {
    "comments that stay open": b'//\r/*\n" */ // " ' + b"/*" * 200_000,
    "strings that stay open": b"//\r/*\n' */ // ' \"" + b'\\"' * 200_000,
    "functions side by side": b"function f() {} " * 20_000,
    "functions in functions": b"function f() { " * 20_000 + b"}" * 20_000,
    "names without an end": b"contract " * 50_000 + b"function" + b" " * 200_000,
}
"""Texts that are looked through in seconds or hours where the time grows with the square of the length. solc compiles
the first two: its comments end with a carriage return too.
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_for_a_source_grows_with_its_length(name: str) -> None:
    text = HOSTILE[name]
    steps = range(0, len(text), len(text) // 5_000)
    source_map = ";".join(f"{start}:1:0:-" for start in steps)
    began = time.thread_time()
    document = solc_source_map(b"\x50" * len(steps), source_map, {0: SourceText("a.sol", text)})
    assert time.thread_time() - began < 5 * slowness()
    assert document["sources"] == ["a.sol"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\x0b", b"\x0c", "\u2028".encode(), "\u2029".encode()])
def test_a_comment_ends_where_solc_has_it_end(end: bytes) -> None:
    text = b"contract C { // \xe2\x80\xa7 }" + end + b"function f() { } }"
    place = text.index(b"{ }")
    [found] = solc_source_map(b"\x50", f"{place}:3:0:-", {0: SourceText("a.sol", text)})["names"]
    assert found == "C.f"


def test_the_innermost_function_is_found_behind_others() -> None:
    text = b"contract A { function f() { } function g() { assembly { function h() { } } let } }"
    places = [text.index(word) for word in (b"contract", b"{ } f", b"assembly", b"{ } }", b"let", b" }", b"} }")]
    source_map = ";".join(f"{place}:1:0:-" for place in places)
    found = SourceMap(solc_source_map(b"\x50" * len(places), source_map, {0: SourceText("a.sol", text)}))
    names = [place.function for offset in range(len(places)) if (place := found.at(offset)) is not None]
    assert names == ["A", "A.f", "A.g", "A.g.h", "A.g", "A.f", "A.g.h"]


def test_names_are_as_short_as_their_number_is_large() -> None:
    """Each function has those around it in front of its own."""
    functions = b" ".join(b"function f%d() { }" % index for index in range(2_000))
    for text in (b"contract %b { %b }" % (b"C" * 500_000, functions), b"function f() { " * 5_000 + b"}" * 5_000):
        places = [found.start() for found in re.finditer(rb"\(", text)]
        source_map = ";".join(f"{place}:1:0:-" for place in places)
        document = solc_source_map(b"\x50" * len(places), source_map, {0: SourceText("a.sol", text)})
        assert len(document["names"]) > 1
        assert max(map(len, document["names"])) < 2_000


def test_shortened_entries_are_as_those_in_front() -> None:
    full = "10:4:0:-;10:4:0:i;12:2:0:i"
    code, sources = b"\x50\x50\x50", {0: SourceText("a.sol", SOLIDITY)}
    assert solc_source_map(code, "10:4:0:-;:::i;12:2", sources) == solc_source_map(code, full, sources)


def foundry_project(folder: Path, text: bytes = SOLIDITY) -> Path:
    """An artifact as forge leaves it, of a source whose number only build-info knows."""
    (folder / "src").mkdir()
    (folder / "src" / "Shop.sol").write_bytes(SOLIDITY)
    (folder / "src" / "Used.sol").write_bytes(text)
    hashes = {name: {"keccak256": "0x" + keccak256(SOLIDITY).hex()} for name in ("src/Shop.sol", "src/Used.sol")}
    document = {
        "abi": [],
        "bytecode": {"object": "0x00", "sourceMap": "", "linkReferences": {}},
        "deployedBytecode": {"object": "0x5050", "sourceMap": "80:1:4:-;:::5", "linkReferences": {}},
        "metadata": {"settings": {"compilationTarget": {"src/Shop.sol": "Shop"}}, "sources": hashes},
        "id": 4,
    }
    document["deployedBytecode"]["sourceMap"] = f"{SOLIDITY.index(b'a * 2')}:5:4:-;::5"  # type: ignore[index]
    path = folder / "out" / "Shop.sol" / "Shop.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    infos = folder / "out" / "build-info"
    infos.mkdir()
    (infos / "other.json").write_text(json.dumps({"source_id_to_path": {"4": "src/Else.sol", "5": "src/Shop.sol"}}))
    (infos / "this.json").write_text(json.dumps({"source_id_to_path": {"4": "src/Shop.sol", "5": "src/Used.sol"}}))
    return path


def test_forges_artifacts_have_a_map_by_the_sources_that_were_compiled(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    found = SourceMap.from_artifact(load_artifact(foundry_project(tmp_path / "one")))
    assert found is not None
    assert found.at(0) == Place("Maths.twice", "src/Shop.sol", 2)
    assert found.at(1) == Place("Maths.twice", "src/Used.sol", 2)
    changed = SourceMap.from_artifact(load_artifact(foundry_project(tmp_path / "two", SOLIDITY + b"\n")))
    assert changed is not None
    assert changed.at(0) == Place("Maths.twice", "src/Shop.sol", 2)
    assert changed.at(1) is None


def test_an_artifact_keeps_its_map_in_its_file(tmp_path: Path) -> None:
    built = artifact(PRICES, source_map=True)
    path = built.write(tmp_path)
    read = load_artifact(path)
    assert read.source_map == built.source_map
    plain = replace(built, source_map=None).write(tmp_path)
    assert SourceMap.from_artifact(load_artifact(plain)) is None


class Stops(QuietTracer):
    """The offsets at which a program stopped."""

    wants_host_calls = True
    offsets: tuple[int, ...] = ()

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:  # noqa: ARG002
        self.offsets = offsets()


def test_a_panic_of_a_zig_contract_is_at_its_line() -> None:
    tracer = Stops()
    data = selector("set(uint256)") + (2**255).to_bytes(32, "big")
    outcome = running(PRICES).call(request_to(CONTRACT, data), tracer=tracer)
    assert outcome.output == panic(0x11)
    found, _ = in_code(artifact(PRICES, source_map=True))
    places = [place for offset in tracer.offsets for place in found.frames(offset)]
    mine = [place for place in places if place.file == "contract.zig"]
    assert mine == [
        Place("contract.Prices.doubled", "contract.zig", 11),
        Place("contract.Prices.set", "contract.zig", 7),
    ]
