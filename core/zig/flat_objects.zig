//! Flat records and the ways back from them, for Python: storage/flat_state.py's and storage/history.py's operations
//! for the database. The keys are storage/schema.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const rlp = @import("rlp.zig");
const word = @import("word.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;

/// The prefixes of the keys.
pub const prefix = .{ .account = 'a', .slot = 's', .preimage = 'k', .history = 'i' };
/// The keys of the latest state's root, and of the one up to which no preimage is missing.
const state_root_key = "mstate root";
const preimages_root_key = "mpreimages root";
const address_size = 20;
/// Of a hash, in the key of its preimage.
const preimage_start_size = 6;
/// Of an undo key: its prefix, a block's number and a patch.
const undo_key_size = 13;
/// Sizes beyond which Python decides: an offset has four bytes.
const largest = 1 << 31;

/// flat_changes(get, accounts, storage, removed)
pub fn changes(arguments: []const *Object) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    defer python.drop(list);
    const old_values = try python.made(python.PyList_New(0));
    defer python.drop(old_values);
    try take_changes(arguments[0], arguments[1..4], list, old_values);
    return python.tuple(&.{ python.keep(list), python.keep(old_values) });
}

/// Append the operations, and the old values, of what accounts, storage and removed keys change.
fn take_changes(get: *Object, parts: []const *Object, list: *Object, old_values: *Object) Error!void {
    const wanted = try python.made(python.PyDict_New());
    defer python.drop(wanted);
    try put_removed(wanted, parts[2]);
    try put_accounts(wanted, parts[0]);
    try put_slots(wanted, parts[1]);
    var pairs: python.Pairs = .{ .dict = wanted };
    while (pairs.next()) |pair| try compare(get, pair.key, pair.value, list, old_values);
}

/// flat_operations(get, undo_key, before, after, accounts, storage, removed)
pub fn operations(arguments: []const *Object) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    try append_operations(list, arguments[0..7]);
    return list;
}

/// Append the operations of `flat_operations` with these arguments.
pub fn append_operations(list: *Object, arguments: *const [7]*Object) Error!void {
    const get, const undo_key, const before, const after = arguments[0..4].*;
    if (!try is_root(get, state_root_key, before)) return error.Refused;
    const old_values = try python.made(python.PyList_New(0));
    defer python.drop(old_values);
    try take_changes(get, arguments[4..7], list, old_values);
    if (try is_root(get, preimages_root_key, before)) try append_root(list, preimages_root_key, after);
    try append_root(list, state_root_key, after);
    try take_difference(undo_key, before, after, old_values, list);
}

fn asked(get: *Object, key: *Object) Error!*Object {
    const end: ?*Object = null;
    return python.made(python.PyObject_CallFunctionObjArgs(get, key, end));
}

/// Whether a root is the one under a key; that of the empty trie is not kept.
fn is_root(get: *Object, key: []const u8, root: *Object) Error!bool {
    const name = try python.bytes(key);
    defer python.drop(name);
    const found = try asked(get, name);
    defer python.drop(found);
    const held = if (python.is_none(found)) &ordered.empty_root else try python.contents(found);
    return std.mem.eql(u8, held, try python.contents(root));
}

fn append_root(list: *Object, key: []const u8, root: *Object) Error!void {
    try append_pair(list, try python.bytes(key), python.keep(root));
}

fn put_removed(wanted: *Object, keys: *Object) Error!void {
    const removed = try python.sequence(keys);
    for (0..removed.size) |index| try python.put(wanted, try removed.at(index), python.none());
}

fn put_accounts(wanted: *Object, accounts: *Object) Error!void {
    if (!python.is(accounts, .dict)) return error.Refused;
    var pairs: python.Pairs = .{ .dict = accounts };
    while (pairs.next()) |pair| {
        const address = try python.contents(pair.key);
        if (address.len != address_size) return error.Refused;
        const key = try joined(&.{ &.{prefix.account}, address });
        defer python.drop(key);
        const record = try python.contents(pair.value);
        try python.put(wanted, key, if (record.len == 0) python.none() else python.keep(pair.value));
    }
}

fn put_slots(wanted: *Object, storage: *Object) Error!void {
    if (!python.is(storage, .dict)) return error.Refused;
    var accounts: python.Pairs = .{ .dict = storage };
    while (accounts.next()) |account| {
        const address = try python.contents(account.key);
        if (address.len != address_size or !python.is(account.value, .dict)) return error.Refused;
        var slots: python.Pairs = .{ .dict = account.value };
        while (slots.next()) |slot| {
            const number = word.to_bytes(try python.word_of(slot.key));
            const key = try joined(&.{ &.{prefix.slot}, address, &number });
            defer python.drop(key);
            const digits = word.to_bytes(try python.word_of(slot.value));
            const value = std.mem.trimStart(u8, &digits, "\x00");
            try python.put(wanted, key, if (value.len == 0) python.none() else python.bytes(value));
        }
    }
}

