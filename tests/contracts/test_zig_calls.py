"""Calls of Zig contracts: with declared types, failures as answers, wei, creations; and the token of the guide."""

from functools import cache

import pytest
from eth_abi.abi import decode, encode

from testing.contracts import returning
from tests.chain.vm.support import CONTRACT, ETHER, FakeAccount, assemble
from tests.chain.zvm.contracts import executor, request_to, send
from tests.contracts.zig_sources import PANIC, call, compiled, errors_of, panic, selector
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.chain.zvm.module.creation import constructor_payload, creation_data
from zevm.storage.keccak import keccak256

pytestmark = pytest.mark.lengthy

CALLEE, NOBODY, SILENT = b"\x41" * 20, b"\x42" * 20, b"\x43" * 20

SOURCES = """
const covenant = @import("covenant");
const Address = covenant.Address;
const TooFar = struct { limit: u256, why: covenant.String };
const Item = struct { id: u64, tags: []const covenant.String };
const Callee = struct {
    pub const payable = .{"pay"};
    pub fn twice(number: u256) u256 { return number * 2; }
    pub fn pair(number: u256) struct { u256, covenant.String } { return .{ number, .{ .data = "both" } }; }
    pub fn item(id: u64) Item { return .{ .id = id, .tags = &.{ .{ .data = "a" }, .{ .data = "b" } } }; }
    pub fn nothing() void {}
    pub fn pay() u256 { return covenant.value(); }
    pub fn fail(how: u8) void {
        switch (how) {
            0 => covenant.revert("far too far"),
            1 => covenant.revertWith(TooFar{ .limit = 7, .why = .{ .data = "fence" } }),
            2 => covenant.panic(0x32),
            3 => covenant.revertBytes("raw"),
            else => while (true) {},
        }
    }
};
const Api = covenant.interface(struct {
    twice: fn (u256) u256,
    pair: fn (u256) struct { u256, covenant.String },
    item: fn (u64) Item,
    nothing: fn () void,
    pay: fn () u256,
    fail: fn (u8) void,
    maybe: fn () ?bool,
    pub const view = .{ "twice", "pair" };
    pub const pure = .{"item"};
    pub const payable = .{"pay"};
    pub const overloads = .{ .maybe = "nothing" };
});
const String = covenant.String;
const How = struct { reason: String, code: u256, limit: u256, why: String, data: []const u8, no_code: bool };
const Caller = struct {
    pub const payable = .{ "payOn", "tryPay", "sendOn", "make" };
    pub fn twice(at: Address, number: u256) u256 { return Api.at(at).call(.twice, .{number}); }
    pub fn pair(at: Address, number: u256) struct { u256, String } { return Api.at(at).call(.pair, .{number}); }
    pub fn item(at: Address, id: u64) Item { return Api.at(at).call(.item, .{id}); }
    pub fn nothing(at: Address) void { Api.at(at).call(.nothing, .{}); }
    pub fn maybe(at: Address) u256 { return if (Api.at(at).call(.maybe, .{})) |answer| @intFromBool(answer) else 7; }
    pub fn payOn(at: Address) u256 { return Api.at(at).callWith(.pay, .{}, .{ .value = covenant.value() }); }
    pub fn tryPay(at: Address) struct { u256, bool, u256 } {
        return switch (Api.at(at).tryCallWith(.pay, .{}, .{ .value = covenant.value() })) {
            .ok => |wei| .{ wei, false, covenant.balance(at) },
            .failed => |failure| .{ 0, failure.no_code, covenant.balance(at) },
        };
    }
    pub fn sendOn(at: Address) bool { return covenant.trySend(at, covenant.value()) == .ok; }
    pub fn fail(at: Address, how: u8) void { Api.at(at).callWith(.fail, .{how}, .{ .gas = 200_000 }); }
    pub fn tryTwice(at: Address, number: u256) struct { bool, u256 } {
        return switch (Api.at(at).tryCall(.twice, .{number})) {
            .ok => |result| .{ true, result },
            .failed => |failure| .{ false, failure.panicCode() orelse 0 },
        };
    }
    pub fn tryNothing(at: Address) bool { return Api.at(at).tryCall(.nothing, .{}) == .ok; }
    pub fn tryFail(at: Address, how: u8) How {
        const failure = Api.at(at).tryCallWith(.fail, .{how}, .{ .gas = 200_000 }).failed;
        const far = failure.as(TooFar) orelse TooFar{ .limit = 0, .why = .{ .data = "" } };
        return .{
            .reason = .{ .data = failure.reason() orelse "" }, .code = failure.panicCode() orelse 0,
            .limit = far.limit, .why = far.why, .data = failure.data, .no_code = failure.no_code,
        };
    }
    pub fn encoded(number: u256) []const u8 { return Api.encodeCall(.twice, .{number}); }
    pub fn make(code: []const u8, salt: [32]u8) struct { Address, Address, Address } {
        const predicted = covenant.create2Address(covenant.this(), salt, covenant.hash(code));
        return .{ covenant.create(code, covenant.value()), covenant.create2(code, 0, salt), predicted };
    }
    pub fn tryMake(code: []const u8) []const u8 { return covenant.tryCreate(code, 0).failed.data; }
    pub fn codeOf(at: Address) struct { []const u8, [32]u8, u256 } {
        return .{ covenant.code(at), covenant.codeHash(at), covenant.codeSize(at) };
    }
    pub fn delegated(at: Address, number: u256) u256 { return Api.at(at).delegate(.twice, .{number}); }
};
"""
CALLER = SOURCES + "comptime {\n    covenant.define(Caller);\n}\n"
CALLED = SOURCES + "comptime {\n    covenant.define(Callee);\n}\n"


