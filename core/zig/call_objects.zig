//! simulated_calls and call_arguments: call objects of requests (rpc/methods/eth/simulate.py, rpc/codec/objects.py).

const std = @import("std");
const Error = @import("errors.zig").Error;
const python = @import("python.zig");

const Object = python.Object;

/// The members of a call object; those that a SimulatedCall (chain/vm/simulated_calls.py) has are in its order.
const Field = enum { sender, to, value, data, max_fee_per_gas, max_priority_fee_per_gas, gas_limit, nonce, gas_price };
const field_count = 13;

const Kind = enum { address, quantity, uint64, data };
const Member = struct { field: Field, kind: Kind };
/// By their names on the wire. Calls with others that a call object may have are Python's.
const members: std.StaticStringMap(?Member) = .initComptime(.{
    .{ "from", Member{ .field = .sender, .kind = .address } },
    .{ "to", Member{ .field = .to, .kind = .address } },
    .{ "gas", Member{ .field = .gas_limit, .kind = .uint64 } },
    .{ "gasPrice", Member{ .field = .gas_price, .kind = .quantity } },
    .{ "maxFeePerGas", Member{ .field = .max_fee_per_gas, .kind = .quantity } },
    .{ "maxPriorityFeePerGas", Member{ .field = .max_priority_fee_per_gas, .kind = .quantity } },
    .{ "value", Member{ .field = .value, .kind = .quantity } },
    .{ "nonce", Member{ .field = .nonce, .kind = .uint64 } },
    .{ "data", Member{ .field = .data, .kind = .data } },
    .{ "input", Member{ .field = .data, .kind = .data } },
    .{ "chainId", null },
    .{ "accessList", null },
    .{ "authorizationList", null },
    .{ "maxFeePerBlobGas", null },
    .{ "blobVersionedHashes", null },
    .{ "blobs", null },
    .{ "commitments", null },
    .{ "proofs", null },
    .{ "cellProofs", null },
});

/// More than this is left to Python: no sum of sizes passes the end of an integer.
const most_calls = 1 << 20;

/// simulated_calls(values, usual, legacy): a list of SimulatedCalls. usual, legacy: calls without any member, the second one
/// as of a legacy transaction, which a gas price makes of it.
pub fn simulated_calls(arguments: []const *Object) Error!*Object {
    const values = try python.sequence(arguments[0]);
    const usual, const legacy = .{ try python.sequence(arguments[1]), try python.sequence(arguments[2]) };
    if (!values.is_list or values.size > most_calls) return error.Refused;
    if (usual.size != field_count or legacy.size != field_count) return error.Refused;
    const list = try python.made(python.PyList_New(@intCast(values.size)));
    errdefer python.drop(list);
    for (0..values.size) |index| {
        const call = try call_of(try values.at(index), usual, legacy);
        try python.done(python.PyList_SetItem(list, @intCast(index), call));
    }
    return list;
}

fn call_of(object: *Object, usual: python.Sequence, legacy: python.Sequence) Error!*Object {
    var fields: [std.enums.values(Field).len]?*Object = @splat(null);
    defer for (fields) |field| if (field) |value| python.drop(value);
    try read_members(Member, &members, object, &fields);
    const cap, const tip = .{ at(&fields, .max_fee_per_gas), at(&fields, .max_priority_fee_per_gas) };
    const price = at(&fields, .gas_price) orelse {
        if (cap != null and tip != null and try python.word_of(cap.?) < try python.word_of(tip.?)) return error.Refused;
        return record_of(usual, fields[0 .. @intFromEnum(Field.nonce) + 1]);
    };
    if (cap != null or tip != null) return error.Refused;
    inline for (.{ .max_fee_per_gas, .max_priority_fee_per_gas }) |field| {
        fields[@intFromEnum(@as(Field, field))] = python.keep(price);
    }
    return record_of(legacy, fields[0 .. @intFromEnum(Field.nonce) + 1]);
}

/// The members of a call object that TransactionArguments (rpc/codec/objects.py) begin with, in their order.
const Argument = enum { sender, to, gas, gas_price, max_fee_per_gas, max_priority_fee_per_gas, value, nonce, data, chain_id };
const argument_count = 19;

