//! The host's functions over the test machine, with the names and types of hooks_wasm.zig. A few work outside of a call
//! as well, so that a test can encode and hash with the library.

const std = @import("std");
const addresses = @import("addresses.zig");
const machines = @import("machine.zig");
const states = @import("state.zig");
const types = @import("../types.zig");

const Word = [32]u8;
const Address = [20]u8;
const Frame = machines.Frame;

fn frame() *Frame {
    const machine = machines.Machine.current orelse outside();
    return machine.frame orelse outside();
}

fn openFrame() ?*Frame {
    const machine = machines.Machine.current orelse return null;
    return machine.frame;
}

fn outside() noreturn {
    @panic("this needs a call of a contract: deploy it in a covenant.testing.Vm and call it");
}

/// Whether a contract runs.
pub fn inCall() bool {
    return openFrame() != null;
}

var test_memory: std.heap.ArenaAllocator = .init(std.heap.page_allocator);

/// Memory of the open frame, zeros as on the chain; what a test itself takes is never given back.
pub fn take(length: usize) []align(16) u8 {
    const allocator = if (openFrame()) |open| open.allocator() else test_memory.allocator();
    const memory = allocator.alignedAlloc(u8, .@"16", length) catch states.outOfMemory();
    @memset(memory, 0);
    return memory;
}

pub fn read_args(destination: [*]u8) void {
    const data = frame().message.data;
    @memcpy(destination[0..data.len], data);
}

var test_output: []const u8 = &.{};

pub fn write_result(data: [*]const u8, length: usize) void {
    if (openFrame()) |open| {
        open.output = open.allocator().dupe(u8, data[0..length]) catch states.outOfMemory();
    } else test_output = data[0..length];
}

pub fn exit_early(status: u32) noreturn {
    if (openFrame()) |open| open.stop(status);
    std.debug.panic("a contract's code reverted outside of a call, with 0x{x}", .{test_output});
}

fn cached(open: *Frame, key: *const Word) *Frame.Cached {
    const found = open.cache.getOrPut(open.allocator(), key.*) catch states.outOfMemory();
    if (!found.found_existing) {
        const slots = &open.machine.state.account(open.message.target).storage;
        found.value_ptr.* = .{ .value = states.slotOf(slots, key.*), .is_dirty = false };
    }
    return found.value_ptr;
}

pub fn storage_load_bytes32(key: *const Word, destination: *Word) void {
    destination.* = cached(frame(), key).value;
}

pub fn storage_cache_bytes32(key: *const Word, value: *const Word) void {
    const word = cached(frame(), key);
    word.is_dirty = word.is_dirty or !std.mem.eql(u8, &word.value, value);
    word.value = value.*;
}

pub fn storage_flush_cache(clear: u32) void {
    const open = frame();
    const state = &open.machine.state;
    var words = open.cache.iterator();
    while (words.next()) |word| if (word.value_ptr.is_dirty) {
        if (open.message.is_static) open.refuse("storage is written in a static call");
        state.setSlot(&state.account(open.message.target).storage, word.key_ptr.*, word.value_ptr.value);
        word.value_ptr.is_dirty = false;
    };
    if (clear != 0) open.cache.clearRetainingCapacity();
}

pub fn transient_load_bytes32(key: *const Word, destination: *Word) void {
    const open = frame();
    destination.* = states.slotOf(&open.machine.state.account(open.message.target).transient, key.*);
}

pub fn transient_store_bytes32(key: *const Word, value: *const Word) void {
    const open = acting("transient storage is written in a static call");
    open.machine.state.setSlot(&open.machine.state.account(open.message.target).transient, key.*, value.*);
}

/// The open frame, which must not be static.
fn acting(comptime otherwise: []const u8) *Frame {
    const open = frame();
    if (open.message.is_static) open.refuse(otherwise);
    return open;
}

fn execute(open: *Frame, message: machines.Message, returned: *usize) u32 {
    const outcome = open.machine.execute(message);
    open.returned = outcome.data;
    returned.* = outcome.data.len;
    return @intFromBool(!outcome.succeeded);
}

/// What remains after a 64th is kept back, and at most `gas`.
fn allowance(open: *const Frame, gas: u64) u64 {
    return @min(gas, open.message.gas - open.message.gas / 64);
}

