//! A contract for load and comparison: its call data is a list of steps, each with one byte for its kind and two
//! (little-endian) for the length of what follows. What the host answers goes into a running hash, which is the output
//! and which a step can put into storage. So whatever differs between two runs differs in their state roots.

const hooks = @import("covenant").hooks;
const std = @import("std");

const page_bytes = 65_536;

const Step = enum(u8) {
    keep, // slot: store the hash there
    load, // slot
    store, // slot, value
    transient, // slot, value
    call, // kind, gas (8 bytes), target, value, call data
    create, // salted?, value, salt, creation data
    log, // topics, data
    facts, // address
    numbers, // a, b, c: arithmetic
    work, // rounds (4 bytes)
    grow, // pages (4 bytes)
    deep, // levels (4 bytes)
    spin,
    trap,
    exit, // status
    destruct, // beneficiary
    _,
};

var digest: [32]u8 = @splat(0);
var preimage: [64]u8 = undefined;
extern var __heap_base: u8;

fn fold(word: *const [32]u8) void {
    preimage[0..32].* = digest;
    preimage[32..64].* = word.*;
    hooks.native_keccak256(&preimage, 64, &digest);
}

fn foldNumber(number: u64) void {
    var word: [32]u8 = @splat(0);
    std.mem.writeInt(u64, word[24..32], number, .big);
    fold(&word);
}

fn foldBytes(data: []const u8) void {
    var word: [32]u8 = undefined;
    hooks.native_keccak256(data.ptr, data.len, &word);
    fold(&word);
}

fn number32(data: []const u8) u32 {
    return std.mem.readInt(u32, data[0..4], .little);
}

fn callOut(data: []const u8) void {
    const gas = std.mem.readInt(u64, data[1..9], .little);
    const target, const value, const input = .{ data[9..29], data[29..61], data[61..] };
    var size: usize = 0;
    foldNumber(switch (data[0]) {
        0 => hooks.call_contract(target, input.ptr, input.len, value, gas, &size),
        1 => hooks.delegate_call_contract(target, input.ptr, input.len, gas, &size),
        else => hooks.static_call_contract(target, input.ptr, input.len, gas, &size),
    });
    foldReturned(size);
}

fn foldReturned(size: usize) void {
    var first: [64]u8 = @splat(0);
    foldNumber(size);
    foldNumber(hooks.read_return_data(&first, size / 4, first.len));
    foldBytes(&first);
}

fn createOut(data: []const u8) void {
    const value, const salt, const code = .{ data[1..33], data[33..65], data[65..] };
    var created: [20]u8 = undefined;
    var size: usize = 0;
    if (data[0] == 0) hooks.create1(code.ptr, code.len, value, &created, &size) else hooks.create2(code.ptr, code.len, value, salt, &created, &size);
    foldBytes(&created);
    foldReturned(size);
}

fn facts(address: *const [20]u8) void {
    var word: [32]u8 = @splat(0);
    inline for (.{ "account_balance", "account_codehash" }) |name| {
        @field(hooks, name)(address, &word);
        fold(&word);
    }
    foldNumber(hooks.account_code_size(address));
    foldNumber(hooks.account_code(address, 3, 32, &word));
    fold(&word);
    inline for (.{ "block_basefee", "msg_value", "tx_gas_price", "blobbasefee", "prevrandao" }) |name| {
        @field(hooks, name)(&word);
        fold(&word);
    }
    var account: [20]u8 = undefined;
    inline for (.{ "block_coinbase", "contract_address", "code_address", "msg_sender", "tx_origin" }) |name| {
        @field(hooks, name)(&account);
        foldBytes(&account);
    }
    inline for (.{
        "chainid",          "block_gas_limit", "block_number", "block_timestamp", "evm_gas_left", "evm_ink_left",
        "return_data_size", "msg_reentrant",   "tx_ink_price", "is_constructing",
    }) |name| foldNumber(@field(hooks, name)());
    hooks.blockhash(hooks.block_number() - 1, &word);
    fold(&word);
}

