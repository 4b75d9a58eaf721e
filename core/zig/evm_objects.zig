//! The machine's parts for tests in Python: its opcode table, and its instructions on words alone.

const forks = @import("forks.zig");
const machines = @import("machine.zig");
const opcodes = @import("opcodes.zig");
const python = @import("python.zig");
const words = @import("word.zig");
const Error = @import("errors.zig").Error;
const Failure = @import("faults.zig").Failure;
const Step = @import("frame.zig").Step;
const memory = &@import("memory.zig").core;

const Object = python.Object;

/// evm_operations(fork): by opcode a tuple of name, constant gas, words taken and given; None where there is none.
pub fn operations(arguments: []const *Object) Error!*Object {
    const index = try python.size_of(arguments[0]);
    if (index >= forks.count) return error.Refused;
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (opcodes.rows) |row| {
        const item = if (row.gas_of(@enumFromInt(index))) |gas| try describe(&row, gas) else python.none();
        defer python.drop(item);
        try python.done(python.PyList_Append(list, item));
    }
    return list;
}

fn describe(row: *const opcodes.Row, gas: u16) Error!*Object {
    const name = try python.string(row.name);
    errdefer python.drop(name);
    const price = try python.integer(gas);
    errdefer python.drop(price);
    const pops = try python.integer(row.pops);
    errdefer python.drop(pops);
    return python.tuple(&.{ name, price, pops, try python.integer(row.pushes) });
}

/// evm_words(opcode, operands): an instruction on each group of 32-byte operands, the top one first; the results.
pub fn evaluate(arguments: []const *Object) Error!*Object {
    const opcode = try python.size_of(arguments[0]);
    const operands = try python.contents(arguments[1]);
    if (opcode < 0x01 or opcode > 0x1e) return error.Refused;
    const row = &opcodes.rows[opcode];
    const size = words.bytes_of_word * @as(usize, row.pops);
    if (size == 0 or operands.len % size != 0) return error.Refused;
    var machine: machines.Machine = .init(memory.allocator());
    defer machine.deinit();
    machine.rules = .of(.bpo2);
    var step: Step = .of(&machine, try machine.open());
    const result, const out = try python.blank(operands.len / row.pops);
    errdefer python.drop(result);
    var place: usize = 0;
    while (place < out.len) : (place += words.bytes_of_word) {
        const group = operands[place * row.pops ..][0..size];
        apply(&step, row, group) catch return error.Refused;
        out[place..][0..words.bytes_of_word].* = words.to_bytes(step.pop());
    }
    return result;
}

fn apply(step: *Step, row: *const opcodes.Row, group: []const u8) Failure!void {
    step.gas = 1 << 40;
    var end = group.len;
    while (end > 0) : (end -= words.bytes_of_word) {
        step.push(words.from_bytes(group[end - words.bytes_of_word ..][0..words.bytes_of_word]));
    }
    switch (row.body) {
        .quick, .slow => |act| try act(step),
        else => return error.Refused,
    }
}
