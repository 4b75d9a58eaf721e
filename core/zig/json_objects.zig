//! hex_json: values of the chain as JSON text, in one pass (rpc/codec/hex_json.py). results_json: what calls of a simulated
//! block have given (rpc/methods/eth/simulate.py).

const std = @import("std");
const Error = @import("errors.zig").Error;
const python = @import("python.zig");
const memory = &@import("memory.zig").core;

const Allocator = std.mem.Allocator;
const Object = python.Object;
const Text = std.ArrayList(u8);

/// More than this is left to Python: no sum of sizes passes the end of an integer.
const largest = 1 << 30;
/// How deep dicts and lists may nest.
const most_levels = 8;
const digits = "0123456789abcdef";

/// hex_json(value): dicts, lists and tuples of these; bytes and integers as hex, None, and truth values
pub fn hex_json(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var out: Text = .empty;
    try append(arena_state.allocator(), &out, arguments[0], 0);
    return python.bytes(out.items);
}

/// Of a CallResult (chain/calls/simulation.py): gas used, gas used before refunds, output, error, logs, and whether its gas
/// was capped.
const result_fields = 6;

/// results_json(results): the items of a list, each of a CallResult that has no error and no logs
pub fn results_json(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const results = try python.sequence(arguments[0]);
    var out: Text = .empty;
    for (0..results.size) |index| {
        const result = try python.sequence(try results.at(index));
        if (result.size != result_fields or out.items.len > largest) return error.Refused;
        const logs = try python.sequence(try result.at(4));
        if (!python.is_none(try result.at(3)) or logs.size != 0) return error.Refused;
        if (index > 0) try out.append(arena, ',');
        try out.appendSlice(arena, "{\"returnData\":");
        try append_data(arena, &out, try python.contents(try result.at(2)));
        try out.appendSlice(arena, ",\"logs\":[],\"gasUsed\":");
        try append_quantity(arena, &out, try python.word_of(try result.at(0)));
        try out.appendSlice(arena, ",\"maxUsedGas\":");
        try append_quantity(arena, &out, try python.word_of(try result.at(1)));
        try out.appendSlice(arena, ",\"status\":\"0x1\"}");
    }
    return python.bytes(out.items);
}

fn append(arena: Allocator, out: *Text, object: *Object, level: u8) Error!void {
    if (out.items.len > largest) return error.Refused;
    if (python.is(object, .bytes)) return append_data(arena, out, try python.contents(object));
    if (python.is_none(object)) return out.appendSlice(arena, "null");
    if (python.truth_of(object)) |truth| return out.appendSlice(arena, if (truth) "true" else "false");
    if (python.is(object, .integer)) return append_quantity(arena, out, try python.word_of(object));
    if (level == most_levels) return error.Refused;
    return if (python.is(object, .dict)) append_members(arena, out, object, level) else append_items(arena, out, object, level);
}

fn append_data(arena: Allocator, out: *Text, data: []const u8) Error!void {
    if (data.len > largest) return error.Refused;
    const text = try out.addManyAsSlice(arena, 2 * data.len + 4);
    @memcpy(text[0..3], "\"0x");
    for (data, 0..) |byte, index| {
        text[3 + 2 * index] = digits[byte >> 4];
        text[4 + 2 * index] = digits[byte & 15];
    }
    text[text.len - 1] = '"';
}

/// Without leading zeros.
fn append_quantity(arena: Allocator, out: *Text, value: u256) Error!void {
    var text: [64]u8 = undefined;
    var place: usize = text.len;
    var rest = value;
    while (true) {
        place -= 1;
        text[place] = digits[@as(u4, @truncate(rest))];
        rest >>= 4;
        if (rest == 0) break;
    }
    try out.appendSlice(arena, "\"0x");
    try out.appendSlice(arena, text[place..]);
    try out.append(arena, '"');
}

fn append_members(arena: Allocator, out: *Text, object: *Object, level: u8) Error!void {
    var pairs: python.Pairs = .{ .dict = object };
    var before: u8 = '{';
    while (pairs.next()) |pair| {
        const name = try python.text_of(pair.key);
        for (name) |character| if (!std.ascii.isAlphanumeric(character)) return error.Refused;
        try out.appendSlice(arena, &.{ before, '"' });
        try out.appendSlice(arena, name);
        try out.appendSlice(arena, "\":");
        try append(arena, out, pair.value, level + 1);
        before = ',';
    }
    try out.appendSlice(arena, if (before == '{') "{}" else "}");
}

fn append_items(arena: Allocator, out: *Text, object: *Object, level: u8) Error!void {
    const items = try python.sequence(object);
    try out.append(arena, '[');
    for (0..items.size) |index| {
        if (index > 0) try out.append(arena, ',');
        try append(arena, out, try items.at(index), level + 1);
    }
    try out.append(arena, ']');
}
