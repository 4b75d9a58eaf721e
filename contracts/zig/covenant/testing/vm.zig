//! A machine for tests: contracts are deployed and called natively, over accounts in memory.
//!
//!     var vm: covenant.testing.Vm = .init(std.testing.allocator);
//!     defer vm.deinit();
//!     const token = try vm.deploy(Token, .{1000}, .{ .from = alice });
//!     try std.testing.expectEqual(1000, try token.call(.balanceOf, .{alice}, .{}));

const std = @import("std");
const addresses = @import("addresses.zig");
const contract = @import("../contract.zig");
const declaration = @import("../declaration.zig");
const decode = @import("../decode.zig");
const encode = @import("../encode.zig");
const event = @import("../event.zig");
const host = @import("host.zig");
const machines = @import("machine.zig");
const states = @import("state.zig");
const types = @import("../types.zig");

const Address = types.Address;
const Machine = machines.Machine;

pub const Options = struct {
    /// Who sends the transaction.
    from: Address = addresses.named("sender"),
    /// Wei that come along.
    value: u256 = 0,
    gas: u64 = 30_000_000,
};

pub const Outcome = machines.Outcome;
pub const Log = states.Log;

/// What the last transaction that failed ended with, for the test runner's report.
pub threadlocal var last_failure: ?struct { what: []const u8, outcome: Outcome, refusal: ?[]const u8 } = null;

pub const Vm = struct {
    machine: *Machine,

    pub fn init(allocator: std.mem.Allocator) Vm {
        last_failure = null;
        return .{ .machine = .create(allocator) };
    }

    pub fn deinit(self: *Vm) void {
        self.machine.destroy();
    }

    /// Deploy a contract: `arguments` is a tuple for its constructor, `.{}` where it has none. error.Reverted where the
    /// constructor refuses.
    pub fn deploy(self: *Vm, comptime Contract: type, arguments: anytype, options: Options) error{Reverted}!Instance(Contract) {
        const machine = self.machine;
        const address = addresses.created(options.from, machine.state.useNonce(options.from));
        const data = constructorData(Contract, arguments);
        self.begin(options);
        const outcome = machine.deploy(options.from, address, creatable(Contract), data, options.value, options.gas);
        machine.state.finish();
        if (outcome.succeeded) return .{ .machine = machine, .address = address };
        fail(machine, comptime types.ownName(Contract) ++ ".constructor", outcome);
        return error.Reverted;
    }

    /// What a constructor refuses with, as `Instance.expectRevert` has it.
    pub fn expectDeployRevert(self: *Vm, comptime Contract: type, arguments: anytype, options: Options, expected: []const u8) !void {
        _ = self.deploy(Contract, arguments, options) catch return expectData(expected, last_failure.?.outcome.data);
        std.debug.print("the constructor of {s} did not revert\n", .{comptime types.ownName(Contract)});
        return error.TestExpectedRevert;
    }

    /// A contract of this type at an address, as one that another contract created.
    pub fn at(self: *Vm, comptime Contract: type, address: Address) Instance(Contract) {
        return .{ .machine = self.machine, .address = address };
    }

    /// Let contracts create `Contract` by `create` and `create2` with this code, which may be any bytes: the machine
    /// runs native code. Constructor arguments follow it.
    pub fn allowCreation(self: *Vm, code: []const u8, comptime Contract: type) void {
        var known = creatable(Contract);
        known.code = self.machine.arena.allocator().dupe(u8, code) catch states.outOfMemory();
        self.machine.creatable.append(self.machine.arena.allocator(), known) catch states.outOfMemory();
    }

    /// A transaction of plain call data, to any account.
    pub fn send(self: *Vm, to: Address, data: []const u8, options: Options) Outcome {
        return transact(self.machine, "a transaction", to, data, options);
    }

    /// The block and the transaction's prices, as contracts see them from now on.
    pub fn block(self: *Vm) *machines.Block {
        return &self.machine.block;
    }

    /// Set the time, in seconds since 1970.
    pub fn warp(self: *Vm, timestamp: u64) void {
        self.machine.block.timestamp = timestamp;
    }

    /// Set the block's number.
    pub fn roll(self: *Vm, number: u64) void {
        self.machine.block.number = number;
    }

    pub fn balance(self: *Vm, of: Address) u256 {
        return self.machine.state.account(of).balance;
    }

    pub fn setBalance(self: *Vm, of: Address, wei: u256) void {
        self.machine.state.account(of).balance = wei;
    }

    /// A word of an account's storage.
    pub fn slot(self: *Vm, of: Address, key: u256) u256 {
        var word: states.Word = undefined;
        std.mem.writeInt(u256, &word, key, .big);
        return std.mem.readInt(u256, &states.slotOf(&self.machine.state.account(of).storage, word), .big);
    }

    pub fn setSlot(self: *Vm, of: Address, key: u256, value: u256) void {
        var words: [2]states.Word = undefined;
        std.mem.writeInt(u256, &words[0], key, .big);
        std.mem.writeInt(u256, &words[1], value, .big);
        self.machine.state.setSlot(&self.machine.state.account(of).storage, words[0], words[1]);
    }

    /// All logs since the last `clearLogs`, in order.
    pub fn logs(self: *Vm) []const Log {
        return self.machine.state.logs.items;
    }

    pub fn clearLogs(self: *Vm) void {
        self.machine.state.logs.clearRetainingCapacity();
    }

    /// Log `index` is this event, of this contract.
    pub fn expectLog(self: *Vm, index: usize, address: Address, expected: anytype) !void {
        if (index >= self.logs().len) {
            std.debug.print("there is no log {d}: there are {d}\n", .{ index, self.logs().len });
            return error.TestExpectedLog;
        }
        event.emit(expected);
        const found = self.logs()[index];
        try std.testing.expectEqual(address, found.address);
        try std.testing.expectEqualSlices(states.Word, host.test_log.?.topics, found.topics);
        try expectData(host.test_log.?.data, found.data);
    }

    fn begin(self: *Vm, options: Options) void {
        self.machine.origin = options.from;
    }
};

