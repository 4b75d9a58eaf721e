//! Transactions of types 0 to 4 as they are sent (EIP-2718, 2930, 1559, 4844, 7702): fields, hash, signing hash.
//! Not taken: a blob transaction with its sidecar.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const rlp = @import("rlp.zig");

pub const Kind = enum(u8) { legacy, access_list, dynamic_fee, blob, set_code };

/// Numbers are big-endian without leading zeros. Lists are payloads, whose form is checked.
pub const Fields = struct {
    kind: Kind,
    /// Of a legacy transaction: the number that its v holds; null without replay protection.
    chain_id: ?u256 = null,
    nonce: []const u8 = "",
    max_priority_fee_per_gas: []const u8 = "",
    max_fee_per_gas: []const u8 = "",
    gas_limit: []const u8 = "",
    /// 20 bytes, or none of a creation.
    to: []const u8 = "",
    value: []const u8 = "",
    data: []const u8 = "",
    access_list: []const u8 = "",
    max_fee_per_blob_gas: []const u8 = "",
    blob_versioned_hashes: []const u8 = "",
    authorization_list: []const u8 = "",
    y_parity: u8 = 0,
    r: []const u8 = "",
    s: []const u8 = "",
    /// The encoded fields that the sender signs.
    signed: []const u8 = "",
};

fn sized(items: *rlp.Items, size: usize) Error![]const u8 {
    const string = try items.take(false);
    return if (string.len == size) string else error.Refused;
}

/// A number of so many bytes at most.
pub fn number(items: *rlp.Items, most: usize) Error![]const u8 {
    const string = try items.take(false);
    if (string.len > most or (string.len > 0 and string[0] == 0)) return error.Refused;
    return string;
}

pub fn address(items: *rlp.Items) Error![]const u8 {
    return sized(items, 20);
}

pub fn word(items: *rlp.Items) Error![]const u8 {
    return sized(items, 32);
}

fn target(items: *rlp.Items, may_create: bool) Error![]const u8 {
    const string = try items.take(false);
    return if (string.len == 20 or (string.len == 0 and may_create)) string else error.Refused;
}

pub fn words(payload: []const u8) Error!void {
    var items: rlp.Items = .{ .payload = payload };
    while (!items.at_end()) _ = try word(&items);
}

fn access_list(items: *rlp.Items) Error![]const u8 {
    const payload = try items.take(true);
    var entries: rlp.Items = .{ .payload = payload };
    while (!entries.at_end()) {
        var pair: rlp.Items = .{ .payload = try entries.take(true) };
        _ = try address(&pair);
        try words(try pair.take(true));
        if (!pair.at_end()) return error.Refused;
    }
    return payload;
}

pub const Authorization = struct {
    chain_id: []const u8,
    address: []const u8,
    nonce: []const u8,
    y_parity: []const u8,
    r: []const u8,
    s: []const u8,
};

/// The next entry of an authorization list.
pub fn authorization(items: *rlp.Items) Error!Authorization {
    var parts: rlp.Items = .{ .payload = try items.take(true) };
    const entry: Authorization = .{
        .chain_id = try number(&parts, 32),
        .address = try address(&parts),
        .nonce = try number(&parts, 8),
        .y_parity = try number(&parts, 1),
        .r = try number(&parts, 32),
        .s = try number(&parts, 32),
    };
    return if (parts.at_end()) entry else error.Refused;
}

fn authorizations(items: *rlp.Items) Error![]const u8 {
    const payload = try items.take(true);
    var entries: rlp.Items = .{ .payload = payload };
    while (!entries.at_end()) _ = try authorization(&entries);
    return payload;
}

fn integer(bytes: []const u8) u256 {
    var result: u256 = 0;
    for (bytes) |byte| result = result << 8 | byte;
    return result;
}