@cache
def runner() -> Executor:
    """The caller at CONTRACT, the callee at CALLEE, at SILENT code that returns nothing."""
    return executor({
        CONTRACT: FakeAccount(nonce=1, balance=ETHER, code=compiled(CALLER)),
        CALLEE: FakeAccount(nonce=1, code=compiled(CALLED)),
        SILENT: FakeAccount(nonce=1, code=assemble("STOP")),
    })  # fmt: skip


def asked(signature: str, *arguments: object, **changes: object) -> Outcome:
    """A call of the caller; the types are those of the signature."""
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    return call(runner(), signature, encode(types, arguments), **changes)


@pytest.mark.lengthy
def test_results_of_every_shape_are_decoded() -> None:
    assert asked("twice(address,uint256)", CALLEE, 21).output == encode(["uint256"], [42])
    assert asked("pair(address,uint256)", CALLEE, 3).output == encode(["uint256", "string"], [3, "both"])
    assert asked("item(address,uint64)", CALLEE, 9).output == encode(["(uint64,string[])"], [(9, ["a", "b"])])
    assert asked("nothing(address)", CALLEE).error is None
    assert asked("encoded(uint256)", 5).output == encode(
        ["bytes"], [selector("twice(uint256)") + encode(["uint256"], [5])]
    )
    assert asked("delegated(address,uint256)", CALLEE, 4).output == encode(["uint256"], [8])


def test_what_does_not_answer_as_declared_reverts_without_data() -> None:
    for signature, arguments in {
        "twice(address,uint256)": (1,), "pair(address,uint256)": (1,), "item(address,uint64)": (1,),
        "tryTwice(address,uint256)": (1,),
    }.items():  # fmt: skip
        outcome = asked(signature, SILENT, *arguments)
        assert outcome.error is not None, signature
        assert outcome.output == b"", signature
    for signature in ("nothing(address)", "maybe(address)"):
        outcome = asked(signature, NOBODY)
        assert outcome.error is not None, "there is no code"
        assert outcome.output == b""


def test_an_optional_result_is_null_where_nothing_is_returned() -> None:
    assert asked("maybe(address)", SILENT).output == encode(["uint256"], [7])


FAILURES = {
    0: selector("Error(string)") + encode(["string"], ["far too far"]),
    1: selector("TooFar(uint256,string)") + encode(["uint256", "string"], [7, "fence"]),
    2: panic(0x32),
    3: b"raw",
    4: b"",
}
HOW = ["(string,uint256,uint256,string,bytes,bool)"]


@pytest.mark.parametrize("how", FAILURES)
def test_a_failure_bubbles_or_is_an_answer(how: int) -> None:
    outcome = asked("fail(address,uint8)", CALLEE, how)
    assert outcome.error is not None
    assert outcome.output == FAILURES[how]
    (told,) = decode(HOW, asked("tryFail(address,uint8)", CALLEE, how).output)
    far = (7, "fence") if how == 1 else (0, "")
    assert told == ("far too far" if how == 0 else "", 0x32 if how == 2 else 0, *far, FAILURES[how], False)


def test_an_account_without_code_fails_a_tried_call() -> None:
    (told,) = decode(HOW, asked("tryFail(address,uint8)", NOBODY, 0).output)
    assert told == ("", 0, 0, "", b"", True)
    assert asked("tryNothing(address)", NOBODY).output == encode(["bool"], [False])
    assert asked("tryNothing(address)", SILENT).output == encode(["bool"], [True])


