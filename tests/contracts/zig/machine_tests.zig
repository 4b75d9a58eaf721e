//! Tests of covenant.testing: contracts that do all that a frame can do, on the test machine.

const std = @import("std");
const covenant = @import("covenant");

const Address = covenant.Address;
const Vm = covenant.testing.Vm;
const expectEqual = std.testing.expectEqual;

const alice = covenant.testing.named("alice");
const bob = covenant.testing.named("bob");

const Counted = struct {
    by: Address,
    total: u256,
    pub const indexed = .{"by"};
};

const TooDeep = struct { depth: u256 };

const Counter = struct {
    pub const storage = covenant.layout(struct { total: u256, small: u8, names: covenant.Array(covenant.String) });
    pub const payable = .{ "deposit", "receive" };
    pub const view = .{"total"};
    pub const reentrant = .{"twice"};

    pub fn constructor(start: u256) void {
        if (start == 13) covenant.revert("unlucky");
        storage.total.set(start);
    }

    pub fn receive() void {}

    pub fn deposit() u256 {
        return covenant.value();
    }

    pub fn total() u256 {
        return storage.total.get();
    }

    pub fn add(amount: u256) void {
        storage.total.set(storage.total.get() + amount);
        covenant.emit(Counted{ .by = covenant.sender(), .total = storage.total.get() });
    }

    pub fn addSmall(amount: u8) void {
        storage.small.set(storage.small.get() + amount);
    }

    pub fn totalPlus(amount: ?u256) u256 {
        return storage.total.get() + (amount orelse 1);
    }

    pub fn divide(by: u256) u256 {
        return storage.total.get() / by;
    }

    pub fn item(index: u256) covenant.String {
        return storage.names.at(index).get();
    }

    pub fn name(text: covenant.String) void {
        storage.names.push(text);
    }

    pub fn addThenRefuse(amount: u256) void {
        add(amount);
        descend(amount);
    }

    fn descend(depth: u256) void {
        if (depth == 0) covenant.revertWith(TooDeep{ .depth = depth });
        descend(depth - 1);
        storage.small.set(@truncate(depth)); // not a tail call
    }

    pub fn fail() !void {
        return error.NotToday;
    }

    pub fn twice() void {
        Self.at(covenant.this()).call(.add, .{1});
    }

    pub fn once() void {
        Self.at(covenant.this()).call(.total, .{});
    }

    const Self = covenant.interface(struct {
        add: fn (u256) void,
        total: fn () void,
    });
};

const Remote = covenant.interface(struct {
    add: fn (u256) void,
    addThenRefuse: fn (u256) void,
    addSmall: fn (u8) void,
    total: fn () u256,
    deposit: fn () u256,
    name: fn (covenant.String) void,
    pub const view = .{ "total", "name" };
    pub const payable = .{"deposit"};
});

/// Calls a Counter.
const Caller = struct {
    pub const storage = covenant.layout(struct { total: u256, calls: u256 });
    pub const state = covenant.transient(struct { mark: u64 });
    pub const payable = .{"pay"};

    pub fn tryRefused(counter: Address) struct { bool, u256 } {
        storage.calls.set(1);
        const result = Remote.at(counter).tryCall(.addThenRefuse, .{5});
        return .{ result == .failed, if (result == .failed) result.failed.as(TooDeep).?.depth else 99 };
    }

    pub fn tryOverflow(counter: Address) u256 {
        Remote.at(counter).call(.addSmall, .{200});
        return switch (Remote.at(counter).tryCall(.addSmall, .{200})) {
            .ok => 0,
            .failed => |failure| failure.panicCode().?,
        };
    }

    pub fn pay(counter: Address) u256 {
        return Remote.at(counter).callWith(.deposit, .{}, .{ .value = covenant.value() });
    }

    pub fn writeStatically(counter: Address) void {
        Remote.at(counter).call(.name, .{covenant.String{ .data = "no" }});
    }

    pub fn borrow(counter: Address) void {
        Remote.at(counter).delegate(.add, .{7});
    }

    pub fn make(code: covenant.Bytes) Address {
        return covenant.create(code.data, 0);
    }

    pub fn mark(value: u64) u64 {
        const before = state.mark.get();
        state.mark.set(value);
        return before;
    }

    pub fn markTwice() u64 {
        _ = mark(3);
        return mark(4);
    }

    pub fn recurse() u256 {
        storage.calls.set(storage.calls.get() + 1);
        const again = covenant.interface(struct { recurse: fn () u256 });
        return switch (again.at(covenant.this()).tryCall(.recurse, .{})) {
            .ok => |deepest| deepest,
            .failed => storage.calls.get(),
        };
    }

    pub const reentrant = .{"recurse"};

    pub fn block() struct { u64, u64, u64, u256, Address, Address } {
        return .{
            covenant.blockNumber(), covenant.timestamp(), covenant.chainId(), covenant.baseFee(), covenant.coinbase(), covenant.origin(),
        };
    }
};

