//! Headers and receipts as bytes, for Python: chain/types/header.py's and chain/types/receipt.py's encodings.

const std = @import("std");
const Error = @import("errors.zig").Error;
const bloom_of = @import("bloom.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const rlp = @import("rlp.zig");
const trie_objects = @import("trie_objects.zig");
const word = @import("word.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const Allocator = std.mem.Allocator;
const Bytes = std.ArrayList(u8);

/// More than this is left to Python: no sum of sizes passes the end of an integer.
const largest = 1 << 32;

/// The attributes of receipts and logs.
pub const Name = enum {
    type,
    cumulative_gas_used,
    logs,
    sender,
    gas_used,
    effective_gas_price,
    contract_address,
    blob_gas_used,
    blob_gas_price,
    post_state,
    status,
    bloom,
    address,
    topics,
    data,
    hash,
    encoded,
};
var interned: std.EnumArray(Name, *Object) = .initUndefined();

/// Make the names of the attributes.
pub fn start() Error!void {
    for (std.enums.values(Name)) |name| {
        interned.set(name, try python.made(python.PyUnicode_InternFromString(@tagName(name))));
    }
}

/// A new reference.
pub fn attribute_of(object: *Object, name: Name) Error!*Object {
    return python.attribute(object, interned.get(name));
}

/// A new reference, which `held` keeps.
pub fn attribute(held: *trie_objects.Held, object: *Object, name: Name) Error!*Object {
    const value = try attribute_of(object, name);
    try held.add(value);
    return value;
}

fn append_string(arena: Allocator, out: *Bytes, data: []const u8) Error!void {
    if (out.items.len +| data.len > largest) return error.Refused;
    const size = rlp.string_size(data);
    _ = rlp.write_string(try out.addManyAsSlice(arena, size), data);
}

fn append_integer(arena: Allocator, out: *Bytes, object: *Object) Error!void {
    const digits = word.to_bytes(try python.word_of(object));
    try append_string(arena, out, std.mem.trimStart(u8, &digits, "\x00"));
}

/// A string or an integer.
fn append_value(arena: Allocator, out: *Bytes, object: *Object) Error!void {
    if (python.is(object, .bytes)) return append_string(arena, out, try python.contents(object));
    return append_integer(arena, out, object);
}

/// How deep lists of values may nest: those of a transaction have two levels within it.
const most_levels = 4;

/// A string, an integer, or a tuple, which is a list of them.
fn append_field(arena: Allocator, out: *Bytes, object: *Object, level: u8) Error!void {
    if (!python.is(object, .tuple)) return append_value(arena, out, object);
    if (level == most_levels) return error.Refused;
    const items = try python.sequence(object);
    var payload: Bytes = .empty;
    for (0..items.size) |index| try append_field(arena, &payload, try items.at(index), level + 1);
    try append_list(arena, out, payload.items);
}

fn append_list(arena: Allocator, out: *Bytes, payload: []const u8) Error!void {
    if (out.items.len +| payload.len > largest) return error.Refused;
    const header = try out.addManyAsSlice(arena, rlp.list_size(payload.len) - payload.len);
    _ = rlp.write_list_header(header, payload.len);
    try out.appendSlice(arena, payload);
}

/// fields_rlp(values): a list of strings, integers, tuples of these, and None, which is b"" and left out at the end
pub fn fields_rlp(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const values = try python.sequence(arguments[0]);
    const objects = try arena_state.allocator().alloc(*Object, values.size);
    for (objects, 0..) |*object, index| object.* = try values.at(index);
    return python.bytes(try encode_fields(arena_state.allocator(), objects));
}

pub fn encode_fields(arena: Allocator, values: []const *Object) Error![]const u8 {
    var count = values.len;
    while (count > 0 and python.is_none(values[count - 1])) count -= 1;
    var payload: Bytes = .empty;
    for (values[0..count]) |value| {
        if (python.is_none(value)) try append_string(arena, &payload, "") else try append_field(arena, &payload, value, 0);
    }
    var out: Bytes = .empty;
    try append_list(arena, &out, payload.items);
    return out.items;
}

/// body_transactions(encoded): the list of a block's transactions, of which typed ones are strings
pub fn body_transactions(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: trie_objects.Held = .{};
    defer held.release();
    const items = try trie_objects.contents_of(arena_state.allocator(), arguments[0], &held);
    const size = try transactions_size(items);
    const object, const out = try python.blank(rlp.list_size(size));
    write_transactions(out, items, size);
    return object;
}

/// A block's body: the list of its transactions' list and of the rest, which is encoded.
pub fn body(arena: Allocator, held: *trie_objects.Held, transactions: *Object, rest: []const u8) Error!*Object {
    const items = try trie_objects.contents_of(arena, transactions, held);
    const size = try transactions_size(items);
    const list_size = rlp.list_size(size);
    if (rest.len > largest) return error.Refused;
    const object, const out = try python.blank(rlp.list_size(list_size + rest.len));
    const place = rlp.write_list_header(out, list_size + rest.len);
    write_transactions(out[place..][0..list_size], items, size);
    @memcpy(out[place + list_size ..], rest);
    return object;
}

fn transactions_size(items: []const []const u8) Error!usize {
    var size: usize = 0;
    for (items) |item| size +|= if (is_list(item)) item.len else rlp.string_size(item);
    return if (size > largest) error.Refused else size;
}

fn write_transactions(out: []u8, items: []const []const u8, size: usize) void {
    var position = rlp.write_list_header(out, size);
    for (items) |item| {
        if (is_list(item)) {
            @memcpy(out[position..][0..item.len], item);
            position += item.len;
        } else position += rlp.write_string(out[position..], item);
    }
}

/// Whether a transaction is a legacy one, by its first byte.
fn is_list(encoded: []const u8) bool {
    return encoded.len > 0 and encoded[0] >= rlp.list_base;
}

/// fields_fit(values, sizes): True where each value that is not None is a string of its size, which is positive, or an
/// integer of no more bits than its size tells, which is negative; 0 for what may have any size. Else refused.
pub fn fields_fit(arguments: []const *Object) Error!*Object {
    const values = try python.sequence(arguments[0]);
    const sizes = try python.sequence(arguments[1]);
    if (sizes.size != values.size) return error.Refused;
    for (0..values.size) |index| try check_size(try values.at(index), try sizes.at(index));
    return python.boolean(true);
}

/// Refused for a value that has not the size, as `fields_fit` takes one.
pub fn check_size(value: *Object, wanted: *Object) Error!void {
    const size = try python.small_of(wanted);
    if (python.is_none(value) or size == 0) return;
    const fits = if (size > 0)
        (try python.contents(value)).len == size
    else
        @as(i64, @clz(try python.word_of(value))) - 256 >= size;
    if (!fits) return error.Refused;
}

/// A list's encoding: [address, [topic ...], data] of each log.
fn encode_logs(arena: Allocator, held: *trie_objects.Held, object: *Object) Error![]const u8 {
    var payload: Bytes = .empty;
    const logs = try python.sequence(object);
    for (0..logs.size) |index| {
        const log = try logs.at(index);
        var parts: Bytes = .empty;
        try append_string(arena, &parts, try python.contents(try attribute(held, log, .address)));
        var topics: Bytes = .empty;
        const listed = try python.sequence(try attribute(held, log, .topics));
        for (0..listed.size) |place| try append_string(arena, &topics, try python.contents(try listed.at(place)));
        try append_list(arena, &parts, topics.items);
        try append_string(arena, &parts, try python.contents(try attribute(held, log, .data)));
        try append_list(arena, &payload, parts.items);
    }
    var out: Bytes = .empty;
    try append_list(arena, &out, payload.items);
    return out.items;
}

/// stored_receipts(receipts)
pub fn stored_receipts(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: trie_objects.Held = .{};
    defer held.release();
    return stored(arena_state.allocator(), &held, arguments[0]);
}

/// A block's receipts as the ledger keeps them.
pub fn stored(arena: Allocator, held: *trie_objects.Held, list: *Object) Error!*Object {
    const receipts = try python.sequence(list);
    var payload: Bytes = .empty;
    for (0..receipts.size) |index| {
        const receipt = try receipts.at(index);
        try append_list(arena, &payload, try encode_stored(arena, held, receipt));
    }
    var out: Bytes = .empty;
    try append_list(arena, &out, payload.items);
    return python.bytes(out.items);
}

fn encode_stored(arena: Allocator, held: *trie_objects.Held, receipt: *Object) Error![]const u8 {
    var out: Bytes = .empty;
    try append_integer(arena, &out, try attribute(held, receipt, .type));
    try append_integer(arena, &out, try attribute(held, receipt, .cumulative_gas_used));
    try out.appendSlice(arena, try encode_logs(arena, held, try attribute(held, receipt, .logs)));
    try append_string(arena, &out, try python.contents(try attribute(held, receipt, .sender)));
    try append_integer(arena, &out, try attribute(held, receipt, .gas_used));
    try append_integer(arena, &out, try attribute(held, receipt, .effective_gas_price));
    for ([_]Name{ .contract_address, .blob_gas_used, .blob_gas_price, .post_state, .status }) |name| {
        const value = try attribute(held, receipt, name);
        var optional: Bytes = .empty;
        if (!python.is_none(value)) try append_value(arena, &optional, value);
        try append_list(arena, &out, optional.items);
    }
    return out.items;
}

/// receipts_summary(receipts): the root of their trie, and the union of their blooms. Tuples are EncodedReceipts.
pub fn receipts_summary(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: trie_objects.Held = .{};
    defer held.release();
    const summary = try summarize(arena_state.allocator(), &held, arguments[0]);
    return python.gathered(2, .{ python.bytes(&summary.root), python.bytes(&summary.bloom) });
}

const Summary = struct { root: [32]u8, bloom: [bloom_of.size]u8 = @splat(0) };

pub fn summarize(arena: Allocator, held: *trie_objects.Held, list: *Object) Error!Summary {
    const receipts = try python.sequence(list);
    const items = try arena.alloc([]const u8, receipts.size);
    var summary: Summary = .{ .root = undefined };
    for (items, 0..) |*item, index| {
        const receipt = try receipts.at(index);
        const is_encoded = python.is(receipt, .tuple);
        const bloom = if (is_encoded) try (try python.sequence(receipt)).at(1) else try attribute(held, receipt, .bloom);
        const own = try python.contents(bloom);
        if (own.len != summary.bloom.len) return error.Refused;
        for (&summary.bloom, own) |*byte, more| byte.* |= more;
        item.* = if (is_encoded)
            try python.contents(try (try python.sequence(receipt)).at(0))
        else
            try encode_receipt(arena, held, receipt, own);
    }
    summary.root = try ordered.root(arena, items, trie_objects.Hasher{});
    return summary;
}

/// [type ||] rlp([status or root, gas, bloom, logs])
fn encode_receipt(arena: Allocator, held: *trie_objects.Held, receipt: *Object, bloom: []const u8) Error![]const u8 {
    const kind = try python.size_of(try attribute(held, receipt, .type));
    if (kind > 255) return error.Refused;
    var payload: Bytes = .empty;
    const status = try attribute(held, receipt, .status);
    if (python.is_none(status)) {
        try append_string(arena, &payload, try python.contents(try attribute(held, receipt, .post_state)));
    } else try append_integer(arena, &payload, status);
    try append_integer(arena, &payload, try attribute(held, receipt, .cumulative_gas_used));
    try append_string(arena, &payload, bloom);
    try payload.appendSlice(arena, try encode_logs(arena, held, try attribute(held, receipt, .logs)));
    var out: Bytes = .empty;
    if (kind != 0) try out.append(arena, @intCast(kind));
    try append_list(arena, &out, payload.items);
    return out.items;
}
