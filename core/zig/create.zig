//! CREATE and CREATE2: the new address, the creation's frame, and the code that it returns.

const std = @import("std");
const calls = @import("calls.zig");
const codes = @import("code.zig");
const frames = @import("frame.zig");
const host = @import("host.zig");
const keccak = @import("keccak.zig");
const rlp = @import("rlp.zig");
const words = @import("word.zig");
const End = @import("machine.zig").End;
const Error = @import("errors.zig").Error;
const Failure = @import("faults.zig").Failure;
const Frame = frames.Frame;
const Machine = @import("machine.zig").Machine;
const Step = frames.Step;
const Word = words.Word;

const creation_gas = 32_000;
const keccak_word_gas = 6;
const initcode_word_gas = 2;
const deposit_byte_gas = 200;
const reserved_byte = 0xef;
const max_nonce = std.math.maxInt(u64);

pub fn create(step: *Step) Failure!bool {
    return run(step, .create);
}

pub fn create2(step: *Step) Failure!bool {
    return run(step, .create2);
}

fn run(step: *Step, comptime kind: host.Kind) Failure!bool {
    try step.refuse_static();
    const value = step.pop();
    const start = step.pop();
    const size = step.pop();
    const salt: ?Word = if (kind == .create2) step.pop() else null;
    try charge(step, kind, size);
    try step.extend(start, size);
    var address: host.Address = undefined;
    switch (try send(step, kind, &.{ .value = value, .code = try step.bytes(start, size), .salt = salt }, &address)) {
        .refused => step.push(0),
        .ended => |end| try take(step, &address, end),
        .opened => return true,
    }
    return false;
}

/// A creation without stack and memory.
pub const Request = struct { value: Word, code: []const u8, salt: ?Word };

/// The cost of a creation with creation code of this size before it runs.
pub fn charge(step: *Step, kind: host.Kind, size: Word) Failure!void {
    const hashed: u64 = if (kind == .create2) keccak_word_gas else 0;
    const measured: u64 = if (step.machine.rules.charges_initcode) initcode_word_gas else 0;
    try step.charge(creation_gas);
    try step.charge_words(hashed + measured, size);
}

/// Begin a creation that was charged for. address: where its contract will be, set unless it is refused.
pub fn send(step: *Step, kind: host.Kind, request: *const Request, address: *host.Address) Failure!calls.Sent {
    const content = request.code;
    const machine = step.machine;
    const state = machine.state;
    const sender = step.frame.message.storage_address;
    if (machine.block.is_foreign(content)) return error.Refused;
    if (is_too_long(machine, content.len)) return error.InitcodeSize;
    const nonce = try state.nonce(step.frame.account);
    machine.spare_gas = 0;
    step.frame.return_data.clearRetainingCapacity();
    const gas = if (machine.rules.keeps_64th) step.gas - step.gas / 64 else step.gas;
    address.* = if (request.salt) |salt| salted_address(&sender, salt, content) else address_of(&sender, nonce);
    const message: host.Message = .{
        .kind = kind,
        .gas = gas,
        .sender = sender,
        .storage_address = address.*,
        .code_address = @splat(0),
        .target = address.*,
        .value = request.value,
        .data = "",
        .code = content,
        .depth = step.frame.message.depth + 1,
    };
    const refusal = try calls.refusal_of(step, request.value) orelse if (nonce == max_nonce) host.Status.nonce_overflow else null;
    if (refusal) |status| {
        if (machine.watch) |watch| try watch.refused(&message, status, 0);
        return .refused;
    }
    step.gas -= gas;
    try state.set_nonce(step.frame.account, nonce + 1);
    const account = try state.at(address);
    if (machine.rules.charges_access) _ = try state.warm_unnamed(account);
    if (try state.nonce(account) != 0 or (try state.code(account)).size != 0 or try state.has_storage(account)) {
        if (machine.watch) |watch| try watch.refused(&message, .address_collision, gas);
        return .refused;
    }
    try machine.look_if_due(step.gas + gas);
    if (try begin(machine, &message)) |end| return .{ .ended = end };
    machine.change_frame(step.gas + gas, gas);
    return .{ .opened = machine.innermost() };
}

