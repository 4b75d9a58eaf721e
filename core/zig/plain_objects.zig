//! plain_needs and run_plain: transactions without lists that create nothing. What such a one needs, if the pool may
//! take it (chain/pool/admission.py); and it in a block, held against its sender's account (chain/vm/engines/plain.py).
//! Many of them in one call are plain_block_objects.zig's.

const std = @import("std");
const change_objects = @import("change_objects.zig");
const Error = @import("errors.zig").Error;
const effects = @import("effects_objects.zig");
const forks = @import("forks.zig");
const gas_needs = @import("gas_needs.zig");
const Gas = gas_needs.Gas;
const host_of = @import("host.zig");
const host_objects = @import("host_objects.zig");
const machine_of = @import("machine.zig");
const memory_of = @import("memory.zig");
const python = @import("python.zig");
const run_objects = @import("run_objects.zig");
const state_of = @import("state.zig");
const transition = @import("transition.zig");
const trie_objects = @import("trie_objects.zig");

const Object = python.Object;
const Word = host_of.Word;

/// Attributes: of a BlockState its parts; of a transaction; of a block's environment and its rules; of a pool's limits.
const Name = enum {
    _parts,
    type,
    chain_id,
    encoded,
    s,
    sender,
    to,
    value,
    data,
    nonce,
    gas_limit,
    max_fee_per_gas,
    max_priority_fee_per_gas,
    access_list,
    authorization_list,
    blob_versioned_hashes,
    rules,
    fork,
    transaction_gas_cap,
    minimum_tip_wei,
    max_transaction_bytes,
};
var interned: std.EnumArray(Name, *Object) = .initUndefined();

/// Make the names of the attributes.
pub fn start() Error!void {
    for (std.enums.values(Name)) |name| {
        interned.set(name, try python.made(python.PyUnicode_InternFromString(@tagName(name))));
    }
}

/// The attributes of an object, which lives as long as this is used.
pub const Reader = struct {
    object: *Object,
    held: *trie_objects.Held,

    /// Borrowed.
    pub fn at(self: Reader, name: Name) Error!*Object {
        const value = try python.attribute(self.object, interned.get(name));
        try self.held.add(value);
        return value;
    }

    fn word(self: Reader, name: Name) Error!Word {
        return python.word_of(try self.at(name));
    }

    fn size(self: Reader, name: Name) Error!usize {
        return python.size_of(try self.at(name));
    }

    pub fn of(self: Reader, object: *Object) Reader {
        return .{ .object = object, .held = self.held };
    }

    /// Refused of a transaction with lists.
    fn refuse_lists(self: Reader) Error!void {
        inline for (.{ .access_list, .authorization_list, .blob_versioned_hashes }) |name| {
            if ((try python.sequence(try self.at(name))).size != 0) return error.Refused;
        }
    }
};

const half_order = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
/// Transactions of these types, from `first_fork` on.
const last_type = 2;
pub const first_fork: forks.Fork = .london;
/// SLOT_BYTES of chain/pool/account.py.
const slot_bytes = 32 * 1024;

/// plain_needs(transaction, environment, limits, local) -> (cost in wei, slots, intrinsic gas, floor gas)
pub fn needs(arguments: []const *Object) Error!*Object {
    var held: trie_objects.Held = .{};
    defer held.release();
    const transaction: Reader = .{ .object = arguments[0], .held = &held };
    const environment = transaction.of(arguments[1]);
    const rules = transaction.of(try environment.at(.rules));
    const limits = transaction.of(arguments[2]);
    const is_local = try python.is_true(arguments[3]);
    const bytes = (try python.contents(try transaction.at(.encoded))).len;
    const most_bytes = try limits.size(.max_transaction_bytes);
    if (most_bytes != 0 and bytes > most_bytes) return error.Refused;
    const gas = try static_gas(transaction, rules);
    const cap, const tip = .{ try transaction.word(.max_fee_per_gas), try transaction.word(.max_priority_fee_per_gas) };
    if (!is_local and tip < try limits.word(.minimum_tip_wei)) return error.Refused;
    const gas_limit = try transaction.size(.gas_limit);
    if (gas_limit > try environment.size(.gas_limit)) return error.Refused;
    const most = std.math.mul(Word, cap, gas_limit) catch return error.Refused;
    const cost = std.math.add(Word, most, try transaction.word(.value)) catch return error.Refused;
    return python.gathered(4, .{
        python.integer_of_word(cost),
        python.integer((bytes + slot_bytes - 1) / slot_bytes),
        python.integer(gas.intrinsic),
        python.integer(gas.floor),
    });
}

