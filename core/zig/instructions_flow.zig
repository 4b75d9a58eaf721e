//! The stack's own instructions, and those of the program counter.

const std = @import("std");
const words = @import("word.zig");
const Exit = @import("interpreter.zig").Exit;
const Failure = @import("faults.zig").Failure;
const Step = @import("frame.zig").Step;

const Quick = *const fn (*Step) Failure!void;

pub fn push(comptime size: usize) Quick {
    return struct {
        fn run(step: *Step) Failure!void {
            // the code's padding has room for so many bytes
            step.push(if (size == 0) 0 else words.from_first(size, step.code[step.counter..][0 .. size + 8]));
            step.counter += size;
        }
    }.run;
}

pub fn dup(comptime depth: usize) Quick {
    return struct {
        fn run(step: *Step) Failure!void {
            step.push(step.stack[step.height - depth]);
        }
    }.run;
}

pub fn swap(comptime depth: usize) Quick {
    return struct {
        fn run(step: *Step) Failure!void {
            const first = step.top();
            const second = &step.stack[step.height - 1 - depth];
            std.mem.swap(words.Word, first, second);
        }
    }.run;
}

pub fn pop(step: *Step) Failure!void {
    step.height -= 1;
}

pub fn pc(step: *Step) Failure!void {
    step.push(step.counter - 1);
}

pub fn gas(step: *Step) Failure!void {
    step.machine.spare_gas = 0;
    step.push(step.gas);
}

pub fn jumpdest(_: *Step) Failure!void {}

inline fn go(step: *Step, target: words.Word) Failure!void {
    if (!step.frame.code.is_target(target)) return error.InvalidJump;
    step.counter = @truncate(target);
    try step.machine.look_if_due(step.gas);
}

pub fn jump(step: *Step) Failure!void {
    try go(step, step.pop());
}

pub fn jumpi(step: *Step) Failure!void {
    const target = step.pop();
    if (step.pop() != 0) try go(step, target);
}

pub fn stop(_: *Step) Failure!Exit {
    return .success;
}