/// Whether creation code breaks EIP-3860's limit, or twice the configured one of code.
fn is_too_long(machine: *const Machine, size: usize) bool {
    const limit = machine.rules.initcode_size_limit orelse return false;
    return size > if (machine.block.code_size_limit) |configured| configured *| 2 else limit;
}

/// Begin a creation: its end where it cannot be paid; else it is the innermost frame.
pub fn begin(machine: *Machine, message: *const host.Message) Error!?End {
    const state = machine.state;
    // of the outermost message; a deeper one was looked at before
    if (machine.block.is_foreign(message.code) or is_too_long(machine, message.code.len)) return error.Refused;
    try machine.bound(1, 0);
    if (machine.watch) |watch| try watch.enter(message);
    const checkpoint = state.record();
    const account = try state.at(&message.storage_address);
    try state.mark_created(account);
    if (!machine.rules.has_empty_accounts) try state.set_nonce(account, try state.nonce(account) +% 1);
    if (!try calls.pay(machine, message, account)) {
        state.discard(checkpoint);
        return try machine.ended(message.gas, .{ .status = .balance_overflow, .gas_left = 0 });
    }
    const code = try codes.prepare(machine.memory, message.code);
    errdefer codes.free(machine.memory, &code);
    const frame = try machine.open();
    frame.own_code = code;
    frame.begin(message, account, &frame.own_code.?);
    frame.checkpoint = checkpoint;
    frame.message.code = "";
    frame.message.data = "";
    return null;
}

/// Store the code that a creation returned, and pay for it; or end it with a fault.
pub fn store(machine: *Machine, frame: *Frame, end: *End) Error!void {
    const code = end.output;
    const rules = machine.rules;
    if (machine.block.is_foreign(code)) return error.Refused;
    const limit: ?u64 = if (machine.block.code_size_limit) |configured| configured else rules.code_size_limit;
    const price = deposit_byte_gas * @as(u64, code.len);
    if (limit != null and code.len > limit.?) {
        end.* = .{ .status = .code_size, .gas_left = 0 };
    } else if (rules.rejects_reserved_code and code.len > 0 and code[0] == reserved_byte) {
        end.* = .{ .status = .invalid_code, .gas_left = 0 };
    } else if (price <= end.gas_left) {
        end.gas_left -= price;
        try machine.state.set_code(frame.account, code);
    } else if (rules.code_deposit_must_succeed) {
        end.* = .{ .status = .code_store_out_of_gas, .gas_left = 0 };
    }
}

/// A creation's end in its creator: revert data as return data, the gas left, the address or 0 on the stack.
pub fn take(step: *Step, address: *const host.Address, end: End) Failure!void {
    step.push(if (try absorb(step, end)) words.from_address(address) else 0);
}

/// A creation's end in its creator, without the stack: whether there is a contract.
pub fn absorb(step: *Step, end: End) Failure!bool {
    step.machine.detail = .none;
    const is_made = end.status == .success;
    if (!is_made) try step.frame.return_data.appendSlice(step.machine.memory, end.output);
    step.gas += end.gas_left;
    return is_made;
}

/// The address of a contract that an account creates with this nonce (Yellow Paper, eq. 88).
pub fn address_of(sender: *const host.Address, nonce: u64) host.Address {
    var digits: [8]u8 = undefined;
    std.mem.writeInt(u64, &digits, nonce, .big);
    const short = digits[@clz(nonce) / 8 ..];
    var encoded: [31]u8 = undefined;
    encoded[1] = 0x80 + 20;
    @memcpy(encoded[2..22], sender);
    const size = 22 + rlp.write_string(encoded[22..], short);
    encoded[0] = @intCast(0xc0 + size - 1);
    return keccak.hash(encoded[0..size])[12..].*;
}

/// The address of a CREATE2 contract (EIP-1014).
fn salted_address(sender: *const host.Address, salt: Word, content: []const u8) host.Address {
    const message = "\xff".* ++ sender.* ++ words.to_bytes(salt) ++ keccak.hash(content);
    return keccak.hash(&message)[12..].*;
}
