//! Code of the caller's choice on this contract's storage.

const covenant = @import("covenant");

pub const DelegatingHost = struct {
    pub const storage = covenant.layout(struct { number: u256 });

    pub fn run(target: covenant.Address, data: covenant.Bytes) void {
        _ = covenant.rawCall(target, data.data, .{ .kind = .delegate });
    }
};

comptime {
    covenant.define(DelegatingHost);
}
