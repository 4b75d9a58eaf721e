//! A block at the chain's head, for Python: storage/ledger.py's and chain/canonical/appending.py's operations for the
//! database. The keys are storage/schema.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const block_objects = @import("block_objects.zig");
const flat_objects = @import("flat_objects.zig");
const python = @import("python.zig");
const rlp_objects = @import("rlp_objects.zig");
const trie_objects = @import("trie_objects.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const joined = flat_objects.joined;

/// The prefixes of the keys, and the key of the head.
const header_prefix = "h";
const body_prefix = "b";
const receipts_prefix = "r";
const canonical_prefix = "n";
const number_prefix = "H";
const position_prefix = "t";
const log_prefix = "l";
const head_key = "mhead";
const version_key = "mstate-version";

/// Of the digest under which the log index keeps an item.
const Digest = std.crypto.hash.blake2.Blake2b(64);
const most_topics = 4;

/// What the indexes say of a block: its number, eight bytes of it, and its hash.
const Place = struct {
    number: [8]u8,
    block_hash: *Object,

    fn of(number: *Object, block_hash: *Object) Error!Place {
        var place: Place = .{ .number = undefined, .block_hash = block_hash };
        std.mem.writeInt(u64, &place.number, try python.size_of(number), .big);
        return place;
    }
};

/// index_operations(number, block_hash, transaction_hashes, log_keys)
pub fn index(arguments: []const *Object) Error!*Object {
    const place: Place = try .of(arguments[0], arguments[1]);
    const log_keys = try python.sequence(arguments[3]);
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    try append_places(list, &place, arguments[2]);
    for (0..log_keys.size) |position| {
        const digest = try python.contents(try log_keys.at(position));
        try append(list, &.{ log_prefix, digest, &place.number }, try python.bytes(""));
    }
    try append_head(list, &place);
    return list;
}

/// block_operations(number, block_hash, transaction_hashes, header, transactions, rest, receipts)
pub fn block(arguments: []const *Object) Error!*Object {
    const header, const transactions, const rest, const receipts = arguments[3..7].*;
    if (!python.is(header, .bytes)) return error.Refused;
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    const parts: Parts = .{
        .place = try .of(arguments[0], arguments[1]),
        .hashes = arguments[2],
        .header = header,
        .transactions = transactions,
        .rest = rest,
        .receipts = receipts,
    };
    try append_block(list, &parts);
    return list;
}

/// head_operations(flat, table, number, block_hash, header, transactions, rest, receipts)
pub fn head(arguments: []const *Object) Error!*Object {
    const flat, const table, const number, const block_hash, const header = arguments[0..5].*;
    const transactions, const rest, const receipts = arguments[5..8].*;
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    const flat_parts = try python.sequence(flat);
    if (flat_parts.size != 7) return error.Refused;
    var flat_arguments: [7]*Object = undefined;
    for (&flat_arguments, 0..) |*argument, position| argument.* = try flat_parts.at(position);
    try flat_objects.append_operations(list, &flat_arguments);
    const hashes = try attributes(transactions, .hash);
    defer python.drop(hashes);
    const encoded = try attributes(transactions, .encoded);
    defer python.drop(encoded);
    const short = try rlp_objects.with_replaced(header, table);
    defer python.drop(short);
    const parts: Parts = .{
        .place = try .of(number, block_hash),
        .hashes = hashes,
        .header = short,
        .transactions = encoded,
        .rest = rest,
        .receipts = receipts,
    };
    try append_block(list, &parts);
    // an undo key is a version behind its prefix
    const undo_key = try python.contents(flat_arguments[1]);
    try append(list, &.{version_key}, try python.bytes(undo_key[1..]));
    return list;
}

/// A list of an attribute of each item.
fn attributes(items: *Object, name: block_objects.Name) Error!*Object {
    const listed = try python.sequence(items);
    const list = try python.made(python.PyList_New(@intCast(listed.size)));
    errdefer python.drop(list);
    for (0..listed.size) |position| {
        const value = try block_objects.attribute_of(try listed.at(position), name);
        try python.done(python.PyList_SetItem(list, @intCast(position), value));
    }
    return list;
}

/// What the operations of a block are made of. header: as it is stored. transactions: encoded.
const Parts = struct {
    place: Place,
    hashes: *Object,
    header: *Object,
    transactions: *Object,
    rest: *Object,
    receipts: *Object,
};

fn append_block(list: *Object, parts: *const Parts) Error!void {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: trie_objects.Held = .{};
    defer held.release();
    const arena = arena_state.allocator();
    const place = &parts.place;
    const block_hash = try python.contents(place.block_hash);
    try append(list, &.{ header_prefix, block_hash }, python.keep(parts.header));
    const body = try block_objects.body(arena, &held, parts.transactions, try python.contents(parts.rest));
    try append(list, &.{ body_prefix, block_hash }, body);
    try append(list, &.{ receipts_prefix, block_hash }, try block_objects.stored(arena, &held, parts.receipts));
    try append_places(list, place, parts.hashes);
    const postings = try python.made(python.PyDict_New());
    defer python.drop(postings);
    try gather_postings(&held, postings, parts.receipts, &place.number);
    var pairs: python.Pairs = .{ .dict = postings };
    while (pairs.next()) |pair| try flat_objects.append_pair(list, python.keep(pair.key), python.keep(pair.value));
    try append_head(list, place);
}

/// The block's own places, and those of its transactions.
fn append_places(list: *Object, place: *const Place, hashes: *Object) Error!void {
    const transaction_hashes = try python.sequence(hashes);
    if (transaction_hashes.size > std.math.maxInt(u32)) return error.Refused;
    try append(list, &.{ canonical_prefix, &place.number }, python.keep(place.block_hash));
    try append(list, &.{ number_prefix, try python.contents(place.block_hash) }, try python.bytes(&place.number));
    for (0..transaction_hashes.size) |position| {
        var position_bytes: [4]u8 = undefined;
        std.mem.writeInt(u32, &position_bytes, @intCast(position), .big);
        const hash = try python.contents(try transaction_hashes.at(position));
        try append(list, &.{ position_prefix, hash }, try joined(&.{ &place.number, &position_bytes }));
    }
}

/// Put the log index's keys of the receipts' logs into a dict: addresses, topics with their places, and one of any log.
fn gather_postings(held: *trie_objects.Held, postings: *Object, list: *Object, number: *const [8]u8) Error!void {
    const receipts = try python.sequence(list);
    for (0..receipts.size) |position| {
        const logs = try python.sequence(try block_objects.attribute(held, try receipts.at(position), .logs));
        for (0..logs.size) |log_position| {
            const log = try logs.at(log_position);
            try put_posting(postings, "", try python.contents(try block_objects.attribute(held, log, .address)), number);
            const topics = try python.sequence(try block_objects.attribute(held, log, .topics));
            if (topics.size > most_topics) return error.Refused;
            for (0..topics.size) |topic| {
                try put_posting(postings, &.{@intCast(topic)}, try python.contents(try topics.at(topic)), number);
            }
            try put_posting(postings, "", "", number);
        }
    }
}

fn put_posting(postings: *Object, prefix: []const u8, item: []const u8, number: *const [8]u8) Error!void {
    var digest: [Digest.digest_length]u8 = undefined;
    var hasher: Digest = .init(.{});
    hasher.update(prefix);
    hasher.update(item);
    hasher.final(&digest);
    const key = try joined(&.{ log_prefix, &digest, number });
    defer python.drop(key);
    try python.put(postings, key, python.bytes(""));
}

fn append_head(list: *Object, place: *const Place) Error!void {
    const block_hash = try python.contents(place.block_hash);
    try append(list, &.{head_key}, try joined(&.{ &place.number, block_hash }));
}

/// Append a key of these parts, and a value, a new reference that it takes over.
fn append(list: *Object, parts: []const []const u8, value: *Object) Error!void {
    const key = joined(parts) catch |failure| {
        python.drop(value);
        return failure;
    };
    try flat_objects.append_pair(list, key, value);
}