fn numbers(data: []const u8) void {
    const a, const b, const c = .{ data[0..32], data[32..64], data[64..96] };
    inline for (.{ "math_div", "math_mod", "math_pow" }) |name| {
        var result = a.*;
        @field(hooks, name)(&result, b);
        fold(&result);
    }
    inline for (.{ "math_add_mod", "math_mul_mod" }) |name| {
        var result = a.*;
        @field(hooks, name)(&result, b, c);
        fold(&result);
    }
}

fn work(rounds: u32) u64 {
    var state: u64 = 0x9E3779B97F4A7C15;
    for (0..rounds) |round| {
        state ^= state << 13;
        state ^= state >> 7;
        state = (state ^ (state << 17)) +% round;
        if (round % 64 == 0) state ^= @popCount(state) + state / (round | 1);
    }
    return state;
}

noinline fn deep(levels: u32) u64 {
    if (levels == 0) return hooks.evm_ink_left();
    return (deep(levels - 1) *% 31) ^ levels; // no sum, which would become a loop
}

fn grow(pages: u32) void {
    const before = @wasmMemoryGrow(0, pages);
    foldNumber(@as(u32, @bitCast(@as(i32, @intCast(before)))));
    if (before < 0 or pages == 0) return;
    const end: [*]u8 = @ptrFromInt(@wasmMemorySize(0) * page_bytes - 1);
    end[0] = 7;
}

fn take(kind: Step, data: []const u8) void {
    var word: [32]u8 = undefined;
    switch (kind) {
        .keep => {
            hooks.storage_cache_bytes32(data[0..32], &digest);
            hooks.storage_flush_cache(0);
        },
        .load => {
            hooks.storage_load_bytes32(data[0..32], &word);
            fold(&word);
        },
        .store => {
            hooks.storage_cache_bytes32(data[0..32], data[32..64]);
            hooks.storage_flush_cache(data[63] & 1);
        },
        .transient => {
            hooks.transient_load_bytes32(data[0..32], &word);
            fold(&word);
            hooks.transient_store_bytes32(data[0..32], data[32..64]);
        },
        .call => callOut(data),
        .create => createOut(data),
        .log => hooks.emit_log(data.ptr + 1, data.len - 1, data[0]),
        .facts => facts(data[0..20]),
        .numbers => numbers(data),
        .work => foldNumber(work(number32(data))),
        .grow => grow(number32(data)),
        .deep => foldNumber(deep(number32(data))),
        .spin => while (true) {
            digest[0] +%= 1;
            std.mem.doNotOptimizeAway(&digest);
        },
        .trap => @trap(),
        .exit => hooks.exit_early(data[0]),
        .destruct => hooks.selfdestruct(data[0..20]),
        _ => @trap(),
    }
}

fn callData(length: usize) []u8 {
    const start = @intFromPtr(&__heap_base);
    const held = @wasmMemorySize(0) * page_bytes;
    if (start + length > held and @wasmMemoryGrow(0, (start + length - held + page_bytes - 1) / page_bytes) < 0) @trap();
    const data = @as([*]u8, @ptrFromInt(start))[0..length];
    hooks.read_args(data.ptr);
    return data;
}

export fn user_entrypoint(length: usize) u32 {
    var rest: []const u8 = callData(length);
    while (rest.len >= 3) {
        const size = std.mem.readInt(u16, rest[1..3], .little);
        if (rest.len - 3 < size) return 2;
        take(@fromBackingInt(@intCast(rest[0])), rest[3 .. 3 + size]);
        rest = rest[3 + size ..];
    }
    hooks.write_result(&digest, digest.len);
    return 0;
}

/// Never called: it keeps the import without which a module whose memory can grow is refused.
export fn mark_used() void {
    hooks.pay_for_memory_grow(0);
}
