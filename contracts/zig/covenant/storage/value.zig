//! One value: an integer, bool, enum, Address or bytesN, in a slot or in a part of one.

const std = @import("std");
const abi = @import("../abi.zig");
const kinds = @import("kinds.zig");
const failure = @import("../failure.zig");
const words = @import("words.zig");

const Word = words.Word;
const size_of_word = 32;

/// The handle of a value of type T.
pub fn Value(comptime region: words.Region, comptime T: type) type {
    const size = comptime kinds.byteSize(T);
    return struct {
        slot: Word,
        /// Bytes from the low end of the slot's word.
        offset: if (size == size_of_word) u0 else u8,

        const Self = @This();

        pub const Declared = T;
        pub const covenant_region = region;

        pub noinline fn get(self: *const Self) T {
            if (comptime !isNumber(T)) {
                var bytes: [size]u8 = undefined;
                words.loadBytes(region, &self.slot, self.offset, &bytes);
                return if (T == abi.Address) .{ .bytes = bytes } else bytes;
            }
            if (size == size_of_word) return fromNumber(T, words.loadNumber(region, &self.slot));
            return fromNumber(T, words.loadSmall(region, &self.slot, self.offset, size));
        }

        pub noinline fn set(self: *const Self, value: T) void {
            if (comptime !isNumber(T)) {
                const bytes: *const [size]u8 = if (T == abi.Address) &value.bytes else &value;
                words.storeBytes(region, &self.slot, self.offset, bytes);
            } else if (size == size_of_word) {
                words.storeNumber(region, &self.slot, toNumber(value));
            } else words.storeSmall(region, &self.slot, self.offset, size, toNumber(value));
        }

        /// Set to zero.
        pub fn delete(self: *const Self) void {
            words.storeBytes(region, &self.slot, self.offset, &@as([size]u8, @splat(0)));
        }

        /// Add to an integer, or Panic(0x11).
        pub noinline fn add(self: *const Self, amount: T) void {
            const sum, const carry = @addWithOverflow(self.get(), amount);
            if (carry != 0) failure.panic(failure.overflow);
            self.set(sum);
        }

        /// Subtract from an integer, or Panic(0x11).
        pub noinline fn subtract(self: *const Self, amount: T) void {
            const difference, const borrow = @subWithOverflow(self.get(), amount);
            if (borrow != 0) failure.panic(failure.overflow);
            self.set(difference);
        }
    };
}

fn isNumber(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .int, .bool, .@"enum" => true,
        else => false,
    };
}

/// The value of a word's low bytes; other bits are not looked at.
fn fromNumber(comptime T: type, number: u256) T {
    switch (@typeInfo(T)) {
        .bool => return @as(u8, @truncate(number)) != 0,
        .@"enum" => return std.enums.fromInt(T, @as(u8, @truncate(number))) orelse failure.panic(words.bad_enum),
        .int => |integer| {
            const bits: @Int(.unsigned, integer.bits) = @truncate(number);
            return @bitCast(bits);
        },
        else => comptime unreachable,
    }
}

fn toNumber(value: anytype) u256 {
    return switch (@typeInfo(@TypeOf(value))) {
        .bool => @intFromBool(value),
        .@"enum" => @backingInt(value),
        .int => |integer| if (integer.signedness == .signed) @bitCast(@as(i256, value)) else value,
        else => comptime unreachable,
    };
}
