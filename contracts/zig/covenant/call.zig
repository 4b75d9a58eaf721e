//! Calls with bytes to other contracts, whatever they are written in. interface.zig has calls with types.

const decode = @import("decode.zig");
const encode = @import("encode.zig");
const failure = @import("failure.zig");
const hooks = @import("hooks.zig");
const memory = @import("memory.zig");
const types = @import("types.zig");
const word = @import("word.zig");

pub const Kind = enum { call, static, delegate };

/// All gas that the EVM's rule lets a caller give: it keeps a 64th back.
pub const all_gas: u64 = 0xffff_ffff_ffff_ffff;

pub const Options = struct {
    kind: Kind = .call,
    /// Wei; for kind `call` alone.
    value: u256 = 0,
    /// At most this much; the host keeps a 64th back as the EVM does.
    gas: u64 = all_gas,
};

/// A call's end, with what the callee returned or reverted with.
pub fn Result(comptime T: type) type {
    return union(enum) {
        ok: T,
        failed: Failure,
    };
}

/// How a callee failed.
pub const Failure = struct {
    /// Its revert data; none where it ran out of gas, trapped, or has no code.
    data: []const u8,
    /// Whether there is no code at its address. Solidity's `try` reverts then.
    no_code: bool = false,

    /// The text of `revert("text")`, of `require` and of OpenZeppelin's older errors, or null.
    pub fn reason(self: Failure) ?[]const u8 {
        const text = self.field(types.String, failure.error_selector) orelse return null;
        return text.data;
    }

    /// The code of Panic(uint256), or null.
    pub fn panicCode(self: Failure) ?u256 {
        return self.field(u256, failure.panic_selector);
    }

    /// The error of this type, or null where the data is not that error's.
    pub fn as(self: Failure, comptime E: type) ?E {
        if (!self.begins(comptime types.selector(failure.signatureOf(E)))) return null;
        var out: E = undefined;
        comptime var head = 0;
        inline for (@typeInfo(E).@"struct".field_names) |name| {
            const Field = @FieldType(E, name);
            if (!decode.read(Field, &@field(out, name), self.data[4..], head)) return null;
            head += comptime types.headSize(Field);
        }
        return out;
    }

    /// Whether it is the error of this signature: `failure.is("NotOwner()")`.
    pub fn is(self: Failure, comptime signature: []const u8) bool {
        return self.begins(comptime types.selector(signature));
    }

    /// Revert as the callee did.
    pub fn bubble(self: Failure) noreturn {
        failure.revertBytes(self.data);
    }

    fn field(self: Failure, comptime T: type, selector: [4]u8) ?T {
        return if (self.begins(selector)) decode.decode(T, self.data[4..], 0) else null;
    }

    fn begins(self: Failure, selector: [4]u8) bool {
        return self.data.len >= 4 and @as(u32, @bitCast(self.data[0..4].*)) == @as(u32, @bitCast(selector));
    }
};

/// Call with bytes: what the callee returns, or how it failed.
/// Storage is flushed first, and forgotten, as the callee may call back.
pub fn tryRaw(target: types.Address, data: []const u8, options: Options) Result([]const u8) {
    const succeeded = start(target, data, options);
    const answer = returned();
    return if (succeeded) .{ .ok = answer } else .{ .failed = .{ .data = answer } };
}

/// The same; a callee that fails makes the caller revert with the same data.
pub fn raw(target: types.Address, data: []const u8, options: Options) []const u8 {
    const succeeded = start(target, data, options);
    const answer = returned();
    if (!succeeded) failure.revertBytes(answer);
    return answer;
}

/// Call `name` with a tuple of arguments and decode what it returns. A callee that reverts makes the caller revert with
/// the same data; one that returns too little, or has no code, makes it revert with none: as in Solidity.
pub fn call(comptime T: type, target: types.Address, comptime name: []const u8, arguments: anytype, options: Options) T {
    const text = comptime types.signature(name, @typeInfo(@TypeOf(arguments)).@"struct".field_types);
    const data = encode.encode(&comptime types.selector(text), arguments);
    return decodeResult(T, target, raw(target, data, options));
}

/// Send wei with no data; a receiver that refuses makes the caller revert as it did.
pub fn send(target: types.Address, wei: u256) void {
    _ = raw(target, &.{}, .{ .value = wei });
}

/// The same, where a refusal is an answer.
pub fn trySend(target: types.Address, wei: u256) Result(void) {
    return switch (tryRaw(target, &.{}, .{ .value = wei })) {
        .ok => .{ .ok = {} },
        .failed => |how| .{ .failed = how },
    };
}

/// The value of what a callee returned; the caller reverts without data where it is none of this type. Nothing at all is
/// the answer of an account without code, which `void` takes for a failure, and is null of an optional type.
pub fn decodeResult(comptime T: type, target: types.Address, data: []const u8) T {
    if (@typeInfo(T) == .optional or T == void) {
        if (data.len == 0) {
            if (!hasCode(target)) failure.refuse();
            return if (T == void) {} else null;
        }
        if (T == void) return;
        return decodeResult(@typeInfo(T).optional.child, target, data);
    }
    var out: T = undefined;
    if (!readResult(T, &out, data)) failure.refuse();
    return out;
}

fn readResult(comptime T: type, out: *T, data: []const u8) bool {
    if (!comptime isTuple(T)) return decode.read(T, out, data, 0);
    comptime var head = 0;
    inline for (@typeInfo(T).@"struct".field_names) |name| {
        const Field = @FieldType(T, name);
        if (!decode.read(Field, &@field(out, name), data, head)) return false;
        head += comptime types.headSize(Field);
    }
    return true;
}

fn isTuple(comptime T: type) bool {
    return @typeInfo(T) == .@"struct" and @typeInfo(T).@"struct".is_tuple;
}

pub fn hasCode(target: types.Address) bool {
    return hooks.account_code_size(&target.bytes) != 0;
}

noinline fn start(target: types.Address, data: []const u8, options: Options) bool {
    hooks.storage_flush_cache(if (options.kind == .static) 0 else 1);
    var length: usize = 0;
    const to = &target.bytes;
    return switch (options.kind) {
        .call => hooks.call_contract(to, data.ptr, data.len, &word.toWord(options.value), options.gas, &length),
        .static => hooks.static_call_contract(to, data.ptr, data.len, options.gas, &length),
        .delegate => hooks.delegate_call_contract(to, data.ptr, data.len, options.gas, &length),
    } == 0;
}

/// What the last call or creation returned or reverted with.
pub noinline fn returned() []const u8 {
    const data = memory.take(hooks.return_data_size());
    _ = hooks.read_return_data(data.ptr, 0, data.len);
    return data;
}
