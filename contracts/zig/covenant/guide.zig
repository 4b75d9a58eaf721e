//! The names of the SHROUD guide: its types, its errors, its costs and limits, and `zigContract`.
//! The in-process Covenant VM (docs/covenant.md) charges these costs; on a chain the chain's own prices hold.

const std = @import("std");
const environment = @import("environment.zig");
const simple_token = @import("simple_token.zig");

pub const ContractAddress = [20]u8;
pub const StateHash = [32]u8;
pub const GasLimit = u64;

/// The errors of a Covenant VM. A contract's function that has them, `CovenantError!T`, reverts with `AccessDenied()`,
/// `InvalidParameters()` and so on.
pub const CovenantError = error{
    ContractExecutionFailed,
    InvalidParameters,
    StateMismatch,
    CompilationFailed,
    InsufficientGas,
    AccessDenied,
    StateCorrupted,
    InvalidOpcode,
    StackOverflow,
    StackUnderflow,
    OutOfMemory,
};

/// Gas of the Covenant VM's schedule.
pub const GAS_COSTS = struct {
    pub const SLOAD = 800;
    pub const SSTORE = 5000;
    pub const CALL = 700;
    pub const CREATE = 32000;
    pub const TRANSFER = 21000;
};

/// Limits of the Covenant VM, in bytes and frames.
pub const MemoryLimits = struct {
    pub const MAX_MEMORY = 64 * 1024 * 1024;
    pub const MAX_STACK_DEPTH = 1024;
    pub const MAX_CALLDATA_SIZE = 1024 * 1024;
};

/// Who calls, with what, and the gas that is left.
pub const ExecutionContext = struct {
    sender: ContractAddress,
    origin: ContractAddress,
    gas_limit: GasLimit,
    gas_used: GasLimit = 0,
    value: u256 = 0,
    data: []const u8 = &.{},
    block_number: u64 = 0,
    timestamp: u64 = 0,

    /// A context of a sender's own call. Nothing is allocated; the allocator is there as the guide has it.
    pub fn init(_: std.mem.Allocator, sender: ContractAddress, gas_limit: GasLimit) ExecutionContext {
        return .{ .sender = sender, .origin = sender, .gas_limit = gas_limit };
    }

    /// The context of the call that runs this contract; its gas limit is what is left.
    pub fn current(data: []const u8) ExecutionContext {
        return .{
            .sender = environment.sender().bytes,
            .origin = environment.origin().bytes,
            .gas_limit = environment.gasLeft(),
            .value = environment.value(),
            .data = data,
            .block_number = environment.blockNumber(),
            .timestamp = environment.timestamp(),
        };
    }

    /// InsufficientGas where less is left; then none is used.
    pub fn consumeGas(self: *ExecutionContext, amount: GasLimit) CovenantError!void {
        if (amount > self.gas_limit -| self.gas_used) return error.InsufficientGas;
        self.gas_used += amount;
    }
};

/// A contract's storage in memory. On a chain a contract's storage is `covenant.layout`.
pub const ContractState = struct {
    storage: std.AutoHashMap([32]u8, [32]u8),
    balance: u256 = 0,
    nonce: u64 = 0,
    code_hash: StateHash = @splat(0),

    pub fn init(allocator: std.mem.Allocator) ContractState {
        return .{ .storage = .init(allocator) };
    }

    pub fn deinit(self: *ContractState) void {
        self.storage.deinit();
    }

    /// The value of a key, or null where none was set.
    pub fn get(self: *const ContractState, key: [32]u8) ?[32]u8 {
        return self.storage.get(key);
    }

    pub fn set(self: *ContractState, key: [32]u8, value: [32]u8) !void {
        try self.storage.put(key, value);
    }
};

/// The guide's token: `covenant.define(zigContract("MyToken"))` deploys it, with the whole supply at the deployer. Its
/// functions on a chain are those of simple_token.zig; the methods here are the guide's, over a state in memory.
pub fn zigContract(comptime name: []const u8) type {
    return struct {
        state: ContractState,
        allocator: std.mem.Allocator,

        const Self = @This();

        /// The contract that `define` takes.
        pub const contract = simple_token.SimpleToken(name);

        /// An empty state; `constructor_params` are the deployer's address, at the end of a word or alone, or nothing
        /// for the zero address, which gets the whole supply.
        pub fn init(allocator: std.mem.Allocator, constructor_params: []const u8) !Self {
            var self: Self = .{ .state = .init(allocator), .allocator = allocator };
            errdefer self.deinit();
            const deployer: ContractAddress = try addressOf(constructor_params) orelse @splat(0);
            try self.state.set(keyOf(deployer), wordOf(simple_token.whole_supply));
            return self;
        }

        pub fn deinit(self: *Self) void {
            self.state.deinit();
        }

        /// Run a method by its name; the caller frees the result. InvalidParameters where there is none of that name.
        pub fn call(self: *Self, method: []const u8, params: []const u8, context: *ExecutionContext) CovenantError![]u8 {
            try context.consumeGas(GAS_COSTS.CALL);
            inline for (.{ "balanceOf", "transfer", "getInfo" }) |known| {
                if (std.mem.eql(u8, method, known)) return @field(Self, known)(self, params, context);
            }
            return error.InvalidParameters;
        }

        /// A word: the balance of the address in `params`, or of the sender where there is none.
        pub fn balanceOf(self: *Self, params: []const u8, context: *ExecutionContext) CovenantError![]u8 {
            try context.consumeGas(GAS_COSTS.SLOAD);
            const account = try addressOf(params) orelse context.sender;
            return self.answer(self.balance(account));
        }

        /// `params` are two words: the receiver, the amount. A word of 1.
        pub fn transfer(self: *Self, params: []const u8, context: *ExecutionContext) CovenantError![]u8 {
            if (params.len != 64) return error.InvalidParameters;
            try context.consumeGas(2 * (GAS_COSTS.SLOAD + GAS_COSTS.SSTORE));
            const to = (try addressOf(params[0..32])).?;
            const amount = std.mem.readInt(u256, params[32..64], .big);
            const held = self.balance(context.sender);
            if (held < amount) return error.InvalidParameters;
            self.state.set(keyOf(context.sender), wordOf(held - amount)) catch return error.OutOfMemory;
            self.state.set(keyOf(to), wordOf(self.balance(to) + amount)) catch return error.OutOfMemory;
            return self.answer(1);
        }

        /// The contract's name.
        pub fn getInfo(self: *Self, _: []const u8, context: *ExecutionContext) CovenantError![]u8 {
            try context.consumeGas(GAS_COSTS.SLOAD);
            return self.allocator.dupe(u8, name) catch error.OutOfMemory;
        }

        fn balance(self: *const Self, account: ContractAddress) u256 {
            const word = self.state.get(keyOf(account)) orelse return 0;
            return std.mem.readInt(u256, &word, .big);
        }

        fn answer(self: *Self, number: u256) CovenantError![]u8 {
            return self.allocator.dupe(u8, &wordOf(number)) catch error.OutOfMemory;
        }

        fn addressOf(params: []const u8) CovenantError!?ContractAddress {
            return switch (params.len) {
                0 => null,
                20 => params[0..20].*,
                32 => params[12..32].*,
                else => error.InvalidParameters,
            };
        }
    };
}

fn keyOf(account: ContractAddress) [32]u8 {
    return @as([12]u8, @splat(0)) ++ account;
}

fn wordOf(number: u256) [32]u8 {
    var word: [32]u8 = undefined;
    std.mem.writeInt(u256, &word, number, .big);
    return word;
}
