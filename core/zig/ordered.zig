//! The root of a trie that holds items under the RLP of their indexes: transactions, receipts, withdrawals.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const nibbles = @import("nibbles.zig");
const rlp = @import("rlp.zig");
const update = @import("trie_update.zig");

/// The root of the empty trie: the hash of the encoding of no bytes.
pub const empty_root = keccak.hash_at_compile_time(rlp.empty_string);

/// A trie that is made anew has no node to look up.
const Nothing = struct {
    pub fn get(_: Nothing, _: []const u8, _: *const [32]u8) Error![]const u8 {
        return error.Refused;
    }
};

fn path_of(arena: std.mem.Allocator, index: usize) Error![]const u8 {
    var number: [8]u8 = undefined;
    std.mem.writeInt(u64, &number, index, .big);
    var key: [9]u8 = undefined;
    const size = rlp.write_string(&key, std.mem.trimStart(u8, &number, "\x00"));
    const path = try arena.alloc(u8, 2 * size);
    nibbles.unpack(path, key[0..size]);
    return path;
}

/// The root. An empty item is none. hasher: as `trie_update.seal` takes it.
pub fn root(arena: std.mem.Allocator, items: []const []const u8, hasher: anytype) Error![32]u8 {
    const entries = try arena.alloc(update.Entry, items.len);
    for (entries, items, 0..) |*entry, item, index| entry.* = .{ .path = try path_of(arena, index), .value = item };
    if (entries.len == 0) return empty_root;
    std.sort.pdq(update.Entry, entries, {}, update.Entry.before);
    var builder: update.Builder(Nothing) = .{ .arena = arena, .source = .{} };
    return switch (try builder.apply(null, entries)) {
        .same, .gone => empty_root,
        .node => |top| {
            _ = try update.seal(arena, &.{top}, hasher);
            return top.hash;
        },
    };
}