pub fn call_contract(target: *const Address, data: [*]const u8, length: usize, value: *const Word, gas: u64, returned: *usize) u32 {
    const open = frame();
    const wei = number(value);
    if (wei != 0) _ = acting("wei is sent in a static call");
    return execute(open, .{
        .caller = open.message.target,
        .target = .{ .bytes = target.* },
        .code = .{ .bytes = target.* },
        .value = wei,
        .data = data[0..length],
        .gas = allowance(open, gas),
        .is_static = open.message.is_static,
    }, returned);
}

pub fn delegate_call_contract(target: *const Address, data: [*]const u8, length: usize, gas: u64, returned: *usize) u32 {
    const open = frame();
    return execute(open, .{
        .caller = open.message.caller,
        .target = open.message.target,
        .code = .{ .bytes = target.* },
        .value = open.message.value,
        .is_delegate = true,
        .data = data[0..length],
        .gas = allowance(open, gas),
        .is_static = open.message.is_static,
    }, returned);
}

pub fn static_call_contract(target: *const Address, data: [*]const u8, length: usize, gas: u64, returned: *usize) u32 {
    const open = frame();
    return execute(open, .{
        .caller = open.message.target,
        .target = .{ .bytes = target.* },
        .code = .{ .bytes = target.* },
        .data = data[0..length],
        .gas = allowance(open, gas),
        .is_static = true,
    }, returned);
}

pub fn create1(code: [*]const u8, length: usize, endowment: *const Word, created: *Address, returned: *usize) void {
    const open = acting("a contract is created in a static call");
    const nonce = open.machine.state.useNonce(open.message.target);
    deploy(open, code[0..length], endowment, addresses.created(open.message.target, nonce), created, returned);
}

pub fn create2(code: [*]const u8, length: usize, endowment: *const Word, salt: *const Word, created: *Address, returned: *usize) void {
    const open = acting("a contract is created in a static call");
    _ = open.machine.state.useNonce(open.message.target);
    deploy(open, code[0..length], endowment, addresses.createdWithSalt(open.message.target, salt.*, code[0..length]), created, returned);
}

fn deploy(open: *Frame, code: []const u8, endowment: *const Word, address: types.Address, created: *Address, returned: *usize) void {
    const known, const arguments = open.machine.creation(code) orelse
        @panic("the test machine can create what `vm.allowCreation` has named alone");
    const outcome = open.machine.deploy(open.message.target, address, known, arguments, number(endowment), allowance(open, open.message.gas));
    created.* = if (outcome.succeeded) address.bytes else @splat(0);
    open.returned = outcome.data;
    returned.* = outcome.data.len;
}

pub fn read_return_data(destination: [*]u8, offset: usize, size: usize) usize {
    const data = frame().returned;
    const from = @min(offset, data.len);
    const part = data[from..][0..@min(size, data.len - from)];
    @memcpy(destination[0..part.len], part);
    return part.len;
}

pub fn return_data_size() usize {
    return frame().returned.len;
}

/// Outside of a call the log is handed to the test, which may compare it.
pub threadlocal var test_log: ?states.Log = null;

pub fn emit_log(data: [*]const u8, length: usize, topics: usize) void {
    if (openFrame() == null) {
        test_log = copyOfLog(test_memory.allocator(), .zero, data[0..length], topics);
        return;
    }
    const open = acting("a log is written in a static call");
    const machine = open.machine;
    machine.state.log(copyOfLog(machine.arena.allocator(), open.message.target, data[0..length], topics));
}

fn copyOfLog(allocator: std.mem.Allocator, address: types.Address, data: []const u8, topics: usize) states.Log {
    const list = allocator.alloc(Word, topics) catch states.outOfMemory();
    for (list, 0..) |*topic, index| topic.* = data[32 * index ..][0..32].*;
    return .{ .address = address, .topics = list, .data = allocator.dupe(u8, data[32 * topics ..]) catch states.outOfMemory() };
}

fn account(address: *const Address) *states.Account {
    return frame().machine.state.account(.{ .bytes = address.* });
}

pub fn account_balance(address: *const Address, destination: *Word) void {
    write(destination, account(address).balance);
}

pub fn account_code(address: *const Address, offset: usize, size: usize, destination: [*]u8) usize {
    const code = account(address).code;
    const from = @min(offset, code.len);
    const part = code[from..][0..@min(size, code.len - from)];
    @memcpy(destination[0..part.len], part);
    return part.len;
}

pub fn account_code_size(address: *const Address) usize {
    return account(address).code.len;
}

