//! Calls to other contracts, whatever they are written in.

const abi = @import("abi.zig");
const hooks = @import("hooks.zig");
const memory = @import("memory.zig");
const failure = @import("failure.zig");

pub const Kind = enum { call, static, delegate };

pub const Options = struct {
    kind: Kind = .call,
    /// Wei; for kind `call` alone.
    value: u256 = 0,
    /// At most this much; the host keeps a 64th back as the EVM does.
    gas: u64 = 0xffff_ffff_ffff_ffff,
};

/// Call `name` with a tuple of arguments and decode what it returns. A callee that reverts makes the caller revert with
/// the same data; one that returns too little, or has no code, makes it revert with none: as in Solidity.
pub fn call(comptime Result: type, target: abi.Address, comptime name: []const u8, arguments: anytype, options: Options) Result {
    const text = comptime abi.signature(name, tupleTypes(@TypeOf(arguments)));
    if (Result == void and hooks.account_code_size(&target.bytes) == 0) failure.revertBytes(&.{});
    const succeeded = raw(target, abi.encode(&comptime abi.selector(text), arguments), options);
    const data = returned();
    if (!succeeded) failure.revertBytes(data);
    if (Result == void) return;
    return abi.decode(Result, data, 0) orelse failure.revertBytes(&.{});
}

/// Call with bytes. False where the callee failed; `returned` has its data either way.
/// Storage is flushed first, and forgotten, as the callee may call back.
pub fn raw(target: abi.Address, data: []const u8, options: Options) bool {
    hooks.storage_flush_cache(if (options.kind == .static) 0 else 1);
    var length: usize = 0;
    const to = &target.bytes;
    return switch (options.kind) {
        .call => hooks.call_contract(to, data.ptr, data.len, &abi.toWord(options.value), options.gas, &length),
        .static => hooks.static_call_contract(to, data.ptr, data.len, options.gas, &length),
        .delegate => hooks.delegate_call_contract(to, data.ptr, data.len, options.gas, &length),
    } == 0;
}

/// What the last call returned or reverted with.
pub fn returned() []const u8 {
    const data = memory.take(hooks.return_data_size());
    _ = hooks.read_return_data(data.ptr, 0, data.len);
    return data;
}

fn tupleTypes(comptime Tuple: type) []const type {
    return @typeInfo(Tuple).@"struct".field_types;
}
