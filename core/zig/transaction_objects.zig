//! Transactions as Python's dicts, in the names of chain/types/transaction.py.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const python = @import("python.zig");
const rlp = @import("rlp.zig");
const transactions = @import("transaction.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;

/// Of larger transactions the hashes are left to who asks for them.
const hashed_at_once = 4096;

const Name = enum {
    type,
    chain_id,
    nonce,
    max_priority_fee_per_gas,
    max_fee_per_gas,
    gas_limit,
    to,
    value,
    data,
    access_list,
    max_fee_per_blob_gas,
    blob_versioned_hashes,
    authorization_list,
    y_parity,
    r,
    s,
    sidecar,
    hash,
    signing_hash,
};

var names: [std.enums.values(Name).len]*Object = undefined;

/// Make the keys of the dicts, once.
pub fn start() Error!void {
    inline for (std.enums.values(Name), 0..) |name, index| {
        names[index] = try python.made(python.PyUnicode_InternFromString(@tagName(name)));
    }
}

/// A tuple of what `each` makes of the items of a list, until its end.
fn tuple_of(payload: []const u8, comptime each: fn (*rlp.Items) Error!*Object) Error!*Object {
    var count: usize = 0;
    var counted: rlp.Items = .{ .payload = payload };
    while (try counted.next() != null) count += 1;
    const result = try python.made(python.PyTuple_New(@intCast(count)));
    errdefer python.drop(result);
    var items: rlp.Items = .{ .payload = payload };
    for (0..count) |index| _ = python.PyTuple_SetItem(result, @intCast(index), try each(&items));
    return result;
}

fn word(items: *rlp.Items) Error!*Object {
    return python.bytes(try transactions.word(items));
}

fn access_entry(items: *rlp.Items) Error!*Object {
    var pair: rlp.Items = .{ .payload = try items.take(true) };
    const address = try transactions.address(&pair);
    const slots = try pair.take(true);
    return python.gathered(2, .{ python.bytes(address), tuple_of(slots, word) });
}

fn authorization(items: *rlp.Items) Error!*Object {
    const entry = try transactions.authorization(items);
    return python.gathered(6, .{
        python.integer_of(entry.chain_id),
        python.bytes(entry.address),
        python.integer_of(entry.nonce),
        python.integer_of(entry.y_parity),
        python.integer_of(entry.r),
        python.integer_of(entry.s),
    });
}

fn chain_id(value: ?u256) Error!*Object {
    var digits: [32]u8 = undefined;
    std.mem.writeInt(u256, &digits, value orelse return python.none(), .big);
    return python.integer_of(std.mem.trimStart(u8, &digits, "\x00"));
}

fn put(dict: *Object, name: Name, value: Error!*Object) Error!void {
    return python.put(dict, names[@intFromEnum(name)], value);
}

fn fill(dict: *Object, fields: *const transactions.Fields) Error!void {
    try put(dict, .type, python.integer(@intFromEnum(fields.kind)));
    try put(dict, .chain_id, chain_id(fields.chain_id));
    inline for (.{
        .nonce, .max_priority_fee_per_gas, .max_fee_per_gas, .gas_limit, .value, .max_fee_per_blob_gas, .r, .s,
    }) |name| try put(dict, name, python.integer_of(@field(fields, @tagName(name))));
    try put(dict, .to, if (fields.to.len == 0) python.none() else python.bytes(fields.to));
    try put(dict, .data, python.bytes(fields.data));
    try put(dict, .access_list, tuple_of(fields.access_list, access_entry));
    try put(dict, .blob_versioned_hashes, tuple_of(fields.blob_versioned_hashes, word));
    try put(dict, .authorization_list, tuple_of(fields.authorization_list, authorization));
    try put(dict, .y_parity, python.integer(fields.y_parity));
    try put(dict, .sidecar, python.none());
}

/// transaction_fields(data)
pub fn decode(arguments: []const *Object) Error!*Object {
    const data = try python.contents(arguments[0]);
    const fields = try transactions.decode(data);
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    try fill(dict, &fields);
    if (data.len <= hashed_at_once) {
        try put(dict, .hash, python.bytes(&keccak.hash(data)));
        try put(dict, .signing_hash, python.bytes(&try transactions.signing_hash(memory.allocator(), &fields)));
    }
    return dict;
}
