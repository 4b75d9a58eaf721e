//! The bloom filter of logs (Yellow Paper, 4.4.1).

const keccak = @import("keccak.zig");

pub const size = 256;

/// Set the three bits of an address or a topic.
pub fn add(bloom: *[size]u8, digest: *const [32]u8) void {
    inline for (.{ 0, 2, 4 }) |offset| {
        const bit = (@as(usize, digest[offset]) << 8 | digest[offset + 1]) & (8 * size - 1);
        bloom[size - 1 - bit / 8] |= @as(u8, 1) << @intCast(bit % 8);
    }
}
