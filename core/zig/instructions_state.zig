//! Storage, logs and self-destruction.

const forks = @import("forks.zig");
const Exit = @import("interpreter.zig").Exit;
const Failure = @import("faults.zig").Failure;
const Step = @import("frame.zig").Step;
const Word = @import("word.zig").Word;

const cold_slot_gas = 2_100;
const cold_account_gas = 2_600;
const warm_gas = 100;
const stipend_gas = 2_300;
const new_account_gas = 25_000;
const log_topic_gas = 375;
const log_byte_gas = 8;

pub fn sload(step: *Step) Failure!void {
    const state = step.machine.state;
    const account = step.frame.account;
    const slot = step.top().*;
    if (step.machine.rules.charges_access) {
        try step.charge(if (try state.warm_slot(account, slot)) cold_slot_gas else warm_gas);
    }
    step.top().* = try state.storage(account, slot);
    if (step.machine.watch) |watch| try watch.look_at_slot(state, account, slot);
}

pub fn sstore(step: *Step) Failure!void {
    try step.refuse_static();
    const rules = step.machine.rules;
    const slot = step.top().*;
    switch (rules.store_mode) {
        .plain => try store_plainly(step),
        .net => try store_net(step, 0),
        .sentry => {
            try keep_stipend(step);
            step.machine.spare_gas = 0;
            try store_net(step, 0);
        },
        .access => {
            try keep_stipend(step);
            const machine = step.machine;
            machine.spare_gas = @min(machine.spare_gas, step.gas - stipend_gas - 1);
            try store_net(step, cold_slot_gas);
        },
    }
    if (step.machine.watch) |watch| try watch.look_at_slot(step.machine.state, step.frame.account, slot);
}

/// No storing with a stipend's gas or less (EIP-2200).
fn keep_stipend(step: *Step) Failure!void {
    if (step.gas > stipend_gas) return;
    step.machine.detail = .sentry;
    return error.OutOfGas;
}

fn store_plainly(step: *Step) Failure!void {
    const state = step.machine.state;
    const account = step.frame.account;
    const slot = step.pop();
    const value = step.pop();
    const prices = step.machine.rules.store_prices;
    const current = try state.storage(account, slot);
    try step.charge(if (current == 0 and value != 0) prices.set else prices.reset);
    if (current != 0 and value == 0) try state.add_refund(prices.clear_refund);
    try state.set_storage(account, slot, value);
}

/// EIP-1283, EIP-2200. cold_gas: on top where the slot was not accessed before (EIP-2929); 0 where no access is counted.
fn store_net(step: *Step, cold_gas: u64) Failure!void {
    const state = step.machine.state;
    const account = step.frame.account;
    const slot = step.pop();
    const value = step.pop();
    const prices = &step.machine.rules.store_prices;
    const current = try state.storage(account, slot);
    const is_cold = cold_gas != 0 and try state.warm_slot(account, slot);
    const cost = if (is_cold) cold_gas else 0;
    if (current == value) return step.charge(cost + prices.same);
    const original = try state.original_storage(account, slot);
    try step.charge(cost + price_of(prices, original, current));
    const refund = refund_of(prices, original, current, value);
    if (refund != 0) try state.add_refund(refund);
    try state.set_storage(account, slot, value);
}

fn price_of(prices: *const forks.StorePrices, original: Word, current: Word) u64 {
    if (original != current) return prices.same;
    return if (original != 0) prices.reset else prices.set;
}

fn refund_of(prices: *const forks.StorePrices, original: Word, current: Word, value: Word) i64 {
    var refund: i64 = 0;
    if (original != 0) {
        if (current == 0) refund -= prices.clear_refund;
        if (value == 0) refund += prices.clear_refund;
    }
    if (original == value and original != current) {
        refund += @intCast((if (original != 0) prices.reset else prices.set) - prices.same);
    }
    return refund;
}

pub fn tload(step: *Step) Failure!void {
    step.top().* = try step.machine.state.transient(step.frame.account, step.top().*);
}

pub fn tstore(step: *Step) Failure!void {
    try step.refuse_static();
    const slot = step.pop();
    try step.machine.state.set_transient(step.frame.account, slot, step.pop());
}

pub fn log(comptime count: usize) *const fn (*Step) Failure!void {
    return struct {
        fn run(step: *Step) Failure!void {
            try step.refuse_static();
            const start = step.pop();
            const size = step.pop();
            if (size >> 56 != 0) return error.OutOfGas;
            try step.charge(log_byte_gas * @as(u64, @truncate(size)) + log_topic_gas * count);
            try step.extend(start, size);
            var topics: [count]Word = undefined;
            for (&topics) |*topic| topic.* = step.pop();
            const state = step.machine.state;
            try state.add_log(&step.frame.message.storage_address, &topics, try step.bytes(start, size));
            if (step.machine.watch) |watch| try watch.log(&state.logs.items[state.logs.items.len - 1]);
        }
    }.run;
}

/// Send the balance on and, where the fork lets it, mark the account for deletion.
pub fn selfdestruct(step: *Step) Failure!Exit {
    try step.refuse_static();
    const state = step.machine.state;
    const rules = step.machine.rules;
    const account = step.frame.account;
    const beneficiary = try state.at(&step.pop_address());
    if (rules.charges_access and try state.warm_address(beneficiary)) try step.charge(cold_account_gas);
    const amount = try state.balance(account);
    const is_new = (rules.destruct_charges_absent and !try state.exists(beneficiary)) or
        (rules.destruct_charges_dead and amount != 0 and try state.is_empty(beneficiary));
    if (is_new) try step.charge(new_account_gas);
    if (step.machine.watch) |watch| {
        const message = &step.frame.message;
        try watch.selfdestruct(message.depth + 1, message.storage_address, state.address_of(beneficiary), amount);
    }
    const deletes = !rules.destructs_only_created or state.is_created(account);
    try state.transfer(account, beneficiary, amount);
    try step.machine.touch(beneficiary);
    if (deletes) {
        try state.set_balance(account, 0);
        try state.mark_destroyed(account);
    }
    return .success;
}