/// A deployed contract of a type.
pub fn Instance(comptime Contract: type) type {
    return struct {
        machine: *Machine,
        address: Address,

        const Self = @This();

        /// Call a function by name, as `.transfer`, with a tuple of arguments. What it changes stays. error.Reverted
        /// where it refuses.
        pub fn call(self: Self, comptime name: @EnumLiteral(), arguments: anytype, options: Options) error{Reverted}!ResultOf(Contract, name) {
            const outcome = self.run(name, arguments, options);
            if (!outcome.succeeded) return error.Reverted;
            return decoded(ResultOf(Contract, name), outcome.data);
        }

        /// The function reverts with exactly this data, as `covenant.errorData(NotOwner{ .who = bob })`.
        pub fn expectRevert(self: Self, comptime name: @EnumLiteral(), arguments: anytype, options: Options, expected: []const u8) !void {
            const outcome = self.run(name, arguments, options);
            if (outcome.succeeded) {
                std.debug.print("{s}.{t} did not revert\n", .{ comptime types.ownName(Contract), name });
                return error.TestExpectedRevert;
            }
            try expectData(expected, outcome.data);
        }

        /// The function reverts with a member of its error set, as `error.NotOwner`.
        pub fn expectError(self: Self, comptime name: @EnumLiteral(), arguments: anytype, options: Options, comptime expected: anytype) !void {
            const selector = comptime types.selector(@errorName(expected) ++ "()");
            try self.expectRevert(name, arguments, options, &selector);
        }

        /// The function ends in Solidity's Panic(uint256): 0x11 for an overflow, 0x32 for an index out of bounds ...
        pub fn expectPanic(self: Self, comptime name: @EnumLiteral(), arguments: anytype, options: Options, code: u8) !void {
            const data = comptime types.selector("Panic(uint256)");
            var expected: [36]u8 = @splat(0);
            expected[0..4].* = data;
            expected[35] = code;
            try self.expectRevert(name, arguments, options, &expected);
        }

        /// The function reverts with `Error(string)` and this text, as `covenant.revert` does.
        pub fn expectMessage(self: Self, comptime name: @EnumLiteral(), arguments: anytype, options: Options, text: []const u8) !void {
            const selector = comptime types.selector("Error(string)");
            try self.expectRevert(name, arguments, options, encode.encode(&selector, .{types.String{ .data = text }}));
        }

        /// A transaction of plain call data to it.
        pub fn send(self: Self, data: []const u8, options: Options) Outcome {
            return transact(self.machine, comptime types.ownName(Contract), self.address, data, options);
        }

        fn run(self: Self, comptime name: @EnumLiteral(), arguments: anytype, options: Options) Outcome {
            const function = comptime functionOf(Contract, name);
            const selector = comptime types.selector(function.signature());
            const data = encode.encode(&selector, typed(function, arguments));
            return transact(self.machine, comptime types.ownName(Contract) ++ "." ++ @tagName(name), self.address, data, options);
        }
    };
}

