//! Precompiles: those that are quick enough here to be worth their lines; the host is asked for all others.

const std = @import("std");
const blake2f = @import("precompile_blake2f.zig");
const bn254 = @import("precompile_bn254.zig");
const frames = @import("frame.zig");
const host = @import("host.zig");
const modexp = @import("precompile_modexp.zig");
const ripemd160 = @import("precompile_ripemd160.zig");
const Clock = @import("clock.zig").Clock;
const End = @import("machine.zig").End;
const Error = @import("errors.zig").Error;
const Machine = @import("machine.zig").Machine;

const Sha256 = std.crypto.hash.sha2.Sha256;

/// A precompile with a price by size, in whole words. run: appends the output.
const Own = struct { number: u8, gas: u64, word_gas: u64, run: *const fn (*Machine, []const u8) Error!void };

const own = [_]Own{
    .{ .number = 2, .gas = 60, .word_gas = 12, .run = sha256 },
    .{ .number = 3, .gas = 600, .word_gas = 120, .run = ripemd },
    .{ .number = 4, .gas = 15, .word_gas = 3, .run = identity },
};

const modexp_number = 5;
const blake2f_number = 9;

/// Bytes that are worked on at once at most: the host looks at the clock, and lets others run.
const most_bytes = 256 << 10;

/// Run one, with the message's gas. The output lives until the next one's.
pub fn run(machine: *Machine, number: u8, message: *const host.Message) Error!End {
    machine.answer.clearRetainingCapacity();
    if (number == host.Precompiles.foreign) return error.Refused;
    for (own) |row| {
        if (row.number != number or message.data.len > most_bytes) continue;
        const gas = row.gas + row.word_gas * frames.words_of(message.data.len);
        if (gas > message.gas) return .{ .status = .out_of_gas, .gas_left = 0 };
        try row.run(machine, message.data);
        return .{ .status = .success, .gas_left = message.gas - gas, .output = machine.answer.items };
    }
    return switch (number) {
        modexp_number => raise(machine, message),
        blake2f_number => compress(machine, message),
        else => if (std.enums.fromInt(bn254.Operation, number)) |operation|
            compute(machine, operation, message)
        else
            ask(machine, message),
    };
}

fn ask(machine: *Machine, message: *const host.Message) Error!End {
    const from = machine.state.host;
    const call: host.PrecompileCall = .{ .address = message.code_address, .gas = message.gas, .data = message.data };
    const answer = try from.table.precompile(from.context, &call);
    if (answer.gas_left > message.gas) return error.Refused;
    try machine.answer.appendSlice(machine.memory, answer.output);
    machine.detail = if (answer.detail.len > 0) .{ .text = answer.detail } else .none;
    return .{ .status = answer.status, .gas_left = answer.gas_left, .output = machine.answer.items };
}

fn identity(machine: *Machine, data: []const u8) Error!void {
    try machine.answer.appendSlice(machine.memory, data);
}

fn sha256(machine: *Machine, data: []const u8) Error!void {
    var digest: [Sha256.digest_length]u8 = undefined;
    Sha256.hash(data, &digest, .{});
    try machine.answer.appendSlice(machine.memory, &digest);
}

/// The digest in a word.
fn ripemd(machine: *Machine, data: []const u8) Error!void {
    try machine.answer.appendNTimes(machine.memory, 0, 32 - ripemd160.digest_size);
    try machine.answer.appendSlice(machine.memory, &ripemd160.hash(data));
}

/// Operands of any size are the host's: their prices have no bound, and EIP-7823 words a fault.
fn raise(machine: *Machine, message: *const host.Message) Error!End {
    const input = modexp.Input.of(message.data) orelse return ask(machine, message);
    const gas = input.gas(machine.rules.fork);
    if (gas > message.gas) return .{ .status = .out_of_gas, .gas_left = 0 };
    var clock = clock_of(machine, modexp.products_between_looks);
    try input.power(&clock, try machine.answer.addManyAsSlice(machine.memory, input.modulus_size));
    return .{ .status = .success, .gas_left = message.gas - gas, .output = machine.answer.items };
}

/// One gas a round (EIP-152).
fn compress(machine: *Machine, message: *const host.Message) Error!End {
    if (message.data.len != blake2f.input_size) return .{ .status = .precompile_input_length, .gas_left = 0 };
    const data = message.data[0..blake2f.input_size];
    var compression = blake2f.Compression.begin(data) orelse {
        machine.detail = .{ .text = "invalid final flag" };
        return .{ .status = .precompile, .gas_left = 0 };
    };
    const rounds = blake2f.rounds_of(data);
    if (rounds > message.gas) return .{ .status = .out_of_gas, .gas_left = 0 };
    var clock = clock_of(machine, blake2f.rounds_between_looks);
    try compression.advance_all(rounds, &clock);
    try machine.answer.appendSlice(machine.memory, &compression.end());
    return .{ .status = .success, .gas_left = message.gas - rounds, .output = machine.answer.items };
}

/// A point or a truth, of points of alt_bn128.
fn compute(machine: *Machine, operation: bn254.Operation, message: *const host.Message) Error!End {
    const gas = operation.gas(machine.rules.fork, message.data.len);
    if (gas > message.gas) return .{ .status = .out_of_gas, .gas_left = 0 };
    var clock = clock_of(machine, bn254.steps_between_looks);
    var room: [bn254.most_output]u8 = undefined;
    const output = bn254.run(operation, message.data, &clock, &room) catch |failure| switch (failure) {
        error.Refused, error.OutOfMemory, error.Raised => |known| return known,
        else => |fault| {
            machine.detail = .{ .text = bn254.text_of(fault) };
            return .{ .status = .precompile, .gas_left = 0 };
        },
    };
    try machine.answer.appendSlice(machine.memory, output);
    return .{ .status = .success, .gas_left = message.gas - gas, .output = machine.answer.items };
}

fn clock_of(machine: *const Machine, units_between_looks: usize) Clock {
    return .{ .host = machine.state.host, .units_between_looks = units_between_looks };
}