pub fn joined(parts: []const []const u8) Error!*Object {
    var size: usize = 0;
    for (parts) |part| size += part.len;
    const object, const out = try python.blank(size);
    var position: usize = 0;
    for (parts) |part| {
        @memcpy(out[position..][0..part.len], part);
        position += part.len;
    }
    return object;
}

/// What changes at a flat key, if anything: an operation, the preimage of a new key, the old value.
fn compare(get: *Object, key: *Object, value: *Object, list: *Object, old_values: *Object) Error!void {
    const before = try asked(get, key);
    defer python.drop(before);
    const was_there = !python.is_none(before);
    const is_there = !python.is_none(value);
    if (!was_there and !is_there) return;
    if (was_there and is_there and std.mem.eql(u8, try python.contents(before), try python.contents(value))) return;
    try append_pair(list, python.keep(key), python.keep(value));
    const old = if (was_there) python.keep(before) else try python.bytes("");
    try append_pair(old_values, python.keep(key), old);
    if (was_there) return;
    const name = try python.contents(key);
    const plain = if (name[0] == prefix.account) name[1..] else name[1 + address_size ..];
    const hash = keccak.hash(plain);
    const preimage_key = try joined(&.{ &.{prefix.preimage}, hash[0..preimage_start_size], plain });
    const nothing = python.bytes("") catch |failure| {
        python.drop(preimage_key);
        return failure;
    };
    try append_pair(list, preimage_key, nothing);
}

/// Append a tuple of two new references, which it takes over.
pub fn append_pair(list: *Object, first: *Object, second: *Object) Error!void {
    const pair = try python.tuple(&.{ first, second });
    defer python.drop(pair);
    try python.done(python.PyList_Append(list, pair));
}

/// difference_operations(undo_key, before, after, old_values)
pub fn difference(arguments: []const *Object) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    try take_difference(arguments[0], arguments[1], arguments[2], arguments[3], list);
    return list;
}

/// Append the operations of a reverse difference and of its index.
fn take_difference(key: *Object, before: *Object, after: *Object, old_values: *Object, list: *Object) Error!void {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const undo_key = try python.contents(key);
    if (undo_key.len != undo_key_size) return error.Refused;
    const roots: [2][]const u8 = .{ try python.contents(before), try python.contents(after) };
    const old = try old_of(arena_state.allocator(), old_values);
    var size = rlp.string_size(roots[0]) + rlp.string_size(roots[1]);
    for (old) |*pair| size += rlp.string_size(pair.key) + rlp.string_size(pair.value);
    if (size > largest) return error.Refused;
    const record, const out = try python.blank(rlp.list_size(size));
    var position = rlp.write_list_header(out, size);
    for (roots) |root| position += rlp.write_string(out[position..], root);
    try append_pair(list, python.keep(key), record);
    for (old) |*pair| {
        position += rlp.write_string(out[position..], pair.key);
        try append_posting(list, pair.key, undo_key[1..], position);
        position += rlp.write_string(out[position..], pair.value);
    }
}

const Old = struct { key: []const u8, value: []const u8 };

/// The pairs of a list; its items are borrowed, and no code of Python's runs while they are in use.
fn old_of(arena: std.mem.Allocator, list: *Object) Error![]const Old {
    const items = try python.sequence(list);
    const old = try arena.alloc(Old, items.size);
    for (old, 0..) |*pair, index| {
        const parts = try python.sequence(try items.at(index));
        if (parts.size != 2) return error.Refused;
        pair.* = .{ .key = try python.contents(try parts.at(0)), .value = try python.contents(try parts.at(1)) };
    }
    return old;
}

/// The index's entry of a flat key in a version: where in the record the old value stands.
fn append_posting(list: *Object, flat_key: []const u8, version: []const u8, position: usize) Error!void {
    const value = try offset_of(position);
    const key = joined(&.{ &.{prefix.history}, flat_key, version }) catch |failure| {
        python.drop(value);
        return failure;
    };
    try append_pair(list, key, value);
}

/// Offsets that were asked for: a store in memory keeps many equal ones.
var offsets: [4096]?*Object = @splat(null);

fn offset_of(position: usize) Error!*Object {
    if (position < offsets.len) if (offsets[position]) |known| return python.keep(known);
    var data: [4]u8 = undefined;
    std.mem.writeInt(u32, &data, @intCast(position), .big);
    const made = try python.bytes(&data);
    if (position < offsets.len) offsets[position] = python.keep(made);
    return made;
}
