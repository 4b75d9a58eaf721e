//! WebAssembly contracts as frames of the machine: entered and paid for, run in an instance of their own, ended. One runs
//! on the C stack, from its begin to its end; frames that it opens run within it. The order of charges, the ends and
//! their texts are chain/zvm/execution.py's.

const std = @import("std");
const codes = @import("code.zig");
const faults = @import("faults.zig");
const frames = @import("frame.zig");
const host = @import("host.zig");
const runs = @import("wasm_run.zig");
const terms_of = @import("wasm_terms.zig");
const wasm = @import("wasm_frame.zig");
const wasmtime = @import("wasmtime.zig");
const Account = @import("state.zig").Account;
const Checkpoint = @import("state.zig").Checkpoint;
const End = @import("machine.zig").End;
const Error = @import("errors.zig").Error;
const Instance = @import("wasm_instances.zig").Instance;
const Machine = @import("machine.zig").Machine;

const api = &wasmtime.api;
const ink_per_gas = wasm.ink_per_gas;

/// Ink is a 64-bit number; gas beyond it waits outside.
const most_gas = std.math.maxInt(i64) / ink_per_gas;

const page_bytes = 65_536;
const entry_point = "user_entrypoint";

/// Values of the exported global zvm_fault when the instrumented code has stopped itself.
const out_of_ink = 1;
const out_of_stack = 2;

/// Traps that are the contract's own, by wasmtime's code less one (TRAPS in chain/zvm/runtime/capi.py). All others are
/// faults of the node.
const traps = [_][]const u8{
    "out of bounds memory access",
    "misaligned memory access",
    "out of bounds table access",
    "call of a null function",
    "indirect call type mismatch",
    "integer overflow",
    "integer divide by zero",
    "invalid conversion to integer",
    "unreachable",
};

/// How an instance's run ended.
const Outcome = union(enum) { status: u32, trapped, out_of_ink, out_of_stack, out_of_pages };

/// An open frame.
pub const Run = struct {
    frame: wasm.Frame,
    machine: *Machine,
    /// The machine's frame: the message, the data of the last call.
    outer: *frames.Frame,
    kept: *terms_of.Kept,
    /// Set for the time of the run.
    instance: *Instance = undefined,
    /// Open in this instance.
    pages: u64 = 0,
    /// Given to it.
    stack_words: u32 = 0,
    ink_left: u64 = 0,
    /// What was set as output, if it is long.
    output: std.ArrayList(u8) = .empty,
    /// What ends the whole run.
    failure: ?Error = null,

    pub fn of(frame: *wasm.Frame) *Run {
        return @fieldParentPtr("frame", frame);
    }

    /// After a question, before the contract goes on.
    pub fn let_go(self: *Run) void {
        const from = self.machine.state.host;
        from.table.let_go(from.context);
    }

    /// The whole run ends, without an answer.
    pub fn abandon(self: *Run, reason: Error) wasm.Failure {
        self.failure = reason;
        return self.frame.stop(.raised);
    }

    /// The contract did wrong.
    pub fn trap(self: *Run, comptime format: []const u8, arguments: anytype) wasm.Failure {
        self.machine.wasm.describe("wasm trap: " ++ format, arguments);
        return self.frame.stop(.trapped);
    }

    /// What an instruction ended in becomes the run's end: who lacks gas has run out of ink, all else is Python's.
    pub fn fail(self: *Run, failure: faults.Failure) wasm.Failure {
        self.machine.detail = .none;
        return switch (failure) {
            error.OutOfGas, error.CodeSize, error.InitcodeSize, error.CodeStoreOutOfGas => self.frame.stop(.{
                .too_little_gas = .{ .gas = 0, .left = 0 },
            }),
            error.OutOfMemory => self.abandon(error.OutOfMemory),
            error.Raised => self.abandon(error.Raised),
            else => self.abandon(error.Refused),
        };
    }

    /// Stack words that the open functions leave.
    pub fn stack_words_left(self: *Run) u32 {
        var words: wasmtime.Value = .{ .kind = wasmtime.Value.kind_i32, .content = 0 };
        api.global_get(self.frame.context, runs.item_of(&self.instance.scratch.stack), &words);
        return @truncate(@as(u64, @bitCast(words.content)));
    }

    fn content(self: *const Run) []const u8 {
        return if (self.frame.output_size) |size| self.frame.output[0..size] else self.output.items;
    }

    fn deinit(self: *Run) void {
        self.frame.storage.deinit(self.machine.memory);
        self.output.deinit(self.machine.memory);
    }
};

