//! Precompiles: those that are quick enough here to be worth their lines; the host is asked for all others.

const std = @import("std");
const blake2f = @import("precompile_blake2f.zig");
const frames = @import("frame.zig");
const host = @import("host.zig");
const modexp = @import("precompile_modexp.zig");
const ripemd160 = @import("precompile_ripemd160.zig");
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
        else => ask(machine, message),
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
    try input.power(machine, try machine.answer.addManyAsSlice(machine.memory, input.modulus_size));
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
    var rounds = blake2f.rounds_of(data);
    if (rounds > message.gas) return .{ .status = .out_of_gas, .gas_left = 0 };
    const gas_left = message.gas - rounds;
    while (rounds > 0) {
        const now = @min(rounds, blake2f.rounds_between_looks);
        compression.advance(now);
        rounds -= now;
        if (rounds > 0) try machine.state.host.table.look(machine.state.host.context);
    }
    try machine.answer.appendSlice(machine.memory, &compression.end());
    return .{ .status = .success, .gas_left = gas_left, .output = machine.answer.items };
}
