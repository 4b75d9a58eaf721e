//! Numbers as text.

const covenant = @import("../covenant.zig");

/// Decimal digits of the largest u256.
const most_digits = 78;

/// A text and a number in decimal after it.
pub fn appended(text: covenant.String, number: u256) covenant.String {
    var digits: [most_digits]u8 = undefined;
    var rest = number;
    var first: usize = most_digits;
    while (first == most_digits or rest != 0) {
        first -= 1;
        digits[first] = '0' + @as(u8, @intCast(rest % 10));
        rest /= 10;
    }
    const out = covenant.memory.take(text.data.len + most_digits - first);
    @memcpy(out[0..text.data.len], text.data);
    @memcpy(out[text.data.len..], digits[first..]);
    return .{ .data = out };
}
