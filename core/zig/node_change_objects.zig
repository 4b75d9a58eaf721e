//! The difference between the nodes of two tries, for Python: storage/node_changes.py's. The keys are storage/schema.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const flat_objects = @import("flat_objects.zig");
const nibbles = @import("nibbles.zig");
const node = @import("node.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const state_objects = @import("state_objects.zig");
const trie_objects = @import("trie_objects.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const Child = node.Child;

/// The prefixes of the keys of nodes under their paths.
const prefix = .{ .state = "A", .slot = "B" };
const hash_size = 32;
const hexadecimal = "0123456789abcdef";
const most_digits = nibbles.longest_path;

/// What the two tries have at a path: the old one's, the new one's.
const Sides = [2]Child;
/// By path, a digit a byte.
const Level = std.array_hash_map.String(Sides);

/// Dicts of what is found: nodes that went, by hash; new ones by their keys; the values that were met on either side.
const Found = struct {
    removed: *Object,
    entries: *Object,
    values: [2]*Object,
};

fn are_same(a: Child, b: Child) bool {
    return switch (a) {
        .none => b == .none,
        .hash => |hash| b == .hash and std.mem.eql(u8, hash, b.hash),
        .embedded => |encoded| b == .embedded and std.mem.eql(u8, encoded, b.embedded),
        .node => false, // decode makes none
    };
}

/// What a call works with. Shallow paths come first, so that both sides of a path are known when it is opened.
const Work = struct {
    arena: std.mem.Allocator,
    source: trie_objects.Nodes,
    owner: []const u8,
    found: Found,
    /// By the number of digits.
    levels: [most_digits + 1]Level = @splat(.empty),

    fn run(self: *Work, roots: [2]*const [hash_size]u8) Error!void {
        for (roots, 0..) |root, side| {
            if (!std.mem.eql(u8, root, &ordered.empty_root)) try self.expect("", "", side, .{ .hash = root });
        }
        for (0..self.levels.len) |depth| {
            // what a level leads to lies on later ones
            const level = self.levels[depth];
            for (level.keys(), level.values()) |path, sides| {
                if (!are_same(sides[0], sides[1])) try self.compare(path, sides);
            }
        }
    }

    /// Note what is at a path, given by two parts, on one side.
    fn expect(self: *Work, above: []const u8, below: []const u8, side: usize, child: Child) Error!void {
        const size = above.len + below.len;
        if (size > most_digits) return error.Refused;
        var room: [most_digits]u8 = undefined;
        @memcpy(room[0..above.len], above);
        @memcpy(room[above.len..size], below);
        const place = try self.levels[size].getOrPut(self.arena, room[0..size]);
        if (!place.found_existing) {
            place.key_ptr.* = try self.arena.dupe(u8, room[0..size]);
            place.value_ptr.* = .{ .none, .none };
        }
        place.value_ptr[side] = child;
    }

    fn compare(self: *Work, path: []const u8, sides: Sides) Error!void {
        var rooms: [2]node.Room = undefined;
        var opened: [2]?node.Node = .{ null, null };
        var stored: [2]?*Object = .{ null, null };
        for (sides, 0..) |child, side| {
            const raw = switch (child) {
                .none => continue,
                .embedded => |encoded| encoded,
                .hash => |hash| try self.load(path, hash, &stored[side]),
                .node => unreachable, // decode makes none
            };
            opened[side] = try node.decode(raw, &rooms[side]);
        }
        const are_branches = is_branch(opened[0]) and is_branch(opened[1]);
        for (opened, 0..) |held, side| {
            const open = held orelse continue;
            if (open.value.len > 0) try self.put_value(path, open.digits, side, open.value);
            for (open.children, 0..) |child, digit| {
                if (child == .none) continue;
                if (are_branches and are_same(child, opened[1 - side].?.children[digit])) continue;
                try self.expect(path, if (open.kind == .branch) &.{@intCast(digit)} else open.digits, side, child);
            }
        }
        if (stored[0]) |old| try self.put_removed(sides[0].hash, old);
        if (stored[0] != null or stored[1] != null) try self.put_entry(path, stored[1]);
    }

    fn load(self: *Work, path: []const u8, hash: *const [hash_size]u8, object: *?*Object) Error![]const u8 {
        const raw = try self.source.get(path, hash);
        const objects = self.source.held.objects.items;
        object.* = objects[objects.len - 1];
        return raw;
    }

    fn put_value(self: *Work, above: []const u8, below: []const u8, side: usize, value: []const u8) Error!void {
        const size = above.len + below.len;
        if (size > most_digits or size & 1 == 1) return error.Refused;
        var digits: [most_digits]u8 = undefined;
        @memcpy(digits[0..above.len], above);
        @memcpy(digits[above.len..size], below);
        var packed_key: [nibbles.longest_key]u8 = undefined;
        for (packed_key[0 .. size / 2], 0..) |*byte, index| byte.* = digits[2 * index] << 4 | digits[2 * index + 1];
        const key = try python.bytes(packed_key[0 .. size / 2]);
        defer python.drop(key);
        try python.put(self.found.values[side], key, python.bytes(value));
    }

    fn put_removed(self: *Work, hash: *const [hash_size]u8, raw: *Object) Error!void {
        const key = try python.bytes(hash);
        defer python.drop(key);
        try python.put(self.found.removed, key, python.keep(raw));
    }

    fn put_entry(self: *Work, path: []const u8, raw: ?*Object) Error!void {
        var text: [most_digits]u8 = undefined;
        for (path, 0..) |digit, index| text[index] = hexadecimal[digit];
        const family = if (self.owner.len == 0) prefix.state else prefix.slot;
        const key = try flat_objects.joined(&.{ family, self.owner, text[0..path.len] });
        defer python.drop(key);
        try python.put(self.found.entries, key, if (raw) |object| python.keep(object) else python.none());
    }
};

fn is_branch(opened: ?node.Node) bool {
    return if (opened) |open| open.kind == .branch else false;
}

/// trie_changes(nodes, known, owner, old_root, new_root)
pub fn between(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var held: trie_objects.Held = .{};
    defer held.release();
    const known = try state_objects.dicts_of(arena, arguments[1], &held);
    const owner = try python.contents(arguments[2]);
    const roots: [2]*const [hash_size]u8 = .{
        try trie_objects.root_of(arguments[3]),
        try trie_objects.root_of(arguments[4]),
    };
    var dicts: [4]*Object = undefined;
    for (&dicts) |*dict| {
        dict.* = try python.made(python.PyDict_New());
        try held.add(dict.*);
    }
    const removed, const entries, const old_values, const new_values = dicts;
    var work: Work = .{
        .arena = arena,
        .source = .{ .source = .{ .callable = arguments[0] }, .held = &held, .known = known },
        .owner = owner,
        .found = .{ .removed = removed, .entries = entries, .values = .{ old_values, new_values } },
    };
    try work.run(roots);
    for (dicts) |dict| _ = python.keep(dict);
    return python.tuple(&dicts);
}
