//! Tries whose nodes Python looks up: `nodes(path, hash)` gives a node's bytes, or None.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const lookup = @import("trie_lookup.zig");
const nibbles = @import("nibbles.zig");
const node = @import("node.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const update_of = @import("trie_update.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;

/// Fewer bytes are hashed with the lock held: another thread would have to be waited for.
const worth_a_release = 64 * 1024;

/// Hashes, and lets other threads run meanwhile where it takes long.
pub const Hasher = struct {
    pub fn hash_many(_: Hasher, messages: []const []const u8, digests: [][32]u8) void {
        var size: usize = 0;
        for (messages) |message| size +|= message.len +| keccak.rate;
        if (size < worth_a_release) return keccak.hash_many(messages, digests);
        const thread = python.PyEval_SaveThread();
        defer python.PyEval_RestoreThread(thread);
        keccak.hash_many(messages, digests);
    }
};

/// Objects that must live until a piece of work ends.
pub const Held = struct {
    objects: std.ArrayList(*Object) = .empty,

    pub fn add(self: *Held, object: *Object) Error!void {
        errdefer python.drop(object);
        try self.objects.append(memory.allocator(), object);
    }

    pub fn release(self: *Held) void {
        for (self.objects.items) |object| python.drop(object);
        self.objects.deinit(memory.allocator());
    }
};

/// The nodes of a trie, which are asked for when the first of them is looked up.
pub const Opener = struct {
    /// Gives a callable for the key of the trie's owner.
    nodes_of: *Object,
    owner: []const u8,
    opened: ?*Object = null,

    fn open(self: *Opener, held: *Held) Error!*Object {
        if (self.opened) |callable| return callable;
        const name = try python.bytes(self.owner);
        defer python.drop(name);
        const end: ?*Object = null;
        const callable = try python.made(python.PyObject_CallFunctionObjArgs(self.nodes_of, name, end));
        try held.add(callable);
        self.opened = callable;
        return callable;
    }
};

pub const Nodes = struct {
    source: union(enum) { callable: *Object, opener: *Opener },
    held: *Held,
    /// Dicts of nodes by hash, which are looked into first.
    known: []const *Object = &.{},

    pub fn get(self: Nodes, path: []const u8, hash: *const [32]u8) Error![]const u8 {
        if (path.len > 2 * nibbles.longest_path) return error.Refused;
        const hash_object = try python.bytes(hash);
        defer python.drop(hash_object);
        for (self.known) |nodes| {
            const raw = try python.value_in(nodes, hash_object) orelse continue;
            try self.held.add(python.keep(raw));
            return python.contents(raw);
        }
        var text: [2 * nibbles.longest_path]u8 = undefined;
        for (path, 0..) |digit, index| text[index] = "0123456789abcdef"[digit];
        const path_object = try python.string(text[0..path.len]);
        defer python.drop(path_object);
        const callable = switch (self.source) {
            .callable => |known| known,
            .opener => |opener| try opener.open(self.held),
        };
        const end: ?*Object = null;
        const found = python.PyObject_CallFunctionObjArgs(callable, path_object, hash_object, end);
        const object = try python.made(found);
        try self.held.add(object);
        return python.contents(object);
    }
};

pub fn root_of(object: *Object) Error!*const [32]u8 {
    const root = try python.contents(object);
    return if (root.len == 32) root[0..32] else error.Refused;
}

fn is_empty(root: *const [32]u8) bool {
    return std.mem.eql(u8, root, &ordered.empty_root);
}

/// get(nodes, root, key)
pub fn get(arguments: []const *Object) Error!*Object {
    var held: Held = .{};
    defer held.release();
    const value = try find(arguments, &held);
    return if (value) |found| python.bytes(found) else python.none();
}

fn find(arguments: []const *Object, held: *Held) Error!?[]const u8 {
    const root = try root_of(arguments[1]);
    if (is_empty(root)) return null;
    return lookup.get(Nodes{ .source = .{ .callable = arguments[0] }, .held = held }, root, try python.contents(arguments[2]));
}

/// get_with_proof(nodes, root, key)
pub fn get_with_proof(arguments: []const *Object) Error!*Object {
    var held: Held = .{};
    defer held.release();
    const found = try find(arguments, &held);
    const proof = try python.made(python.PyList_New(0));
    for (held.objects.items) |object| {
        python.done(python.PyList_Append(proof, object)) catch |failure| {
            python.drop(proof);
            return failure;
        };
    }
    const value = (if (found) |data| python.bytes(data) else python.none()) catch |failure| {
        python.drop(proof);
        return failure;
    };
    return python.tuple(&.{ value, proof });
}

/// update(nodes, root, changes)
pub fn update(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var held: Held = .{};
    defer held.release();
    const root = try root_of(arguments[1]);
    const entries = try entries_of(arena, arguments[2], &held);
    if (entries.len == 0) return outcome(root, &.{});
    const source: Nodes = .{ .source = .{ .callable = arguments[0] }, .held = &held };
    var builder: update_of.Builder(Nodes) = .{ .arena = arena, .source = source };
    switch (try builder.apply(if (is_empty(root)) null else root, entries)) {
        .same => return outcome(root, &.{}),
        .gone => return outcome(&ordered.empty_root, &.{}),
        .node => |top| {
            const kept = try update_of.seal(arena, &.{top}, Hasher{});
            return outcome(&top.hash, kept);
        },
    }
}

/// The changes in the order of their keys. The values are held: what looks nodes up may change the dict.
fn entries_of(arena: std.mem.Allocator, changes: *Object, held: *Held) Error![]update_of.Entry {
    if (!python.is(changes, .dict)) return error.Refused;
    const entries = try arena.alloc(update_of.Entry, @intCast(python.PyDict_Size(changes)));
    var place: python.Size = 0;
    var key: ?*Object = null;
    var value: ?*Object = null;
    for (entries) |*entry| {
        if (python.PyDict_Next(changes, &place, &key, &value) == 0) return error.Refused;
        const name = try python.contents(key.?);
        if (name.len > nibbles.longest_key) return error.Refused;
        const path = try arena.alloc(u8, 2 * name.len);
        nibbles.unpack(path, name);
        entry.* = .{ .path = path, .value = try python.contents(value.?) };
        try held.add(python.keep(value.?));
    }
    // keys of a class of their own may have the same bytes, and differ
    return update_of.sorted(entries);
}

fn outcome(root: *const [32]u8, kept: []const *node.Node) Error!*Object {
    const nodes = try by_hash(kept);
    const new_root = python.bytes(root) catch |failure| {
        python.drop(nodes);
        return failure;
    };
    return python.tuple(&.{ new_root, nodes });
}

fn by_hash(kept: []const *node.Node) Error!*Object {
    const nodes = try python.made(python.PyDict_New());
    errdefer python.drop(nodes);
    try put_by_hash(nodes, kept);
    return nodes;
}

/// Put nodes into a dict under their hashes.
pub fn put_by_hash(nodes: *Object, kept: []const *node.Node) Error!void {
    for (kept) |made| {
        const hash = try python.bytes(&made.hash);
        defer python.drop(hash);
        try python.put(nodes, hash, python.bytes(made.raw));
    }
}

/// ordered_root(items)
pub fn ordered_root(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var held: Held = .{};
    defer held.release();
    const items = try contents_of(arena, arguments[0], &held);
    return python.bytes(&try ordered.root(arena, items, Hasher{}));
}

/// The contents of a list of bytes, which are held: a list may change while the lock is free.
pub fn contents_of(arena: std.mem.Allocator, list: *Object, held: *Held) Error![]const []const u8 {
    const items = try python.sequence(list);
    const contents = try arena.alloc([]const u8, items.size);
    for (contents, 0..) |*item, index| {
        const object = try items.at(index);
        item.* = try python.contents(object);
        try held.add(python.keep(object));
    }
    return contents;
}

/// keccak_many(items)
pub fn keccak_many(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var held: Held = .{};
    defer held.release();
    const digests = try digests_of(arena, arguments[0], &held);
    const list = try python.made(python.PyList_New(@intCast(digests.len)));
    errdefer python.drop(list);
    for (digests, 0..) |*digest, index| _ = python.PyList_SetItem(list, @intCast(index), try python.bytes(digest));
    return list;
}

fn digests_of(arena: std.mem.Allocator, list: *Object, held: *Held) Error![]const [32]u8 {
    const items = try contents_of(arena, list, held);
    const digests = try arena.alloc([32]u8, items.len);
    (Hasher{}).hash_many(items, digests);
    return digests;
}

/// bloom(items)
pub fn bloom_of(arguments: []const *Object) Error!*Object {
    const bloom = @import("bloom.zig");
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: Held = .{};
    defer held.release();
    var result: [bloom.size]u8 = @splat(0);
    for (try digests_of(arena_state.allocator(), arguments[0], &held)) |*digest| bloom.add(&result, digest);
    return python.bytes(&result);
}
