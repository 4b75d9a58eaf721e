//! A stack of its own for each frame of the test machine: a refusal leaves the contract's code from any depth by
//! switching back to the stack of the caller.

const std = @import("std");
const builtin = @import("builtin");

const switching = std.Io.fiber;

/// Of each stack: far more than the 8 KiB that a contract has on the chain, as native code without optimization needs.
const stack_bytes = 512 * 1024;

const page_bytes = std.heap.page_size_max;
const Stack = []align(std.heap.page_size_min) u8;

pub const Fiber = struct {
    stack: Stack,
    inside: switching.Context,
    outside: switching.Context,
    run: *const fn (*anyopaque) void,
    argument: *anyopaque,

    /// Call `run` with `argument` on a stack of `stacks`; returns when it does, or when it calls `leave`.
    pub fn enter(self: *Fiber, stacks: *Stacks, run: *const fn (*anyopaque) void, argument: *anyopaque) !void {
        const stack = try stacks.take();
        defer stacks.give(stack);
        self.* = .{ .stack = stack, .inside = start(stack), .outside = undefined, .run = run, .argument = argument };
        starting = self;
        _ = switching.contextSwitch(&.{ .old = &self.outside, .new = &self.inside });
    }

    /// Back to the caller of `enter`. The stack is given up with all that lies on it.
    pub fn leave(self: *Fiber) noreturn {
        _ = switching.contextSwitch(&.{ .old = &self.inside, .new = &self.outside });
        unreachable;
    }
};

threadlocal var starting: *Fiber = undefined;

fn first() callconv(.c) noreturn {
    const fiber = starting;
    fiber.run(fiber.argument);
    fiber.leave();
}

fn start(stack: Stack) switching.Context {
    const top = (@intFromPtr(stack.ptr) + stack.len) & ~@as(usize, 63);
    return switch (builtin.cpu.arch) {
        // a function begins with its return address on the stack
        .x86_64 => .{ .rsp = top - 8, .rbp = 0, .rip = @intFromPtr(&first) },
        .aarch64, .riscv64 => .{ .sp = top, .fp = 0, .pc = @intFromPtr(&first) },
        else => @compileError("contracts are tested on x86_64, aarch64 and riscv64; this is " ++ @tagName(builtin.cpu.arch)),
    };
}

/// Stacks that are used again. The lowest page of each cannot be touched, so that endless recursion ends in a fault.
pub const Stacks = struct {
    allocator: std.mem.Allocator,
    free: std.ArrayList(Stack) = .empty,

    fn take(self: *Stacks) !Stack {
        if (self.free.pop()) |stack| return stack;
        try self.free.ensureUnusedCapacity(self.allocator, 1);
        const flags: std.posix.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true };
        const whole = try std.posix.mmap(null, page_bytes + stack_bytes, .{}, flags, -1, 0);
        errdefer std.posix.munmap(whole);
        if (std.posix.errno(std.posix.system.mprotect(whole[page_bytes..].ptr, stack_bytes, .{ .READ = true, .WRITE = true })) != .SUCCESS) {
            return error.OutOfMemory;
        }
        return whole;
    }

    fn give(self: *Stacks, stack: Stack) void {
        self.free.append(self.allocator, stack) catch std.posix.munmap(stack);
    }

    pub fn deinit(self: *Stacks) void {
        for (self.free.items) |stack| std.posix.munmap(stack);
        self.free.deinit(self.allocator);
    }
};
