//! New contracts: EVM creation code or a module, as a transaction without a recipient carries it.

const calls = @import("call.zig");
const hash = @import("hash.zig");
const hooks = @import("hooks.zig");
const types = @import("types.zig");
const word = @import("word.zig");

/// Create a contract that gets these wei; its address. A constructor that reverts makes the creator revert with the same data.
pub fn create(code: []const u8, wei: u256) types.Address {
    return orRevert(tryCreate(code, wei));
}

/// The same at the address that the salt and the code decide (EIP-1014, `create2Address`).
pub fn create2(code: []const u8, wei: u256, salt: [32]u8) types.Address {
    return orRevert(tryCreate2(code, wei, salt));
}

/// The same, where a failure is an answer.
pub fn tryCreate(code: []const u8, wei: u256) calls.Result(types.Address) {
    hooks.storage_flush_cache(1);
    var created: types.Address = undefined;
    var length: usize = 0;
    hooks.create1(code.ptr, code.len, &word.toWord(wei), &created.bytes, &length);
    return resultOf(created);
}

pub fn tryCreate2(code: []const u8, wei: u256, salt: [32]u8) calls.Result(types.Address) {
    hooks.storage_flush_cache(1);
    var created: types.Address = undefined;
    var length: usize = 0;
    hooks.create2(code.ptr, code.len, &word.toWord(wei), &salt, &created.bytes, &length);
    return resultOf(created);
}

/// The address that `create2` of this creator gives to code with this Keccak-256 hash.
pub fn create2Address(creator: types.Address, salt: [32]u8, code_hash: [32]u8) types.Address {
    const digest = hash.keccak256(&([_]u8{0xff} ++ creator.bytes ++ salt ++ code_hash));
    return .{ .bytes = digest[12..].* };
}

fn resultOf(created: types.Address) calls.Result(types.Address) {
    if (created.isZero()) return .{ .failed = .{ .data = calls.returned() } };
    return .{ .ok = created };
}

fn orRevert(result: calls.Result(types.Address)) types.Address {
    return switch (result) {
        .ok => |created| created,
        .failed => |how| how.bubble(),
    };
}