/// What a transaction costs before it runs, and the least for its data.
/// The gas of a plain transaction that needs no list. Refused of what validate_static of chain/vm/validation.py refuses.
pub fn static_gas(transaction: Reader, rules: Reader) Error!Gas {
    const fork_index = std.math.cast(u8, try rules.size(.fork)) orelse return error.Refused;
    if (fork_index >= forks.count or try transaction.size(.type) > last_type) return error.Refused;
    const fork: forks.Fork = @enumFromInt(fork_index);
    if (!fork.from(first_fork)) return error.Refused;
    try transaction.refuse_lists();
    const chain_id = try transaction.at(.chain_id);
    if (!python.is_none(chain_id) and try python.size_of(chain_id) != try rules.size(.chain_id)) return error.Refused;
    if (try transaction.word(.s) > half_order) return error.Refused;
    _ = try run_objects.bytes_of(20, try transaction.at(.to));
    _ = try run_objects.bytes_of(20, try transaction.at(.sender));
    // the last nonce of all is no transaction's (EIP-2681)
    if (try transaction.size(.nonce) == std.math.maxInt(u64)) return error.Refused;
    const cap, const tip = .{ try transaction.word(.max_fee_per_gas), try transaction.word(.max_priority_fee_per_gas) };
    const gas_limit = try transaction.size(.gas_limit);
    const gas_cap = try rules.at(.transaction_gas_cap);
    if (tip > cap or (!python.is_none(gas_cap) and gas_limit > try python.size_of(gas_cap))) return error.Refused;
    const gas = gas_needs.of(fork, try python.contents(try transaction.at(.data)), &.{});
    return if (gas_limit < @max(gas.intrinsic, gas.floor)) error.Refused else gas;
}

/// What the sender's account must hold before the transaction.
const Demand = struct { nonce: u64, funds: Word };

/// run_plain(state, helper, block, transaction, gas, base_fee, gas_available, warm, is_shared)
pub fn run_plain(arguments: []const *Object) Error!*Object {
    return run(arguments) catch |failure| switch (failure) {
        error.Raised => error.Raised,
        error.Refused, error.OutOfMemory => python.none(),
    };
}

fn run(arguments: []const *Object) Error!*Object {
    var held: trie_objects.Held = .{};
    defer held.release();
    const parts = try python.attribute(arguments[0], interned.get(._parts));
    try held.add(parts);
    const ground: Ground = try .of(arguments[0..3], parts, arguments[5], arguments[7..9]);
    var series: Series = undefined;
    series.begin(&ground);
    defer series.end();
    const ended = try series.run(arguments[3], try gas_of(arguments[4]), try python.size_of(arguments[6]));
    return answer(series.arena.allocator(), &series.state, &ended.outcome);
}

/// What the plain transactions of a block run on.
pub const Ground = struct {
    state: *Object,
    helper: *Object,
    block: host_of.Block,
    parts: change_objects.Parts,
    base_fee: ?Word,
    warm: host_of.Precompiles,
    is_shared: bool,
    /// Whether each transfer leaves a log.
    shows_transfers: bool = false,

    /// first: state, helper, block. parts: of the state, its StateParts. base_fee: or None. last: warm, is_shared.
    pub fn of(first: *const [3]*Object, parts: *Object, base_fee: *Object, last: *const [2]*Object) Error!Ground {
        return .{
            .state = first[0],
            .helper = first[1],
            .block = try run_objects.block_of(first[2]),
            .parts = try .of(parts),
            .base_fee = if (python.is_none(base_fee)) null else try python.word_of(base_fee),
            .warm = try .of(try python.contents(last[0])),
            .is_shared = try python.is_true(last[1]),
        };
    }
};

/// Of a GasNeeds: fork, intrinsic, floor.
pub fn gas_of(needs_object: *Object) Error!Gas {
    const gas = try python.sequence(needs_object);
    if (gas.size != 3) return error.Refused;
    return .{ .intrinsic = try python.size_of(try gas.at(1)), .floor = try python.size_of(try gas.at(2)) };
}

