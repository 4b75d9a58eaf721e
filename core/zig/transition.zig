//! A transaction or a call as a whole: gas is bought, addresses are warmed, delegations are set, the message runs, and
//! refunds, the coinbase's pay and deletions follow. Its reference is chain/vm/transition.py, and what may not begin was
//! refused before (chain/vm/validation.py).

const std = @import("std");
const calls = @import("calls.zig");
const create = @import("create.zig");
const forks = @import("forks.zig");
const host = @import("host.zig");
const machines = @import("machine.zig");
const Account = @import("state.zig").Account;
const Error = @import("errors.zig").Error;
const Machine = machines.Machine;
const State = @import("state.zig").State;
const Word = host.Word;

/// For an authority whose account exists (EIP-7702), and for each deleted account until EIP-3529, in gas.
const authorization_refund = 12_500;
const selfdestruct_refund = 24_000;
const refund_quotient: i64 = 2;
const refund_quotient_london: i64 = 5;

const delegation_prefix = "\xef\x01\x00".*;
const nobody: host.Address = @splat(0);

/// An entry of an access list (EIP-2930).
pub const Access = struct { address: host.Address, slots: []const Word };

/// A signed delegation that is for this chain, by the account that signed it (EIP-7702).
pub const Authorization = struct { authority: host.Address, address: host.Address, nonce: u64 };

/// A message at the prices that it pays. Gas is below 2**63; prices are wei per gas.
pub const TransactionEnvironment = struct {
    sender: host.Address,
    /// Null of a creation.
    to: ?host.Address,
    value: Word,
    data: []const u8,
    gas_limit: u64,
    /// What the gas limit covers whatever the execution uses.
    intrinsic_gas: u64,
    floor_gas: u64,
    gas_price: Word,
    /// The part of the price that the coinbase gets.
    tip: Word,
    /// Wei that is paid ahead for gas and blob gas.
    advance: Word,
    access_list: []const Access = &.{},
    authorizations: []const Authorization = &.{},
    /// Whether nothing that it leaves will be read, so that nobody is paid and nothing deleted.
    is_off_chain: bool = false,
};

pub const Outcome = struct {
    result: host.Result,
    /// After refunds.
    gas_used: u64,
    gas_used_before_refund: u64,
    /// By how much less gas would surely have had the same course; 0 where that is unknown.
    spare_gas: u64,
    /// The address of a creation.
    created: ?host.Address,
};

/// Take the environment through all phases. What it leaves is in the state, and nothing there undoes it.
pub fn execute(
    machine: *Machine,
    state: *State,
    block: *const host.Block,
    transaction: *const host.Transaction,
    environment: *const TransactionEnvironment,
) Error!Outcome {
    if (block.fork >= forks.count or environment.gas_limit < environment.intrinsic_gas) return error.Refused;
    const rules: *const forks.Rules = .of(@enumFromInt(block.fork));
    const sender = try state.at(&environment.sender);
    const created = if (environment.to == null) create.address_of(&environment.sender, try state.nonce(sender)) else null;
    try buy(state, sender, environment);
    if (rules.charges_access) try warm_up(state, rules, block, environment, &(created orelse environment.to.?));
    for (environment.authorizations) |*authorization| try authorize(state, authorization);
    const gas = environment.gas_limit - environment.intrinsic_gas;
    const message = if (created) |address| creation_of(environment, gas, address) else try call_of(state, rules, environment, gas);
    const result = if (created != null and try is_taken(state, &message.storage_address))
        try refuse_taken(machine, &message)
    else
        try machines.run(machine, state, block, transaction, &message);
    const is_spare = created == null and result.status == .success;
    const used = try settle(state, rules, block, environment, result.gas_left);
    return .{
        .result = result,
        .gas_used = used,
        .gas_used_before_refund = @max(environment.gas_limit - result.gas_left, environment.floor_gas),
        .spare_gas = if (is_spare) @min(result.spare_gas, result.gas_left) else 0,
        .created = created,
    };
}

/// Pay for gas and blob gas ahead, and count the nonce, which a simulation may begin with the last one.
fn buy(state: *State, sender: Account, environment: *const TransactionEnvironment) Error!void {
    if (environment.advance != 0) {
        const left = std.math.sub(Word, try state.balance(sender), environment.advance) catch return error.Refused;
        try state.set_balance(sender, left);
    }
    try state.set_nonce(sender, try state.nonce(sender) +% 1);
}