const Precompiles = struct {
    pub fn signer(hash: [32]u8, v: u8, r: [32]u8, s: [32]u8) Address {
        return covenant.precompile.ecrecover(hash, v, r, s) orelse .zero;
    }

    pub fn digest(data: covenant.Bytes) [32]u8 {
        return covenant.precompile.sha256(data.data);
    }

    pub fn same(data: covenant.Bytes) covenant.Bytes {
        return .{ .data = covenant.precompile.identity(data.data) };
    }
};

fn word(comptime digits: *const [64]u8) [32]u8 {
    var out: [32]u8 = undefined;
    _ = std.fmt.hexToBytes(&out, digits) catch unreachable;
    return out;
}

test "precompiles that the standard library can compute" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const contract = try vm.deploy(Precompiles, .{}, .{});
    const hash = word("456e9aea5e197a1f1af7a3e85a3212fa4049a3ba34c2289b4c860fc0b0c64ef3");
    const r = word("9242685bf161793cc25603c231bc2f568eb630ea16aa137d2664ac8038825608");
    const s = word("4f8ae3bd7535248d0bd448298cc2e2071e56992d0774dc340c368ae950852ada");
    const signer: Address = .from("0x7156526fbd7a3c72969b54f64e42c10fbb768c8a");
    try expectEqual(signer, try contract.call(.signer, .{ hash, 28, r, s }, .{}));
    try std.testing.expect(!signer.eql(try contract.call(.signer, .{ hash, 27, r, s }, .{})));
    try expectEqual(Address.zero, try contract.call(.signer, .{ hash, 29, r, s }, .{}));
    const empty = word("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    try expectEqual(empty, try contract.call(.digest, .{covenant.Bytes{ .data = "" }}, .{}));
    const same = try contract.call(.same, .{covenant.Bytes{ .data = "abc" }}, .{});
    try std.testing.expectEqualStrings("abc", same.data);
}

const Pair = struct {
    vm: Vm,
    counter: covenant.testing.Instance(Counter),
    caller: covenant.testing.Instance(Caller),

    fn init() !Pair {
        var vm: Vm = .init(std.testing.allocator);
        errdefer vm.deinit();
        return .{ .vm = vm, .counter = try vm.deploy(Counter, .{10}, .{}), .caller = try vm.deploy(Caller, .{}, .{}) };
    }
};

test "constructors run, and refuse" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const counter = try vm.deploy(Counter, .{10}, .{ .from = alice });
    try expectEqual(10, try counter.call(.total, .{}, .{}));
    try expectEqual(10, vm.slot(counter.address, 0));
    const second = try vm.deploy(Counter, .{11}, .{ .from = alice });
    try std.testing.expect(!second.address.eql(counter.address));
    try vm.expectDeployRevert(Counter, .{13}, .{}, covenant.errorData(struct {
        message: covenant.String,
        pub const abi_name = "Error";
    }{ .message = .{ .data = "unlucky" } }));
}

test "last arguments may be left out" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try expectEqual(11, try pair.counter.call(.totalPlus, .{}, .{}));
    try expectEqual(15, try pair.counter.call(.totalPlus, .{5}, .{}));
}

test "checks of Zig are Solidity's panics" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try pair.counter.expectPanic(.add, .{std.math.maxInt(u256)}, .{}, 0x11);
    _ = try pair.counter.call(.addSmall, .{250}, .{});
    try pair.counter.expectPanic(.addSmall, .{6}, .{}, 0x11);
    try pair.counter.expectPanic(.divide, .{0}, .{}, 0x12);
    try pair.counter.expectPanic(.item, .{0}, .{}, 0x32);
    try pair.counter.expectRevert(.fail, .{}, .{}, &comptime covenant.abi.selector("NotToday()"));
    try pair.counter.expectError(.fail, .{}, .{}, error.NotToday);
    try std.testing.expectError(error.TestExpectedRevert, pair.counter.expectError(.add, .{1}, .{}, error.NotToday));
}

