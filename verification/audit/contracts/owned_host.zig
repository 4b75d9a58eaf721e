//! The same for the owner alone.

const covenant = @import("covenant");

pub const OwnedHost = struct {
    pub const storage = covenant.layout(struct { owner: covenant.Address, number: u256 });

    pub fn constructor() void {
        storage.owner.set(covenant.sender());
    }

    pub fn receive() void {}

    pub fn run(target: covenant.Address, data: covenant.Bytes) void {
        if (!covenant.sender().eql(storage.owner.get())) covenant.revert("owner");
        _ = covenant.rawCall(target, data.data, .{ .kind = .delegate });
    }

    pub fn pay(to: covenant.Address, wei: u256) void {
        if (!covenant.sender().eql(storage.owner.get())) covenant.revert("owner");
        covenant.send(to, wei);
    }
};

comptime {
    covenant.define(OwnedHost);
}
