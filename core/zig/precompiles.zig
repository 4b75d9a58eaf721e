//! Precompiles: those that are quick enough here to be worth their lines; the host is asked for all others.

const std = @import("std");
const frames = @import("frame.zig");
const host = @import("host.zig");
const End = @import("machine.zig").End;
const Error = @import("errors.zig").Error;
const Machine = @import("machine.zig").Machine;

const Sha256 = std.crypto.hash.sha2.Sha256;

/// A precompile with a price by size, in whole words. run: appends the output.
const Own = struct { number: u8, gas: u64, word_gas: u64, run: *const fn (*Machine, []const u8) Error!void };

const own = [_]Own{
    .{ .number = 2, .gas = 60, .word_gas = 12, .run = sha256 },
    .{ .number = 4, .gas = 15, .word_gas = 3, .run = identity },
};

/// Run one, with the message's gas. The output lives until the next one's.
pub fn run(machine: *Machine, number: u8, message: *const host.Message) Error!End {
    machine.answer.clearRetainingCapacity();
    if (number == host.Precompiles.foreign) return error.Refused;
    for (own) |row| {
        if (row.number != number) continue;
        const gas = row.gas + row.word_gas * frames.words_of(message.data.len);
        if (gas > message.gas) return .{ .status = .out_of_gas, .gas_left = 0 };
        try row.run(machine, message.data);
        return .{ .status = .success, .gas_left = message.gas - gas, .output = machine.answer.items };
    }
    return ask(machine, message);
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
