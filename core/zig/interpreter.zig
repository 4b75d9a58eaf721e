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

/// Run the innermost frame from where it is.
pub fn run(machine: *Machine, frame: *Frame) Failure!Exit {
    @setEvalBranchQuota(10_000);
    var step: Step = .of(machine, frame);
    loop: switch (step.code[step.counter]) {
        inline else => |opcode| {
            const row = comptime opcodes.rows[opcode];
            if (comptime row.constant()) |admission| {
                if (!admission.fits(step.height) or admission.gas > step.gas) return reject(&step, opcode);
                step.gas -= admission.gas;
            } else {
                const admission = &machine.admissions[opcode];
                if (!admission.fits(step.height) or admission.gas > step.gas) return reject(&step, opcode);
                step.gas -= admission.gas;
            }
            step.counter += 1;
            switch (comptime row.body) {
                .none => return reject(&step, opcode),
                .quick => |body| try body(&step),
                .slow => |body| try apart(body, &step),
                .calling => |body| if (try apart(body, &step)) return .calls,
                .ending => |body| return apart(body, &step),
            }
            continue :loop step.code[step.counter];
        },
    }
}

/// Run a body that takes its time, outside of the loop, so that the loop has its registers.
inline fn apart(comptime body: anytype, step: *Step) Returned(body) {
    step.save();
    const result = try Apart(body).run(step.machine, step.frame);
    step.load();
    return result;
}

fn Returned(comptime body: anytype) type {
    return @typeInfo(@typeInfo(@TypeOf(body)).pointer.child).@"fn".return_type.?;
}

fn Apart(comptime body: anytype) type {
    return struct {
        noinline fn run(machine: *Machine, frame: *Frame) Returned(body) {
            var step: Step = .of(machine, frame);
            const result = try body(&step);
            step.save();
            // a frame that was opened has another count
            if (@TypeOf(result) != bool) try machine.look_if_due(step.gas);
            return result;
        }
    };
}

/// Why an instruction is not admitted.
noinline fn reject(step: *const Step, opcode: u8) Failure {
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
