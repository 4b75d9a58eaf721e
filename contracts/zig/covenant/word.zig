//! Values of one word: 32 bytes, big-endian, as call data and storage hold them.

const std = @import("std");
const types = @import("types.zig");

/// The number in a word.
pub fn readNumber(word: *const [32]u8) u256 {
    var number: u256 = undefined;
    reverse(std.mem.asBytes(&number), word);
    return number;
}

pub fn writeNumber(word: *[32]u8, number: u256) void {
    reverse(word, std.mem.asBytes(&number));
}

/// The bytes in the opposite order. Not inlined: this is a good part of a small contract.
noinline fn reverse(noalias out: *[32]u8, noalias bytes: *const [32]u8) void {
    comptime std.debug.assert(@import("builtin").cpu.arch.endian() == .little);
    // by pointers to limbs: the conversion of a number from and to an array of bytes goes byte by byte
    const from: *align(1) const [4]u64 = @ptrCast(bytes);
    const to: *align(1) [4]u64 = @ptrCast(out);
    for (0..4) |index| to[3 - index] = @byteSwap(from[index]);
}

/// A value of one word.
pub fn toWord(value: anytype) [32]u8 {
    var word: [32]u8 = undefined;
    writeWord(@TypeOf(value), &value, &word);
    return word;
}

/// The same into a place. Not inlined: a byte of code costs 200 gas.
pub noinline fn writeWord(comptime T: type, value: *const T, word: *[32]u8) void {
    switch (comptime types.kindOf(T)) {
        .integer => writeNumber(word, if (@typeInfo(T).int.signedness == .signed) @bitCast(@as(i256, value.*)) else value.*),
        .boolean => writeByte(word, @intFromBool(value.*)),
        .enumeration => writeByte(word, @backingInt(value.*)),
        .fixed_bytes => {
            word.* = @splat(0);
            word[0..value.len].* = value.*;
        },
        .address => {
            word[0..12].* = @splat(0);
            word[12..].* = value.bytes;
        },
        else => @compileError(@typeName(T) ++ " is no value of one word"),
    }
}

fn writeByte(word: *[32]u8, byte: u8) void {
    word.* = @splat(0);
    word[31] = byte;
}

/// The value of a word, or null where Solidity would refuse it (bytes set that the type has no place for).
pub fn fromWord(comptime T: type, word: *const [32]u8) ?T {
    switch (comptime types.kindOf(T)) {
        .integer => {
            const wide = readNumber(word);
            if (T == u256) return wide;
            return std.math.cast(T, if (@typeInfo(T).int.signedness == .signed) @as(i256, @bitCast(wide)) else wide);
        },
        .boolean => {
            const byte = readByte(word) orelse return null;
            return if (byte > 1) null else byte == 1;
        },
        .enumeration => {
            const byte = readByte(word) orelse return null;
            return std.enums.fromInt(T, byte);
        },
        .fixed_bytes => {
            const length = types.lengthOf(T);
            if (!isClear(word[length..])) return null;
            return word[0..length].*;
        },
        .address => {
            if (!isClear(word[0..12])) return null;
            return .{ .bytes = word[12..].* };
        },
        else => @compileError(@typeName(T) ++ " is no value of one word"),
    }
}

fn readByte(word: *const [32]u8) ?u8 {
    return if (isClear(word[0..31])) word[31] else null;
}

/// Whether all bytes are 0.
pub noinline fn isClear(bytes: []const u8) bool {
    for (bytes) |byte| if (byte != 0) return false;
    return true;
}
