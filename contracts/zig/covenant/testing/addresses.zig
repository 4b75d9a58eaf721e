//! Addresses of new contracts, and of people in tests.

const std = @import("std");
const keccak = @import("../keccak.zig");
const types = @import("../types.zig");

const Address = types.Address;
const Keccak256 = std.crypto.hash.sha3.Keccak256;

/// An address for a name: the same in every test.
pub fn named(comptime name: []const u8) Address {
    return comptime .{ .bytes = keccak.keccak(name)[12..].* };
}

/// keccak256(rlp([creator, nonce])).
pub fn created(creator: Address, nonce: u64) Address {
    var digits: [8]u8 = undefined;
    std.mem.writeInt(u64, &digits, nonce, .big);
    const significant = digits[@clz(nonce) / 8 ..];
    const is_byte = significant.len == 1 and significant[0] < 0x80;
    var text: [31]u8 = undefined;
    const count = 22 + significant.len + @intFromBool(!is_byte);
    text[0] = 0xc0 + @as(u8, @intCast(count - 1));
    text[1] = 0x80 + 20;
    text[2..22].* = creator.bytes;
    if (!is_byte) text[22] = 0x80 + @as(u8, @intCast(significant.len));
    @memcpy(text[count - significant.len .. count], significant);
    return last(text[0..count]);
}

/// keccak256(0xff ++ creator ++ salt ++ keccak256(code)), by EIP-1014.
pub fn createdWithSalt(creator: Address, salt: [32]u8, code: []const u8) Address {
    var digest: [32]u8 = undefined;
    Keccak256.hash(code, &digest, .{});
    return last(&([_]u8{0xff} ++ creator.bytes ++ salt ++ digest));
}

fn last(text: []const u8) Address {
    var digest: [32]u8 = undefined;
    Keccak256.hash(text, &digest, .{});
    return .{ .bytes = digest[12..].* };
}
