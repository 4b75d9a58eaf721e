//! run_transaction and run_call: a transaction or a call as a whole with Python's objects, and the outcome.

const std = @import("std");
const Error = @import("errors.zig").Error;
const effects = @import("effects_objects.zig");
const host_of = @import("host.zig");
const host_objects = @import("host_objects.zig");
const machine_of = @import("machine.zig");
const memory_of = @import("memory.zig");
const python = @import("python.zig");
const run_objects = @import("run_objects.zig");
const state_of = @import("state.zig");
const transition = @import("transition.zig");
const watch_objects = @import("watch_objects.zig");
const Watch = @import("watch.zig").Watch;

const Allocator = std.mem.Allocator;
const Object = python.Object;

fn environment_of(arena: Allocator, object: *Object) Error!transition.TransactionEnvironment {
    const parts = try python.sequence(object);
    if (parts.size != 12) return error.Refused;
    const to = try parts.at(1);
    return .{
        .sender = try run_objects.bytes_of(20, try parts.at(0)),
        .to = if (python.is_none(to)) null else try run_objects.bytes_of(20, to),
        .value = try python.word_of(try parts.at(2)),
        .data = try python.contents(try parts.at(3)),
        .gas_limit = try python.size_of(try parts.at(4)),
        .intrinsic_gas = try python.size_of(try parts.at(5)),
        .floor_gas = try python.size_of(try parts.at(6)),
        .gas_price = try python.word_of(try parts.at(7)),
        .tip = try python.word_of(try parts.at(8)),
        .advance = try python.word_of(try parts.at(9)),
        .access_list = try access_list_of(arena, try parts.at(10)),
        .authorizations = try authorizations_of(arena, try parts.at(11)),
    };
}

/// Of (address, slots in 32 bytes each).
fn access_list_of(arena: Allocator, object: *Object) Error![]const transition.Access {
    const entries = try python.sequence(object);
    const result = try arena.alloc(transition.Access, entries.size);
    for (result, 0..) |*access, index| {
        const entry = try python.sequence(try entries.at(index));
        if (entry.size != 2) return error.Refused;
        const keys = try python.sequence(try entry.at(1));
        const slots = try arena.alloc(host_of.Word, keys.size);
        for (slots, 0..) |*slot, place| slot.* = try run_objects.word_of_bytes(try keys.at(place));
        access.* = .{ .address = try run_objects.bytes_of(20, try entry.at(0)), .slots = slots };
    }
    return result;
}

/// Of (authority, address, nonce).
fn authorizations_of(arena: Allocator, object: *Object) Error![]const transition.Authorization {
    const entries = try python.sequence(object);
    const result = try arena.alloc(transition.Authorization, entries.size);
    for (result, 0..) |*authorization, index| {
        const entry = try python.sequence(try entries.at(index));
        if (entry.size != 3) return error.Refused;
        authorization.* = .{
            .authority = try run_objects.bytes_of(20, try entry.at(0)),
            .address = try run_objects.bytes_of(20, try entry.at(1)),
            .nonce = std.math.cast(u64, try python.word_of(try entry.at(2))) orelse return error.Refused,
        };
    }
    return result;
}

/// run_transaction(state, helper, block, transaction, transaction_environment, warm, wants_named, watch)
pub fn run_transaction(arguments: []const *Object) Error!*Object {
    return none_if_refused(run(arguments, false));
}

/// run_call(state, helper, block, transaction, transaction_environment, warm)
pub fn run_call(arguments: []const *Object) Error!*Object {
    return none_if_refused(run(arguments, true));
}

fn none_if_refused(outcome: Error!*Object) Error!*Object {
    return outcome catch |failure| switch (failure) {
        error.Raised => error.Raised,
        error.Refused, error.OutOfMemory => python.none(),
    };
}

fn run(arguments: []const *Object, comptime is_off_chain: bool) Error!*Object {
    var counted: memory_of.Counted = .{ .child = memory_of.core.allocator(), .limit = .init(run_objects.most_memory) };
    var arena_state: std.heap.ArenaAllocator = .init(counted.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var context: host_objects.Context = .{
        .state = arguments[0],
        .helper = arguments[1],
        .wants_kept_code = !is_off_chain,
        .has_flat_view = is_off_chain,
    };
    defer context.release();
    const block = try run_objects.block_of(arguments[2]);
    const transaction = try run_objects.transaction_of(arena, &context, arguments[3]);
    var environment = try environment_of(arena, arguments[4]);
    environment.is_off_chain = is_off_chain;
    context.warm = try .of(try python.contents(arguments[5]));
    const wants_named = if (is_off_chain) false else try python.is_true(arguments[6]);
    var watch: ?Watch = if (is_off_chain) null else try watch_objects.of(arena, arguments[7]);
    var state: state_of.State = .{ .memory = arena, .host = context.host() };
    defer state.deinit();
    var machine: machine_of.Machine = .init(counted.allocator());
    defer machine.deinit();
    if (watch) |*asked| machine.watch = asked;
    // before all that is declared above ends
    defer context.lock.take();
    const outcome = try transition.execute(&machine, &state, &block, &transaction, &environment);
    context.lock.take();
    if (is_off_chain) return answer_alone(&state, &outcome);
    const found = answer(arena, &state, &outcome, wants_named);
    return python.gathered(2, .{ found, watch_objects.events_of(&watch) });
}

/// (status, output, detail, gas used, before refunds, spare gas, new address or None, effects)
fn answer(arena: Allocator, state: *state_of.State, outcome: *const transition.Outcome, wants_named: bool) Error!*Object {
    return python.gathered(8, .{
        python.integer(@intFromEnum(outcome.result.status)),
        python.bytes(outcome.result.output),
        run_objects.detail_of(&outcome.result.detail),
        python.integer(outcome.gas_used),
        python.integer(outcome.gas_used_before_refund),
        python.integer(outcome.spare_gas),
        if (outcome.created) |address| python.bytes(&address) else @as(Error!*Object, python.none()),
        effects.net_of(arena, state, wants_named),
    });
}

/// (status, output, detail, gas used, before refunds, spare gas, logs)
fn answer_alone(state: *state_of.State, outcome: *const transition.Outcome) Error!*Object {
    return python.gathered(7, .{
        python.integer(@intFromEnum(outcome.result.status)),
        python.bytes(outcome.result.output),
        run_objects.detail_of(&outcome.result.detail),
        python.integer(outcome.gas_used),
        python.integer(outcome.gas_used_before_refund),
        python.integer(outcome.spare_gas),
        effects.logs_of(state),
    });
}
