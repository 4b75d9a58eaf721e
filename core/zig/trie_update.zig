//! Changes of a trie: first the new nodes are made from the root down, then encoded and hashed level by level from
//! below, so that the siblings of a level share the lanes of Keccak.

const std = @import("std");
const Error = @import("errors.zig").Error;
const nibbles = @import("nibbles.zig");
const nodes = @import("node.zig");

const Child = nodes.Child;
const Node = nodes.Node;

/// A path, a digit a byte, and the value that is to be there; b"" deletes.
pub const Entry = struct {
    path: []const u8,
    value: []const u8,

    pub fn before(_: void, a: Entry, b: Entry) bool {
        return std.mem.lessThan(u8, a.path, b.path);
    }
};

/// Entries in the order that an update takes them. Refused where two have the same path.
pub fn sorted(entries: []Entry) Error![]Entry {
    std.sort.pdq(Entry, entries, {}, Entry.before);
    for (entries[0 .. entries.len -| 1], 1..) |entry, next| {
        if (std.mem.eql(u8, entry.path, entries[next].path)) return error.Refused;
    }
    return entries;
}

/// What entries make of a part of the trie.
const Change = union(enum) { same, gone, node: *Node };

fn common(entries: []const Entry, depth: usize) usize {
    return nibbles.shared(entries[0].path[depth..], entries[entries.len - 1].path[depth..]);
}

/// The first entries, as many as have the same digit at a depth.
fn group(entries: []const Entry, depth: usize) []const Entry {
    const digit = entries[0].path[depth];
    var size: usize = 1;
    while (size < entries.len and entries[size].path[depth] == digit) size += 1;
    return entries[0..size];
}