fn functionOf(comptime Contract: type, comptime name: @EnumLiteral()) declaration.Function {
    return declaration.find(Contract, @tagName(name)) orelse
        @compileError(@typeName(Contract) ++ " has no function " ++ @tagName(name));
}

fn ResultOf(comptime Contract: type, comptime name: @EnumLiteral()) type {
    return functionOf(Contract, name).Result();
}

/// The arguments as the function's parameters; last ones that are optional may be left out.
fn typed(comptime function: declaration.Function, arguments: anytype) Parameters(function, arguments.len) {
    var out: Parameters(function, arguments.len) = undefined;
    inline for (0..arguments.len) |index| out[index] = types.given(@TypeOf(out[index]), arguments[index]);
    return out;
}

fn Parameters(comptime function: declaration.Function, comptime given: usize) type {
    const parameters = function.parameters();
    const declared = @typeInfo(function.Type()).@"fn".param_types;
    const missing = for (declared, 0..) |T, index| {
        if (index >= given and @typeInfo(T.?) != .optional) break true;
    } else false;
    if (given > parameters.len or missing) @compileError(std.fmt.comptimePrint(
        "{s} takes {d} arguments, not {d}",
        .{ function.name, parameters.len, given },
    ));
    return @Tuple(parameters[0..given]);
}

fn decoded(comptime Result: type, data: []const u8) Result {
    if (Result == void) return;
    if (comptime !declaration.isTuple(Result)) return decode.decode(Result, data, 0).?;
    var out: Result = undefined;
    comptime var head = 0;
    inline for (@typeInfo(Result).@"struct".field_types, 0..) |T, index| {
        out[index] = decode.decode(T, data, head).?;
        head += comptime types.headSize(T);
    }
    return out;
}

fn constructorData(comptime Contract: type, arguments: anytype) ?[]const u8 {
    const function = (comptime declaration.find(Contract, "constructor")) orelse {
        if (arguments.len != 0) @compileError(@typeName(Contract) ++ " has no constructor that takes arguments");
        return null;
    };
    return encode.encode(&contract.constructor_selector, typed(function, arguments));
}

fn creatable(comptime Contract: type) Machine.Creatable {
    const Native = struct {
        fn entry(length: usize) u32 {
            return contract.dispatch(Contract, length);
        }
    };
    return .{
        .code = "native code of " ++ comptime types.ownName(Contract),
        .entry = &Native.entry,
        .has_constructor = comptime declaration.find(Contract, "constructor") != null,
    };
}

fn transact(machine: *Machine, what: []const u8, to: Address, data: []const u8, options: Options) Outcome {
    machine.origin = options.from;
    _ = machine.state.useNonce(options.from);
    machine.refusal = null;
    const outcome = machine.execute(.{
        .caller = options.from,
        .target = to,
        .code = to,
        .value = options.value,
        .data = data,
        .gas = options.gas,
    });
    machine.state.finish();
    if (!outcome.succeeded) fail(machine, what, outcome);
    return outcome;
}

fn fail(machine: *const Machine, what: []const u8, outcome: Outcome) void {
    // behind the end of the machine, when the runner reports
    const kept = host.take(outcome.data.len);
    @memcpy(kept, outcome.data);
    last_failure = .{ .what = what, .outcome = .{ .succeeded = false, .data = kept }, .refusal = machine.refusal };
}

/// Bytes as hexadecimal digits, so that a difference can be read.
fn expectData(expected: []const u8, found: []const u8) !void {
    if (std.mem.eql(u8, expected, found)) return;
    std.debug.print("expected 0x{x}\nfound    0x{x}\n", .{ expected, found });
    return error.TestExpectedData;
}
