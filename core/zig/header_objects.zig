//! The header of a finished block, for Python: chain/types/header.py's. And the fields of records: core/records.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const block_objects = @import("block_objects.zig");
const keccak = @import("keccak.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const trie_objects = @import("trie_objects.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const Allocator = std.mem.Allocator;

/// Of a header's fields, by the order of the Yellow Paper.
const place = .{ .state_root = 3, .transactions_root = 4, .receipts_root = 5, .logs_bloom = 6 };
/// The fields of a header, and its hash behind them.
const least_fields = 15;
const most_fields = 32;

/// set_fields(record, names, values)
pub fn set_fields(arguments: []const *Object) Error!*Object {
    const names = try python.sequence(arguments[1]);
    const values = try python.sequence(arguments[2]);
    if (names.size != values.size) return error.Refused;
    for (0..names.size) |index| try python.set_field(arguments[0], try names.at(index), try values.at(index));
    return python.none();
}

/// sealed_header(class, names, sizes, values, transactions, receipts)
pub fn sealed(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: trie_objects.Held = .{};
    defer held.release();
    return python.tuple(&try finish(arena_state.allocator(), &held, arguments[0..6], null));
}

/// The header and its RLP, new references. arguments: those of `sealed_header`. state_root: in the place of the value.
pub fn finish(arena: Allocator, held: *trie_objects.Held, arguments: *const [6]*Object, state_root: ?*const [32]u8) Error![2]*Object {
    const class, const names, const sizes, const values, const transactions, const receipts = arguments.*;
    const given = try python.sequence(values);
    if (given.size < least_fields or given.size >= most_fields) return error.Refused;
    var fields: [most_fields]*Object = undefined;
    for (fields[0..given.size], 0..) |*field, index| field.* = try given.at(index);
    if (state_root) |root| fields[place.state_root] = try kept(held, python.bytes(root));
    if (python.is_none(fields[place.transactions_root])) {
        const items = try trie_objects.contents_of(arena, transactions, held);
        const root = try ordered.root(arena, items, trie_objects.Hasher{});
        fields[place.transactions_root] = try kept(held, python.bytes(&root));
    }
    const summary = try block_objects.summarize(arena, held, receipts);
    fields[place.receipts_root] = try kept(held, python.bytes(&summary.root));
    fields[place.logs_bloom] = try kept(held, python.bytes(&summary.bloom));
    const limits = try python.sequence(sizes);
    if (limits.size != given.size) return error.Refused;
    for (fields[0..given.size], 0..) |field, index| try block_objects.check_size(field, try limits.at(index));
    const encoded = try block_objects.encode_fields(arena, fields[0..given.size]);
    fields[given.size] = try kept(held, python.bytes(&keccak.hash(encoded)));
    return python.all(2, .{
        python.instance(class, try python.sequence(names), fields[0 .. given.size + 1]),
        python.bytes(encoded),
    });
}

/// A new reference, which `held` keeps.
fn kept(held: *trie_objects.Held, made: Error!*Object) Error!*Object {
    const object = try made;
    try held.add(object);
    return object;
}
