"""A contract in Zig that computes wrongly reverts with Solidity's panic, and one that is called wrongly reverts."""

import pytest
from eth_abi.abi import encode

from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount
from tests.chain.zvm.contracts import accounts_of, executor, request_to
from tests.contracts.zig_sources import call, compiled, panic, running, selector
from zevm.chain.vm.interface import VmErrorKind
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import ZVM

pytestmark = pytest.mark.lengthy

PANICS = """
const std = @import("std");
const covenant = @import("covenant");
const Colour = enum { red, green };
const Shape = union(enum) { side: u256, radius: u256 };
fn failing(which: u256) error{ Bad, Worse }!u256 { return if (which == 0) error.Bad else which; }
const Panics = struct {
    pub fn sum(a: u256, b: u256) u256 { return a + b; }
    pub fn sumOfBytes(a: u8, b: u8) u8 { return a + b; }
    pub fn sumOfSigned(a: i256, b: i256) i256 { return a + b; }
    pub fn difference(a: u256, b: u256) u256 { return a - b; }
    pub fn product(a: u256, b: u256) u256 { return a * b; }
    pub fn quotient(a: u256, b: u256) u256 { return a / b; }
    pub fn quotientOfSigned(a: i256, b: i256) i256 { return @divTrunc(a, b); }
    pub fn rest(a: u256, b: u256) u256 { return a % b; }
    pub fn exact(a: u256, b: u256) u256 { return @divExact(a, b); }
    pub fn negative(a: i256, _: i256) i256 { return -a; }
    pub fn shifted(a: u256, b: u256) u256 { return @shlExact(a, @intCast(b)); }
    pub fn narrow(a: u256, b: u256) u256 { return @as(u8, @intCast(a)) + b; }
    pub fn unsigned(a: i256, b: u256) u256 { return @as(u256, @intCast(a)) + b; }
    pub fn item(index: u256, first: u256) u256 {
        const items = [3]u256{ first, 2, 3 };
        return items[@intCast(index)];
    }
    pub fn part(from: u256, to: u256) u256 {
        const items = [3]u256{ 1, 2, 3 };
        return items[@intCast(from)..@intCast(to)].len;
    }
    pub fn colour(a: u256, _: u256) u256 { return @intFromEnum(@as(Colour, @enumFromInt(a))); }
    pub fn impossible(a: u256, _: u256) u256 { if (a != 0) unreachable; return 7; }
    pub fn asserted(a: u256, _: u256) u256 { covenant.assert(a == 0); return 7; }
    pub fn assertedByStd(a: u256, _: u256) u256 { std.debug.assert(a == 0); return 7; }
    pub fn nothing(a: u256, _: u256) u256 { const maybe: ?u256 = if (a == 0) 7 else null; return maybe.?; }
    pub fn side(a: u256, _: u256) u256 {
        const shape: Shape = if (a == 0) .{ .side = 7 } else .{ .radius = 7 };
        return shape.side;
    }
    pub fn unfailing(a: u256, _: u256) u256 { return failing(a) catch unreachable; }
    pub fn copied(a: u256, _: u256) u256 {
        var to: [8]u8 = undefined;
        const from: [8]u8 = @splat(7);
        @memcpy(to[0..4], from[0..@intCast(a)]);
        return to[0];
    }
    pub fn byLibrary(a: u256, b: u256) u256 { return covenant.add(covenant.subtract(a, b), covenant.divide(a, b)); }
    pub fn coded(code: u8, _: u256) u256 { covenant.panic(code); }
    pub fn told(a: u256, _: u256) u256 { if (a != 0) @panic("told so"); return 7; }
    pub fn wrapping(a: u256, b: u256) u256 { return a +% b; }
    pub fn saturating(a: u256, b: u256) u256 { return a -| b; }
    pub fn truncated(a: u256, _: u256) u256 { return @as(u8, @truncate(a)); }
};
comptime {
    covenant.define(Panics);
}
"""
MAX, LEAST = 2**256 - 1, -(2**255)

