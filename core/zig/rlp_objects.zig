//! RLP of Python's objects: bytes, and lists or tuples of such.

const std = @import("std");
const Error = @import("errors.zig").Error;
const python = @import("python.zig");
const rlp = @import("rlp.zig");
const memory = &@import("memory.zig").core;

/// Nesting beyond which Python decides.
const deepest = 256;
/// Sizes beyond which Python decides: no sum of two such passes the end of an integer.
const largest = 1 << 40;

fn size_of(object: *python.Object, depth: usize) Error!usize {
    if (python.is(object, .bytes)) return rlp.string_size(try python.contents(object));
    return rlp.list_size(try payload_size(object, depth));
}

fn payload_size(object: *python.Object, depth: usize) Error!usize {
    if (depth == 0) return error.Refused;
    const items = try python.sequence(object);
    var size: usize = 0;
    for (0..items.size) |index| {
        size += try size_of(try items.at(index), depth - 1);
        if (size > largest) return error.Refused;
    }
    return size;
}

/// Write an encoding so that it ends at `end`: a list's header follows from what its items have taken.
fn write(out: []u8, end: usize, object: *python.Object) Error!usize {
    if (python.is(object, .bytes)) {
        const data = try python.contents(object);
        const start = end - rlp.string_size(data);
        _ = rlp.write_string(out[start..end], data);
        return start;
    }
    const items = try python.sequence(object);
    var position = end;
    var index = items.size;
    while (index > 0) {
        index -= 1;
        position = try write(out, position, try items.at(index));
    }
    const size = end - position;
    const start = end - rlp.list_size(size);
    _ = rlp.write_list_header(out[start..], size);
    return start;
}

/// The encoding of bytes, or of a list or tuple. No code of Python's runs in between, so that nothing changes.
pub fn encode(arguments: []const *python.Object) Error!*python.Object {
    const size = try size_of(arguments[0], deepest);
    const result, const out = try python.blank(size);
    errdefer python.drop(result);
    if (try write(out, size, arguments[0]) != 0) return error.Refused;
    return result;
}

fn list_of(payload: []const u8, depth: usize) Error!*python.Object {
    var count: usize = 0;
    var counted: rlp.Items = .{ .payload = payload };
    while (try counted.next() != null) count += 1;
    const list = try python.made(python.PyList_New(@intCast(count)));
    errdefer python.drop(list);
    var position: usize = 0;
    for (0..count) |index| {
        const item = try rlp.item_at(payload, position);
        _ = python.PyList_SetItem(list, @intCast(index), try object_of(payload, item, depth));
        position = item.stop;
    }
    return list;
}

fn object_of(data: []const u8, item: rlp.Item, depth: usize) Error!*python.Object {
    const payload = data[item.start..item.stop];
    if (!item.is_list) return python.bytes(payload);
    return if (depth == 0) error.Refused else list_of(payload, depth - 1);
}

/// decode(data, max_depth=64)
pub fn decode(arguments: []const *python.Object) Error!*python.Object {
    const data = try python.contents(arguments[0]);
    const depth = if (arguments.len > 1) try python.size_of(arguments[1]) else 64;
    const item = try rlp.item_at(data, 0);
    if (item.stop != data.len or depth > deepest) return error.Refused;
    return object_of(data, item, depth);
}

/// The still encoded items of the list that spans the argument.
pub fn split(arguments: []const *python.Object) Error!*python.Object {
    const payload = try rlp.spanning(try python.contents(arguments[0]), true);
    var items: rlp.Items = .{ .payload = payload };
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    while (try items.next()) |encoded| {
        const object = try python.bytes(encoded);
        defer python.drop(object);
        try python.done(python.PyList_Append(list, object));
    }
    return list;
}

/// items_replaced(data, table): the list that spans the data, with items of the table, encoded, by what it has for them
pub fn replaced(arguments: []const *python.Object) Error!*python.Object {
    return with_replaced(arguments[0], arguments[1]);
}

pub fn with_replaced(data: *python.Object, table: *python.Object) Error!*python.Object {
    var items: rlp.Items = .{ .payload = try rlp.spanning(try python.contents(data), true) };
    if (!python.is(table, .dict)) return error.Refused;
    var payload: std.ArrayList(u8) = .empty;
    defer payload.deinit(memory.allocator());
    while (try items.next()) |encoded| {
        const item = try python.bytes(encoded);
        defer python.drop(item);
        const other = try python.value_in(table, item);
        try payload.appendSlice(memory.allocator(), if (other) |object| try python.contents(object) else encoded);
    }
    const size = rlp.list_size(payload.items.len);
    const result, const out = try python.blank(size);
    const start = rlp.write_list_header(out, payload.items.len);
    @memcpy(out[start..], payload.items);
    return result;
}