/// Run a message's code; its value has moved. What a failure did is undone. The output lives until the next precompile.
pub fn run(machine: *Machine, message: *const host.Message, account: Account, code: *const codes.Code, checkpoint: Checkpoint) Error!End {
    const shared = &machine.wasm;
    const terms = try shared.learn(machine.state.host);
    // past it Python decides, as it may have another stack
    if (shared.stack_low != 0 and @frameAddress() -| shared.stack_low < terms.stack_bytes) return error.Refused;
    const kept = try shared.open(machine.memory, machine.state, &message.code_address, code);
    defer kept.open -= 1;
    if (terms.brief_ink != 0 and kept.program.initial_pages > terms.brief_pages) return error.Refused;
    machine.spare_gas = 0;
    // frames of the EVM within it have another count of gas
    const look_below = machine.look_below;
    defer machine.look_below = look_below;
    const outer = try machine.open();
    outer.begin(message, account, code);
    var this: Run = .{
        .frame = .{
            .host = &@import("wasm_state.zig").table,
            .allocator = machine.memory,
            .ink = undefined,
            .memory = null,
            .prices = terms.prices,
            .data = message.data,
        },
        .machine = machine,
        .outer = outer,
        .kept = kept,
    };
    defer this.deinit();
    const stack_words = shared.stack_words;
    const end = try course(&this, message);
    shared.open_pages -= this.pages;
    shared.stack_words = stack_words;
    if (end.status != .success) machine.state.discard(checkpoint);
    machine.depth -= 1;
    return end;
}

/// The charges ahead of the run, the run, and those behind it.
fn course(this: *Run, message: *const host.Message) Error!End {
    const machine = this.machine;
    const shared = &machine.wasm;
    const terms = &shared.terms.?;
    const program = &this.kept.program;
    if (message.data.len > terms.data_bytes) {
        shared.describe("max wasm call data size exceeded: {d} bytes, the limit is {d}", .{ message.data.len, terms.data_bytes });
        return failed(machine, .call_data_size, 0);
    }
    if (program.entry_gas > message.gas) return failed(machine, .out_of_gas, 0);
    var gas = message.gas - program.entry_gas;
    const price = shared.grow(program.initial_pages, 0) catch return failed(machine, .out_of_memory, 0);
    this.pages = program.initial_pages;
    if (price > gas) return failed(machine, .out_of_gas, 0);
    gas -= price;
    const gas_at_start = gas;
    const spare = gas -| most_gas;
    const outcome = try perform(this, (gas - spare) * ink_per_gas);
    gas = spare + this.ink_left / ink_per_gas;
    switch (outcome) {
        .status => |status| {
            const output = this.content();
            if (message.depth > 0) gas = pay_for_output(gas_at_start, gas, output.len) orelse return failed(machine, .out_of_gas, 0);
            machine.answer.clearRetainingCapacity();
            try machine.answer.appendSlice(machine.memory, output);
            machine.detail = if (status == 0) .none else .{ .status = status };
            return .{ .status = if (status == 0) .success else .revert, .gas_left = gas, .output = machine.answer.items };
        },
        .trapped => return failed(machine, .trap, gas),
        .out_of_ink => return failed(machine, .out_of_gas, 0),
        .out_of_stack => {
            shared.describe("out of wasm stack: {d} words are used up", .{this.stack_words});
            return failed(machine, .out_of_stack, 0);
        },
        .out_of_pages => return failed(machine, .out_of_memory, 0),
    }
}

/// A fault; of all but a lack of gas there is a text.
fn failed(machine: *Machine, status: host.Status, gas_left: u64) End {
    machine.detail = if (status == .out_of_gas) .none else .{ .text = machine.wasm.said() };
    return .{ .status = status, .gas_left = gas_left };
}

/// A call's output costs at least what memory of its size costs in the EVM: the gas left, or null where it does not suffice.
fn pay_for_output(gas_at_start: u64, gas: u64, size: usize) ?u64 {
    const used = @as(i128, gas_at_start) - gas;
    const missing = @as(i128, @intCast(frames.price_of(frames.words_of(size)))) - used;
    if (missing <= 0) return gas;
    return if (missing > gas) null else gas - @as(u64, @intCast(missing));
}

