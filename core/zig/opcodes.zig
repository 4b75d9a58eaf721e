//! The instructions, one row each: value, name, words taken and given, constant gas by fork, body.

const calls = @import("calls.zig");
const create = @import("create.zig");
const environment = @import("instructions_environment.zig");
const flow = @import("instructions_flow.zig");
const forks = @import("forks.zig");
const frames = @import("frame.zig");
const interpreter = @import("interpreter.zig");
const memory = @import("instructions_memory.zig");
const state = @import("instructions_state.zig");
const words = @import("instructions_words.zig");
const Failure = @import("faults.zig").Failure;

const Fork = forks.Fork;
const Step = frames.Step;

/// What a row does. quick: may be part of the interpreter's loop. slow: is not. calling: whether it has opened a frame.
/// ending: leaves the frame.
pub const Body = union(enum) {
    none,
    quick: *const fn (*Step) Failure!void,
    slow: *const fn (*Step) Failure!void,
    calling: *const fn (*Step) Failure!bool,
    ending: *const fn (*Step) Failure!interpreter.Exit,
};

/// The constant gas from a fork on.
const Price = struct { since: Fork, gas: u16 };

pub const Row = struct {
    name: []const u8 = "",
    pops: u8 = 0,
    pushes: u8 = 0,
    /// In order; none of an opcode that no fork has.
    prices: []const Price = &.{},
    body: Body = .none,

    /// Null where the fork has no such instruction.
    pub fn gas_of(self: *const Row, fork: Fork) ?u16 {
        var gas: ?u16 = null;
        for (self.prices) |price| {
            if (fork.from(price.since)) gas = price.gas;
        }
        return gas;
    }

    /// Words on the stack at most before it.
    pub fn most(self: *const Row) u16 {
        return @min(frames.stack_limit, frames.stack_limit + @as(u16, self.pops) - self.pushes);
    }

    fn admission(self: *const Row, fork: Fork) Admission {
        const gas = self.gas_of(fork) orelse return .{};
        return .{ .gas = gas, .least = self.pops, .span = self.most() - self.pops };
    }

    /// The admission of an instruction that is the same in all forks.
    pub fn constant(comptime self: Row) ?Admission {
        if (self.prices.len != 1 or self.prices[0].since != .frontier) return null;
        return self.admission(.frontier);
    }
};

/// What the interpreter checks ahead of an instruction. By default it is admitted on no stack.
pub const Admission = struct {
    gas: u16 = 0,
    least: u16 = frames.stack_limit + 1,
    span: u16 = 0,

    pub inline fn fits(self: Admission, height: usize) bool {
        return height -% self.least <= self.span;
    }
};

pub const Admissions = [256]Admission;

pub fn admissions_of(fork: Fork) *const Admissions {
    return &admissions[@intFromEnum(fork)];
}

const admissions: [forks.count]Admissions = blk: {
    @setEvalBranchQuota(1_000_000);
    var table: [forks.count]Admissions = undefined;
    for (&table, 0..) |*of_fork, index| {
        for (of_fork, &rows) |*admission, *row| admission.* = row.admission(@enumFromInt(index));
    }
    break :blk table;
};

fn always(comptime gas: u16) []const Price {
    return since(.frontier, gas);
}

fn since(comptime fork: Fork, comptime gas: u16) []const Price {
    return &.{.{ .since = fork, .gas = gas }};
}

