//! The machine's precompiles as functions of bytes, for the engine in Python, which has their prices and faults.

const std = @import("std");
const blake2f = @import("precompile_blake2f.zig");
const bn254 = @import("precompile_bn254.zig");
const modexp = @import("precompile_modexp.zig");
const python = @import("python.zig");
const Clock = @import("clock.zig").Clock;
const Error = @import("errors.zig").Error;

const Object = python.Object;

/// Who calls these has bounded the work.
fn unwatched() Clock {
    return .{ .host = null, .units_between_looks = std.math.maxInt(usize) };
}

/// The output of an operation on points of alt_bn128, or the text of what is wrong with the input.
fn computed(operation: bn254.Operation, arguments: []const *Object) Error!*Object {
    var clock = unwatched();
    var room: [bn254.most_output]u8 = undefined;
    const data = try python.contents(arguments[0]);
    const output = bn254.run(operation, data, &clock, &room) catch |failure| switch (failure) {
        error.Refused, error.OutOfMemory, error.Raised => |known| return known,
        else => |fault| return python.string(bn254.text_of(fault)),
    };
    return python.bytes(output);
}

pub fn bn254_add(arguments: []const *Object) Error!*Object {
    return computed(.add, arguments);
}

pub fn bn254_multiply(arguments: []const *Object) Error!*Object {
    return computed(.multiply, arguments);
}

pub fn bn254_pairing(arguments: []const *Object) Error!*Object {
    return computed(.product, arguments);
}

/// modexp(base, exponent, modulus)
pub fn power(arguments: []const *Object) Error!*Object {
    var numbers: [3][]const u8 = undefined;
    for (&numbers, arguments) |*number, argument| number.* = try python.contents(argument);
    if (numbers[0].len > modexp.most_bytes or numbers[2].len > modexp.most_bytes) return error.Refused;
    const result, const out = try python.blank(numbers[2].len);
    errdefer python.drop(result);
    var clock = unwatched();
    try modexp.power_of(&clock, numbers[0], numbers[1], numbers[2], out);
    return result;
}

/// blake2f(data)
pub fn compression(arguments: []const *Object) Error!*Object {
    const data = try python.contents(arguments[0]);
    if (data.len != blake2f.input_size) return error.Refused;
    const input = data[0..blake2f.input_size];
    var begun = blake2f.Compression.begin(input) orelse return error.Refused;
    var clock = unwatched();
    try begun.advance_all(blake2f.rounds_of(input), &clock);
    return python.bytes(&begun.end());
}
