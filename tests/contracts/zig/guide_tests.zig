//! The three kinds of tests of the guide, and the storage of docs/zig.md, on the test machine.

const std = @import("std");
const covenant = @import("covenant");

const Address = covenant.Address;
const Vm = covenant.testing.Vm;
const expectEqual = std.testing.expectEqual;

const alice = covenant.testing.named("alice");
const bob = covenant.testing.named("bob");

const Token = struct {
    pub const storage = covenant.layout(struct {
        balances: covenant.Mapping(Address, u256),
        allowances: covenant.Mapping(Address, covenant.Mapping(Address, u256)),
    });

    pub fn constructor(supply: u256) void {
        storage.balances.of(covenant.sender()).set(supply);
    }

    pub fn balanceOf(holder: Address) u256 {
        return storage.balances.of(holder).get();
    }

    pub fn approve(spender: Address, value: u256) bool {
        storage.allowances.of(covenant.sender()).of(spender).set(value);
        return true;
    }

    pub fn transferFrom(from: Address, to: Address, value: u256) bool {
        const allowance = storage.allowances.of(from).of(covenant.sender());
        allowance.set(allowance.get() - value);
        storage.balances.of(from).subtract(value);
        storage.balances.of(to).add(value);
        return true;
    }
};

const Shop = struct {
    pub const storage = covenant.layout(struct { token: Address });

    const Payment = covenant.interface(struct { transferFrom: fn (Address, Address, u256) bool });

    pub fn constructor(token: Address) void {
        storage.token.set(token);
    }

    pub fn buy(price: u256) void {
        const paid = Payment.at(storage.token.get()).call(.transferFrom, .{ covenant.sender(), covenant.this(), price });
        covenant.assert(paid);
    }
};

const Vault = struct {
    pub const storage = covenant.layout(struct { held: covenant.Mapping(Address, u256) });
    pub const payable = .{"deposit"};

    pub fn deposit() void {
        const own = storage.held.of(covenant.sender());
        own.set(own.get() + covenant.value());
    }

    pub fn withdraw(wei: u256) void {
        const own = storage.held.of(covenant.sender());
        own.set(own.get() - wei);
        covenant.send(covenant.sender(), wei);
    }

    pub fn held(by: Address) u256 {
        return storage.held.of(by).get();
    }
};

test "unit: deposits add up" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    vm.setBalance(alice, 100);
    const vault = try vm.deploy(Vault, .{}, .{});
    try vault.call(.deposit, .{}, .{ .from = alice, .value = 40 });
    try expectEqual(40, try vault.call(.held, .{alice}, .{}));
    try vault.expectPanic(.withdraw, .{41}, .{ .from = alice }, 0x11);
    try vault.call(.withdraw, .{40}, .{ .from = alice });
    try expectEqual(100, vm.balance(alice));
}

test "integration: the shop is paid in tokens" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const token = try vm.deploy(Token, .{1000}, .{ .from = alice });
    const shop = try vm.deploy(Shop, .{token.address}, .{});
    _ = try token.call(.approve, .{ shop.address, 30 }, .{ .from = alice });
    try shop.call(.buy, .{30}, .{ .from = alice });
    try expectEqual(30, try token.call(.balanceOf, .{shop.address}, .{}));
    try shop.expectPanic(.buy, .{1}, .{ .from = alice }, 0x11);
}

test "performance: a thousand calls within a second" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const token = try vm.deploy(Token, .{1000}, .{ .from = alice });
    const start = std.Io.Clock.awake.now(std.testing.io);
    for (0..1000) |_| _ = try token.call(.balanceOf, .{alice}, .{});
    const taken = start.durationTo(std.Io.Clock.awake.now(std.testing.io));
    std.debug.print("1000 calls in {d} ms\n", .{taken.toMilliseconds()});
    try std.testing.expect(taken.toMilliseconds() < 1000);
}

const Everything = struct {
    const State = enum(u8) { open, closed };
    const Item = struct { owner: Address, price: u96, title: covenant.String };

    pub const storage = covenant.layout(struct {
        owner: Address,
        state: State,
        count: u256,
        items: covenant.Array(Item),
        fixed: [3]u64,
        flags: covenant.FixedArray(u8, 40),
        title: covenant.String,
        code: covenant.Bytes,
        scores: covenant.Mapping(Address, u256),
        votes: covenant.Mapping(covenant.String, covenant.Mapping(Address, bool)),
    });
    pub const main = covenant.namespace("example.main", struct { x: u64, y: Address });

    pub fn fill(player: Address) u256 {
        storage.owner.set(player);
        storage.state.set(.closed);
        storage.scores.of(player).set(10);
        storage.votes.of("first").of(player).set(true);
        storage.items.push(.{ .owner = player, .price = 5, .title = .{ .data = "a book" } });
        storage.items.at(0).at(.price).set(6);
        const new = storage.items.pushNew();
        new.at(.owner).set(player);
        new.at(.price).add(7);
        storage.fixed.set(.{ 1, 2, 3 });
        storage.flags.at(39).set(4);
        storage.title.set("a title of more than thirty-one bytes, in two slots");
        storage.code.push(0xab);
        main.y.set(player);
        var total: u256 = 0;
        for (0..storage.items.len()) |i| total += storage.items.at(i).at(.price).get();
        return total;
    }

    pub fn first() covenant.String {
        return storage.items.at(0).get().title;
    }

    pub fn clear() void {
        storage.items.delete();
        storage.title.delete();
        storage.fixed.delete();
    }
};

test "storage is Solidity's" {
    var vm: Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const everything = try vm.deploy(Everything, .{}, .{});
    const at = everything.address;
    try expectEqual(13, try everything.call(.fill, .{alice}, .{}));
    try std.testing.expectEqualStrings("a book", (try everything.call(.first, .{}, .{})).data);
    const packed_owner = std.mem.readInt(u160, &alice.bytes, .big);
    try expectEqual(packed_owner | @as(u256, 1) << 160, vm.slot(at, 0));
    try expectEqual(2, vm.slot(at, 2));
    try expectEqual(1 | 2 << 64 | 3 << 128, vm.slot(at, 3));
    try expectEqual(@as(u256, 4) << 56, vm.slot(at, 5)); // flag 39 is byte 7 of the second slot
    const main_slot = 0x183a6125c38840424c4a85fa12bab2ab606c4b6d0e7cc73c0c06ba5300eab500; // the example of ERC-7201
    try expectEqual(@as(u256, packed_owner) << 64, vm.slot(at, main_slot));
    try everything.call(.clear, .{}, .{});
    for (2..4) |slot| try expectEqual(0, vm.slot(at, slot));
}