CASES: dict[str, tuple[str, list[tuple[int, int, int]], list[tuple[int, int, int]]]] = {
    "sum": ("uint256,uint256", [(2, 3, 5), (MAX, 0, MAX)], [(MAX, 1, 0x11), (1, MAX, 0x11)]),
    "sumOfBytes": ("uint8,uint8", [(250, 5, 255)], [(250, 6, 0x11)]),
    "sumOfSigned": ("int256,int256", [(-2, 3, 1)], [(LEAST, -1, 0x11), (2**255 - 1, 1, 0x11)]),
    "difference": ("uint256,uint256", [(5, 3, 2)], [(0, 1, 0x11)]),
    "product": ("uint256,uint256", [(2, 3, 6), (2**128, 2**127, 2**255)], [(2**255, 2, 0x11), (2**128, 2**128, 0x11)]),
    "quotient": ("uint256,uint256", [(7, 2, 3)], [(1, 0, 0x12)]),
    "quotientOfSigned": ("int256,int256", [(-7, 2, -3)], [(1, 0, 0x12), (LEAST, -1, 0x11)]),
    "rest": ("uint256,uint256", [(7, 2, 1)], [(1, 0, 0x12)]),
    "exact": ("uint256,uint256", [(8, 2, 4)], [(1, 0, 0x12), (7, 2, 0x01)]),
    "negative": ("int256,int256", [(-7, 0, 7)], [(LEAST, 0, 0x11)]),
    "shifted": ("uint256,uint256", [(1, 255, 2**255)], [(2, 255, 0x11), (1, 256, 0x11)]),
    "narrow": ("uint256,uint256", [(44, 1, 45)], [(300, 0, 0x11)]),
    "unsigned": ("int256,uint256", [(44, 1, 45)], [(-1, 0, 0x11)]),
    "item": ("uint256,uint256", [(2, 9, 3), (0, 9, 9)], [(3, 9, 0x32), (2**32 - 1, 9, 0x32)]),
    "part": ("uint256,uint256", [(1, 3, 2)], [(1, 4, 0x32), (2, 1, 0x32)]),
    "colour": ("uint256,uint256", [(1, 0, 1)], [(2, 0, 0x21)]),
    "impossible": ("uint256,uint256", [(0, 0, 7)], [(1, 0, 0x01)]),
    "asserted": ("uint256,uint256", [(0, 0, 7)], [(1, 0, 0x01)]),
    "assertedByStd": ("uint256,uint256", [(0, 0, 7)], [(1, 0, 0x01)]),
    "nothing": ("uint256,uint256", [(0, 0, 7)], [(1, 0, 0x01)]),
    "side": ("uint256,uint256", [(0, 0, 7)], [(1, 0, 0x01)]),
    "unfailing": ("uint256,uint256", [(7, 0, 7)], [(0, 0, 0x01)]),
    "copied": ("uint256,uint256", [(4, 0, 7)], [(5, 0, 0x32), (3, 0, 0x32)]),
    "byLibrary": ("uint256,uint256", [(6, 2, 7)], [(1, 2, 0x11), (1, 0, 0x12), (MAX, 0, 0x12)]),
    "coded": ("uint8,uint256", [], [(0x31, 0, 0x31), (0xFF, 0, 0xFF)]),
    "wrapping": ("uint256,uint256", [(MAX, 1, 0)], []),
    "saturating": ("uint256,uint256", [(0, 1, 0)], []),
    "truncated": ("uint256,uint256", [(300, 0, 44)], []),
}
"""Of each function its parameters, what it answers (a, b, result), and where it panics (a, b, code)."""


@pytest.mark.lengthy
def test_wrong_arithmetic_and_access_panic_as_in_solidity() -> None:
    runner = running(PANICS)
    for name, (types, fair, foul) in CASES.items():
        for a, b, expected in fair:
            outcome = call(runner, f"{name}({types})", encode(types.split(","), [a, b]))
            assert (outcome.error, int.from_bytes(outcome.output, "big")) == (None, expected % 2**256), (name, a, b)
        for a, b, code in foul:
            outcome = call(runner, f"{name}({types})", encode(types.split(","), [a, b]))
            assert outcome.error is not None, (name, a, b)
            assert outcome.error.kind is VmErrorKind.REVERT, (name, a, b, outcome.error)
            assert outcome.output == panic(code), (name, a, b, outcome.output.hex())
            assert outcome.gas_used < 100_000, "a panic gives the rest of the gas back"


