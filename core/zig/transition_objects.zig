//! run_transaction and run_call: a transaction or a call as a whole with Python's objects, and the outcome.

const std = @import("std");
const Error = @import("errors.zig").Error;
const effects = @import("effects_objects.zig");
const forks = @import("forks.zig");
const gas_needs = @import("gas_needs.zig");
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
    return none_if_refused(run(arguments));
}

/// run_call(state, accounts, view, block, request, warm, is_shared)
pub fn run_call(arguments: []const *Object) Error!*Object {
    return none_if_refused(run_alone(arguments));
}

fn none_if_refused(outcome: Error!*Object) Error!*Object {
    return outcome catch |failure| switch (failure) {
        error.Raised => error.Raised,
        error.Refused, error.OutOfMemory => python.none(),
    };
}

fn run(arguments: []const *Object) Error!*Object {
    var counted: memory_of.Counted = .{ .child = memory_of.core.allocator(), .limit = .init(run_objects.most_memory) };
    var arena_state: std.heap.ArenaAllocator = .init(counted.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var context: host_objects.Context = .{ .state = arguments[0], .helper = arguments[1] };
    defer context.release();
    const block = try run_objects.block_of(arguments[2]);
    const transaction = try run_objects.transaction_of(arena, &context, arguments[3]);
    const environment = try environment_of(arena, arguments[4]);
    context.warm = try .of(try python.contents(arguments[5]));
    const wants_named = try python.is_true(arguments[6]);
    var watch = try watch_objects.of(arena, arguments[7]);
    var state: state_of.State = .{ .memory = arena, .host = context.host() };
    defer state.deinit();
    var machine: machine_of.Machine = .init(counted.allocator());
    defer machine.deinit();
    if (watch) |*asked| machine.watch = asked;
    // before all that is declared above ends
    defer context.lock.take();
    const outcome = try transition.execute(&machine, &state, &block, &transaction, &environment);
    context.lock.take();
    const found = answer(arena, &state, &outcome, wants_named);
    return python.gathered(2, .{ found, watch_objects.events_of(&watch) });
}

fn run_alone(arguments: []const *Object) Error!*Object {
    var counted: memory_of.Counted = .{ .child = memory_of.core.allocator(), .limit = .init(run_objects.most_memory) };
    var arena_state: std.heap.ArenaAllocator = .init(counted.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const state_object, const accounts, const view = arguments[0..3].*;
    var context: host_objects.Context = .{
        .state = state_object,
        .helper = state_object,
        .lock = .{ .is_shared = try python.is_true(arguments[6]) },
        .has_warm_slots = false,
        .warm = try .of(try python.contents(arguments[5])),
        .wants_kept_code = false,
        .accounts = if (python.is(accounts, .dict)) accounts else null,
        .flat_view = if (python.is_none(view)) null else view,
    };
    defer context.release();
    const block = try run_objects.block_of(arguments[3]);
    if (block.fork >= forks.count) return error.Refused;
    const environment = try call_of(arena, arguments[4], @enumFromInt(block.fork));
    const transaction: host_of.Transaction = .{ .origin = environment.sender, .gas_price = 0, .blob_hashes = &.{} };
    var state: state_of.State = .{ .memory = arena, .host = context.host() };
    defer state.deinit();
    var machine: machine_of.Machine = .init(counted.allocator());
    defer machine.deinit();
    // one that has to be brief has a deadline of this moment
    if (!context.lock.is_shared) machine.unlooked = 0;
    // before all that is declared above ends
    defer context.lock.take();
    const outcome = try transition.execute(&machine, &state, &block, &transaction, &environment);
    context.lock.take();
    return answer_alone(&state, &outcome);
}

/// The places of the fields of a CallRequest (chain/vm/interface.py), of which a call without fees and delegations is made.
const Place = enum(usize) { sender = 0, to = 1, gas_limit = 2, value = 3, data = 4, access_list = 7 };
const request_size = 11;

/// A call without fees. Its gas limit covers what it costs before it runs.
fn call_of(arena: Allocator, object: *Object, fork: forks.Fork) Error!transition.TransactionEnvironment {
    const request = try python.sequence(object);
    if (request.size != request_size) return error.Refused;
    const data = try python.contents(try field(request, .data));
    const accesses = try access_list_of(arena, try field(request, .access_list));
    const gas = gas_needs.of(fork, data, accesses);
    return .{
        .sender = try run_objects.bytes_of(20, try field(request, .sender)),
        .to = try run_objects.bytes_of(20, try field(request, .to)),
        .value = try python.word_of(try field(request, .value)),
        .data = data,
        .gas_limit = try python.size_of(try field(request, .gas_limit)),
        .intrinsic_gas = gas.intrinsic,
        .floor_gas = gas.floor,
        .gas_price = 0,
        .tip = 0,
        .advance = 0,
        .access_list = accesses,
        .is_off_chain = true,
    };
}

fn field(request: python.Sequence, place: Place) Error!*Object {
    return request.at(@intFromEnum(place));
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
