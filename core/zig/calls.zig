//! CALL in all its kinds: prices, the child's message, and what comes back.

const std = @import("std");
const environment = @import("instructions_environment.zig");
const codes = @import("code.zig");
const create = @import("create.zig");
const host = @import("host.zig");
const precompiles = @import("precompiles.zig");
const wasm_machine = @import("wasm_machine.zig");
const words = @import("word.zig");
const Account = @import("state.zig").Account;
const End = @import("machine.zig").End;
const Error = @import("errors.zig").Error;
const Exit = @import("interpreter.zig").Exit;
const Failure = @import("faults.zig").Failure;
const Frame = @import("frame.zig").Frame;
const Machine = @import("machine.zig").Machine;
const Step = @import("frame.zig").Step;
const Word = words.Word;

pub const depth_limit = 1024;
const value_gas = 9_000;
const stipend_gas = 2_300;
const new_account_gas = 25_000;
const delegation_prefix = "\xef\x01\x00";
const delegation_size = 23;

/// The words of a call instruction.
const Words = struct { gas: Word, target: host.Address, value: Word, input: Word, input_size: Word, output: Word, output_size: Word };

/// Whether a frame was opened: else the call has ended at once.
pub fn call(comptime kind: host.Kind) *const fn (*Step) Failure!bool {
    return struct {
        fn run(step: *Step) Failure!bool {
            const given = pop_words(step, kind);
            if (kind == .call and given.value != 0) try step.refuse_static();
            try step.extend(given.input, given.input_size);
            try step.extend(given.output, given.output_size);
            return send_words(step, kind, &given);
        }
    }.run;
}

fn pop_words(step: *Step, comptime kind: host.Kind) Words {
    return .{
        .gas = step.pop(),
        .target = step.pop_address(),
        .value = if (kind == .call or kind == .callcode) step.pop() else 0,
        .input = step.pop(),
        .input_size = step.pop(),
        .output = step.pop(),
        .output_size = step.pop(),
    };
}

/// A call without stack and memory. gas: as much as the caller asks for.
pub const Request = struct { gas: Word, target: host.Address, value: Word, data: []const u8 };

/// What came of a call or a creation that was paid for.
pub const Sent = union(enum) {
    /// It cannot begin; the gas is back, but for a collision of addresses.
    refused,
    ended: End,
    /// Its frame is the innermost now.
    opened: *Frame,
};

/// The code that runs, and whose it is.
const Found = struct { code: *const codes.Code, address: host.Address };

/// Find the code, and pay for the accesses.
fn find_code(step: *Step, target: Account, address: host.Address) Failure!Found {
    const state = step.machine.state;
    const rules = step.machine.rules;
    if (rules.charges_access) try environment.access(step, target);
    const code = try state.code(target);
    if (rules.follows_delegation) {
        if (delegate_of(code)) |delegate| {
            const account = try state.at(&delegate);
            if (rules.charges_access) try environment.access_delegate(step, account);
            return .{ .code = try state.code(account), .address = delegate };
        }
    }
    return .{ .code = code, .address = address };
}

/// The address that a delegation designation points to (EIP-7702).
pub fn delegate_of(code: *const codes.Code) ?host.Address {
    if (code.size != delegation_size or !std.mem.startsWith(u8, code.bytes, delegation_prefix)) return null;
    return code.bytes[delegation_prefix.len..][0..20].*;
}

fn new_account_price(step: *Step, target: Account, value: Word) Failure!u64 {
    const state = step.machine.state;
    if (step.machine.rules.pays_dead) {
        return if (value != 0 and try state.is_empty(target)) new_account_gas else 0;
    }
    return if (try state.exists(target)) 0 else new_account_gas;
}

/// The gas that the child gets without the stipend; the caller pays it, and `extra`.
fn pay_child(step: *Step, requested: Word, extra: u64) Failure!u64 {
    try step.charge(extra);
    const most = if (step.machine.rules.keeps_64th) step.gas - step.gas / 64 else step.gas;
    if (requested > most and !step.machine.rules.keeps_64th) return error.OutOfGas;
    const gas: u64 = @truncate(@min(requested, most));
    try step.charge(gas);
    return gas;
}

/// Why a call or creation with this value cannot begin.
pub fn refusal_of(step: *Step, value: Word) Failure!?host.Status {
    if (step.frame.message.depth >= depth_limit) return .depth;
    const is_poor = value != 0 and try step.machine.state.balance(step.frame.account) < value;
    return if (is_poor) .insufficient_balance else null;
}

fn send_words(step: *Step, comptime kind: host.Kind, given: *const Words) Failure!bool {
    const size: usize = if (given.output_size == 0) 0 else (try step.bytes(given.output, given.output_size)).len;
    const request: Request = .{
        .gas = given.gas,
        .target = given.target,
        .value = given.value,
        .data = try step.bytes(given.input, given.input_size),
    };
    switch (try send(step, kind, &request)) {
        .refused => step.push(0),
        .ended => |end| try take(step, given.output, size, end),
        .opened => |child| {
            child.target = given.output;
            child.target_size = size;
            return true;
        },
    }
    return false;
}