def test_a_tried_call_tells_its_result_or_the_panic() -> None:
    answers = {21: (True, 42), 2**255: (False, 0x11)}
    for number, answer in answers.items():
        output = asked("tryTwice(address,uint256)", CALLEE, number).output
        assert decode(["bool", "uint256"], output) == answer


def test_wei_goes_with_a_call() -> None:
    assert asked("payOn(address)", CALLEE, value=5).output == encode(["uint256"], [5])
    assert asked("sendOn(address)", NOBODY, value=5).output == encode(["bool"], [True])
    assert asked("sendOn(address)", CALLEE, value=5).output == encode(["bool"], [False])


def test_a_tried_call_sends_no_wei_where_there_is_no_code() -> None:
    """A failure that keeps the wei would lie to the caller."""
    answer, poor = ["uint256", "bool", "uint256"], b"\x44" * 20
    assert decode(answer, asked("tryPay(address)", CALLEE, value=5).output)[:2] == (5, False)
    for wei in (5, 0):
        assert decode(answer, asked("tryPay(address)", poor, value=wei).output) == (0, True, 0)


def test_contracts_are_created() -> None:
    runtime = assemble("0x2a 0 MSTORE 32 0 RETURN")
    output = asked("make(bytes,bytes32)", returning(runtime), b"\7" * 32).output
    first, second, predicted = decode(["address"] * 3, output)
    assert second == predicted != first
    reverting = assemble("0x57414c4c 0 MSTORE 4 28 REVERT")
    assert asked("tryMake(bytes)", reverting).output == encode(["bytes"], [b"WALL"])
    outcome = asked("make(bytes,bytes32)", reverting, b"\7" * 32)
    assert (outcome.error is not None, outcome.output) == (True, b"WALL")


def test_code_is_read() -> None:
    code = assemble("STOP")
    assert asked("codeOf(address)", SILENT).output == encode(
        ["bytes", "bytes32", "uint256"], [code, keccak256(code), len(code)]
    )


def test_wei_for_a_function_that_takes_none_is_a_compile_error() -> None:
    source = (
        SOURCES
        + """
comptime {
    covenant.define(struct {
        pub fn bad(at: Address) void { _ = Api.at(at).callWith(.twice, .{1}, .{ .value = 5 }); }
    });
}
"""
    )
    assert any("no field named 'value' in struct 'interface.NotPayable'" in error for error in errors_of(source))


INTERFACES = {
    "a: fn (u12) void": "integers have 8, 16, 24 ... 256 bits",
    "a: u8": "the interface's a is no function type, as fn (Address, u256) bool",
    "a: fn () error{Bad}!void": "returns no error union; tryCall tells how a callee failed",
    'a: fn () void, pub const view = .{"b"};': "the interface's view names b, which is no function of it; there are a",
    'a: fn () void, pub const vieuw = .{"a"};': (
        "an interface has no list vieuw; there are view, pure, payable, overloads"
    ),
}


def test_interfaces_that_are_wrong_do_not_compile() -> None:
    errors: list[str] = []
    for fields, message in INTERFACES.items():
        errors = errors_of(f'const c = @import("covenant"); comptime {{ _ = c.interface(struct {{ {fields} }}); }}')
        assert any(message in error for error in errors), (fields, errors)


GUIDE = """
const covenant = @import("covenant");
const MyToken = covenant.zigContract("MyToken");
comptime {
    covenant.define(MyToken);
}
"""
SUPPLY = 10**24


def test_the_guides_contract_is_a_token() -> None:
    state = executor({})
    created = send(state, None, creation_data(compiled(GUIDE), constructor_payload(b"")))
    token = created.contract_address
    assert token is not None

    def asked_of(data: bytes) -> bytes:
        return state.call(request_to(token, data)).output

    info = asked_of(selector("getInfo()"))
    assert decode(["string", "uint8", "uint256"], info) == ("MyToken", 18, SUPPLY)
    assert asked_of(bytes.fromhex("70a08231")) == encode(["uint256"], [SUPPLY]), "the sender's, who is not named"
    assert asked_of(bytes.fromhex("70a08231") + b"\0" * 31) == b"", "an address that is cut is refused"
    transfer = selector("transfer(address,uint256)")
    outcome = send(state, token, transfer + encode(["address", "uint256"], [NOBODY, 100]))
    assert (outcome.error, outcome.output) == (None, encode(["bool"], [True]))
    assert asked_of(selector("balanceOf(address)") + encode(["address"], [NOBODY])) == encode(["uint256"], [100])
    outcome = send(state, token, transfer + encode(["address", "uint256"], [NOBODY, SUPPLY]))
    assert outcome.output == selector("InvalidParameters()")
    assert PANIC not in outcome.output
