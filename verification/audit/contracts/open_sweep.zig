//! Ether for whoever asks.

const covenant = @import("covenant");

pub const OpenSweep = struct {
    pub fn receive() void {}

    pub fn sweep(to: covenant.Address) void {
        covenant.send(to, covenant.balance(covenant.this()));
    }
};

comptime {
    covenant.define(OpenSweep);
}
