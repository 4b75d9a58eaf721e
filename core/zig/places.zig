//! Hash tables of the places of accounts and slots. Keys: an account's slot, or bytes.

const std = @import("std");

/// Attackers choose slots and addresses: their hashes must not be foreseen.
var seed: u64 = 0;

pub fn start(entropy: u64) void {
    seed = entropy;
}

fn is_bytes(comptime Key: type) bool {
    return @typeInfo(Key) == .array;
}

const Hashing = struct {
    pub fn hash(_: Hashing, key: anytype) u64 {
        if (comptime is_bytes(@TypeOf(key))) return std.hash.Wyhash.hash(seed, &key);
        return std.hash.Wyhash.hash(seed +% @as(u64, @intFromEnum(key.account)) *% 0x9e3779b97f4a7c15, std.mem.asBytes(&key.slot));
    }

    pub fn eql(_: Hashing, left: anytype, right: @TypeOf(left)) bool {
        if (comptime is_bytes(@TypeOf(left))) return std.mem.eql(u8, &left, &right);
        return left.account == right.account and left.slot == right.slot;
    }
};

pub fn Places(comptime Key: type) type {
    return std.HashMapUnmanaged(Key, u32, Hashing, 60);
}