/// What is warm from the start, besides precompiles (EIP-2929, 2930, 3651).
fn warm_up(
    state: *State,
    rules: *const forks.Rules,
    block: *const host.Block,
    environment: *const TransactionEnvironment,
    target: *const host.Address,
) Error!void {
    try state.warm_ahead(&environment.sender);
    try state.warm_ahead(target);
    if (rules.fork.from(.shanghai)) try state.warm_ahead(&block.coinbase);
    for (environment.access_list) |*access| {
        try state.warm_ahead(&access.address);
        for (access.slots) |slot| try state.warm_slot_ahead(&access.address, slot);
    }
}

/// Set a delegation; one that does not hold is passed over.
fn authorize(state: *State, authorization: *const Authorization) Error!void {
    const authority = try state.at(&authorization.authority);
    _ = try state.warm_address(authority);
    const code = try state.code(authority);
    if (code.size != 0 and calls.delegate_of(code) == null) return;
    const nonce = try state.nonce(authority);
    if (nonce != authorization.nonce) return;
    if (try state.exists(authority)) try state.add_refund(authorization_refund);
    const clears = std.mem.eql(u8, &authorization.address, &nobody);
    try state.set_code(authority, if (clears) "" else &(delegation_prefix ++ authorization.address));
    try state.set_nonce(authority, std.math.add(u64, nonce, 1) catch return error.Refused);
}

fn creation_of(environment: *const TransactionEnvironment, gas: u64, address: host.Address) host.Message {
    return .{
        .kind = .create,
        .gas = gas,
        .sender = environment.sender,
        .storage_address = address,
        .code_address = nobody,
        .target = address,
        .value = environment.value,
        .data = "",
        .code = environment.data,
    };
}

fn call_of(state: *State, rules: *const forks.Rules, environment: *const TransactionEnvironment, gas: u64) Error!host.Message {
    const to = environment.to.?;
    var code_address = to;
    const code = try state.code(try state.at(&to));
    if (rules.follows_delegation) {
        if (calls.delegate_of(code)) |delegate| {
            _ = try state.warm_unnamed(try state.at(&delegate));
            code_address = delegate;
        }
    }
    return .{
        .kind = .call,
        .gas = gas,
        .sender = environment.sender,
        .storage_address = to,
        .code_address = code_address,
        .target = to,
        .value = environment.value,
        .data = environment.data,
        .code = "",
        .is_delegation = !std.mem.eql(u8, &code_address, &to),
    };
}

/// Whether a creation at the address collides (EIP-684, EIP-7610).
fn is_taken(state: *State, address: *const host.Address) Error!bool {
    const account = try state.at(address);
    return try state.nonce(account) != 0 or (try state.code(account)).size != 0 or try state.has_storage(account);
}

fn refuse_taken(machine: *Machine, message: *const host.Message) Error!host.Result {
    if (machine.watch) |watch| try watch.refused(message, .address_collision, message.gas);
    return .{ .status = .address_collision, .gas_left = 0 };
}

/// Refunds, the coinbase's pay, deletions; the gas used. The base fee and the blob fee are burnt.
fn settle(state: *State, rules: *const forks.Rules, block: *const host.Block, environment: *const TransactionEnvironment, gas_left: u64) Error!u64 {
    const is_london = rules.fork.from(.london);
    const used: i64 = @intCast(environment.gas_limit - gas_left);
    var refund = state.refund_change;
    if (!is_london) refund +|= selfdestruct_refund * @as(i64, state.destroyed_count());
    const most = @divTrunc(used, if (is_london) refund_quotient_london else refund_quotient);
    const after = std.math.cast(u64, used -| @min(refund, most)) orelse return error.Refused;
    const gas_used = @max(after, environment.floor_gas);
    if (gas_used > environment.gas_limit) return error.Refused;
    if (environment.is_off_chain) return gas_used;
    try state.add_balance(try state.at(&environment.sender), try price(environment.gas_limit - gas_used, environment.gas_price));
    const coinbase = try state.at(&block.coinbase);
    try state.add_balance(coinbase, try price(gas_used, environment.tip));
    if (rules.has_empty_accounts) try state.create_empty(coinbase) else try state.touch(coinbase);
    try state.end_transaction(!rules.has_empty_accounts);
    return gas_used;
}

fn price(gas: u64, wei: Word) Error!Word {
    return std.math.mul(Word, gas, wei) catch error.Refused;
}
