"""A contract in Zig that is wrong does not compile, and the message says what is allowed."""

import pytest

from tests.contracts.zig_sources import errors_of

pytestmark = pytest.mark.lengthy

HEAD = 'const covenant = @import("covenant");\nconst Address = covenant.Address;\n'

EVENTS = {
    'pub const indexed = .{"too"};': "indexed names too, which is no field; the fields are from, to, a, b, c",
    'pub const indexed = .{"to", "to"};': "indexed names to twice",
    'pub const indexed = .{"from", "to", "a", "b"};': (
        "4 fields are indexed, an event has at most 3, or 4 with pub const anonymous = true, "
        "which has no topic of its own"
    ),
    'pub const anonymous = true; pub const indexed = .{"from", "to", "a", "b", "c"};': (
        "5 fields are indexed, an event has at most 4"
    ),
}
"""What stands in a struct of an event, and what is said of it."""

INTEGERS = "integers have 8, 16, 24 ... 256 bits, as u8, u64, i128 or u256"
TYPES = {
    "u0": INTEGERS,
    "u12": INTEGERS,
    "u264": INTEGERS,
    "i4": INTEGERS,
    "usize": INTEGERS,
    "isize": INTEGERS,
    "f64": "allowed are bool, u8 to u256 and i8 to i256",
    "[]const ?u8": "allowed are bool",
    "*const u8": "a list is []const T, text is covenant.String",
    "[]u8": "a list is []const T",
    "[:0]const u8": "a list is []const T, text is covenant.String",
    "[33]u8": "arrays of u8 are [1]u8 to [32]u8, which are bytes1 to bytes32; uint8[N] is covenant.List(u8, N)",
    "[0]u8": "an array has at least one item",
    "[0]u256": "an array has at least one item",
    "[2]u12": INTEGERS,
    "[]const struct { a: u12 }": INTEGERS,
    "struct {}": "a struct has at least one field",
    "packed struct { a: u8 }": "a struct is not packed",
    "union { a: u8 }": "allowed are bool",
    "enum(u16) { a, b, _ }": "an enum with _ has the tag type u8, as enum(u8)",
    "enum(u8) { a = 0, b = 2 }": "the values of an enum are 0, 1, 2 ... without a gap, b is 2",
}
"""Types that the ABI lacks, and what is said of them."""

DECLARATIONS = {
    'pub const payable = .{"depsit"};': "payable names depsit, which is no public function; there are deposit",
    'pub const view = .{"depsit"};': "view names depsit, which is no public function; there are deposit",
    'pub const pure = .{"depsit"};': "pure names depsit, which is no public function; there are deposit",
    'pub const reentrant = .{"depsit"};': "reentrant names depsit, which is no public function; there are deposit",
    'pub const payabel = .{"deposit"};': (
        "no list is called payabel; there are payable, view, pure, reentrant, internal, overloads, errors, events "
        "and bases"
    ),
    'pub const payable = .{"x"}; pub const x: u8 = 1;': "payable names x, which is no public function",
    'pub const payable = .{"hidden"}; fn hidden() void {}': "payable names hidden, which is no public function",
    "pub const payable = .all;": 'payable is a list of names, as .{"deposit"}; only reentrant may be .all',
    'pub const internal = .{"depsit"};': "internal names depsit, which is no public function of the contract",
    'pub const overloads = .{ .depsit = "deposit" };': (
        "overloads has depsit, which is no public function; there are deposit"
    ),
    'pub const view = .{"deposit"}; pub const payable = .{"deposit"};': (
        "deposit is in the lists payable, view; a function is in one of them at most"
    ),
    "pub fn receive(_: u8) void {}": "receive has no parameters, as a plain transfer has no data; fallback takes data",
    "pub fn receive() u8 { return 1; }": "receive returns nothing, void or !void",
    "pub fn constructor() u8 { return 1; }": "constructor returns nothing, void or !void",
    "pub fn fallback(_: u8) void {}": "fallback takes nothing or the call data as []const u8",
    "pub fn fallback() u8 { return 1; }": "returns nothing or []const u8",
    "pub fn generic(_: anytype) void {}": "a public function has parameters of ABI types, not anytype or comptime ones",
    "pub fn known(comptime _: u8) void {}": "a public function has parameters of ABI types",
    "pub fn late(_: ?u8, _: u8) void {}": "a parameter after an optional one is optional too, as ?u256",
    "pub fn fails() anyerror!void {}": "an error set as error{NotOwner}, not anyerror",
    "pub fn collate_propagate_storage(_: [16]u8) void {} pub fn burn(_: u256) void {}": (
        "burn and collate_propagate_storage have the same selector, that of burn(uint256)"
    ),
    'pub const overloads = .{ .other = "deposit" }; pub fn other(_: u256) void {}': (
        "other and deposit have the same selector, that of deposit(uint256)"
    ),
    'pub const events = .{Odd}; const Odd = struct { a: u8, pub const abi_name = "Odd one"; };': (
        'no name for the ABI: "Odd one"; a name has letters, digits, _ and $'
    ),
    'pub fn @"a b"(_: u8) void {}': 'no name for the ABI: "a b"; a name has letters, digits, _ and $',
    'pub fn @"1st"() void {}': 'no name for the ABI: "1st"',
    'pub fn fails2() error{@"so so"}!void {}': 'no name for the ABI: "so so"',
    "pub const bases = .{ A, B }; const A = struct { pub fn f() void {} }; const B = struct { pub fn f() void {} };": (
        "two bases have f"
    ),
    "pub const events = .{ Odd }; const Odd = struct { a: u12 };": INTEGERS,
    "pub const errors = .{ Odd }; const Odd = struct { a: u12 };": INTEGERS,
}
"""What stands in a contract beside `deposit(uint256)`, and what is said of it."""

