//! The loop over a frame's instructions. Each is admitted by itself: the fork has it, the stack fits, the gas is there.

const host = @import("host.zig");
const opcodes = @import("opcodes.zig");
const Failure = @import("faults.zig").Failure;
const Frame = @import("frame.zig").Frame;
const Machine = @import("machine.zig").Machine;
const Step = @import("frame.zig").Step;

/// Why the loop was left.
pub const Exit = union(enum) {
    /// The frame has opened another one, and goes on behind its end.
    calls,
    success,
    revert,
    fault: host.Status,
};

/// Run the innermost frame from where it is. What runs most has a place in the loop, and its own jump to the next one;
/// every other instruction is a call. (A place for each would make the compiler take a minute.)
pub fn run(machine: *Machine, frame: *Frame) Failure!Exit {
    @setEvalBranchQuota(10_000);
    var step: Step = .of(machine, frame);
    loop: switch (step.code[step.counter]) {
        // zig fmt: off
        inline 0x01...0x03, 0x10...0x19, 0x1b...0x1c, 0x33...0x36, 0x50...0x52, 0x56...0x57, 0x5a...0x5b, 0x5f...0x9f,
        // zig fmt: on
        => |opcode| {
            const row = comptime opcodes.rows[opcode];
            const admission = if (comptime row.constant()) |constant| constant else machine.admissions[opcode];
            if (!admission.fits(step.height) or admission.gas > step.gas) return reject(step, opcode);
            step.gas -= admission.gas;
            step.counter += 1;
            try @call(.always_inline, row.body.quick, .{&step});
            continue :loop step.code[step.counter];
        },
        else => |opcode| {
            step.save();
            if (try calls[opcode](machine, frame)) |exit| return exit;
            step.load();
            continue :loop step.code[step.counter];
        },
    }
}

const Call = *const fn (*Machine, *Frame) Failure!?Exit;

/// By opcode: its instruction outside of the loop. Not null where the loop is to be left.
const calls: [256]Call = blk: {
    var table: [256]Call = undefined;
    for (&table, 0..) |*call, opcode| call.* = Instruction(opcode).run;
    break :blk table;
};

fn Instruction(comptime opcode: u8) type {
    const body = opcodes.rows[opcode].body;
    return struct {
        fn run(machine: *Machine, frame: *Frame) Failure!?Exit {
            if (body == .none) return reject_in(machine, frame, opcode);
            var step: Step = .of(machine, frame);
            const admission = machine.admissions[opcode];
            if (!admission.fits(step.height) or admission.gas > step.gas) return reject(step, opcode);
            step.gas -= admission.gas;
            step.counter += 1;
            const exit: ?Exit = switch (comptime body) {
                .none => unreachable,
                .quick, .slow => |act| blk: {
                    try act(&step);
                    break :blk null;
                },
                .calling => |act| if (try act(&step)) .calls else null,
                .ending => |act| try act(&step),
            };
            step.save();
            // a frame that was opened has another count of gas
            if (exit == null) try machine.look_if_due(step.gas);
            return exit;
        }
    };
}

fn reject_in(machine: *Machine, frame: *Frame, opcode: u8) Failure {
    return reject(.of(machine, frame), opcode);
}

/// Why an instruction is not admitted.
noinline fn reject(step: Step, opcode: u8) Failure {
    @branchHint(.cold);
    const row = &opcodes.rows[opcode];
    const machine = step.machine;
    if (row.gas_of(machine.rules.fork) == null) {
        machine.detail = .{ .opcode = opcode };
        return error.InvalidOpcode;
    }
    const height: u16 = @intCast(step.height);
    if (height < row.pops) {
        machine.detail = .{ .stack = .{ .height = height, .limit = row.pops } };
        return error.StackUnderflow;
    }
    if (height > row.most()) {
        machine.detail = .{ .stack = .{ .height = height, .limit = row.most() } };
        return error.StackOverflow;
    }
    return error.OutOfGas;
}
