//! The machine: runs the outermost message of a transaction or a call, with all that it calls, on a state. Frames lie on
//! a stack of its own, so depth is no matter of the C stack.

const std = @import("std");
const calls = @import("calls.zig");
const create = @import("create.zig");
const faults = @import("faults.zig");
const forks = @import("forks.zig");
const frames = @import("frame.zig");
const host = @import("host.zig");
const interpreter = @import("interpreter.zig");
const opcodes = @import("opcodes.zig");
const Account = @import("state.zig").Account;
const Error = @import("errors.zig").Error;
const State = @import("state.zig").State;
const Watch = @import("watch.zig").Watch;
const wasm = @import("wasm_terms.zig");

const Allocator = std.mem.Allocator;
const Frame = frames.Frame;

/// How a message ended. `output` is valid until another frame begins.
pub const End = struct { status: host.Status, gas_left: u64, output: []const u8 = "" };

/// Blocks whose hashes code may ask for.
pub const ancestors_kept = 256;

/// Frames of a run on the event loop: the memory of more takes longer than their gas tells.
const brief_frames = 64;

/// What a message takes beyond the instructions that it runs, in the time of so much gas.
const message_gas = 5_000;

pub const Machine = struct {
    memory: Allocator,
    state: *State = undefined,
    block: *const host.Block = undefined,
    transaction: *const host.Transaction = undefined,
    rules: *const forks.Rules = undefined,
    admissions: *const opcodes.Admissions = undefined,
    /// Open frames, the innermost at `depth - 1`; those behind are kept to be used again.
    frames: std.ArrayList(*Frame) = .empty,
    depth: usize = 0,
    /// What the last precompile gave.
    answer: std.ArrayList(u8) = .empty,
    /// Hashes of ancestors that were asked for, by number modulo 256; made when the first one is.
    ancestors: ?*[ancestors_kept]?host.Word = null,
    detail: host.Detail = .none,
    spare_gas: u64 = std.math.maxInt(u64),
    watch: ?*Watch = null,
    /// What WebAssembly frames share.
    wasm: wasm.Shared = .{},
    /// Below so much gas of the innermost frame the clock is looked at.
    look_below: i64 = 0,
    /// Gas that messages before this one have used since the last look; that between two looks at most, and so of the
    /// first one: its deadline may have passed.
    unlooked: i64 = host.gas_between_looks,

    pub fn init(memory: Allocator) Machine {
        return .{ .memory = memory };
    }

    pub fn deinit(self: *Machine) void {
        for (self.frames.items) |frame| {
            frame.free(self.memory);
            self.memory.destroy(frame);
        }
        self.frames.deinit(self.memory);
        if (self.ancestors) |hashes| self.memory.destroy(hashes);
        if (self.wasm.programs.items.len > 0) self.wasm.drop_all(self.state.host);
        self.wasm.deinit(self.memory);
        self.answer.deinit(self.memory);
    }

    pub fn innermost(self: *const Machine) *Frame {
        return self.frames.items[self.depth - 1];
    }

    /// A frame on top, whose message is still to begin.
    pub fn open(self: *Machine) Error!*Frame {
        if (self.depth == self.frames.items.len) {
            if (self.depth == brief_frames) try self.bound(self.depth + 1, brief_frames);
            try self.frames.ensureUnusedCapacity(self.memory, 1);
            const frame = try self.memory.create(Frame);
            errdefer self.memory.destroy(frame);
            frame.* = .{ .stack = try frames.make_stack(self.memory) };
            self.frames.appendAssumeCapacity(frame);
        }
        self.depth += 1;
        return self.innermost();
    }

    /// Look at the clock if enough gas went since the last time. gas: of the innermost frame.
    pub inline fn look_if_due(self: *Machine, gas: u64) Error!void {
        if (@as(i64, @bitCast(gas)) < self.look_below) try self.look(gas);
    }

    noinline fn look(self: *Machine, gas: u64) Error!void {
        @branchHint(.cold);
        self.look_below = @as(i64, @bitCast(gas)) - host.gas_between_looks;
        try self.state.host.table.look(self.state.host.context);
    }

    /// The innermost frame is another one: what is left until the next look stays.
    pub fn change_frame(self: *Machine, gas_before: u64, gas_after: u64) void {
        self.look_below +|= @as(i64, @bitCast(gas_after)) - @as(i64, @bitCast(gas_before));
    }

    /// Note that a message reaches an account; before EIP-161 it comes to be.
    pub fn touch(self: *Machine, account: Account) Error!void {
        if (self.rules.has_empty_accounts) try self.state.create_empty(account) else try self.state.touch(account);
    }

    /// The hash of one of the last blocks, which the host is asked for once.
    pub fn ancestor(self: *Machine, number: host.Word) Error!host.Word {
        const hashes = self.ancestors orelse blk: {
            const made = try self.memory.create([ancestors_kept]?host.Word);
            made.* = @splat(null);
            self.ancestors = made;
            break :blk made;
        };
        const place = &hashes[@as(u8, @truncate(number))];
        if (place.*) |known| return known;
        const found = try self.state.host.table.block_hash(self.state.host.context, number);
        place.* = found;
        return found;
    }

    /// An instruction that looks at an account went well.
    pub inline fn looked_at(self: *Machine, account: Account) Error!void {
        if (self.watch) |watch| try watch.look(self.state, account);
    }

    /// A message's end, which who watches is told of.
    pub fn ended(self: *Machine, gas_limit: u64, end: End) Error!End {
        if (self.watch) |watch| try watch.exit(gas_limit, end, &self.detail);
        return end;
    }

    /// Ahead of a step of this size: Raised where the run has to be brief and the step is not.
    pub fn bound(self: *Machine, size: usize, most: usize) Error!void {
        try self.state.host.table.bound(self.state.host.context, size, most);
    }

    /// Run the innermost frame, and those that it opens, until there are so many frames left.
    pub fn drive(self: *Machine, floor: usize) Error!End {
        while (true) {
            const frame = self.innermost();
            const exit = interpreter.run(self, frame) catch |failure| interpreter.Exit{ .fault = try faults.status_of(failure) };
            if (exit == .calls) continue;
            const end = try calls.finish(self, frame, exit);
            if (self.depth == floor) return end;
            try calls.deliver(self, frame, end);
        }
    }
};

