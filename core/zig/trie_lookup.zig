//! The value at a key of a trie.

const std = @import("std");
const Error = @import("errors.zig").Error;
const nibbles = @import("nibbles.zig");
const nodes = @import("node.zig");

/// The value, or null. The slice is the source's.
/// source: `get(path, hash) Error![]const u8`, the node at a path with a hash, which stays until the source ends.
pub fn get(source: anytype, root: *const [32]u8, key: []const u8) Error!?[]const u8 {
    if (key.len > nibbles.longest_key) return error.Refused;
    var unpacked: [nibbles.longest_path]u8 = undefined;
    nibbles.unpack(&unpacked, key);
    const path = unpacked[0 .. 2 * key.len];
    var room: nodes.Room = .{};
    var raw = try source.get("", root);
    var depth: usize = 0;
    // every node of the way has a digit of the path at least
    while (true) {
        const node = try nodes.decode(raw, &room);
        const rest = path[depth..];
        if (node.kind == .leaf) return if (std.mem.eql(u8, node.digits, rest)) node.value else null;
        if (node.kind == .extension and !std.mem.startsWith(u8, rest, node.digits)) return null;
        if (node.kind == .branch and rest.len == 0) return if (node.value.len == 0) null else node.value;
        const child = node.children[if (node.kind == .branch) rest[0] else 0];
        depth += if (node.kind == .branch) 1 else node.digits.len;
        raw = switch (child) {
            .none => return null,
            .hash => |hash| try source.get(path[0..depth], hash),
            .embedded => |encoded| encoded,
            .node => unreachable, // decode makes none
        };
    }
}
