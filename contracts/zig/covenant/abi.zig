//! Solidity's ABI: names of types, selectors and topics at compile time; words and byte strings in memory.

const std = @import("std");
const keccak_256 = @import("keccak.zig");
const memory = @import("memory.zig");

/// `address`: 20 bytes. A type of its own, as `[20]u8` would be Solidity's `bytes20`.
pub const Address = struct {
    bytes: [20]u8,

    pub const zero: Address = .{ .bytes = @splat(0) };

    pub fn eql(self: Address, other: Address) bool {
        return std.mem.eql(u8, &self.bytes, &other.bytes);
    }
};

/// `bytes`, borrowed.
pub const Bytes = struct { data: []const u8 };

/// `string`, borrowed.
pub const String = struct { data: []const u8 };

/// The type's name in a signature. `u8` to `u256` are `uintN`, `[1]u8` to `[32]u8` are `bytesN`.
pub fn typeName(comptime T: type) []const u8 {
    if (T == bool) return "bool";
    if (T == Address) return "address";
    if (T == Bytes) return "bytes";
    if (T == String) return "string";
    if (@typeInfo(T) == .@"struct" and @hasDecl(T, "abi_string")) return "string";
    @compileError("no ABI type for " ++ @typeName(T) ++ ": there are bool, u8 to u256, i8 to i256, [1]u8 to [32]u8, " ++
        "Address, Bytes and String");
}

fn nameOf(comptime T: type) []const u8 {
    return switch (@typeInfo(T)) {
        .int => |integer| intName(T, integer.signedness == .signed, integer.bits),
        .array => |array| bytesName(T, array.child, array.len),
        .bool => "bool",
        else => typeName(T),
    };
}

fn intName(comptime T: type, comptime signed: bool, comptime bits: u16) []const u8 {
    if (bits == 0 or bits > 256 or bits % 8 != 0 or T == usize or T == isize) {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": integers have 8, 16, 24 ... 256 bits, as u8, u64, i128 or u256");
    }
    return std.fmt.comptimePrint("{s}{d}", .{ if (signed) "int" else "uint", bits });
}

fn bytesName(comptime T: type, comptime Item: type, comptime length: comptime_int) []const u8 {
    if (Item != u8 or length == 0 or length > 32) {
        @compileError("no ABI type for " ++ @typeName(T) ++ ": arrays are [1]u8 to [32]u8, which are bytes1 to bytes32");
    }
    return std.fmt.comptimePrint("bytes{d}", .{length});
}

/// A list of names as a message shows it.
pub fn listed(comptime names: anytype) []const u8 {
    comptime var text: []const u8 = "";
    inline for (names, 0..) |name, index| text = text ++ (if (index == 0) "" else ", ") ++ name;
    return if (text.len == 0) "none" else text;
}

/// `name(type,type,...)`.
pub fn signature(comptime name: []const u8, comptime types: []const type) []const u8 {
    comptime var text: []const u8 = name ++ "(";
    inline for (types, 0..) |T, index| text = text ++ (if (index == 0) "" else ",") ++ comptime nameOf(T);
    return text ++ ")";
}

/// Keccak-256, at compile time; at run time a contract asks the host (`storage.hash`).
pub fn keccak(comptime text: []const u8) [32]u8 {
    return comptime keccak_256.keccak(text);
}

/// The first four bytes of a function's or an error's signature, as they lie in call data.
pub fn selector(comptime text: []const u8) [4]u8 {
    return comptime keccak(text)[0..4].*;
}

pub fn isDynamic(comptime T: type) bool {
    return comptime switch (@typeInfo(T)) {
        .int, .array, .bool => false,
        else => T != Address,
    };
}

/// The number in a word. Not inlined, nor is its inverse: reversing 32 bytes is a good part of a small contract.
pub noinline fn readNumber(word: *const [32]u8) u256 {
    return std.mem.readInt(u256, word, .big);
}

pub noinline fn writeNumber(word: *[32]u8, number: u256) void {
    std.mem.writeInt(u256, word, number, .big);
}

/// A value of a static type as one word.
pub fn toWord(value: anytype) [32]u8 {
    const T = @TypeOf(value);
    var word: [32]u8 = @splat(0);
    switch (@typeInfo(T)) {
        .int => |integer| writeNumber(&word, if (integer.signedness == .signed) @bitCast(@as(i256, value)) else value),
        .bool => word[31] = @intFromBool(value),
        .array => |array| word[0..array.len].* = value,
        else => word[12..].* = value.bytes,
    }
    return word;
}

/// The value of a word, or null where Solidity would refuse it (bytes set that the type has no room for).
pub fn fromWord(comptime T: type, word: *const [32]u8) ?T {
    switch (@typeInfo(T)) {
        .int => |integer| {
            const wide = readNumber(word);
            if (T == u256) return wide;
            return std.math.cast(T, if (integer.signedness == .signed) @as(i256, @bitCast(wide)) else wide);
        },
        .bool => {
            for (word[0..31]) |byte| if (byte != 0) return null;
            return if (word[31] > 1) null else word[31] == 1;
        },
        .array => |array| {
            for (word[array.len..]) |byte| if (byte != 0) return null;
            return word[0..array.len].*;
        },
        else => {
            for (word[0..12]) |byte| if (byte != 0) return null;
            return .{ .bytes = word[12..].* };
        },
    }
}

/// The value at head position `index` of encoded arguments, or null where they are too short or out of range.
pub fn decode(comptime T: type, data: []const u8, index: usize) ?T {
    if (data.len < 32 * (index + 1)) return null;
    const word = data[32 * index ..][0..32];
    if (!comptime isDynamic(T)) return fromWord(T, word);
    const offset = fromWord(u64, word) orelse return null;
    if (offset > data.len or data.len - offset < 32) return null;
    const tail = data[@intCast(offset)..];
    const length = fromWord(u64, tail[0..32]) orelse return null;
    if (length > tail.len - 32) return null;
    return .{ .data = tail[32..][0..@intCast(length)] };
}

/// Bytes that `encode` makes of a tuple.
pub fn encodedSize(values: anytype) usize {
    var size: usize = 0;
    inline for (values) |value| {
        size += 32;
        if (comptime isDynamic(@TypeOf(value))) size += 32 + paddedLength(value.data.len);
    }
    return size;
}

/// A tuple's encoding into `out`, which has `encodedSize` bytes.
pub fn encodeInto(out: []u8, values: anytype) void {
    var tail: usize = 32 * @as(usize, values.len);
    inline for (values, 0..) |value, index| {
        const head = out[32 * index ..][0..32];
        if (comptime isDynamic(@TypeOf(value))) {
            const data = value.data;
            head.* = toWord(@as(u256, tail));
            out[tail..][0..32].* = toWord(@as(u256, data.len));
            @memcpy(out[tail + 32 ..][0..data.len], data);
            @memset(out[tail + 32 + data.len .. tail + 32 + paddedLength(data.len)], 0);
            tail += 32 + paddedLength(data.len);
        } else head.* = toWord(value);
    }
}

/// `prefix` and the encoding of a tuple, in memory of its own: call data, revert data, results.
pub fn encode(prefix: []const u8, values: anytype) []u8 {
    const out = memory.take(prefix.len + encodedSize(values));
    @memcpy(out[0..prefix.len], prefix);
    encodeInto(out[prefix.len..], values);
    return out;
}

fn paddedLength(length: usize) usize {
    return (length + 31) & ~@as(usize, 31);
}