/// Call the entry point in an instance of its own.
fn perform(this: *Run, ink: u64) Error!Outcome {
    const shared = &this.machine.wasm;
    const terms = &shared.terms.?;
    const program = &this.kept.program;
    const instance: *Instance = try .take(program.template);
    errdefer instance.drop();
    const scratch = &instance.scratch;
    this.instance = instance;
    this.stack_words = @intCast(@min(terms.frame_words, shared.stack_words));
    const is_brief = terms.brief_ink != 0;
    const inside = if (is_brief) @min(ink, shared.work) else ink;
    if (is_brief) this.frame.share = .{ .outside = ink - inside, .unused = shared.work - inside };
    this.frame.ink = runs.item_of(&scratch.ink);
    this.frame.memory = if (program.has_memory) runs.item_of(&scratch.memory) else null;
    var slots = [1]wasmtime.Slot{.{ .content = @intCast(this.frame.data.len), .room = 0 }};
    const plan: runs.Plan = .{
        .engine = program.engine,
        .template = program.template,
        .scratch = scratch,
        .has_memory = program.has_memory,
        .memory_bytes = @intCast(terms.instance_pages * page_bytes),
        .table_elements = @intCast(terms.table_elements),
        .entry = entry_point,
        .ink = inside,
        .stack_words = this.stack_words,
        .slots = &slots,
        .at_epoch = if (shared.has_deadline) &at_epoch else null,
        .at_epoch_data = this,
    };
    this.let_go();
    var cause: ?*wasmtime.Error = null;
    instance.begin(&plan, &this.frame, &cause) catch {
        if (cause) |reason| api.error_delete(reason);
        if (scratch.trap) |reason| api.trap_delete(reason);
        return error.Refused;
    };
    cause = runs.call(&plan);
    const left = runs.ink_left(scratch);
    this.ink_left = left + if (this.frame.share) |*share| share.outside else 0;
    if (this.frame.share) |*share| shared.work = left + share.unused;
    _ = @atomicRmw(i64, program.heat, .Add, @intCast(1 + (ink -| this.ink_left) / terms.ink_per_heat), .monotonic);
    const outcome = try outcome_of(this, cause, @truncate(@as(u64, @bitCast(slots[0].content))));
    instance.give_back(program.has_memory);
    return outcome;
}

fn outcome_of(this: *Run, cause: ?*wasmtime.Error, status: u32) Error!Outcome {
    const scratch = &this.instance.scratch;
    defer if (scratch.trap) |reason| api.trap_delete(reason);
    if (cause) |reason| api.error_delete(reason);
    if (this.failure) |failure| return failure;
    if (cause != null) return error.Refused;
    switch (this.frame.end) {
        .none => {},
        .raised => return error.Refused,
        .exited => |given| return .{ .status = given },
        .out_of_ink, .too_little_gas => return .out_of_ink,
        .out_of_bounds => |of| {
            this.machine.wasm.describe("wasm trap: memory access up to byte {d}, the memory has {d}", .{ of.end, of.size });
            return .trapped;
        },
        .trapped => return .trapped,
        .out_of_pages => return .out_of_pages,
    }
    const trap = scratch.trap orelse return .{ .status = status };
    var code: u8 = 0;
    if (!api.trap_code(trap, &code) or code == 0 or code > traps.len) return error.Refused;
    switch (runs.read(scratch, "zvm_fault") catch return error.Refused) {
        0 => {},
        // a brief run that works too long: another thread begins it again
        out_of_ink => return if (this.frame.share != null and this.frame.share.?.outside > 0) error.Refused else .out_of_ink,
        out_of_stack => return .out_of_stack,
        else => return error.Refused,
    }
    this.machine.wasm.describe("wasm trap: {s}", .{traps[code - 1]});
    return .trapped;
}

/// The epoch has advanced for a run that has met its deadline: for this one, or for another, and it goes on.
fn at_epoch(_: *wasmtime.Context, data: ?*anyopaque, epochs: *u64, kind: *u8) callconv(.c) ?*wasmtime.Error {
    const this: *Run = @ptrCast(@alignCast(data.?));
    const from = this.machine.state.host;
    // with the lock, a look is one at the clock
    from.table.hold(from.context);
    from.table.look(from.context) catch |reason| {
        this.failure = reason;
        return api.error_new("the deadline has passed");
    };
    this.let_go();
    epochs.* = 1;
    kind.* = 0;
    return null;
}