ADDRESSES = {
    "0x12": "no address: 0x12; an address is 0x and 40 hexadecimal digits",
    f"0x{'g' * 40}": "an address is 0x and 40 hexadecimal digits",
    "11" * 21: "an address is 0x and 40 hexadecimal digits",
}


def told(part: str, faults: dict[str, str]) -> set[str]:
    """The faults that are told, each in a part of its own.

    The compiler tells many faults in one run, but one for each line of the library that finds them: what a run does not
    tell is compiled again alone with the others of its kind.
    """
    left = dict(faults)
    while left:
        errors = errors_of(HEAD + "".join(part % {"n": n, "text": text} for n, text in enumerate(left)))
        found = {text for text, message in left.items() if any(message in error for error in errors)}
        if not found:
            break
        left = {text: message for text, message in left.items() if text not in found}
    return faults.keys() - left.keys()


def test_events_that_index_wrong_fields() -> None:
    fields = "from: Address, to: Address, a: u256, b: u256, c: u256"
    event = f"const T%(n)d = struct {{ {fields}, %(text)s }};"
    assert (
        told(event + "comptime { covenant.define(struct { pub const events = .{T%(n)d}; }); }\n", EVENTS)
        == EVENTS.keys()
    )


def test_types_that_the_abi_lacks() -> None:
    part = "comptime { covenant.define(struct { pub fn f(_: %(text)s) void {} }); }\n"
    assert told(part, TYPES) == TYPES.keys()


def test_declarations_that_name_what_is_not_there() -> None:
    assert (
        told("comptime { covenant.define(struct { pub fn deposit(_: u256) void {} %(text)s }); }\n", DECLARATIONS)
        == DECLARATIONS.keys()
    )


def test_literals_that_are_no_address() -> None:
    part = 'comptime { _ = Address.from("%(text)s"); }\n'
    assert told(part, ADDRESSES) == ADDRESSES.keys()


def test_what_is_right_compiles() -> None:
    source = """
const Told = struct { from: Address, to: Address, a: u256, b: []const u8, pub const indexed = .{ "from", "to", "b" }; };
const Four = struct { a: u8, b: u8, c: u8, d: u8, pub const indexed = .{ "a", "b", "c", "d" };
    pub const anonymous = true; };
const Base = struct { pub fn f() void {} pub fn g() void {} pub const view = .{"g"}; };
const Other = struct { pub fn f() void {} };
const State = enum { open, closed };
const Contract = struct {
    pub const payable = .{ "deposit", "constructor", "receive", "fallback" };
    pub const view = .{"all"};
    pub const reentrant = .{"deposit"};
    pub const bases = .{ Base, Other };
    pub const events = .{ Told, Four };
    pub const overloads = .{ .other = "deposit" };
    pub fn constructor() !void { return error.Closed; }
    pub fn deposit() void { covenant.emit(Four{ .a = 1, .b = 2, .c = 3, .d = 4 }); }
    pub fn other(_: u8) void {}
    pub fn receive() void {}
    pub fn fallback(data: []const u8) []const u8 { return data; }
    pub fn f() void {}
    pub fn all(_: u8, _: i24, _: u256, _: i256, _: [1]u8, _: [32]u8, _: bool, _: covenant.Bytes, _: []const u8,
        _: covenant.String, _: State, _: []const [2]State, _: covenant.List(u8, 33), _: covenant.List(u8, null),
        _: struct { a: u8, b: []const covenant.String }) struct { u8, State } { return .{ 1, .open }; }
};
comptime { covenant.define(Contract); }
"""
    assert errors_of(HEAD + source) == []