/// EIP-150, EIP-1884 and EIP-2929, which leaves all of the price to the body.
const balance_prices: []const Price = &.{ .{ .since = .frontier, .gas = 20 }, .{ .since = .tangerine_whistle, .gas = 400 }, .{ .since = .istanbul, .gas = 700 }, .{ .since = .berlin, .gas = 0 } };
const code_prices: []const Price = &.{ .{ .since = .frontier, .gas = 20 }, .{ .since = .tangerine_whistle, .gas = 700 }, .{ .since = .berlin, .gas = 0 } };
const code_hash_prices: []const Price = &.{ .{ .since = .constantinople, .gas = 400 }, .{ .since = .istanbul, .gas = 700 }, .{ .since = .berlin, .gas = 0 } };
const load_prices: []const Price = &.{ .{ .since = .frontier, .gas = 50 }, .{ .since = .tangerine_whistle, .gas = 200 }, .{ .since = .istanbul, .gas = 800 }, .{ .since = .berlin, .gas = 0 } };
const call_prices: []const Price = &.{ .{ .since = .frontier, .gas = 40 }, .{ .since = .tangerine_whistle, .gas = 700 }, .{ .since = .berlin, .gas = 0 } };
const delegate_prices: []const Price = &.{ .{ .since = .homestead, .gas = 40 }, .{ .since = .tangerine_whistle, .gas = 700 }, .{ .since = .berlin, .gas = 0 } };
const static_prices: []const Price = &.{ .{ .since = .byzantium, .gas = 700 }, .{ .since = .berlin, .gas = 0 } };
const destruct_prices: []const Price = &.{ .{ .since = .frontier, .gas = 0 }, .{ .since = .tangerine_whistle, .gas = 5_000 } };

const Entry = struct { u8, []const u8, u8, u8, []const Price, Body };