fn legacy(data: []const u8) Error!Fields {
    var items: rlp.Items = .{ .payload = try rlp.spanning(data, true) };
    var fields: Fields = .{ .kind = .legacy };
    fields.nonce = try number(&items, 8);
    fields.max_fee_per_gas = try number(&items, 32);
    fields.max_priority_fee_per_gas = fields.max_fee_per_gas;
    fields.gas_limit = try number(&items, 8);
    fields.to = try target(&items, true);
    fields.value = try number(&items, 32);
    fields.data = try items.take(false);
    fields.signed = items.payload[0..items.position];
    const v = integer(try number(&items, 32));
    if (v < 27 or (v > 28 and v < 35)) return error.Refused;
    if (v >= 35) fields.chain_id = (v - 35) / 2;
    fields.y_parity = @intCast((v - 27) % 2); // 35 and 27 are of the same parity
    return signature(&items, fields);
}

fn signature(items: *rlp.Items, unsigned: Fields) Error!Fields {
    var fields = unsigned;
    fields.r = try number(items, 32);
    fields.s = try number(items, 32);
    return if (items.at_end()) fields else error.Refused;
}

fn typed(kind: Kind, data: []const u8) Error!Fields {
    var items: rlp.Items = .{ .payload = try rlp.spanning(data, true) };
    var fields: Fields = .{ .kind = kind };
    fields.chain_id = integer(try number(&items, 32));
    fields.nonce = try number(&items, 8);
    fields.max_priority_fee_per_gas = try number(&items, 32);
    fields.max_fee_per_gas = if (kind == .access_list) fields.max_priority_fee_per_gas else try number(&items, 32);
    fields.gas_limit = try number(&items, 8);
    fields.to = try target(&items, kind == .access_list or kind == .dynamic_fee);
    fields.value = try number(&items, 32);
    fields.data = try items.take(false);
    fields.access_list = try access_list(&items);
    if (kind == .blob) {
        fields.max_fee_per_blob_gas = try number(&items, 32);
        fields.blob_versioned_hashes = try items.take(true);
        try words(fields.blob_versioned_hashes);
    }
    if (kind == .set_code) fields.authorization_list = try authorizations(&items);
    fields.signed = items.payload[0..items.position];
    fields.y_parity = @intCast(integer(try number(&items, 1)));
    return signature(&items, fields);
}

/// The fields, which are slices of `data`.
pub fn decode(data: []const u8) Error!Fields {
    if (data.len < 2) return error.Refused;
    if (data[0] >= 0xc0) return legacy(data);
    if (data[0] == 0 or data[0] > @intFromEnum(Kind.set_code)) return error.Refused;
    return typed(@enumFromInt(data[0]), data[1..]);
}

fn minimal(buffer: *[32]u8, value: u256) []const u8 {
    std.mem.writeInt(u256, buffer, value, .big);
    return std.mem.trimStart(u8, buffer, "\x00");
}

/// The digest that the sender signs (EIP-155 for legacy transactions with a chain id).
pub fn signing_hash(allocator: std.mem.Allocator, fields: *const Fields) Error![32]u8 {
    // the chain id and two empty strings, of a legacy transaction; the type, of another one
    const room = 9 + 33 + 2;
    const buffer = try allocator.alloc(u8, fields.signed.len + room + 1);
    defer allocator.free(buffer);
    var tail: [35]u8 = undefined;
    var tail_size: usize = 0;
    var start: usize = 0;
    if (fields.kind == .legacy) {
        if (fields.chain_id) |chain_id| {
            var digits: [32]u8 = undefined;
            tail_size = rlp.write_string(&tail, minimal(&digits, chain_id));
            tail[tail_size..][0..2].* = "\x80\x80".*;
            tail_size += 2;
        }
    } else {
        buffer[0] = @intFromEnum(fields.kind);
        start = 1;
    }
    start += rlp.write_list_header(buffer[start..], fields.signed.len + tail_size);
    @memcpy(buffer[start..][0..fields.signed.len], fields.signed);
    start += fields.signed.len;
    @memcpy(buffer[start..][0..tail_size], tail[0..tail_size]);
    return keccak.hash(buffer[0 .. start + tail_size]);
}
