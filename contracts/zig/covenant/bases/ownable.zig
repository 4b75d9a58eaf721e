//! One owner, who may hand the contract on: OpenZeppelin's Ownable, with its storage, events and errors.

const covenant = @import("../covenant.zig");

const Address = covenant.Address;

pub const OwnershipTransferred = struct {
    previousOwner: Address,
    newOwner: Address,
    pub const indexed = .{ "previousOwner", "newOwner" };
};

pub const OwnableUnauthorizedAccount = struct { account: Address };
pub const OwnableInvalidOwner = struct { owner: Address };

/// A base: name it in `bases`, and `Ownable(Contract).Fields` in the layout. The constructor calls `start`; a function
/// for the owner alone begins with `requireOwner`.
pub fn Ownable(comptime Contract: type) type {
    return struct {
        pub const Fields = struct { _owner: Address };
        pub const view = .{"owner"};
        pub const internal = .{ "start", "requireOwner", "setOwner" };
        pub const events = .{OwnershipTransferred};
        pub const errors = .{ OwnableUnauthorizedAccount, OwnableInvalidOwner };

        pub fn owner() Address {
            return Contract.storage._owner.get();
        }

        pub fn transferOwnership(newOwner: Address) void {
            requireOwner();
            start(newOwner);
        }

        pub fn renounceOwnership() void {
            requireOwner();
            setOwner(.zero);
        }

        /// Set the first owner, who is not zero.
        pub fn start(first: Address) void {
            if (first.eql(.zero)) covenant.revertWith(OwnableInvalidOwner{ .owner = .zero });
            setOwner(first);
        }

        pub fn requireOwner() void {
            const caller = covenant.sender();
            if (!owner().eql(caller)) covenant.revertWith(OwnableUnauthorizedAccount{ .account = caller });
        }

        pub fn setOwner(new: Address) void {
            const old = owner();
            Contract.storage._owner.set(new);
            covenant.emit(OwnershipTransferred{ .previousOwner = old, .newOwner = new });
        }
    };
}