def test_a_panic_with_a_text_reverts_with_the_text() -> None:
    outcome = call(running(PANICS), "told(uint256,uint256)", encode(["uint256"] * 2, [1, 0]))
    assert outcome.output == selector("Error(string)") + encode(["string"], ["told so"])


ENTRY = """
const covenant = @import("covenant");
const Address = covenant.Address;
const TooLittle = struct { sent: u256, wanted: u256 };
const Entry = struct {
    pub const payable = .{ "pay", "fallback" };
    pub const view = .{"look"};
    pub const pure = .{"compute"};
    pub const reentrant = .{"open"};
    pub fn pay() !u256 {
        const sent = covenant.value();
        if (sent == 0) return error.NothingSent;
        if (sent < 10) covenant.revertWith(TooLittle{ .sent = sent, .wanted = 10 });
        if (sent > 100) return error.TooMuch;
        return sent;
    }
    pub fn look() u256 { return 1; }
    pub fn compute() u256 { return 2; }
    pub fn open() u256 { return 3; }
    pub fn plain() u256 { return 4; }
    pub fn callBack(signature: []const u8) []const u8 {
        return switch (covenant.tryRawCall(covenant.this(), covenant.hash(signature)[0..4], .{})) {
            .ok => |answer| answer,
            .failed => |failure| failure.data,
        };
    }
    pub fn receive() void {}
    pub fn fallback(data: []const u8) []const u8 { return if (data.len > 0) data[1..] else data; }
};
comptime {
    covenant.define(Entry);
}
"""
BARE = """
const covenant = @import("covenant");
const Bare = struct {
    pub fn nothing() void {}
    %s
};
comptime {
    covenant.define(Bare);
}
"""


def test_error_sets_revert_with_their_members() -> None:
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=compiled(ENTRY)), SENDER: FakeAccount(balance=10**18)})
    wanted = {
        0: selector("NothingSent()"),
        9: selector("TooLittle(uint256,uint256)") + encode(["uint256"] * 2, [9, 10]),
        50: encode(["uint256"], [50]),
        101: selector("TooMuch()"),
    }
    for value, output in wanted.items():
        outcome = call(runner, "pay()", value=value)
        assert outcome.output == output, value
        assert (outcome.error is None) == (value == 50)


def test_wei_is_refused_where_it_is_not_declared() -> None:
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=compiled(ENTRY)), SENDER: FakeAccount(balance=10**18)})
    for name in ("look()", "compute()", "open()", "plain()"):
        assert call(runner, name).error is None, name
        outcome = call(runner, name, value=1)
        assert outcome.error is not None, name
        assert (outcome.error.kind, outcome.output) == (VmErrorKind.REVERT, b""), name


@pytest.mark.parametrize(("name", "answer"), [("look()", None), ("plain()", None), ("compute()", 2), ("open()", 3)])
def test_a_call_that_comes_back_is_refused_unless_it_is_declared(name: str, answer: int | None) -> None:
    outcome = call(running(ENTRY), "callBack(bytes)", encode(["bytes"], [name.encode()]))
    refusal = selector("ReentrancyGuardReentrantCall()")
    wanted = refusal if answer is None else encode(["uint256"], [answer])
    assert outcome.output == encode(["bytes"], [wanted])


def test_receive_and_fallback_take_what_no_function_takes() -> None:
    runner = executor({CONTRACT: FakeAccount(nonce=1, code=compiled(ENTRY)), SENDER: FakeAccount(balance=10**18)})
    assert runner.call(request_to(CONTRACT, b"", value=5)).output == b""
    assert runner.call(request_to(CONTRACT, b"", value=5)).error is None
    for data in (b"\1", b"\1\2\3", b"\1\2\3\4", b"\1" * 100):
        assert runner.call(request_to(CONTRACT, data, value=5)).output == data[1:]


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\2\3\4"])
def test_what_no_function_takes_ends_with_status_2(data: bytes) -> None:
    outcome = executor(accounts_of({CONTRACT: compiled(BARE % "")})).call(request_to(CONTRACT, data))
    assert outcome.error is not None
    assert outcome.output == b""


def test_only_a_contract_with_a_constructor_asks_whether_it_is_created() -> None:
    asks = ("zvm", "is_constructing")
    assert asks not in prepare(compiled(BARE % ""), ZVM).imports
    assert asks in prepare(compiled(BARE % "pub fn constructor() void {}"), ZVM).imports
