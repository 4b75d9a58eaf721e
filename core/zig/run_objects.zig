//! run_message: a transaction's outermost message with Python's objects, and what it leaves behind.

const std = @import("std");
const Error = @import("errors.zig").Error;
const effects = @import("effects_objects.zig");
const host_of = @import("host.zig");
const host_objects = @import("host_objects.zig");
const machine_of = @import("machine.zig");
const python = @import("python.zig");
const state_of = @import("state.zig");
const memory_of = @import("memory.zig");
const word = @import("word.zig");

const Object = python.Object;

/// Most bytes of one run: frames, journal, output. Beyond it, Python decides.
pub const most_memory = 256 * 1024 * 1024;

pub fn bytes_of(comptime size: usize, object: *Object) Error![size]u8 {
    const data = try python.contents(object);
    return if (data.len == size) data[0..size].* else error.Refused;
}

pub fn word_of_bytes(object: *Object) Error!host_of.Word {
    return word.from_bytes(&try bytes_of(32, object));
}

/// A size, or null of None.
fn limit_of(object: *Object) Error!?usize {
    return if (python.is_none(object)) null else try python.size_of(object);
}

pub fn block_of(object: *Object) Error!host_of.Block {
    const parts = try python.sequence(object);
    if (parts.size != 13) return error.Refused;
    return .{
        .fork = std.math.cast(u8, try python.size_of(try parts.at(0))) orelse return error.Refused,
        .coinbase = try bytes_of(20, try parts.at(1)),
        .number = try python.word_of(try parts.at(2)),
        .timestamp = try python.word_of(try parts.at(3)),
        .gas_limit = try python.word_of(try parts.at(4)),
        .base_fee = try python.word_of(try parts.at(5)),
        .prev_randao = try word_of_bytes(try parts.at(6)),
        .difficulty = try python.word_of(try parts.at(7)),
        .blob_base_fee = try python.word_of(try parts.at(8)),
        .chain_id = try python.word_of(try parts.at(9)),
        .code_size_limit = try limit_of(try parts.at(10)),
        .precompiles = try .of(try python.contents(try parts.at(11))),
        .has_wasm = try python.is_true(try parts.at(12)),
    };
}

pub fn transaction_of(arena: std.mem.Allocator, context: *host_objects.Context, object: *Object) Error!host_of.Transaction {
    const parts = try python.sequence(object);
    if (parts.size != 6) return error.Refused;
    const hashes = try python.sequence(try parts.at(2));
    const blob_hashes = try arena.alloc(host_of.Hash, hashes.size);
    context.has_warm_slots = try python.is_true(try parts.at(4));
    context.lock.is_shared = try python.is_true(try parts.at(5));
    for (blob_hashes, 0..) |*hash, index| hash.* = try bytes_of(32, try hashes.at(index));
    return .{
        .origin = try bytes_of(20, try parts.at(0)),
        .gas_price = try python.word_of(try parts.at(1)),
        .blob_hashes = blob_hashes,
        .memory_words = try limit_of(try parts.at(3)) orelse std.math.maxInt(u64),
    };
}

fn message_of(object: *Object) Error!host_of.Message {
    const parts = try python.sequence(object);
    if (parts.size != 10) return error.Refused;
    return .{
        .kind = std.enums.fromInt(host_of.Kind, try python.size_of(try parts.at(0))) orelse return error.Refused,
        .gas = try python.size_of(try parts.at(1)),
        .sender = try bytes_of(20, try parts.at(2)),
        .storage_address = try bytes_of(20, try parts.at(3)),
        .code_address = try bytes_of(20, try parts.at(4)),
        .target = try bytes_of(20, try parts.at(4)),
        .value = try python.word_of(try parts.at(5)),
        .data = try python.contents(try parts.at(6)),
        .code = try python.contents(try parts.at(7)),
        .is_static = try python.is_true(try parts.at(8)),
        .is_delegation = try python.is_true(try parts.at(9)),
    };
}

/// run_message(state, helper, block, transaction, message)
pub fn run_message(arguments: []const *Object) Error!*Object {
    return run(arguments) catch |failure| switch (failure) {
        error.Raised => error.Raised,
        error.Refused, error.OutOfMemory => python.none(),
    };
}

fn run(arguments: []const *Object) Error!*Object {
    var counted: memory_of.Counted = .{ .child = memory_of.core.allocator(), .limit = .init(most_memory) };
    var arena_state: std.heap.ArenaAllocator = .init(counted.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var context: host_objects.Context = .{ .state = arguments[0], .helper = arguments[1] };
    defer context.release();
    const block = try block_of(arguments[2]);
    const transaction = try transaction_of(arena, &context, arguments[3]);
    const message = try message_of(arguments[4]);
    var state: state_of.State = .{ .memory = arena, .host = context.host() };
    defer state.deinit();
    var machine: machine_of.Machine = .init(counted.allocator());
    defer machine.deinit();
    // before all that is declared above ends
    defer context.lock.take();
    const result = try machine_of.run(&machine, &state, &block, &transaction, &message);
    context.lock.take();
    return answer(arena, &state, &result);
}

/// (status, gas left, output, detail, spare gas or None, effects)
fn answer(arena: std.mem.Allocator, state: *state_of.State, result: *const host_of.Result) Error!*Object {
    const is_spare = result.spare_gas != std.math.maxInt(u64);
    return python.gathered(6, .{
        python.integer(@intFromEnum(result.status)),
        python.integer(result.gas_left),
        python.bytes(result.output),
        detail_of(&result.detail),
        if (is_spare) python.integer(result.spare_gas) else @as(Error!*Object, python.none()),
        effects.of(arena, state),
    });
}

/// None, a number, two numbers, or a text.
pub fn detail_of(detail: *const host_of.Detail) Error!*Object {
    return switch (detail.*) {
        .none => python.none(),
        .stack => |stack| pair(stack.height, stack.limit),
        .memory => |sizes| pair(sizes.words, sizes.limit),
        .opcode => |opcode| python.integer(opcode),
        .status => |status| python.integer(status),
        .sentry => python.string("sentry"),
        .text => |text| python.string(text),
    };
}

fn pair(first: u64, second: u64) Error!*Object {
    return python.gathered(2, .{ python.integer(first), python.integer(second) });
}