/// Zeros for an account that has nothing.
pub fn account_codehash(address: *const Address, destination: *Word) void {
    const found = account(address);
    destination.* = @splat(0);
    if (found.code.len == 0 and found.nonce == 0 and found.balance == 0) return;
    native_keccak256(found.code.ptr, found.code.len, destination);
}

/// The machine does not meter: this is what the frame began with.
pub fn evm_gas_left() u64 {
    return frame().message.gas;
}

pub fn evm_ink_left() u64 {
    return frame().message.gas *| tx_ink_price();
}

pub fn tx_ink_price() u32 {
    return 10_000;
}

fn block() *const machines.Block {
    return &frame().machine.block;
}

pub fn block_basefee(destination: *Word) void {
    write(destination, block().base_fee);
}

pub fn chainid() u64 {
    return block().chain_id;
}

pub fn block_coinbase(destination: *Address) void {
    destination.* = block().coinbase.bytes;
}

pub fn block_gas_limit() u64 {
    return block().gas_limit;
}

pub fn block_number() u64 {
    return block().number;
}

pub fn block_timestamp() u64 {
    return block().timestamp;
}

pub fn blobbasefee(destination: *Word) void {
    write(destination, block().blob_base_fee);
}

pub fn prevrandao(destination: *Word) void {
    destination.* = block().prevrandao;
}

/// Of one of the 256 blocks before: the hash of its number, as there are no blocks. Otherwise zeros.
pub fn blockhash(of: u64, destination: *Word) void {
    destination.* = @splat(0);
    if (of >= block().number or block().number - of > 256) return;
    var word: Word = undefined;
    write(&word, of);
    native_keccak256(&word, word.len, destination);
}

pub fn contract_address(destination: *Address) void {
    destination.* = frame().message.target.bytes;
}

pub fn code_address(destination: *Address) void {
    destination.* = frame().message.code.bytes;
}

pub fn msg_sender(destination: *Address) void {
    destination.* = frame().message.caller.bytes;
}

pub fn msg_value(destination: *Word) void {
    write(destination, frame().message.value);
}

pub fn msg_reentrant() u32 {
    return @intFromBool(frame().machine.isReentrant());
}

pub fn tx_gas_price(destination: *Word) void {
    write(destination, block().gas_price);
}

pub fn tx_origin(destination: *Address) void {
    destination.* = frame().machine.origin.bytes;
}

pub fn is_constructing() u32 {
    return @intFromBool(frame().message.is_creation);
}

/// Sends the balance on and ends the frame. The account stays, as by EIP-6780 for all but the youngest.
pub fn selfdestruct(beneficiary: *const Address) noreturn {
    const open = acting("a static call destroys its contract");
    const state = &open.machine.state;
    const from = open.message.target;
    _ = state.transfer(from, .{ .bytes = beneficiary.* }, state.account(from).balance);
    open.output = &.{};
    open.stop(0);
}

pub fn native_keccak256(data: [*]const u8, length: usize, destination: *Word) void {
    std.crypto.hash.sha3.Keccak256.hash(data[0..length], destination, .{});
}

pub fn pay_for_memory_grow(_: u32) void {}

pub fn math_div(dividend: *Word, divisor: *const Word) void {
    const by = number(divisor);
    write(dividend, if (by == 0) 0 else number(dividend) / by);
}

pub fn math_mod(dividend: *Word, divisor: *const Word) void {
    const by = number(divisor);
    write(dividend, if (by == 0) 0 else number(dividend) % by);
}

pub fn math_pow(base: *Word, exponent: *const Word) void {
    var power: u256 = 1;
    var factor = number(base);
    var left = number(exponent);
    while (left != 0) : (left >>= 1) {
        if (left & 1 != 0) power *%= factor;
        factor *%= factor;
    }
    write(base, power);
}

pub fn math_add_mod(a: *Word, b: *const Word, modulus: *const Word) void {
    const by: u512 = number(modulus);
    write(a, if (by == 0) 0 else @intCast((@as(u512, number(a)) + number(b)) % by));
}

pub fn math_mul_mod(a: *Word, b: *const Word, modulus: *const Word) void {
    const by: u512 = number(modulus);
    write(a, if (by == 0) 0 else @intCast(@as(u512, number(a)) * number(b) % by));
}

fn number(word: *const Word) u256 {
    return std.mem.readInt(u256, word, .big);
}

fn write(word: *Word, value: u256) void {
    std.mem.writeInt(u256, word, value, .big);
}