/// Charge for a call, and begin it.
pub fn send(step: *Step, comptime kind: host.Kind, request: *const Request) Failure!Sent {
    const machine = step.machine;
    machine.spare_gas = 0;
    const target = try machine.state.at(&request.target);
    const found = try find_code(step, target, request.target);
    const new_account = if (kind == .call) try new_account_price(step, target, request.value) else 0;
    var gas = try pay_child(step, request.gas, new_account + if (request.value != 0) @as(u64, value_gas) else 0);
    if (request.value != 0) gas += stipend_gas;
    step.frame.return_data.clearRetainingCapacity();
    const message = child_message(step, kind, request, gas, &found);
    if (try refusal_of(step, request.value)) |status| {
        if (machine.watch) |watch| try watch.refused(&message, status, 0);
        step.gas += gas;
        return .refused;
    }
    try machine.look_if_due(step.gas + gas);
    if (try begin(machine, &message, found.code)) |end| return .{ .ended = end };
    machine.change_frame(step.gas + gas, gas);
    return .{ .opened = machine.innermost() };
}

fn child_message(step: *Step, comptime kind: host.Kind, request: *const Request, gas: u64, found: *const Found) host.Message {
    const parent = &step.frame.message;
    const is_own = kind == .callcode or kind == .delegatecall;
    return .{
        .kind = kind,
        .gas = gas,
        .sender = if (kind == .delegatecall) parent.sender else parent.storage_address,
        .storage_address = if (is_own) parent.storage_address else request.target,
        .code_address = found.address,
        .target = request.target,
        .value = if (kind == .delegatecall) parent.value else request.value,
        .data = request.data,
        .code = "",
        .is_static = parent.is_static or kind == .staticcall,
        .is_delegation = !std.mem.eql(u8, &found.address, &request.target),
        .depth = parent.depth + 1,
    };
}

/// Move the value of a message, and touch its account. Whether the recipient can have it.
pub fn pay(machine: *Machine, message: *const host.Message, account: Account) Error!bool {
    const state = machine.state;
    if (message.value != 0 and message.kind != .delegatecall) {
        const sender = try state.at(&message.sender);
        // who begins a message has made sure of it; where nobody has, Python words the error
        if (try state.balance(sender) < message.value) return error.Refused;
        if (message.kind != .callcode) {
            if (!try state.can_receive(sender, account, message.value)) return false;
            try state.transfer(sender, account, message.value);
        }
    }
    try machine.touch(account);
    return true;
}

/// Begin a call: its end where there is nothing to run, a precompile, or WebAssembly; else it is the innermost frame.
pub fn begin(machine: *Machine, message: *const host.Message, code: *const codes.Code) Error!?End {
    const state = machine.state;
    if (machine.watch) |watch| try watch.enter(message);
    const checkpoint = state.record();
    const account = try state.at(&message.storage_address);
    if (!try pay(machine, message, account)) {
        state.discard(checkpoint);
        return try machine.ended(message.gas, .{ .status = .balance_overflow, .gas_left = 0 });
    }
    const nothing_to_run: End = .{ .status = .success, .gas_left = message.gas };
    if (machine.block.precompiles.find(&message.code_address)) |number| {
        if (message.is_delegation) return try machine.ended(message.gas, nothing_to_run);
        const end = try precompiles.run(machine, number, message);
        if (end.status != .success) state.discard(checkpoint);
        return try machine.ended(message.gas, end);
    }
    if (code.size == 0) return try machine.ended(message.gas, nothing_to_run);
    if (machine.block.is_foreign(code.content())) {
        return try machine.ended(message.gas, try wasm_machine.run(machine, message, account, code, checkpoint));
    }
    const frame = try machine.open();
    frame.begin(message, account, code);
    frame.checkpoint = checkpoint;
    return null;
}

/// Close the innermost frame.
pub fn finish(machine: *Machine, frame: *Frame, exit: Exit) Error!End {
    var end: End = switch (exit) {
        .calls => return error.Refused,
        .success => .{ .status = .success, .gas_left = frame.gas, .output = frame.output },
        .revert => .{ .status = .revert, .gas_left = frame.gas, .output = frame.output },
        .fault => |status| .{ .status = status, .gas_left = 0 },
    };
    if (frame.message.is_create() and end.status == .success) try create.store(machine, frame, &end);
    if (end.status != .success) machine.state.discard(frame.checkpoint);
    machine.depth -= 1;
    if (frame.own_code) |*code| {
        codes.free(machine.memory, code);
        frame.own_code = null;
    }
    return machine.ended(frame.message.gas, end);
}

/// Give the end of a frame to the one that opened it, which is the innermost now.
pub fn deliver(machine: *Machine, child: *const Frame, end: End) Error!void {
    const parent = machine.innermost();
    var step: Step = .of(machine, parent);
    machine.change_frame(end.gas_left, step.gas + end.gas_left);
    const taken = if (child.message.is_create())
        create.take(&step, &child.message.storage_address, end)
    else
        take(&step, child.target, child.target_size, end);
    taken catch |failure| switch (failure) {
        error.Refused, error.OutOfMemory, error.Raised => |ending| return ending,
        // nothing is paid for here that could be missing
        else => return error.Refused,
    };
    step.save();
}

/// A call's end in its caller: the output in memory and as return data, the gas left, 1 or 0 on the stack.
fn take(step: *Step, target: Word, size: usize, end: End) Failure!void {
    const count = @min(size, end.output.len);
    @memcpy(try step.frame.memory.part(target, count), end.output[0..count]);
    step.push(@intFromBool(try absorb(step, end)));
}

/// A call's end in its caller, without stack and memory: whether it succeeded.
pub fn absorb(step: *Step, end: End) Failure!bool {
    step.machine.detail = .none;
    try step.frame.return_data.appendSlice(step.machine.memory, end.output);
    step.gas += end.gas_left;
    return end.status == .success;
}