test "a refusal from any depth undoes storage and logs" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try pair.counter.expectRevert(.addThenRefuse, .{40}, .{}, covenant.errorData(TooDeep{ .depth = 0 }));
    try expectEqual(10, try pair.counter.call(.total, .{}, .{}));
    try expectEqual(0, pair.vm.logs().len);
    const failed, const depth = try pair.caller.call(.tryRefused, .{pair.counter.address}, .{});
    try std.testing.expect(failed);
    try expectEqual(0, depth);
    try expectEqual(10, pair.vm.slot(pair.counter.address, 0));
    try expectEqual(1, pair.vm.slot(pair.caller.address, 1));
    try expectEqual(0x11, try pair.caller.call(.tryOverflow, .{pair.counter.address}, .{}));
    try expectEqual(200, pair.vm.slot(pair.counter.address, 1));
}

test "logs" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try pair.counter.call(.add, .{5}, .{ .from = bob });
    try expectEqual(1, pair.vm.logs().len);
    try pair.vm.expectLog(0, pair.counter.address, Counted{ .by = bob, .total = 15 });
    pair.vm.clearLogs();
    try expectEqual(0, pair.vm.logs().len);
}

test "wei moves with calls, and stays where they fail" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    pair.vm.setBalance(alice, 1000);
    try expectEqual(300, try pair.caller.call(.pay, .{pair.counter.address}, .{ .from = alice, .value = 300 }));
    try expectEqual(700, pair.vm.balance(alice));
    try expectEqual(300, pair.vm.balance(pair.counter.address));
    try pair.counter.expectRevert(.add, .{1}, .{ .from = alice, .value = 1 }, &.{}); // not payable
    try std.testing.expectError(error.Reverted, pair.counter.call(.deposit, .{}, .{ .from = alice, .value = 701 }));
    try expectEqual(700, pair.vm.balance(alice));
    try std.testing.expect(pair.counter.send(&.{}, .{ .from = alice, .value = 1 }).succeeded);
    try std.testing.expect(pair.vm.send(bob, &.{}, .{ .from = alice, .value = 9 }).succeeded);
    try expectEqual(9, pair.vm.balance(bob));
}

test "a static call that writes fails without data" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try pair.caller.expectRevert(.writeStatically, .{pair.counter.address}, .{}, &.{});
}

test "a contract that is entered again refuses, unless it names the function" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    const refusal = &comptime covenant.abi.selector("ReentrancyGuardReentrantCall()");
    try pair.counter.expectRevert(.once, .{}, .{}, refusal);
    try pair.counter.expectRevert(.twice, .{}, .{}, refusal); // `add` is not named
    try std.testing.expect(try pair.caller.call(.recurse, .{}, .{}) > 2);
}

test "frames open in each other up to 1024" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try expectEqual(1024, try pair.caller.call(.recurse, .{}, .{}));
}

test "a delegate call works on the caller's storage" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try pair.caller.call(.borrow, .{pair.counter.address}, .{ .from = bob });
    try expectEqual(7, pair.vm.slot(pair.caller.address, 0));
    try expectEqual(10, pair.vm.slot(pair.counter.address, 0));
    try pair.vm.expectLog(0, pair.caller.address, Counted{ .by = bob, .total = 7 });
}

test "contracts create contracts that the test has named" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    pair.vm.allowCreation("code of a counter", Counter);
    const zeros: [31]u8 = @splat(0);
    const code = "code of a counter" ++ zeros ++ "\x2a";
    const created = try pair.caller.call(.make, .{covenant.Bytes{ .data = code }}, .{});
    try expectEqual(42, try pair.vm.at(Counter, created).call(.total, .{}, .{}));
    const unlucky = "code of a counter" ++ zeros ++ "\x0d";
    try pair.caller.expectMessage(.make, .{covenant.Bytes{ .data = unlucky }}, .{}, "unlucky");
}

test "transient storage lasts for one transaction" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    try expectEqual(3, try pair.caller.call(.markTwice, .{}, .{}));
    try expectEqual(0, try pair.caller.call(.mark, .{5}, .{}));
}

test "the block is what the test says" {
    var pair: Pair = try .init();
    defer pair.vm.deinit();
    pair.vm.roll(77);
    pair.vm.warp(1234);
    pair.vm.block().* = .{ .number = 77, .timestamp = 1234, .chain_id = 5, .base_fee = 6, .coinbase = bob };
    const found = try pair.caller.call(.block, .{}, .{ .from = alice });
    try expectEqual(.{ 77, 1234, 5, 6, bob, alice }, found);
}

test "addresses are those of the chain" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    // the first contracts of a development node's first account
    const from: Address = .from("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    const first = try vm.deploy(Caller, .{}, .{ .from = from });
    try expectEqual(Address.from("0x5FbDB2315678afecb367f032d93F642f64180aa3"), first.address);
    const second = try vm.deploy(Caller, .{}, .{ .from = from });
    try expectEqual(Address.from("0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"), second.address);
}
