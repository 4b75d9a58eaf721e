//! Nodes of a Merkle-Patricia trie (Yellow Paper, appendix D): what a stored one holds, and its encoding.
//! Stricter than storage/trie.py: a node of another form than the tries' own is refused, so that Python decides.

const std = @import("std");
const Error = @import("errors.zig").Error;
const nibbles = @import("nibbles.zig");
const rlp = @import("rlp.zig");

/// Nodes that take fewer bytes stand in their parent; the others are known by their hash.
pub const hashed_from = 32;
pub const branch_children = 16;

pub const Child = union(enum) {
    none,
    /// A stored node that is not read.
    hash: *const [32]u8,
    /// A node that stands in its parent, encoded.
    embedded: []const u8,
    /// A node that an update makes.
    node: *Node,
};

pub const Kind = enum { leaf, extension, branch };

pub const Node = struct {
    kind: Kind,
    /// A leaf's or an extension's part of the path, a digit a byte.
    digits: []const u8 = "",
    /// A leaf's value, or a branch's; b"" where a branch has none.
    value: []const u8 = "",
    /// Sixteen of a branch, one of an extension.
    children: []Child = &.{},
    /// The encoding, once it is known, and its hash where it has `hashed_from` bytes.
    raw: []const u8 = "",
    hash: [32]u8 = undefined,
};

/// Where a decoded node's parts are kept.
pub const Room = struct { digits: [nibbles.longest_path]u8 = undefined, children: [branch_children]Child = undefined };

fn child_of(encoded: []const u8) Error!Child {
    const item = try rlp.item_at(encoded, 0);
    if (item.is_list) return if (encoded.len < hashed_from) .{ .embedded = encoded } else error.Refused;
    return switch (item.stop - item.start) {
        0 => .none,
        32 => .{ .hash = encoded[item.start..][0..32] },
        else => error.Refused,
    };
}

/// The node with an encoding, whose bytes and whose room it refers to.
pub fn decode(raw: []const u8, room: *Room) Error!Node {
    var items: rlp.Items = .{ .payload = try rlp.spanning(raw, true) };
    const first = try items.next() orelse return error.Refused;
    const second = try items.next() orelse return error.Refused;
    if (items.at_end()) return decode_short(first, second, room);
    room.children[0] = try child_of(first);
    room.children[1] = try child_of(second);
    for (room.children[2..]) |*child| child.* = try child_of(try items.next() orelse return error.Refused);
    const value = try items.take(false);
    if (!items.at_end()) return error.Refused;
    return .{ .kind = .branch, .children = &room.children, .value = value };
}

fn decode_short(first: []const u8, second: []const u8, room: *Room) Error!Node {
    const part = try nibbles.decode(&room.digits, try rlp.spanning(first, false));
    if (part.is_leaf) {
        const value = try rlp.spanning(second, false);
        if (value.len == 0) return error.Refused;
        return .{ .kind = .leaf, .digits = part.digits, .value = value };
    }
    room.children[0] = try child_of(second);
    if (part.digits.len == 0 or room.children[0] == .none) return error.Refused;
    return .{ .kind = .extension, .digits = part.digits, .children = room.children[0..1] };
}

fn reference_size(child: Child) usize {
    return switch (child) {
        .none => 1,
        .hash => 33,
        .embedded => |encoded| encoded.len,
        .node => |node| if (node.raw.len < hashed_from) node.raw.len else 33,
    };
}

fn write_reference(out: []u8, child: Child) usize {
    switch (child) {
        .none => out[0] = rlp.empty_string[0],
        .hash => |hash| return rlp.write_string(out, hash),
        .embedded => |encoded| @memcpy(out[0..encoded.len], encoded),
        .node => |node| {
            if (node.raw.len >= hashed_from) return rlp.write_string(out, &node.hash);
            @memcpy(out[0..node.raw.len], node.raw);
        },
    }
    return reference_size(child);
}

/// The encoding of a node whose children are encoded and hashed.
pub fn encode(arena: std.mem.Allocator, node: *const Node) Error![]const u8 {
    const part = try nibbles.encode(node.digits, node.kind == .leaf);
    var size: usize = 0;
    if (node.kind != .branch) size += rlp.string_size(part.slice());
    for (node.children) |child| size += reference_size(child);
    if (node.kind != .extension) size += rlp.string_size(node.value);
    const out = try arena.alloc(u8, rlp.list_size(size));
    var position = rlp.write_list_header(out, size);
    if (node.kind != .branch) position += rlp.write_string(out[position..], part.slice());
    for (node.children) |child| position += write_reference(out[position..], child);
    if (node.kind != .extension) position += rlp.write_string(out[position..], node.value);
    std.debug.assert(position == out.len);
    return out;
}
