//! Calls and creations over a state in memory: what the ZVM of a node does, for contracts compiled into the test.

const std = @import("std");
const fibers = @import("fiber.zig");
const precompiles = @import("precompiles.zig");
const states = @import("state.zig");
const contract = @import("../contract.zig");
const types = @import("../types.zig");

const Address = types.Address;
const State = states.State;
const Word = states.Word;

/// Frames that may be open in each other, as on the chain.
pub const most_frames = 1024;

/// What contracts see of the block and the transaction; a test may change any of it.
pub const Block = struct {
    number: u64 = 1,
    timestamp: u64 = 1_700_000_000,
    base_fee: u256 = 1_000_000_000,
    blob_base_fee: u256 = 1,
    gas_price: u256 = 1_000_000_000,
    gas_limit: u64 = 60_000_000,
    chain_id: u64 = 31337,
    coinbase: Address = .zero,
    prevrandao: Word = @splat(0),
};

pub const Message = struct {
    caller: Address,
    /// The account that acts, and whose storage it is.
    target: Address,
    /// The account whose code runs.
    code: Address,
    value: u256 = 0,
    /// The value is only seen then, not moved.
    is_delegate: bool = false,
    data: []const u8,
    gas: u64,
    is_static: bool = false,
    is_creation: bool = false,
};

pub const Outcome = struct { succeeded: bool, data: []const u8 };

/// One call of a contract.
pub const Frame = struct {
    machine: *Machine,
    parent: ?*Frame,
    message: Message,
    memory: std.heap.ArenaAllocator,
    /// Words read or written that are not in the state yet.
    cache: std.AutoHashMapUnmanaged(Word, Cached) = .empty,
    output: []const u8 = &.{},
    /// What the last call of this frame gave back.
    returned: []const u8 = &.{},
    status: u32 = 0,
    fiber: fibers.Fiber = undefined,

    pub const Cached = struct { value: Word, is_dirty: bool };

    pub fn allocator(self: *Frame) std.mem.Allocator {
        return self.memory.allocator();
    }

    /// End the frame, from any depth.
    pub fn stop(self: *Frame, status: u32) noreturn {
        self.status = status;
        self.fiber.leave();
    }

    /// End the frame where the host refuses a call of it: a failure without data.
    pub fn refuse(self: *Frame, reason: []const u8) noreturn {
        self.machine.refusal = reason;
        self.output = &.{};
        self.stop(1);
    }

    fn run(argument: *anyopaque) void {
        const self: *Frame = @ptrCast(@alignCast(argument));
        const entry = self.machine.state.account(self.message.code).entry.?;
        self.status = entry(self.message.data.len);
    }
};

pub const Machine = struct {
    /// Of all that lives as long as the machine.
    arena: std.heap.ArenaAllocator,
    backing: std.mem.Allocator,
    state: State,
    block: Block = .{},
    origin: Address = .zero,
    frame: ?*Frame = null,
    depth: usize = 0,
    stacks: fibers.Stacks,
    creatable: std.ArrayList(Creatable) = .empty,
    /// Why the host refused the last frame that it refused.
    refusal: ?[]const u8 = null,

    /// Creation code that contracts may deploy, and what it stands for.
    pub const Creatable = struct { code: []const u8, entry: states.Entry, has_constructor: bool };

    /// The machine whose frame runs, or ran last.
    pub threadlocal var current: ?*Machine = null;

    pub fn create(backing: std.mem.Allocator) *Machine {
        const self = backing.create(Machine) catch states.outOfMemory();
        self.* = .{ .arena = .init(backing), .backing = backing, .state = undefined, .stacks = .{ .allocator = backing } };
        self.state = .{ .allocator = self.arena.allocator() };
        return self;
    }

    pub fn destroy(self: *Machine) void {
        if (current == self) current = null;
        self.stacks.deinit();
        self.arena.deinit();
        self.backing.destroy(self);
    }

    /// Run a message. Its data in the outcome lives as long as the caller's frame, or as the machine.
    pub fn execute(self: *Machine, message: Message) Outcome {
        const keeper = if (self.frame) |parent| parent.allocator() else self.arena.allocator();
        current = self;
        if (self.depth >= most_frames) return .{ .succeeded = false, .data = &.{} };
        const mark = self.state.mark();
        if (!message.is_delegate and message.value != 0 and !self.state.transfer(message.caller, message.target, message.value)) {
            return .{ .succeeded = false, .data = &.{} };
        }
        const outcome = self.runCode(message, keeper);
        if (!outcome.succeeded) self.state.goBack(mark);
        return outcome;
    }

    fn runCode(self: *Machine, message: Message, keeper: std.mem.Allocator) Outcome {
        if (precompiles.find(message.code)) |precompile| return precompile(message.data, keeper);
        if (self.state.account(message.code).entry == null) return .{ .succeeded = true, .data = &.{} };
        var frame: Frame = .{ .machine = self, .parent = self.frame, .message = message, .memory = .init(self.backing) };
        defer frame.memory.deinit();
        self.frame = &frame;
        self.depth += 1;
        frame.fiber.enter(&self.stacks, &Frame.run, &frame) catch states.outOfMemory();
        self.depth -= 1;
        self.frame = frame.parent;
        const data = keeper.dupe(u8, frame.output) catch states.outOfMemory();
        return .{ .succeeded = frame.status == 0, .data = data };
    }

    /// Deploy what runs `entry`, with the constructor's call data where it has one. The outcome's data is empty on success.
    pub fn deploy(self: *Machine, creator: Address, created: Address, code: Creatable, arguments: ?[]const u8, value: u256, gas: u64) Outcome {
        const mark = self.state.mark();
        _ = self.state.useNonce(created);
        self.state.setCode(created, code.code, code.entry);
        const outcome = if (arguments) |data| self.execute(.{
            .caller = creator,
            .target = created,
            .code = created,
            .value = value,
            .data = data,
            .gas = gas,
            .is_creation = true,
        }) else Outcome{ .succeeded = value == 0 or self.state.transfer(creator, created, value), .data = &.{} };
        if (!outcome.succeeded) self.state.goBack(mark);
        return .{ .succeeded = outcome.succeeded, .data = if (outcome.succeeded) &.{} else outcome.data };
    }

    /// What creation code stands for, and its constructor's call data; null where no test named it.
    pub fn creation(self: *Machine, code: []const u8) ?struct { Creatable, ?[]const u8 } {
        for (self.creatable.items) |known| {
            if (!std.mem.startsWith(u8, code, known.code)) continue;
            if (!known.has_constructor) return .{ known, null };
            const parts: []const []const u8 = &.{ &contract.constructor_selector, code[known.code.len..] };
            return .{ known, std.mem.concat(self.arena.allocator(), u8, parts) catch states.outOfMemory() };
        }
        return null;
    }

    /// Whether the acting account has more than one frame of its own open; delegate calls are none of its own.
    pub fn isReentrant(self: *const Machine) bool {
        var own: usize = 0;
        var next = self.frame;
        while (next) |open| : (next = open.parent) {
            own += @intFromBool(open.message.target.eql(self.frame.?.message.target) and !open.message.is_delegate);
        }
        return own > 1;
    }
};
