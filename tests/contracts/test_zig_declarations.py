"""What a Zig contract declares of its functions: bases, names in the ABI, what is internal, who pays, what reads."""

from functools import cache
from pathlib import Path

import pytest
from eth_abi.abi import encode

from testing.contracts import CACHE
from tests.chain.vm.support import CONTRACT, SENDER, FakeAccount
from tests.chain.zvm.contracts import executor
from tests.contracts.zig_sources import artifact, call, compiled
from zevm.chain.vm.executor import Executor
from zevm.contracts import BuildOptions, build

pytestmark = pytest.mark.lengthy

SOURCE = """
const covenant = @import("covenant");
const Told = struct { by: u8 };
const Bad = struct { why: u8 };
fn Deep(comptime _: type) type {
    return struct {
        pub const pure = .{ "deep", "replaced", "shared" };
        pub const internal = .{"helper"};
        pub const events = .{Told};
        pub fn deep() u8 { return helper(); }
        pub fn helper() u8 { return 1; }
        pub fn replaced() u8 { return 2; }
        pub fn shared() u8 { return 3; }
    };
}
fn Left(comptime Contract: type) type {
    return struct {
        pub const bases = .{Deep(Contract)};
        pub const payable = .{"left"};
        pub const view = .{"both"};
        pub const errors = .{Bad};
        pub const overloads = .{ .leftData = "left" };
        pub fn left() u8 { return 4; }
        pub fn leftData(_: []const u8) u8 { return 5; }
        pub fn both() u8 { return 6; }
        pub fn hidden() u8 { return 7; }
        pub fn fallback() void {}
    };
}
fn Right(comptime Contract: type) type {
    return struct {
        pub const bases = .{Deep(Contract)};
        pub fn both() error{Refused}!u8 { return 8; }
        pub fn receive() void {}
    };
}
const Whole = struct {
    const left = Left(Whole);
    pub const bases = .{ left, Right(Whole) };
    pub const pure = .{"both"};
    pub const internal = .{ "hidden", "own" };
    pub const events = .{Told};
    pub const overloads = .{ .echoText = "echo", .echoNumber = "echo" };
    pub fn both() u8 { return left.both() + 10; }
    pub fn replaced() u8 { return Deep(Whole).replaced() + 20; }
    pub fn hidden() u8 { return 9; }
    pub fn own() u8 { return 9; }
    pub fn echoText(text: covenant.String) covenant.String { return text; }
    pub fn echoNumber(number: u256) u256 { return number; }
    pub fn several(first: ?u8, second: ?u8) struct { bool, bool } { return .{ first != null, second != null }; }
};
comptime {
    covenant.define(Whole);
}
"""
ANSWERS = {"deep()": 1, "replaced()": 22, "shared()": 3, "left()": 4, "both()": 16}


@cache
def runner() -> Executor:
    code = compiled(SOURCE)
    return executor({CONTRACT: FakeAccount(nonce=1, code=code), SENDER: FakeAccount(balance=10**18)})


def test_a_contracts_own_functions_come_before_those_of_its_bases() -> None:
    for signature, answer in ANSWERS.items():
        assert call(runner(), signature).output == encode(["uint8"], [answer]), signature


def test_functions_have_the_names_and_parameters_that_are_declared() -> None:
    assert call(runner(), "left(bytes)", encode(["bytes"], [b"x"])).output == encode(["uint8"], [5])
    assert call(runner(), "echo(string)", encode(["string"], ["x"])).output == encode(["string"], ["x"])
    assert call(runner(), "echo(uint256)", encode(["uint256"], [5])).output == encode(["uint256"], [5])
    for count in range(3):
        outcome = call(runner(), "several(uint8,uint8)", bytes(32 * count))
        assert outcome.output == encode(["bool", "bool"], [count > 0, count > 1])
    assert call(runner(), "several(uint8,uint8)", bytes(31)).error is not None


def test_what_is_internal_is_no_function_of_the_contract() -> None:
    for signature in ("hidden()", "own()", "helper()"):
        outcome = call(runner(), signature)
        assert (outcome.error, outcome.output) == (None, b""), "it reaches the fallback of a base"


def test_a_bases_lists_hold_for_its_functions() -> None:
    assert call(runner(), "left()", value=1).error is None
    for signature in ("deep()", "both()", "hidden()"):
        assert call(runner(), signature, value=1).error is not None, signature


def test_the_abi_has_all_of_it_once() -> None:
    abi = artifact(SOURCE).abi
    mutability = {entry["name"]: entry["stateMutability"] for entry in abi if entry["type"] == "function"}
    assert mutability == {
        "both": "pure", "replaced": "nonpayable", "echo": "nonpayable", "several": "nonpayable", "left": "nonpayable",
        "deep": "pure", "shared": "pure",
    }  # fmt: skip
    payable = [entry["stateMutability"] for entry in abi if entry.get("name") == "left"]
    assert sorted(payable) == ["nonpayable", "payable"]
    others = sorted((entry["type"], entry.get("name")) for entry in abi if entry["type"] != "function")
    assert others == [("error", "Bad"), ("event", "Told"), ("fallback", None), ("receive", None)]


POINTS = """const covenant = @import("covenant");

pub const Points = struct {
    pub const storage = covenant.layout(covenant.bases.Ownable(Points).Fields);
    pub const bases = .{covenant.bases.Ownable(Points)};

    pub fn renamed(points: u8) u8 {
        return points;
    }
};

comptime {
    covenant.define(Points);
}
"""


def test_parameters_have_their_names_in_the_abi_those_of_bases_too() -> None:
    names = {
        entry["name"]: [item["name"] for item in entry["inputs"]] for entry in artifact(POINTS).abi if "name" in entry
    }
    assert names["renamed"] == ["points"]
    assert names["transferOwnership"] == ["newOwner"]


OWNED = """const covenant = @import("covenant");

pub fn Owned(comptime Contract: type) type {
    return struct {
        pub const Fields = struct { owner: covenant.Address };

        pub fn transferOwnership(successor: covenant.Address) void {
            Contract.storage.owner.set(successor);
        }
    };
}
"""
PURSE = """const covenant = @import("covenant");
const owned = @import("lib/owned.zig");

pub const Purse = struct {
    pub const bases = .{owned.Owned(Purse)};
    pub const storage = covenant.layout(owned.Owned(Purse).Fields);

    pub fn limit(wei: u256) u256 {
        return wei;
    }
};

comptime {
    covenant.define(Purse);
}
"""


def test_parameters_of_bases_in_other_files_of_a_project_have_their_names(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "owned.zig").write_text(OWNED)
    (tmp_path / "purse.zig").write_text(PURSE)
    abi = build(tmp_path / "purse.zig", BuildOptions(cache=CACHE)).abi
    names = {entry["name"]: [item["name"] for item in entry["inputs"]] for entry in abi if "name" in entry}
    assert names == {"limit": ["wei"], "transferOwnership": ["successor"]}


OWN_EXPORT = """
const covenant = @import("covenant");
const Ratio = struct {
    pub fn half(of: u256) u256 { return of / 2; }
};
comptime {
    covenant.define(Ratio);
}
export fn ratio(of: usize) usize {
    const long = @as(u256, of) *% 0x123456789abcdef0123456789abcdef0123456789abcdef;
    return @truncate(long / (of | 3));
}
"""


def test_code_that_a_source_exports_itself_needs_no_run_time_library_in_its_description() -> None:
    assert [entry["name"] for entry in artifact(OWN_EXPORT).abi] == ["half"]
