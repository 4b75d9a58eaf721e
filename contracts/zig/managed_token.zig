//! An ERC-20 that holders of roles mint and pause: the twin of examples/twins/ManagedToken.sol.

const covenant = @import("covenant");

const Address = covenant.Address;

const erc20 = covenant.bases.ERC20(ManagedToken);
const pausable = covenant.bases.Pausable(ManagedToken);
const roles = covenant.bases.AccessControl(ManagedToken);

const minter = covenant.abi.keccak("MINTER_ROLE");
const pauser = covenant.abi.keccak("PAUSER_ROLE");

pub const ManagedToken = struct {
    pub const bases = .{ erc20, pausable, roles };
    pub const storage = covenant.layout(.{ erc20.Fields, pausable.Fields, roles.Fields });
    pub const pure = .{ "MINTER_ROLE", "PAUSER_ROLE" };
    pub const internal = .{"beforeUpdate"};

    pub fn constructor(name: covenant.String, symbol: covenant.String, admin: Address) void {
        erc20.start(name.data, symbol.data);
        for ([_][32]u8{ covenant.bases.default_admin, minter, pauser }) |role| roles.grant(role, admin);
    }

    pub fn MINTER_ROLE() [32]u8 {
        return minter;
    }

    pub fn PAUSER_ROLE() [32]u8 {
        return pauser;
    }

    pub fn mint(to: Address, value: u256) void {
        roles.requireRole(minter);
        erc20.mint(to, value);
    }

    pub fn burn(value: u256) void {
        erc20.burn(covenant.sender(), value);
    }

    pub fn burnFrom(account: Address, value: u256) void {
        erc20.spendAllowance(account, covenant.sender(), value);
        erc20.burn(account, value);
    }

    pub fn pause() void {
        roles.requireRole(pauser);
        pausable.pause();
    }

    pub fn unpause() void {
        roles.requireRole(pauser);
        pausable.unpause();
    }

    pub fn setRoleAdmin(role: [32]u8, adminRole: [32]u8) void {
        roles.requireRole(covenant.bases.default_admin);
        roles.setAdmin(role, adminRole);
    }

    /// Nothing moves during a pause.
    pub fn beforeUpdate(_: Address, _: Address, _: u256) void {
        pausable.requireNotPaused();
    }
};

comptime {
    covenant.define(ManagedToken);
}

const std = @import("std");
const testing = covenant.testing;

test "who has the role mints, and nothing moves during a pause" {
    var vm: testing.Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const alice = testing.named("alice");
    const bob = testing.named("bob");
    const token = try vm.deploy(ManagedToken, .{ "Managed", "MGD", alice }, .{});
    const unauthorized = covenant.bases.access_control.AccessControlUnauthorizedAccount{ .account = bob, .neededRole = minter };
    try token.expectRevert(.mint, .{ bob, 5 }, .{ .from = bob }, covenant.errorData(unauthorized));
    try token.call(.grantRole, .{ minter, bob }, .{ .from = alice });
    try token.call(.mint, .{ bob, 5 }, .{ .from = bob });
    try token.call(.pause, .{}, .{ .from = alice });
    const paused = covenant.errorData(covenant.bases.pausable.EnforcedPause{});
    try token.expectRevert(.transfer, .{ alice, 1 }, .{ .from = bob }, paused);
    try token.call(.unpause, .{}, .{ .from = alice });
    try std.testing.expect(try token.call(.transfer, .{ alice, 1 }, .{ .from = bob }));
    try token.expectPanic(.mint, .{ bob, ~@as(u256, 0) }, .{ .from = bob }, 0x11);
}
