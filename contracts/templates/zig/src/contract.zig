//! A token: whoever deploys it holds the whole supply, and holders transfer it.

const std = @import("std");
const covenant = @import("covenant");

const Address = covenant.Address;

const initial_supply: u256 = 1_000_000;

const Transfer = struct {
    from: Address,
    to: Address,
    value: u256,
    pub const indexed = .{ "from", "to" };
};

const InsufficientBalance = struct { held: u256, needed: u256 };

pub const {{Contract}} = struct {
    pub const storage = covenant.layout(struct {
        supply: u256,
        balances: covenant.Mapping(Address, u256),
    });

    pub const view = .{ "totalSupply", "balanceOf" };
    pub const events = .{Transfer};
    pub const errors = .{InsufficientBalance};

    pub fn constructor() void {
        const deployer = covenant.sender();
        storage.supply.set(initial_supply);
        storage.balances.of(deployer).set(initial_supply);
        covenant.emit(Transfer{ .from = .zero, .to = deployer, .value = initial_supply });
    }

    pub fn totalSupply() u256 {
        return storage.supply.get();
    }

    pub fn balanceOf(holder: Address) u256 {
        return storage.balances.of(holder).get();
    }

    pub fn transfer(to: Address, value: u256) bool {
        const from = covenant.sender();
        const source = storage.balances.of(from);
        const held = source.get();
        if (held < value) covenant.revertWith(InsufficientBalance{ .held = held, .needed = value });
        source.set(held - value);
        const target = storage.balances.of(to);
        target.set(target.get() + value);
        covenant.emit(Transfer{ .from = from, .to = to, .value = value });
        return true;
    }
};

comptime {
    covenant.define({{Contract}});
}

test "a holder transfers what it holds, and no more" {
    var vm: covenant.testing.Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const alice, const bob = .{ covenant.testing.named("alice"), covenant.testing.named("bob") };
    const token = try vm.deploy({{Contract}}, .{}, .{ .from = alice });
    try std.testing.expect(try token.call(.transfer, .{ bob, 250 }, .{ .from = alice }));
    try std.testing.expectEqual(250, try token.call(.balanceOf, .{bob}, .{}));
    try std.testing.expectEqual(initial_supply - 250, try token.call(.balanceOf, .{alice}, .{}));
    const expected = covenant.errorData(InsufficientBalance{ .held = 250, .needed = 251 });
    try token.expectRevert(.transfer, .{ alice, 251 }, .{ .from = bob }, expected);
}