const ArgumentMember = struct { field: Argument, kind: Kind };
/// By their names on the wire. Objects with others that a call object may have are Python's.
const argument_members: std.StaticStringMap(?ArgumentMember) = .initComptime(.{
    .{ "from", ArgumentMember{ .field = .sender, .kind = .address } },
    .{ "to", ArgumentMember{ .field = .to, .kind = .address } },
    .{ "gas", ArgumentMember{ .field = .gas, .kind = .uint64 } },
    .{ "gasPrice", ArgumentMember{ .field = .gas_price, .kind = .quantity } },
    .{ "maxFeePerGas", ArgumentMember{ .field = .max_fee_per_gas, .kind = .quantity } },
    .{ "maxPriorityFeePerGas", ArgumentMember{ .field = .max_priority_fee_per_gas, .kind = .quantity } },
    .{ "value", ArgumentMember{ .field = .value, .kind = .quantity } },
    .{ "nonce", ArgumentMember{ .field = .nonce, .kind = .uint64 } },
    .{ "data", ArgumentMember{ .field = .data, .kind = .data } },
    .{ "input", ArgumentMember{ .field = .data, .kind = .data } },
    .{ "chainId", ArgumentMember{ .field = .chain_id, .kind = .quantity } },
    .{ "type", null },
    .{ "accessList", null },
    .{ "authorizationList", null },
    .{ "maxFeePerBlobGas", null },
    .{ "blobVersionedHashes", null },
    .{ "blobs", null },
    .{ "commitments", null },
    .{ "proofs", null },
    .{ "cellProofs", null },
});

/// call_arguments(value, usual): TransactionArguments. usual: those of an object without members.
pub fn call_arguments(arguments: []const *Object) Error!*Object {
    const usual = try python.sequence(arguments[1]);
    if (usual.size != argument_count) return error.Refused;
    var fields: [std.enums.values(Argument).len]?*Object = @splat(null);
    defer for (fields) |field| if (field) |value| python.drop(value);
    try read_members(ArgumentMember, &argument_members, arguments[0], &fields);
    const cap = fields[@intFromEnum(Argument.max_fee_per_gas)];
    const tip = fields[@intFromEnum(Argument.max_priority_fee_per_gas)];
    if (cap != null or tip != null) {
        if (fields[@intFromEnum(Argument.gas_price)] != null) return error.Refused;
        if (cap != null and tip != null and try python.word_of(cap.?) < try python.word_of(tip.?)) return error.Refused;
    }
    return record_of_size(argument_count, usual, &fields);
}

/// The members of an object, by their fields; new references. Refused of two for one field, as of data and input.
fn read_members(comptime M: type, table: *const std.StaticStringMap(?M), object: *Object, fields: []?*Object) Error!void {
    if (!python.is(object, .dict)) return error.Refused;
    var pairs: python.Pairs = .{ .dict = object };
    while (pairs.next()) |pair| {
        if (python.is_none(pair.value)) continue;
        // what is not known does not count
        const known = table.get(try python.text_of(pair.key)) orelse continue;
        const member = known orelse return error.Refused;
        const field = &fields[@intFromEnum(member.field)];
        if (field.* != null) return error.Refused;
        field.* = try value_of(member.kind, try python.text_of(pair.value));
    }
}

fn at(fields: []const ?*Object, field: Field) ?*Object {
    return fields[@intFromEnum(field)];
}

fn record_of(template: python.Sequence, fields: []const ?*Object) Error!*Object {
    return record_of_size(field_count, template, fields);
}

/// The template with these first fields, where they are given.
fn record_of_size(comptime count: usize, template: python.Sequence, fields: []const ?*Object) Error!*Object {
    var values: [count]Error!*Object = undefined;
    for (&values, 0..) |*value, place| {
        const given = if (place < fields.len) fields[place] else null;
        value.* = python.keep(given orelse try template.at(place));
    }
    return python.record(python.class_of(template.object), count, values);
}

fn value_of(kind: Kind, text: []const u8) Error!*Object {
    if (!std.mem.startsWith(u8, text, "0x")) return error.Refused;
    const digits = text[2..];
    switch (kind) {
        .quantity => return integer(digits, 64),
        .uint64 => return integer(digits, 16),
        .address => if (digits.len != 40) return error.Refused,
        .data => if (digits.len % 2 != 0) return error.Refused,
    }
    const object, const out = try python.blank(digits.len / 2);
    errdefer python.drop(object);
    _ = std.fmt.hexToBytes(out, digits) catch return error.Refused;
    return object;
}

/// Without leading zeros.
fn integer(digits: []const u8, most: usize) Error!*Object {
    if (digits.len == 0 or digits.len > most or (digits[0] == '0' and digits.len > 1)) return error.Refused;
    var value: u256 = 0;
    for (digits) |digit| value = value << 4 | (std.fmt.charToDigit(digit, 16) catch return error.Refused);
    return python.integer_of_word(value);
}
