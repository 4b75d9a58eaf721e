//! Upgrades by the logic itself: OpenZeppelin's UUPSUpgradeable, for proxies of ERC-1967.

const std = @import("std");
const covenant = @import("../covenant.zig");

const Address = covenant.Address;

pub const Upgraded = struct {
    implementation: Address,
    pub const indexed = .{"implementation"};
};

pub const UUPSUnauthorizedCallContext = struct {};
pub const UUPSUnsupportedProxiableUUID = struct { slot: [32]u8 };
pub const ERC1967InvalidImplementation = struct { implementation: Address };
pub const ERC1967NonPayable = struct {};
pub const FailedCall = struct {};

/// keccak256("eip1967.proxy.implementation") - 1
pub const implementation_slot: u256 = std.mem.readInt(u256, &covenant.abi.keccak("eip1967.proxy.implementation"), .big) - 1;

const implementation = covenant.slotAt(Address, implementation_slot);

const Proxiable = covenant.interface(struct {
    proxiableUUID: fn () u256,
    pub const view = .{"proxiableUUID"};
});

/// A base of contracts that proxies delegate to. The contract defines `authorizeUpgrade(new: Address) void`, which
/// reverts for whoever may not upgrade, and lists it in `internal`.
pub fn UUPSUpgradeable(comptime Contract: type) type {
    return struct {
        pub const payable = .{"upgradeToAndCall"};
        pub const view = .{"proxiableUUID"};
        pub const pure = .{"UPGRADE_INTERFACE_VERSION"};
        pub const internal = .{ "requireProxy", "requireNotDelegated" };
        pub const events = .{Upgraded};
        pub const errors = .{
            ERC1967InvalidImplementation,
            ERC1967NonPayable,
            FailedCall,
            UUPSUnauthorizedCallContext,
            UUPSUnsupportedProxiableUUID,
        };

        pub fn UPGRADE_INTERFACE_VERSION() covenant.String {
            return .{ .data = "5.0.0" };
        }

        pub fn proxiableUUID() [32]u8 {
            requireNotDelegated();
            return covenant.abi.toWord(implementation_slot);
        }

        /// Let the proxy delegate to `newImplementation`, and delegate a first call to it unless `data` is empty.
        pub fn upgradeToAndCall(newImplementation: Address, data: covenant.Bytes) void {
            requireProxy();
            Contract.authorizeUpgrade(newImplementation);
            requireProxiable(newImplementation);
            implementation.set(newImplementation);
            covenant.emit(Upgraded{ .implementation = newImplementation });
            if (data.data.len > 0) return delegateFirst(newImplementation, data.data);
            if (covenant.value() != 0) covenant.revertWith(ERC1967NonPayable{});
        }

        /// The call comes through a proxy that delegates to this contract.
        pub fn requireProxy() void {
            const own = covenant.codeAddress();
            if (covenant.this().eql(own) or !implementation.get().eql(own)) {
                covenant.revertWith(UUPSUnauthorizedCallContext{});
            }
        }

        pub fn requireNotDelegated() void {
            if (!covenant.this().eql(covenant.codeAddress())) covenant.revertWith(UUPSUnauthorizedCallContext{});
        }

        fn requireProxiable(new: Address) void {
            switch (Proxiable.at(new).tryCall(.proxiableUUID, .{})) {
                .ok => |slot| if (slot != implementation_slot) {
                    covenant.revertWith(UUPSUnsupportedProxiableUUID{ .slot = covenant.abi.toWord(slot) });
                },
                .failed => |failure| {
                    if (failure.no_code) failure.bubble();
                    covenant.revertWith(ERC1967InvalidImplementation{ .implementation = new });
                },
            }
        }

        fn delegateFirst(new: Address, data: []const u8) void {
            switch (covenant.tryRawCall(new, data, .{ .kind = .delegate })) {
                .ok => {},
                .failed => |failure| {
                    if (failure.data.len == 0) covenant.revertWith(FailedCall{});
                    failure.bubble();
                },
            }
        }
    };
}
