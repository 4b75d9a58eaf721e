//! An owner that anybody may become, and a payment for everybody.

const covenant = @import("covenant");

pub const OpenPurse = struct {
    pub const storage = covenant.layout(struct { owner: covenant.Address, limit: u256 });
    pub const view = .{"owner"};

    pub fn constructor() void {
        storage.owner.set(covenant.sender());
    }

    pub fn receive() void {}

    pub fn owner() covenant.Address {
        return storage.owner.get();
    }

    pub fn setOwner(to: covenant.Address) void {
        storage.owner.set(to);
    }

    pub fn setLimit(limit: u256) void {
        if (!covenant.sender().eql(storage.owner.get())) covenant.revert("owner");
        storage.limit.set(limit);
    }
};

comptime {
    covenant.define(OpenPurse);
}
