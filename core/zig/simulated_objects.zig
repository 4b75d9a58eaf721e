//! run_simulated: calls of a simulated block, one after another on its state (chain/vm/engines/simulated.py).

const std = @import("std");
const effects = @import("effects_objects.zig");
const Error = @import("errors.zig").Error;
const forks = @import("forks.zig");
const gas_needs = @import("gas_needs.zig");
const host = @import("host.zig");
const keccak = @import("keccak.zig");
const plain_block_objects = @import("plain_block_objects.zig");
const plain_objects = @import("plain_objects.zig");
const python = @import("python.zig");
const run_objects = @import("run_objects.zig");
const entries = @import("state_entries.zig");
const simulated = @import("simulated.zig");
const transition = @import("transition.zig");
const trie_objects = @import("trie_objects.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const Word = host.Word;

/// The places of a SimulatedCall's fields (chain/vm/simulated_calls.py).
const Place = enum {
    sender,
    to,
    value,
    data,
    max_fee_per_gas,
    max_priority_fee_per_gas,
    gas_limit,
    nonce,
    type,
    access_list,
    authorization_list,
    blob_versioned_hashes,
    max_fee_per_blob_gas,
};

/// run_simulated(state, helper, block, calls, base_fee, gas_left, gas_budget, validates, warm, is_shared, shows_transfers,
/// records, ends)
pub fn run(arguments: []const *Object) Error!*Object {
    run_all(arguments) catch |failure| switch (failure) {
        error.Raised => return error.Raised,
        error.Refused, error.OutOfMemory => {},
    };
    return python.none();
}

fn run_all(arguments: []const *Object) Error!void {
    const records, const ends = .{ try python.sequence(arguments[11]), arguments[12] };
    var held: trie_objects.Held = .{};
    defer held.release();
    const parts = try plain_block_objects.kept_attribute(&held, arguments[0], ._parts);
    var ground: plain_objects.Ground = try .of(arguments[0..3], parts, arguments[4], arguments[8..10]);
    ground.shows_transfers = try python.is_true(arguments[10]);
    const changes: plain_block_objects.Changes = try .of(&held, arguments[0], parts);
    if (!python.is(ends, .list) or records.size != 3 or ground.block.fork >= forks.count) return error.Refused;
    const fork: forks.Fork = @enumFromInt(ground.block.fork);
    if (!fork.from(plain_objects.first_fork)) return error.Refused;
    var scratch: std.heap.ArenaAllocator = .init(memory.allocator());
    defer scratch.deinit();
    var turns: Turns = .{
        .scratch = &scratch,
        .calls = try python.sequence(arguments[3]),
        .fork = fork,
        .base_fee = ground.base_fee orelse return error.Refused,
        .gas_left = try python.size_of(arguments[5]),
        .gas_budget = try python.size_of(arguments[6]),
        .validates = try python.is_true(arguments[7]),
        .records = .{ .end = try records.at(0), .result = try records.at(1), .receipt = try records.at(2) },
        .ends = ends,
    };
    return plain_block_objects.run_series(&ground, &changes, &turns);
}

/// A SimulatedCall that has no lists and creates nothing.
const Wanted = struct {
    sender: host.Address,
    /// Null for all that the block has left.
    gas_limit: ?usize,
    /// Null for the sender's next one.
    nonce: ?usize,
    /// Whether it gets less gas than it asks for.
    is_capped: bool = false,
    /// Its gas limit and nonce are settled when it begins.
    call: simulated.Call,

    fn of(object: *Object) Error!Wanted {
        const fields = try python.sequence(object);
        if (fields.size != std.enums.values(Place).len) return error.Refused;
        if ((try python.sequence(try at(fields, .access_list))).size != 0) return error.Refused;
        inline for (.{ .authorization_list, .blob_versioned_hashes }) |place| {
            if (!python.is_none(try at(fields, place))) return error.Refused;
        }
        const kind = std.math.cast(u8, try python.size_of(try at(fields, .type))) orelse return error.Refused;
        return .{
            .sender = try run_objects.bytes_of(20, try at(fields, .sender)),
            .gas_limit = try optional(try at(fields, .gas_limit)),
            .nonce = try optional(try at(fields, .nonce)),
            .call = .{
                .kind = std.enums.fromInt(simulated.Kind, kind) orelse return error.Refused,
                .nonce = 0,
                .max_fee_per_gas = try python.word_of(try at(fields, .max_fee_per_gas)),
                .max_priority_fee_per_gas = try python.word_of(try at(fields, .max_priority_fee_per_gas)),
                .gas_limit = 0,
                .to = try run_objects.bytes_of(20, try at(fields, .to)),
                .value = try python.word_of(try at(fields, .value)),
                .data = try python.contents(try at(fields, .data)),
            },
        };
    }

    fn at(fields: python.Sequence, place: Place) Error!*Object {
        return fields.at(@intFromEnum(place));
    }

    fn optional(object: *Object) Error!?usize {
        return if (python.is_none(object)) null else try python.size_of(object);
    }
};

/// SimulatedEnd, CallResult and EncodedReceipt, which are named tuples.
const Records = struct { end: *Object, result: *Object, receipt: *Object };

/// The calls of a block. gas_left: of the block; gas_budget: what all further calls together may use.
const Turns = struct {
    /// For the encodings of one call, which are Python's then.
    scratch: *std.heap.ArenaAllocator,
    calls: python.Sequence,
    fork: forks.Fork,
    base_fee: Word,
    gas_left: usize,
    gas_budget: usize,
    validates: bool,
    records: Records,
    ends: *Object,
    index: usize = 0,

    pub fn take(self: *Turns, series: *plain_objects.Series) Error!bool {
        if (self.index == self.calls.size) return false;
        var wanted: Wanted = try .of(try self.calls.at(self.index));
        const environment = try self.environment_of(series, &wanted);
        const outcome = try series.perform(&environment);
        self.index += 1;
        self.gas_left -= outcome.gas_used;
        self.gas_budget -= outcome.gas_used;
        const end = self.end_of(series, &wanted, &outcome) catch |failure| return plain_block_objects.raised_of(failure);
        defer python.drop(end);
        try python.done(python.PyList_Append(self.ends, end));
        return true;
    }

    /// The call at its prices, its gas and nonce settled. Refused of one that may not begin, as Executor.simulate has it.
    fn environment_of(self: *const Turns, series: *plain_objects.Series, wanted: *Wanted) Error!transition.TransactionEnvironment {
        const call = &wanted.call;
        const state = &series.state;
        const gas_wanted = wanted.gas_limit orelse self.gas_left;
        if (gas_wanted > self.gas_left) return error.Refused;
        call.gas_limit = @min(gas_wanted, self.gas_budget);
        wanted.is_capped = call.gas_limit < gas_wanted;
        const sender = try state.at(&wanted.sender);
        const next = try state.nonce(sender);
        call.nonce = wanted.nonce orelse next;
        if (self.validates and (call.nonce != next or next == std.math.maxInt(u64))) return error.Refused;
        const cap, const tip = .{ call.max_fee_per_gas, call.max_priority_fee_per_gas };
        const is_free = !self.validates and cap == 0 and tip == 0;
        if (!is_free and (tip > cap or cap < self.base_fee)) return error.Refused;
        const most = std.math.mul(Word, cap, call.gas_limit) catch return error.Refused;
        const cost = std.math.add(Word, most, call.value) catch return error.Refused;
        if (try state.balance(sender) < cost) return error.Refused;
        const gas = gas_needs.of(self.fork, call.data, &.{});
        if (call.gas_limit < @max(gas.intrinsic, gas.floor)) return error.Refused;
        const price = if (is_free) 0 else @min(cap, self.base_fee +| tip);
        return .{
            .sender = wanted.sender,
            .to = call.to,
            .value = call.value,
            .data = call.data,
            .gas_limit = call.gas_limit,
            .intrinsic_gas = gas.intrinsic,
            .floor_gas = gas.floor,
            .gas_price = price,
            .tip = if (is_free) 0 else price - self.base_fee,
            .advance = price * call.gas_limit,
        };
    }

    /// Of a success without logs a SimulatedEnd. Else (status, output, detail, gas used, before refunds, whether its gas was
    /// capped, logs, the places of transfers in them, their own among all that were made, the number of these, gas limit,
    /// nonce, encoded transaction, its hash, encoded receipt, bloom)
    fn end_of(
        self: *const Turns,
        series: *plain_objects.Series,
        wanted: *const Wanted,
        outcome: *const transition.Outcome,
    ) Error!*Object {
        _ = self.scratch.reset(.retain_capacity);
        const arena = self.scratch.allocator();
        const call, const block = .{ &wanted.call, &series.ground.block };
        const state = &series.state;
        const logs = state.logs.items;
        const own = if (state.shows_transfers) try without_transfers(arena, logs) else logs;
        const filter = simulated.bloom_of(own);
        const is_success = outcome.result.status == .success;
        const gas_used = std.math.cast(u64, block.gas_limit - self.gas_left) orelse return error.Refused;
        const encoded = try simulated.encode_call(arena, call, block.chain_id);
        const receipt = try simulated.encode_receipt(arena, call.kind, is_success, gas_used, &filter, own);
        const result = .{ python.integer(outcome.gas_used), python.integer(outcome.gas_used_before_refund) };
        const output, const is_capped = .{ python.bytes(outcome.result.output), python.boolean(wanted.is_capped) };
        const sent = .{
            python.integer(state.logs_made),
            python.integer(call.gas_limit),
            python.integer(call.nonce),
            python.bytes(encoded),
            python.bytes(&keccak.hash(encoded)),
        };
        const summary = .{ python.bytes(receipt), python.bytes(&filter) };
        if (is_success and logs.len == 0) {
            const told = python.record(self.records.result, 6, result ++ .{ output, python.none(), no_items(), is_capped });
            const listed = python.record(self.records.receipt, 3, summary ++ .{no_items()});
            return python.record(self.records.end, 9, .{ told, no_items(), no_items() } ++ sent ++ .{listed});
        }
        const how = .{ python.integer(@intFromEnum(outcome.result.status)), output, run_objects.detail_of(&outcome.result.detail) };
        const made = .{ is_capped, effects.logs_of(state), effects.transfers_of(state), effects.ordinals_of(state) };
        return python.gathered(16, how ++ result ++ made ++ sent ++ summary);
    }
};

/// The logs that contracts have made.
fn without_transfers(arena: std.mem.Allocator, logs: []const entries.Log) Error![]const entries.Log {
    var own: std.ArrayList(entries.Log) = .empty;
    for (logs) |*log| if (!log.is_transfer) try own.append(arena, log.*);
    return own.items;
}

fn no_items() Error!*Object {
    return python.tuple(&.{});
}
