//! Roles: OpenZeppelin's AccessControl, with its storage, events and errors.

const covenant = @import("../covenant.zig");
const introspection = @import("introspection.zig");

const Address = covenant.Address;
const Role = [32]u8;

pub const RoleGranted = struct {
    role: Role,
    account: Address,
    sender: Address,
    pub const indexed = .{ "role", "account", "sender" };
};

pub const RoleRevoked = struct {
    role: Role,
    account: Address,
    sender: Address,
    pub const indexed = .{ "role", "account", "sender" };
};

pub const RoleAdminChanged = struct {
    role: Role,
    previousAdminRole: Role,
    newAdminRole: Role,
    pub const indexed = .{ "role", "previousAdminRole", "newAdminRole" };
};

pub const AccessControlUnauthorizedAccount = struct { account: Address, neededRole: Role };
pub const AccessControlBadConfirmation = struct {};

pub const RoleData = struct {
    hasRole: covenant.Mapping(Address, bool),
    adminRole: Role,
};

/// Whose holders administer every role that has no other administrators.
pub const default_admin: Role = @splat(0);

pub const interface_id = introspection.interfaceId(&.{
    "hasRole(bytes32,address)",
    "getRoleAdmin(bytes32)",
    "grantRole(bytes32,address)",
    "revokeRole(bytes32,address)",
    "renounceRole(bytes32,address)",
});

/// A base: a function for holders of a role begins with `requireRole`. The constructor grants the first roles with
/// `grant`.
pub fn AccessControl(comptime Contract: type) type {
    return struct {
        pub const Fields = struct { _roles: covenant.Mapping(Role, RoleData) };
        pub const view = .{ "hasRole", "getRoleAdmin" };
        pub const pure = .{ "DEFAULT_ADMIN_ROLE", "supportsInterface" };
        pub const internal = .{ "requireRole", "grant", "revoke", "setAdmin" };
        pub const events = .{ RoleAdminChanged, RoleGranted, RoleRevoked };
        pub const errors = .{ AccessControlBadConfirmation, AccessControlUnauthorizedAccount };

        pub fn DEFAULT_ADMIN_ROLE() Role {
            return default_admin;
        }

        pub fn supportsInterface(interfaceId: [4]u8) bool {
            return introspection.supports(interfaceId, &.{interface_id});
        }

        pub fn hasRole(role: Role, account: Address) bool {
            return held(role, account).get();
        }

        pub fn getRoleAdmin(role: Role) Role {
            return Contract.storage._roles.of(role).at(.adminRole).get();
        }

        pub fn grantRole(role: Role, account: Address) void {
            requireRole(getRoleAdmin(role));
            grant(role, account);
        }

        pub fn revokeRole(role: Role, account: Address) void {
            requireRole(getRoleAdmin(role));
            revoke(role, account);
        }

        /// Give up a role. The caller names itself, against mistakes.
        pub fn renounceRole(role: Role, callerConfirmation: Address) void {
            if (!callerConfirmation.eql(covenant.sender())) covenant.revertWith(AccessControlBadConfirmation{});
            revoke(role, callerConfirmation);
        }

        pub fn requireRole(role: Role) void {
            const caller = covenant.sender();
            if (hasRole(role, caller)) return;
            covenant.revertWith(AccessControlUnauthorizedAccount{ .account = caller, .neededRole = role });
        }

        /// Whoever calls; nothing if the account has the role.
        pub fn grant(role: Role, account: Address) void {
            const place = held(role, account);
            if (place.get()) return;
            place.set(true);
            covenant.emit(RoleGranted{ .role = role, .account = account, .sender = covenant.sender() });
        }

        pub fn revoke(role: Role, account: Address) void {
            const place = held(role, account);
            if (!place.get()) return;
            place.set(false);
            covenant.emit(RoleRevoked{ .role = role, .account = account, .sender = covenant.sender() });
        }

        pub fn setAdmin(role: Role, admin: Role) void {
            const previous = getRoleAdmin(role);
            Contract.storage._roles.of(role).at(.adminRole).set(admin);
            covenant.emit(RoleAdminChanged{ .role = role, .previousAdminRole = previous, .newAdminRole = admin });
        }

        fn held(role: Role, account: Address) @TypeOf(Contract.storage._roles.of(role).at(.hasRole).of(account)) {
            return Contract.storage._roles.of(role).at(.hasRole).of(account);
        }
    };
}
