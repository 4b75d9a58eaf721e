//! Paths in a trie, a hexadecimal digit a byte, and their encoding in a node (Yellow Paper, appendix C).

const std = @import("std");
const Error = @import("errors.zig").Error;

/// The longest key, in bytes, that the core takes; a trie of Ethereum has keys of 32 bytes or of an index.
pub const longest_key = 64;
pub const longest_path = 2 * longest_key;

/// The digits of a key. out: twice as many bytes as the key.
pub fn unpack(out: []u8, key: []const u8) void {
    for (key, 0..) |byte, index| {
        out[2 * index] = byte >> 4;
        out[2 * index + 1] = byte & 15;
    }
}

/// How many digits two paths share at their beginnings.
pub fn shared(a: []const u8, b: []const u8) usize {
    return std.mem.indexOfDiff(u8, a, b) orelse a.len;
}

pub const Part = struct { digits: []const u8, is_leaf: bool };

/// A node's first item, whose payload is given. The digits are written to `out`, and are a slice of it.
pub fn decode(out: *[longest_path]u8, payload: []const u8) Error!Part {
    if (payload.len == 0 or payload.len > longest_key + 1) return error.Refused;
    const flag = payload[0] >> 4;
    const is_odd = flag & 1 == 1;
    if (flag > 3 or (!is_odd and payload[0] & 15 != 0)) return error.Refused;
    if (is_odd and payload.len > longest_key) return error.Refused;
    var size: usize = 0;
    if (is_odd) {
        out[0] = payload[0] & 15;
        size = 1;
    }
    const rest = payload[1..];
    unpack(out[size..][0 .. 2 * rest.len], rest);
    return .{ .digits = out[0 .. size + 2 * rest.len], .is_leaf = flag >= 2 };
}

pub const Packed = struct {
    bytes: [longest_key + 1]u8,
    size: usize,

    pub fn slice(self: *const Packed) []const u8 {
        return self.bytes[0..self.size];
    }
};

/// The payload of a node's first item.
pub fn encode(digits: []const u8, is_leaf: bool) Error!Packed {
    if (digits.len > longest_path) return error.Refused;
    const odd = digits.len & 1;
    var result: Packed = .{ .bytes = undefined, .size = 1 + digits.len / 2 };
    result.bytes[0] = (if (is_leaf) @as(u8, 0x20) else 0) | (if (odd == 1) 0x10 | digits[0] else 0);
    for (result.bytes[1..result.size], 0..) |*byte, index| {
        byte.* = digits[odd + 2 * index] << 4 | digits[odd + 2 * index + 1];
    }
    return result;
}
