//! What code sees around it: its message, other accounts, the block.

const memory = @import("instructions_memory.zig");
const words = @import("word.zig");
const Account = @import("state.zig").Account;
const Failure = @import("faults.zig").Failure;
const Step = @import("frame.zig").Step;
const ancestors_kept = @import("machine.zig").ancestors_kept;

const cold_account_gas = 2_600;
const warm_gas = 100;

// The message

pub fn address(step: *Step) Failure!void {
    step.push(words.from_address(&step.frame.message.storage_address));
}

pub fn caller(step: *Step) Failure!void {
    step.push(words.from_address(&step.frame.message.sender));
}

pub fn callvalue(step: *Step) Failure!void {
    step.push(step.frame.message.value);
}

pub fn calldataload(step: *Step) Failure!void {
    const data = step.frame.message.data;
    const start = step.top().*;
    if (start >= data.len) {
        step.top().* = 0;
        return;
    }
    const rest = data[@truncate(start)..];
    if (rest.len >= 32) {
        step.top().* = words.from_bytes(rest[0..32]);
        return;
    }
    var padded: [32]u8 = @splat(0);
    @memcpy(padded[0..rest.len], rest);
    step.top().* = words.from_bytes(&padded);
}

pub fn calldatasize(step: *Step) Failure!void {
    step.push(step.frame.message.data.len);
}

pub fn codesize(step: *Step) Failure!void {
    step.push(step.frame.code.size);
}

pub fn returndatasize(step: *Step) Failure!void {
    step.push(step.frame.return_data.items.len);
}

pub fn origin(step: *Step) Failure!void {
    step.push(words.from_address(&step.machine.transaction.origin));
}

pub fn gasprice(step: *Step) Failure!void {
    step.push(step.machine.transaction.gas_price);
}

pub fn blobhash(step: *Step) Failure!void {
    const hashes = step.machine.transaction.blob_hashes;
    const index = step.top().*;
    step.top().* = if (index < hashes.len) words.from_bytes(&hashes[@truncate(index)]) else 0;
}

// Accounts

/// Pay for an access to an account, cold or warm (EIP-2929).
pub fn access(step: *Step, account: Account) Failure!void {
    try step.charge(if (try step.machine.state.warm_address(account)) cold_account_gas else warm_gas);
}

/// The same for the account that a called account delegates to (EIP-7702).
pub fn access_delegate(step: *Step, account: Account) Failure!void {
    try step.charge(if (try step.machine.state.warm_unnamed(account)) cold_account_gas else warm_gas);
}

fn accessed(step: *Step) Failure!Account {
    const account = try step.machine.state.at(&step.pop_address());
    if (step.machine.rules.charges_access) try access(step, account);
    return account;
}

pub fn balance(step: *Step) Failure!void {
    const account = try accessed(step);
    step.push(try step.machine.state.balance(account));
    try step.machine.looked_at(account);
}

pub fn selfbalance(step: *Step) Failure!void {
    step.push(try step.machine.state.balance(step.frame.account));
}

pub fn extcodesize(step: *Step) Failure!void {
    const account = try accessed(step);
    step.push((try step.machine.state.code(account)).size);
    try step.machine.looked_at(account);
}

/// 0 for an empty account (EIP-1052).
pub fn extcodehash(step: *Step) Failure!void {
    const state = step.machine.state;
    const account = try accessed(step);
    step.push(if (try state.is_empty(account)) 0 else words.from_bytes(&try state.code_hash(account)));
    try step.machine.looked_at(account);
}

/// The access is paid last, as the reference has it.
pub fn extcodecopy(step: *Step) Failure!void {
    const state = step.machine.state;
    const account = try state.at(&step.pop_address());
    const target = step.pop();
    const start = step.pop();
    const size = step.pop();
    try step.extend(target, size);
    const code = try state.code(account);
    try memory.copy(step, target, code.content(), start, size);
    try step.charge_words(memory.copy_word_gas, size);
    if (step.machine.rules.charges_access) try access(step, account);
    try step.machine.looked_at(account);
}

// The block

pub fn blockhash(step: *Step) Failure!void {
    const machine = step.machine;
    const wanted = step.top().*;
    const here = machine.block.number;
    const is_known = wanted < here and here - wanted <= ancestors_kept;
    step.top().* = if (is_known) try machine.ancestor(wanted) else 0;
}

pub fn coinbase(step: *Step) Failure!void {
    step.push(words.from_address(&step.machine.block.coinbase));
}

pub fn timestamp(step: *Step) Failure!void {
    step.push(step.machine.block.timestamp);
}

pub fn number(step: *Step) Failure!void {
    step.push(step.machine.block.number);
}

/// DIFFICULTY until EIP-4399.
pub fn prevrandao(step: *Step) Failure!void {
    const block = step.machine.block;
    step.push(if (step.machine.rules.has_prev_randao) block.prev_randao else block.difficulty);
}

pub fn gaslimit(step: *Step) Failure!void {
    step.push(step.machine.block.gas_limit);
}

pub fn chainid(step: *Step) Failure!void {
    step.push(step.machine.block.chain_id);
}

pub fn basefee(step: *Step) Failure!void {
    step.push(step.machine.block.base_fee);
}

pub fn blobbasefee(step: *Step) Failure!void {
    step.push(step.machine.block.blob_base_fee);
}