const entries = [_]Entry{
    .{ 0x00, "STOP", 0, 0, always(0), .{ .ending = flow.stop } },
    .{ 0x01, "ADD", 2, 1, always(3), .{ .quick = words.add } },
    .{ 0x02, "MUL", 2, 1, always(5), .{ .quick = words.mul } },
    .{ 0x03, "SUB", 2, 1, always(3), .{ .quick = words.sub } },
    .{ 0x04, "DIV", 2, 1, always(5), .{ .slow = words.div } },
    .{ 0x05, "SDIV", 2, 1, always(5), .{ .slow = words.sdiv } },
    .{ 0x06, "MOD", 2, 1, always(5), .{ .slow = words.mod } },
    .{ 0x07, "SMOD", 2, 1, always(5), .{ .slow = words.smod } },
    .{ 0x08, "ADDMOD", 3, 1, always(8), .{ .slow = words.addmod } },
    .{ 0x09, "MULMOD", 3, 1, always(8), .{ .slow = words.mulmod } },
    .{ 0x0a, "EXP", 2, 1, always(10), .{ .slow = words.exp } },
    .{ 0x0b, "SIGNEXTEND", 2, 1, always(5), .{ .quick = words.signextend } },
    .{ 0x10, "LT", 2, 1, always(3), .{ .quick = words.lt } },
    .{ 0x11, "GT", 2, 1, always(3), .{ .quick = words.gt } },
    .{ 0x12, "SLT", 2, 1, always(3), .{ .quick = words.slt } },
    .{ 0x13, "SGT", 2, 1, always(3), .{ .quick = words.sgt } },
    .{ 0x14, "EQ", 2, 1, always(3), .{ .quick = words.eq } },
    .{ 0x15, "ISZERO", 1, 1, always(3), .{ .quick = words.iszero } },
    .{ 0x16, "AND", 2, 1, always(3), .{ .quick = words.bit_and } },
    .{ 0x17, "OR", 2, 1, always(3), .{ .quick = words.bit_or } },
    .{ 0x18, "XOR", 2, 1, always(3), .{ .quick = words.bit_xor } },
    .{ 0x19, "NOT", 1, 1, always(3), .{ .quick = words.bit_not } },
    .{ 0x1a, "BYTE", 2, 1, always(3), .{ .quick = words.byte } },
    .{ 0x1b, "SHL", 2, 1, since(.constantinople, 3), .{ .quick = words.shl } },
    .{ 0x1c, "SHR", 2, 1, since(.constantinople, 3), .{ .quick = words.shr } },
    .{ 0x1d, "SAR", 2, 1, since(.constantinople, 3), .{ .quick = words.sar } },
    .{ 0x1e, "CLZ", 1, 1, since(.osaka, 5), .{ .quick = words.clz } },
    .{ 0x20, "KECCAK256", 2, 1, always(30), .{ .slow = memory.keccak256 } },
    .{ 0x30, "ADDRESS", 0, 1, always(2), .{ .quick = environment.address } },
    .{ 0x31, "BALANCE", 1, 1, balance_prices, .{ .slow = environment.balance } },
    .{ 0x32, "ORIGIN", 0, 1, always(2), .{ .quick = environment.origin } },
    .{ 0x33, "CALLER", 0, 1, always(2), .{ .quick = environment.caller } },
    .{ 0x34, "CALLVALUE", 0, 1, always(2), .{ .quick = environment.callvalue } },
    .{ 0x35, "CALLDATALOAD", 1, 1, always(3), .{ .quick = environment.calldataload } },
    .{ 0x36, "CALLDATASIZE", 0, 1, always(2), .{ .quick = environment.calldatasize } },
    .{ 0x37, "CALLDATACOPY", 3, 0, always(3), .{ .slow = memory.calldatacopy } },
    .{ 0x38, "CODESIZE", 0, 1, always(2), .{ .quick = environment.codesize } },
    .{ 0x39, "CODECOPY", 3, 0, always(3), .{ .slow = memory.codecopy } },
    .{ 0x3a, "GASPRICE", 0, 1, always(2), .{ .quick = environment.gasprice } },
    .{ 0x3b, "EXTCODESIZE", 1, 1, code_prices, .{ .slow = environment.extcodesize } },
    .{ 0x3c, "EXTCODECOPY", 4, 0, code_prices, .{ .slow = environment.extcodecopy } },
    .{ 0x3d, "RETURNDATASIZE", 0, 1, since(.byzantium, 2), .{ .quick = environment.returndatasize } },
    .{ 0x3e, "RETURNDATACOPY", 3, 0, since(.byzantium, 3), .{ .slow = memory.returndatacopy } },
    .{ 0x3f, "EXTCODEHASH", 1, 1, code_hash_prices, .{ .slow = environment.extcodehash } },
    .{ 0x40, "BLOCKHASH", 1, 1, always(20), .{ .slow = environment.blockhash } },
    .{ 0x41, "COINBASE", 0, 1, always(2), .{ .quick = environment.coinbase } },
    .{ 0x42, "TIMESTAMP", 0, 1, always(2), .{ .quick = environment.timestamp } },
    .{ 0x43, "NUMBER", 0, 1, always(2), .{ .quick = environment.number } },
    .{ 0x44, "PREVRANDAO", 0, 1, always(2), .{ .quick = environment.prevrandao } },
    .{ 0x45, "GASLIMIT", 0, 1, always(2), .{ .quick = environment.gaslimit } },
    .{ 0x46, "CHAINID", 0, 1, since(.istanbul, 2), .{ .quick = environment.chainid } },
    .{ 0x47, "SELFBALANCE", 0, 1, since(.istanbul, 5), .{ .slow = environment.selfbalance } },
    .{ 0x48, "BASEFEE", 0, 1, since(.london, 2), .{ .quick = environment.basefee } },
    .{ 0x49, "BLOBHASH", 1, 1, since(.cancun, 3), .{ .quick = environment.blobhash } },
    .{ 0x4a, "BLOBBASEFEE", 0, 1, since(.cancun, 2), .{ .quick = environment.blobbasefee } },
    .{ 0x50, "POP", 1, 0, always(2), .{ .quick = flow.pop } },
    .{ 0x51, "MLOAD", 1, 1, always(3), .{ .quick = memory.mload } },
    .{ 0x52, "MSTORE", 2, 0, always(3), .{ .quick = memory.mstore } },
    .{ 0x53, "MSTORE8", 2, 0, always(3), .{ .quick = memory.mstore8 } },
    .{ 0x54, "SLOAD", 1, 1, load_prices, .{ .slow = state.sload } },
    .{ 0x55, "SSTORE", 2, 0, always(0), .{ .slow = state.sstore } },
    .{ 0x56, "JUMP", 1, 0, always(8), .{ .quick = flow.jump } },
    .{ 0x57, "JUMPI", 2, 0, always(10), .{ .quick = flow.jumpi } },
    .{ 0x58, "PC", 0, 1, always(2), .{ .quick = flow.pc } },
    .{ 0x59, "MSIZE", 0, 1, always(2), .{ .quick = memory.msize } },
    .{ 0x5a, "GAS", 0, 1, always(2), .{ .quick = flow.gas } },
    .{ 0x5b, "JUMPDEST", 0, 0, always(1), .{ .quick = flow.jumpdest } },
    .{ 0x5c, "TLOAD", 1, 1, since(.cancun, 100), .{ .slow = state.tload } },
    .{ 0x5d, "TSTORE", 2, 0, since(.cancun, 100), .{ .slow = state.tstore } },
    .{ 0x5e, "MCOPY", 3, 0, since(.cancun, 3), .{ .slow = memory.mcopy } },
    .{ 0x5f, "PUSH0", 0, 1, since(.shanghai, 2), .{ .quick = flow.push(0) } },
    .{ 0xf0, "CREATE", 3, 1, always(0), .{ .calling = create.create } },
    .{ 0xf1, "CALL", 7, 1, call_prices, .{ .calling = calls.call(.call) } },
    .{ 0xf2, "CALLCODE", 7, 1, call_prices, .{ .calling = calls.call(.callcode) } },
    .{ 0xf3, "RETURN", 2, 0, always(0), .{ .ending = memory.return_ } },
    .{ 0xf4, "DELEGATECALL", 6, 1, delegate_prices, .{ .calling = calls.call(.delegatecall) } },
    .{ 0xf5, "CREATE2", 4, 1, since(.constantinople, 0), .{ .calling = create.create2 } },
    .{ 0xfa, "STATICCALL", 6, 1, static_prices, .{ .calling = calls.call(.staticcall) } },
    .{ 0xfd, "REVERT", 2, 0, since(.byzantium, 0), .{ .ending = memory.revert } },
    .{ 0xff, "SELFDESTRUCT", 1, 0, destruct_prices, .{ .ending = state.selfdestruct } },
};

