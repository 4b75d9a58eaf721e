//! What a block has of a simulated call: an unsigned transaction, and its receipt (chain/vm/simulated_calls.py).

const std = @import("std");
const bloom = @import("bloom.zig");
const Error = @import("errors.zig").Error;
const host = @import("host.zig");
const keccak = @import("keccak.zig");
const rlp = @import("rlp.zig");
const state = @import("state.zig");
const word = @import("word.zig");

const Allocator = std.mem.Allocator;
const Bytes = std.ArrayList(u8);
const Word = host.Word;

/// Of the transaction: legacy, or with a fee cap and a tip (EIP-1559).
pub const Kind = enum(u8) { legacy = 0, dynamic_fee = 2 };

/// A call as a transaction without lists. Prices are wei per gas; of a legacy one both are the gas price.
pub const Call = struct {
    kind: Kind,
    nonce: u64,
    max_fee_per_gas: Word,
    max_priority_fee_per_gas: Word,
    gas_limit: u64,
    to: host.Address,
    value: Word,
    data: []const u8,
};

/// Bytes of a transaction's fields besides its data, and of a list's header with the type.
const most_fields = 256;
const most_header = 10;

/// [type ||] rlp(fields), with 0 for v, r and s.
pub fn encode_call(arena: Allocator, call: *const Call, chain_id: Word) Error![]const u8 {
    var payload: Bytes = try .initCapacity(arena, most_fields + call.data.len);
    const is_legacy = call.kind == .legacy;
    if (!is_legacy) try append_integer(arena, &payload, chain_id);
    try append_integer(arena, &payload, call.nonce);
    if (!is_legacy) try append_integer(arena, &payload, call.max_priority_fee_per_gas);
    try append_integer(arena, &payload, call.max_fee_per_gas);
    try append_integer(arena, &payload, call.gas_limit);
    try append_string(arena, &payload, &call.to);
    try append_integer(arena, &payload, call.value);
    try append_string(arena, &payload, call.data);
    if (!is_legacy) try append_list(arena, &payload, "");
    inline for (0..3) |_| try append_string(arena, &payload, "");
    return with_type(arena, call.kind, payload.items);
}

pub const Bloom = [bloom.size]u8;

/// [type ||] rlp([status, gas used by the block so far, bloom, logs])
pub fn encode_receipt(
    arena: Allocator,
    kind: Kind,
    is_success: bool,
    gas_used: u64,
    filter: *const Bloom,
    logs: []const state.Log,
) Error![]const u8 {
    var payload: Bytes = try .initCapacity(arena, most_fields + bloom.size);
    try append_integer(arena, &payload, @intFromBool(is_success));
    try append_integer(arena, &payload, gas_used);
    try append_string(arena, &payload, filter);
    var listed: Bytes = .empty;
    for (logs) |*log| try append_log(arena, &listed, log);
    try append_list(arena, &payload, listed.items);
    return with_type(arena, kind, payload.items);
}

pub fn bloom_of(logs: []const state.Log) Bloom {
    var filter: Bloom = @splat(0);
    for (logs) |*log| {
        bloom.add(&filter, &keccak.hash(&log.address));
        for (log.topics[0..log.topic_count]) |topic| bloom.add(&filter, &keccak.hash(&word.to_bytes(topic)));
    }
    return filter;
}

fn append_log(arena: Allocator, out: *Bytes, log: *const state.Log) Error!void {
    var parts: Bytes = .empty;
    try append_string(arena, &parts, &log.address);
    var topics: Bytes = .empty;
    for (log.topics[0..log.topic_count]) |topic| try append_string(arena, &topics, &word.to_bytes(topic));
    try append_list(arena, &parts, topics.items);
    try append_string(arena, &parts, log.data);
    try append_list(arena, out, parts.items);
}

fn with_type(arena: Allocator, kind: Kind, payload: []const u8) Error![]const u8 {
    var out: Bytes = try .initCapacity(arena, payload.len + most_header);
    if (kind != .legacy) try out.append(arena, @intFromEnum(kind));
    try append_list(arena, &out, payload);
    return out.items;
}

fn append_string(arena: Allocator, out: *Bytes, data: []const u8) Error!void {
    _ = rlp.write_string(try out.addManyAsSlice(arena, rlp.string_size(data)), data);
}

fn append_integer(arena: Allocator, out: *Bytes, value: Word) Error!void {
    const digits = word.to_bytes(value);
    try append_string(arena, out, std.mem.trimStart(u8, &digits, "\x00"));
}

fn append_list(arena: Allocator, out: *Bytes, payload: []const u8) Error!void {
    _ = rlp.write_list_header(try out.addManyAsSlice(arena, rlp.list_size(payload.len) - payload.len), payload.len);
    try out.appendSlice(arena, payload);
}
