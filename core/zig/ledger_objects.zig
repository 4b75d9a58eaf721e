//! The indexes of a block, for Python: storage/ledger.py's operations for the database. The keys are storage/schema.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const flat_objects = @import("flat_objects.zig");
const python = @import("python.zig");

const Object = python.Object;
const joined = flat_objects.joined;

/// The prefixes of the keys, and the key of the head.
const canonical_prefix = "n";
const number_prefix = "H";
const position_prefix = "t";
const log_prefix = "l";
const head_key = "mhead";

/// index_operations(number, block_hash, transaction_hashes, log_keys)
pub fn index(arguments: []const *Object) Error!*Object {
    var number: [8]u8 = undefined;
    std.mem.writeInt(u64, &number, try python.size_of(arguments[0]), .big);
    const block_hash = try python.contents(arguments[1]);
    const transaction_hashes = try python.sequence(arguments[2]);
    const log_keys = try python.sequence(arguments[3]);
    if (transaction_hashes.size > std.math.maxInt(u32)) return error.Refused;
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    try append(list, &.{ canonical_prefix, &number }, python.keep(arguments[1]));
    try append(list, &.{ number_prefix, block_hash }, try python.bytes(&number));
    for (0..transaction_hashes.size) |place| {
        var place_bytes: [4]u8 = undefined;
        std.mem.writeInt(u32, &place_bytes, @intCast(place), .big);
        const hash = try python.contents(try transaction_hashes.at(place));
        try append(list, &.{ position_prefix, hash }, try joined(&.{ &number, &place_bytes }));
    }
    for (0..log_keys.size) |place| {
        try append(list, &.{ log_prefix, try python.contents(try log_keys.at(place)), &number }, try python.bytes(""));
    }
    try append(list, &.{head_key}, try joined(&.{ &number, block_hash }));
    return list;
}

/// Append a key of these parts, and a value, a new reference that it takes over.
fn append(list: *Object, parts: []const []const u8, value: *Object) Error!void {
    const key = joined(parts) catch |failure| {
        python.drop(value);
        return failure;
    };
    try flat_objects.append_pair(list, key, value);
}