pub const rows: [256]Row = blk: {
    @setEvalBranchQuota(100_000);
    var table: [256]Row = @splat(.{});
    for (entries) |entry| {
        const value, const name, const pops, const pushes, const prices, const body = entry;
        table[value] = .{ .name = name, .pops = pops, .pushes = pushes, .prices = prices, .body = body };
    }
    for (1..33) |size| {
        table[0x5f + size] = .{ .name = numbered("PUSH", size), .pushes = 1, .prices = always(3), .body = .{ .quick = flow.push(size) } };
    }
    for (1..17) |depth| {
        table[0x7f + depth] = .{ .name = numbered("DUP", depth), .pops = depth, .pushes = depth + 1, .prices = always(3), .body = .{ .quick = flow.dup(depth) } };
        table[0x8f + depth] = .{ .name = numbered("SWAP", depth), .pops = depth + 1, .pushes = depth + 1, .prices = always(3), .body = .{ .quick = flow.swap(depth) } };
    }
    for (0..5) |topics| {
        table[0xa0 + topics] = .{ .name = numbered("LOG", topics), .pops = topics + 2, .prices = always(375), .body = .{ .slow = state.log(topics) } };
    }
    break :blk table;
};

fn numbered(comptime name: []const u8, comptime number: usize) []const u8 {
    return name ++ @import("std").fmt.comptimePrint("{d}", .{number});
}
