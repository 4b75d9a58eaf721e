//! A write to the store in memory, for Python: storage/memory.py's changes of a batch.

const std = @import("std");
const Error = @import("errors.zig").Error;
const python = @import("python.zig");

const Object = python.Object;

/// Zeros in a row that a value is kept without.
const zeros: [256]u8 = @splat(0);
/// Of the place of the zeros, before what is left of the value.
const place_size = 2;

/// memory_changes(data, operations, packed)
pub fn changes(arguments: []const *Object) Error!*Object {
    const data = arguments[0];
    if (!python.is(data, .dict)) return error.Refused;
    const written = try python.made(python.PyDict_New());
    defer python.drop(written);
    const operations = try python.sequence(arguments[1]);
    for (0..operations.size) |index| {
        const operation = try python.sequence(try operations.at(index));
        if (operation.size != 2) return error.Refused;
        const key = try operation.at(0);
        if (!python.is(key, .bytes)) return error.Refused;
        try python.put(written, key, kept(arguments[2], try operation.at(1)));
    }
    const replaced = try python.made(python.PyDict_New());
    defer python.drop(replaced);
    const added = try python.made(python.PyList_New(0));
    defer python.drop(added);
    const gone = try python.made(python.PyList_New(0));
    defer python.drop(gone);
    var pairs: python.Pairs = .{ .dict = written };
    while (pairs.next()) |pair| {
        const before = try python.value_in(data, pair.key);
        try python.put(replaced, pair.key, if (before) |value| python.keep(value) else python.none());
        if (python.is_none(pair.value)) {
            try python.done(python.PyList_Append(gone, pair.key));
        } else if (before == null) try python.done(python.PyList_Append(added, pair.key));
    }
    return python.tuple(&.{ python.keep(written), python.keep(replaced), python.keep(added), python.keep(gone) });
}

/// The form in which a value, or None, is kept.
fn kept(packed_type: *Object, value: *Object) Error!*Object {
    if (python.is_none(value)) return python.keep(value);
    const content = try python.contents(value);
    if (content.len <= zeros.len) return python.keep(value);
    const searched = content[0..@min(content.len, 1 << 8 * place_size)];
    const place = std.mem.find(u8, searched, &zeros) orelse return python.keep(value);
    const short, const out = try python.blank(place_size + content.len - zeros.len);
    defer python.drop(short);
    std.mem.writeInt(u16, out[0..place_size], @intCast(place), .big);
    @memcpy(out[place_size..][0..place], content[0..place]);
    @memcpy(out[place_size + place ..], content[place + zeros.len ..]);
    const end: ?*Object = null;
    return python.made(python.PyObject_CallFunctionObjArgs(packed_type, short, end));
}