/// The state and the machine on which plain transactions run one after another, until what they change is told.
pub const Series = struct {
    ground: *const Ground,
    counted: memory_of.Counted,
    arena: std.heap.ArenaAllocator,
    context: host_objects.Context,
    state: state_of.State,
    machine: machine_of.Machine,

    /// In place: its parts hold pointers to each other.
    pub fn begin(self: *Series, ground: *const Ground) void {
        self.ground = ground;
        self.counted = .{ .child = memory_of.core.allocator(), .limit = .init(run_objects.most_memory) };
        self.arena = .init(self.counted.allocator());
        self.context = .{
            .state = ground.state,
            .helper = ground.helper,
            .has_warm_slots = false,
            .parts = ground.parts,
            .warm = ground.warm,
            .lock = .{ .is_shared = ground.is_shared },
        };
        self.state = .{
            .memory = self.arena.allocator(),
            .host = self.context.host(),
            .shows_transfers = ground.shows_transfers,
        };
        self.machine = .init(self.counted.allocator());
    }

    pub fn end(self: *Series) void {
        self.context.lock.take();
        self.machine.deinit();
        self.state.deinit();
        self.context.release();
        self.arena.deinit();
    }

    /// Take a transaction through all phases. Where it fails, the state is what it was before.
    pub fn perform(self: *Series, environment: *const transition.TransactionEnvironment) Error!transition.Outcome {
        self.state.begin_transaction();
        // how long the last one has waited for it says nothing of this one
        self.context.lock = .{ .is_shared = self.ground.is_shared };
        errdefer self.state.discard(.start);
        defer self.context.lock.take();
        const transaction: host_of.Transaction = .{ .origin = environment.sender, .gas_price = environment.gas_price, .blob_hashes = &.{} };
        return transition.execute(&self.machine, &self.state, &self.ground.block, &transaction, environment);
    }

    /// Run a Transaction. Refused, with nothing done, of one that is not plain or that the block may not have.
    pub fn run(self: *Series, object: *Object, gas: Gas, gas_available: usize) Error!Ended {
        var held: trie_objects.Held = .{};
        defer held.release();
        var demand: Demand = undefined;
        const reader: Reader = .{ .object = object, .held = &held };
        const environment = try environment_of(reader, gas, self.ground.base_fee, gas_available, &demand);
        try check_sender(&self.state, &environment.sender, &demand);
        return .{ .outcome = try self.perform(&environment), .price = environment.gas_price };
    }
};

/// price: of the gas, in wei.
pub const Ended = struct { outcome: transition.Outcome, price: Word };

/// Refused of a transaction that is not plain, or that the block may not have.
fn environment_of(
    transaction: Reader,
    gas: Gas,
    base_fee: ?Word,
    gas_available: usize,
    demand: *Demand,
) Error!transition.TransactionEnvironment {
    try transaction.refuse_lists();
    const cap = try transaction.word(.max_fee_per_gas);
    const price = if (base_fee) |fee| @min(cap, fee +| try transaction.word(.max_priority_fee_per_gas)) else cap;
    const gas_limit = try transaction.size(.gas_limit);
    const value = try transaction.word(.value);
    if (cap < base_fee orelse 0 or gas_limit > gas_available) return error.Refused;
    const most = std.math.mul(Word, cap, gas_limit) catch return error.Refused;
    demand.* = .{
        .nonce = try transaction.size(.nonce),
        .funds = std.math.add(Word, most, value) catch return error.Refused,
    };
    return .{
        .sender = try run_objects.bytes_of(20, try transaction.at(.sender)),
        .to = try run_objects.bytes_of(20, try transaction.at(.to)),
        .value = value,
        .data = try python.contents(try transaction.at(.data)),
        .gas_limit = gas_limit,
        .intrinsic_gas = gas.intrinsic,
        .floor_gas = gas.floor,
        .gas_price = price,
        .tip = price - (base_fee orelse 0),
        .advance = price * gas_limit,
    };
}

/// Refuse what validation words: another nonce, code of the sender, and lack of funds.
fn check_sender(state: *state_of.State, address: *const host_of.Address, demand: *const Demand) Error!void {
    const sender = try state.at(address);
    if (try state.nonce(sender) != demand.nonce or try state.balance(sender) < demand.funds) return error.Refused;
    if (!std.mem.eql(u8, &try state.code_hash(sender), &state_of.empty_hash)) return error.Refused;
}

/// (status, output, detail, gas used, before refunds, spare gas, accounts, slots, codes, logs)
fn answer(arena: std.mem.Allocator, state: *state_of.State, outcome: *const transition.Outcome) Error!*Object {
    const changed: effects.Changed = try .net(arena, state);
    return python.gathered(10, .{
        python.integer(@intFromEnum(outcome.result.status)),
        python.bytes(outcome.result.output),
        run_objects.detail_of(&outcome.result.detail),
        python.integer(outcome.gas_used),
        python.integer(outcome.gas_used_before_refund),
        python.integer(outcome.spare_gas),
        effects.accounts_of(state, &changed),
        effects.slots_of(state, &changed),
        effects.codes_of(state, &changed),
        effects.logs_of(state),
    });
}