/// Run a message of which all is settled but its course: the gas is bought, the nonce counted, the address free. Refused
/// where the machine does not take it; the state is worth nothing then, and Python decides.
pub fn run(
    machine: *Machine,
    state: *State,
    block: *const host.Block,
    transaction: *const host.Transaction,
    message: *const host.Message,
) Error!host.Result {
    if (block.fork >= forks.count or message.gas >> 63 != 0) return error.Refused;
    const fork: forks.Fork = @enumFromInt(block.fork);
    machine.state = state;
    machine.block = block;
    machine.transaction = transaction;
    machine.rules = .of(fork);
    machine.admissions = opcodes.admissions_of(fork);
    machine.depth = 0;
    machine.detail = .none;
    machine.spare_gas = std.math.maxInt(u64);
    machine.wasm.begin();
    const is_due = machine.unlooked == host.gas_between_looks;
    machine.look_below = @as(i64, @bitCast(message.gas)) - host.gas_between_looks + if (is_due) 0 else machine.unlooked;
    const begun = if (message.is_create())
        try create.begin(machine, message)
    else
        try calls.begin(machine, message, try state.code(try state.at(&message.code_address)));
    const end = begun orelse blk: {
        if (is_due) try state.host.table.look(state.host.context);
        break :blk try machine.drive(0);
    };
    const used = machine.look_below +| host.gas_between_looks -| @as(i64, @bitCast(end.gas_left)) +| message_gas;
    if (!is_due or begun == null) machine.unlooked = std.math.clamp(used, 0, host.gas_between_looks);
    return .{
        .status = end.status,
        .gas_left = end.gas_left,
        .output = end.output,
        .detail = machine.detail,
        .spare_gas = machine.spare_gas,
    };
}
