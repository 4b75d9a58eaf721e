"""Builds of contracts: the same bytes each time, wherever they are compiled; errors that say what is wrong."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from testing.contracts import CACHE, SOURCES, TOOLS, compiled
from tests.chain.vm.support import CONTRACT
from tests.chain.zvm.contracts import accounts_of, executor, request_to, word
from zevm.chain.vm.interface import Outcome
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.contracts import BuildError, BuildOptions, build
from zevm.storage.keccak import keccak256

OPTIONS = BuildOptions(cache=CACHE, tools=TOOLS)


def module(source: Path) -> bytes:
    found = build(source, OPTIONS).module
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_compiling_twice_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first = compiled(source)
    elsewhere = tmp_path / "else where"
    shutil.copytree(source.parent, elsewhere)
    cache = tmp_path / "cache" if source.name == "maths.zig" else CACHE  # an empty one takes ten seconds
    again = build(elsewhere / source.name, replace(OPTIONS, cache=cache))
    assert first.module is not None
    assert first.module[:8] == b"\0asm\1\0\0\0"
    assert (again.module, again.bytecode) == (first.module, first.bytecode)
    assert str(source.parent).encode() not in first.module


SOURCE = """
const covenant = @import("covenant");
const Told = struct {{ from: covenant.Address, to: covenant.Address, a: u256, b: u256, {event} }};
const Contract = struct {{
    pub fn deposit(amount: {type}) void {{
        const nobody = covenant.Address.zero;
        covenant.emit(Told{{ .from = nobody, .to = nobody, .a = @intCast(amount), .b = 2 }});
    }}
    {contract}
}};
comptime {{
    covenant.define(Contract);
}}
"""
FAULTS = {
    "indexed = .{too}": (
        {"event": 'pub const indexed = .{"too"};'},
        "too, which is no field; the fields are from, to, a, b",
    ),
    "indexed twice": ({"event": 'pub const indexed = .{"to", "to"};'}, "indexed names to twice"),
    "five topics": (
        {"event": 'pub const indexed = .{"from", "to", "a", "b"};'},
        "4 fields are indexed, an event has at most 3",
    ),
    "event of bytes": (
        {
            "contract": """pub fn f(_: u8) void { covenant.emit(Odd{ .x = .{ .data = "" } }); }
            const Odd = struct { x: covenant.Bytes };"""
        },
        "field x is abi.Bytes; fields of events have static types",
    ),
    "payable = .{depsit}": (
        {"contract": 'pub const payable = .{"depsit"};'},
        "payable names depsit, which is no public function; there are deposit",
    ),
    "payable constant": (
        {"contract": 'pub const payable = .{"x"}; pub const x: u8 = 1;'},
        "payable names x, which is no",
    ),
    "u12": ({"type": "u12"}, "no ABI type for u12: integers have 8, 16, 24 ... 256 bits"),
    "u264": ({"type": "u264"}, "no ABI type for u264: integers"),
    "i4": ({"type": "i4"}, "no ABI type for i4: integers"),
    "usize": ({"type": "usize"}, "no ABI type for usize: integers"),
    "[33]u8": ({"contract": "pub fn f(_: [33]u8) void {}"}, "no ABI type for \\[33\\]u8: arrays are"),
    "[0]u8": ({"contract": "pub fn f(_: [0]u8) void {}"}, "no ABI type for \\[0\\]u8: arrays are"),
    "[4]u16": ({"contract": "pub fn f(_: [4]u16) void {}"}, "no ABI type for \\[4\\]u16: arrays are"),
    "f64": ({"contract": "pub fn f(_: f64) void {}"}, "no ABI type for f64: there are bool, u8 to u256"),
}


def built(folder: Path, **parts: str) -> bytes:
    source = folder / "contract.zig"
    source.write_text(SOURCE.format(**({"event": "", "type": "u256", "contract": ""} | parts)))
    return module(source)


@pytest.mark.parametrize("fault", FAULTS)
def test_z12_what_a_contract_gets_wrong_is_told_when_it_is_compiled(tmp_path: Path, fault: str) -> None:
    parts, message = FAULTS[fault]
    with pytest.raises(BuildError, match=message):
        built(tmp_path, **parts)


def test_z12_what_is_right_compiles(tmp_path: Path) -> None:
    event = 'pub const indexed = .{"from", "to", "a"};'
    contract = """pub const payable = .{"deposit", "constructor", "receive"};
        pub fn constructor() void {} pub fn receive() void {}
        pub fn f(_: u8, _: i24, _: u256, _: i256, _: [1]u8, _: [32]u8, _: bool, _: covenant.Bytes) void {}"""
    assert prepare(built(tmp_path, event=event, contract=contract, type="u24"), ZVM).exports


def test_z5_only_a_contract_with_a_constructor_asks_whether_it_is_created(tmp_path: Path) -> None:
    asks = ("zvm", "is_constructing")
    assert asks not in prepare(built(tmp_path), ZVM).imports
    assert asks in prepare(built(tmp_path, contract="pub fn constructor() void {}"), ZVM).imports


UNSAFE = """
const covenant = @import("covenant");
const Contract = struct {
    pub fn sum(a: u256, b: u256) u256 { return a + b; }
    pub fn difference(a: u256, b: u256) u256 { return a - b; }
    pub fn product(a: u256, b: u256) u256 { return a * b; }
    pub fn quotient(a: u256, b: u256) u256 { return a / b; }
    pub fn item(index: u256, first: u256) u256 {
        const items = [3]u256{ first, 2, 3 };
        return items[@intCast(index)];
    }
    pub fn narrow(a: u256, b: u256) u256 { return @as(u8, @intCast(a)) + b; }
};
comptime {
    covenant.define(Contract);
}
"""
FAIR = {
    "sum": (2, 3, 5),
    "difference": (5, 3, 2),
    "product": (2, 3, 6),
    "quotient": (7, 2, 3),
    "item": (2, 9, 3),
    "narrow": (44, 1, 45),
}
FOUL = [
    ("sum", 2**256 - 1, 1), ("difference", 0, 1), ("product", 2**255, 2), ("quotient", 1, 0), ("item", 3, 9),
    ("narrow", 300, 0),
]  # fmt: skip


def test_z4_the_documented_build_reverts_where_arithmetic_or_an_index_is_wrong(tmp_path: Path) -> None:
    source = tmp_path / "unsafe.zig"
    source.write_text(UNSAFE)
    runner = executor(accounts_of({CONTRACT: module(source)}))

    def call(name: str, a: int, b: int) -> Outcome:
        selector = keccak256(f"{name}(uint256,uint256)".encode())[:4]
        return runner.call(request_to(CONTRACT, selector + word(a) + word(b)))

    for name, (a, b, expected) in FAIR.items():
        assert call(name, a, b).output == word(expected), name
    for name, a, b in FOUL:
        outcome = call(name, a, b)
        assert outcome.error is not None, (name, outcome.output.hex())
        assert outcome.gas_used < 1_000_000, "a trap takes all gas"


def test_what_the_compiler_refuses_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.c"
    wrong.write_text("int user_entrypoint(")
    with pytest.raises(BuildError, match=r"^wrong\.c:1:21: error: expected"):
        build(wrong, OPTIONS)
    with pytest.raises(BuildError, match=r"no compiler for \.txt; want \.zig, \.c, \.ts"):
        build(tmp_path / "note.txt", OPTIONS)