/// Source: `get(path, hash) Error![]const u8`, whose slices stay until the update ends.
pub fn Builder(comptime Source: type) type {
    return struct {
        arena: std.mem.Allocator,
        source: Source,

        const Self = @This();

        /// The root node after the changes: `same` where nothing changes, `gone` where nothing is left.
        /// entries: ascending by path, one at least, no path twice. root: null of an empty trie.
        pub fn apply(self: *Self, root: ?*const [32]u8, entries: []const Entry) Error!Change {
            return self.change(if (root) |hash| .{ .hash = hash } else .none, entries, 0);
        }

        fn make(self: *Self, node: Node) Error!*Node {
            const made = try self.arena.create(Node);
            made.* = node;
            return made;
        }

        fn leaf(self: *Self, digits: []const u8, value: []const u8) Error!*Node {
            return self.make(.{ .kind = .leaf, .digits = digits, .value = value });
        }

        fn extension(self: *Self, digits: []const u8, child: Child) Error!*Node {
            const children = try self.arena.alloc(Child, 1);
            children[0] = child;
            return self.make(.{ .kind = .extension, .digits = digits, .children = children });
        }

        fn branch(self: *Self) Error!*Node {
            const children = try self.arena.alloc(Child, nodes.branch_children);
            @memset(children, .none);
            return self.make(.{ .kind = .branch, .children = children });
        }

        fn decoded(self: *Self, raw: []const u8) Error!*Node {
            const room = try self.arena.create(nodes.Room);
            return self.make(try nodes.decode(raw, room));
        }

        fn load(self: *Self, path: []const u8, child: Child) Error!*Node {
            return switch (child) {
                .none => error.Refused,
                .hash => |hash| self.decoded(try self.source.get(path, hash)),
                .embedded => |raw| self.decoded(raw),
                .node => |node| node,
            };
        }

        /// A part of the trie that holds the entries alone, none of them a deletion.
        fn build(self: *Self, entries: []const Entry, depth: usize) Error!*Node {
            const first = entries[0].path;
            if (entries.len == 1) return self.leaf(first[depth..], entries[0].value);
            const stop = depth + common(entries, depth);
            const made = try self.branch();
            var rest = entries;
            if (first.len == stop) {
                made.value = entries[0].value;
                rest = entries[1..];
            }
            while (rest.len > 0) {
                const part = group(rest, stop);
                made.children[part[0].path[stop]] = .{ .node = try self.build(part, stop + 1) };
                rest = rest[part.len..];
            }
            return if (stop == depth) made else self.extension(first[depth..stop], .{ .node = made });
        }

        /// As `build`, of the entries and a leaf that stands in their place; null where they leave nothing.
        fn join(self: *Self, old: ?Entry, entries: []const Entry, depth: usize) Error!?*Node {
            var merged = try std.ArrayList(Entry).initCapacity(self.arena, entries.len + 1);
            var left = old;
            for (entries) |entry| {
                if (left) |held| switch (std.mem.order(u8, held.path, entry.path)) {
                    .lt => {
                        merged.appendAssumeCapacity(held);
                        left = null;
                    },
                    .eq => left = null,
                    .gt => {},
                };
                if (entry.value.len > 0) merged.appendAssumeCapacity(entry);
            }
            if (left) |held| merged.appendAssumeCapacity(held);
            return if (merged.items.len == 0) null else try self.build(merged.items, depth);
        }

        fn change(self: *Self, child: Child, entries: []const Entry, depth: usize) Error!Change {
            if (child == .none) return if (try self.join(null, entries, depth)) |made| .{ .node = made } else .same;
            const node = try self.load(entries[0].path[0..depth], child);
            return switch (node.kind) {
                .branch => self.change_branch(node, entries, depth, false),
                .extension => self.change_extension(node, entries, depth),
                .leaf => self.change_leaf(node, entries, depth),
            };
        }

        fn change_leaf(self: *Self, node: *Node, entries: []const Entry, depth: usize) Error!Change {
            const path = try std.mem.concat(self.arena, u8, &.{ entries[0].path[0..depth], node.digits });
            const made = try self.join(.{ .path = path, .value = node.value }, entries, depth) orelse return .gone;
            const is_same = made.kind == .leaf and std.mem.eql(u8, made.digits, node.digits) and
                std.mem.eql(u8, made.value, node.value);
            return if (is_same) .same else .{ .node = made };
        }

        /// is_new: the branch was not there before, and has one child so far.
        fn change_branch(self: *Self, node: *Node, entries: []const Entry, depth: usize, is_new: bool) Error!Change {
            var touched = false;
            var may_collapse = is_new;
            var rest = entries;
            if (entries[0].path.len == depth) {
                touched = !std.mem.eql(u8, node.value, entries[0].value);
                may_collapse = may_collapse or entries[0].value.len == 0;
                node.value = entries[0].value;
                rest = entries[1..];
            }
            while (rest.len > 0) {
                const part = group(rest, depth);
                const child = &node.children[part[0].path[depth]];
                rest = rest[part.len..];
                switch (try self.change(child.*, part, depth + 1)) {
                    .same => continue,
                    .gone => {
                        child.* = .none;
                        may_collapse = true;
                    },
                    .node => |made| child.* = .{ .node = made },
                }
                touched = true;
            }
            if (!touched) return .same;
            return if (may_collapse) self.collapsed(node, entries[0].path[0..depth]) else .{ .node = node };
        }

        /// A branch at a path, or what stands for it where it has one item or none.
        fn collapsed(self: *Self, node: *Node, path: []const u8) Error!Change {
            var count: usize = @intFromBool(node.value.len > 0);
            var only: u8 = 0;
            for (node.children, 0..) |child, index| {
                if (child == .none) continue;
                count += 1;
                only = @intCast(index);
            }
            if (count > 1) return .{ .node = node };
            if (node.value.len > 0) return .{ .node = try self.leaf("", node.value) };
            if (count == 0) return .gone;
            return .{ .node = try self.prepended(path, &.{only}, node.children[only]) };
        }

        /// The node at a path for a child that stood `prefix` further down.
        fn prepended(self: *Self, path: []const u8, prefix: []const u8, child: Child) Error!*Node {
            const below = try self.load(try std.mem.concat(self.arena, u8, &.{ path, prefix }), child);
            if (below.kind == .branch) return self.extension(try self.arena.dupe(u8, prefix), child);
            var whole = below.*;
            whole.digits = try std.mem.concat(self.arena, u8, &.{ prefix, below.digits });
            return self.make(whole);
        }

        fn change_extension(self: *Self, node: *Node, entries: []const Entry, depth: usize) Error!Change {
            const first = entries[0].path;
            const part = node.digits;
            const shared = @min(
                nibbles.shared(part, first[depth..]),
                nibbles.shared(part, entries[entries.len - 1].path[depth..]),
            );
            if (shared == part.len) {
                return switch (try self.change(node.children[0], entries, depth + part.len)) {
                    .same => .same,
                    .gone => .gone,
                    .node => |made| .{ .node = try self.prepended(first[0..depth], part, .{ .node = made }) },
                };
            }
            const made = try self.branch();
            const rest = part[shared + 1 ..];
            const child = node.children[0];
            made.children[part[shared]] = if (rest.len == 0) child else .{ .node = try self.extension(rest, child) };
            const changed = try self.change_branch(made, entries, depth + shared, true);
            if (changed != .node or shared == 0) return changed;
            return .{ .node = try self.prepended(first[0..depth], part[0..shared], .{ .node = changed.node }) };
        }
    };
}

/// Encode and hash trees of new nodes; the nodes that are known by their hash, children before their parents.
/// The roots, the last of them, are hashed however short they are. hasher: `hash_many(messages, digests) void`.
pub fn seal(arena: std.mem.Allocator, roots: []const *Node, hasher: anytype) Error![]const *Node {
    var order: std.ArrayList(*Node) = .empty;
    var levels: std.ArrayList(usize) = .empty;
    try order.appendSlice(arena, roots);
    var begin: usize = 0;
    while (begin < order.items.len) {
        try levels.append(arena, begin);
        const end = order.items.len;
        while (begin < end) : (begin += 1) {
            for (order.items[begin].children) |child| {
                if (child == .node) try order.append(arena, child.node);
            }
        }
    }
    var kept: std.ArrayList(*Node) = .empty;
    var end = order.items.len;
    while (levels.pop()) |start| {
        const first = kept.items.len;
        for (order.items[start..end]) |node| {
            node.raw = try nodes.encode(arena, node);
            if (node.raw.len >= nodes.hashed_from or start == 0) try kept.append(arena, node);
        }
        try hash_level(arena, kept.items[first..], hasher);
        end = start;
    }
    return kept.items;
}

fn hash_level(arena: std.mem.Allocator, level: []const *Node, hasher: anytype) Error!void {
    const messages = try arena.alloc([]const u8, level.len);
    const digests = try arena.alloc([32]u8, level.len);
    for (messages, level) |*message, node| message.* = node.raw;
    hasher.hash_many(messages, digests);
    for (level, digests) |node, digest| node.hash = digest;
}
