//! A running message, and the part of it that instructions work on.

const std = @import("std");
const codes = @import("code.zig");
const host = @import("host.zig");
const state_of = @import("state.zig");
const Failure = @import("faults.zig").Failure;
const Machine = @import("machine.zig").Machine;

const Allocator = std.mem.Allocator;
const Word = host.Word;

pub const stack_limit = 1024;
pub const Stack = [stack_limit]Word;

/// Room for a stack, of which nothing is written: what safe mode writes into new and freed memory would touch every
/// page of it, and a deep recursion opens a thousand of them.
pub fn make_stack(allocator: Allocator) Allocator.Error!*Stack {
    const room = allocator.rawAlloc(@sizeOf(Stack), .of(Stack), @returnAddress()) orelse return error.OutOfMemory;
    return @ptrCast(@alignCast(room));
}

fn free_stack(allocator: Allocator, stack: *Stack) void {
    allocator.rawFree(std.mem.asBytes(stack), .of(Stack), @returnAddress());
}

/// Most bytes of a frame's memory, and so of one step's work, of a run that has to be brief.
const brief_bytes = 256 << 10;

/// A number of bytes in words, rounded up.
pub fn words_of(size: u64) u64 {
    return size / 32 + @intFromBool(size % 32 != 0);
}

/// Bytes that grow in whole words; those past `size` are room.
pub const Memory = struct {
    data: []u8 = &.{},
    size: usize = 0,

    /// Bytes of it; they were paid for before.
    pub fn part(self: *const Memory, start: Word, size: usize) Failure![]u8 {
        if (size == 0) return &.{};
        if (start > self.size or self.size - @as(usize, @truncate(start)) < size) return error.Refused;
        return self.data[@truncate(start)..][0..size];
    }

    fn grow(self: *Memory, allocator: Allocator, size: usize) Failure!void {
        if (size > self.data.len) {
            const room = @max(size, 2 * self.data.len, 1024);
            self.data = try allocator.realloc(self.data, room);
        }
        @memset(self.data[self.size..size], 0);
        self.size = size;
    }
};

pub const Frame = struct {
    message: host.Message = undefined,
    /// Of `storage_address`.
    account: state_of.Account = undefined,
    code: *const codes.Code = &codes.empty,
    /// Creation code, which `code` is then.
    own_code: ?codes.Code = null,
    checkpoint: state_of.Checkpoint = undefined,
    /// Where the caller's memory takes the output, and how much of it.
    target: Word = 0,
    target_size: usize = 0,

    counter: usize = 0,
    height: usize = 0,
    gas: u64 = 0,
    stack: *Stack,
    memory: Memory = .{},
    /// What the last call gave back.
    return_data: std.ArrayList(u8) = .empty,
    /// What RETURN or REVERT named: a part of the memory.
    output: []const u8 = "",

    pub fn begin(self: *Frame, message: *const host.Message, account: state_of.Account, code: *const codes.Code) void {
        self.message = message.*;
        self.account = account;
        self.code = code;
        self.counter = 0;
        self.height = 0;
        self.gas = message.gas;
        self.memory.size = 0;
        self.return_data.clearRetainingCapacity();
        self.output = "";
    }

    pub fn free(self: *Frame, allocator: Allocator) void {
        if (self.own_code) |*code| codes.free(allocator, code);
        allocator.free(self.memory.data);
        self.return_data.deinit(allocator);
        free_stack(allocator, self.stack);
    }
};

/// What instructions change, apart from the frame so that it may stay in registers. Before an instruction's body runs
/// the interpreter has checked the stack and taken the constant gas, and `counter` is behind the opcode.
pub const Step = struct {
    machine: *Machine,
    frame: *Frame,
    stack: *Stack,
    code: []const u8,
    counter: usize,
    height: usize,
    gas: u64,

    pub inline fn of(machine: *Machine, frame: *Frame) Step {
        return .{
            .machine = machine,
            .frame = frame,
            .stack = frame.stack,
            .code = frame.code.bytes,
            .counter = frame.counter,
            .height = frame.height,
            .gas = frame.gas,
        };
    }

    pub inline fn save(self: *const Step) void {
        self.frame.counter = self.counter;
        self.frame.height = self.height;
        self.frame.gas = self.gas;
    }

    pub inline fn load(self: *Step) void {
        self.counter = self.frame.counter;
        self.height = self.frame.height;
        self.gas = self.frame.gas;
    }

    pub inline fn pop(self: *Step) Word {
        self.height -= 1;
        return self.stack[self.height];
    }

    pub inline fn push(self: *Step, value: Word) void {
        self.stack[self.height] = value;
        self.height += 1;
    }

    /// The top word, to be changed.
    pub inline fn top(self: *Step) *Word {
        return &self.stack[self.height - 1];
    }

    pub fn pop_address(self: *Step) host.Address {
        return @import("word.zig").to_address(self.pop());
    }

    pub inline fn charge(self: *Step, amount: u64) Failure!void {
        if (amount > self.gas) return error.OutOfGas;
        self.gas -= amount;
    }

    /// So much for each word of a number of bytes, and nothing that gas could not pay.
    pub fn charge_words(self: *Step, price: u64, size: Word) Failure!void {
        if (size >> 56 != 0) return error.OutOfGas;
        try self.charge(price * words_of(@truncate(size)));
    }

    /// Grow the memory to hold the bytes, and pay for it.
    pub inline fn extend(self: *Step, start: Word, size: Word) Failure!void {
        if (size == 0) return;
        const end = start +| size;
        if (end > self.frame.memory.size) self.gas = try grow(self.machine, self.frame, self.gas, end);
    }

    /// Bytes of the memory that `extend` has made sure of.
    pub fn bytes(self: *Step, start: Word, size: Word) Failure![]u8 {
        if (size == 0) return &.{};
        if (size > self.frame.memory.size) return error.Refused;
        return self.frame.memory.part(start, @truncate(size));
    }

    pub fn refuse_static(self: *const Step) Failure!void {
        if (self.frame.message.is_static) return error.WriteProtection;
    }
};

/// C_mem(a) = 3 a + a ** 2 / 512 for a words (Yellow Paper, appendix H).
pub fn price_of(words: u64) u128 {
    return 3 * @as(u128, words) + (@as(u128, words) * words >> 9);
}

/// The gas left after the memory has grown to reach up to `end`.
noinline fn grow(machine: *Machine, frame: *Frame, gas: u64, end: Word) Failure!u64 {
    const wide = (end +| 31) >> 5;
    // so many words cost more than any gas
    if (wide >> 40 != 0) return error.OutOfGas;
    const words: u64 = @truncate(wide);
    const price = price_of(words) - price_of(frame.memory.size / 32);
    if (price > gas) return error.OutOfGas;
    const limit = machine.transaction.memory_words;
    if (words > limit) {
        machine.detail = .{ .memory = .{ .words = words, .limit = limit } };
        return error.MemoryLimit;
    }
    // once for each new room, not for each word in it
    if (words * 32 > @max(brief_bytes, frame.memory.data.len)) try machine.bound(words * 32, brief_bytes);
    try frame.memory.grow(machine.memory, words * 32);
    return gas - @as(u64, @truncate(price));
}
