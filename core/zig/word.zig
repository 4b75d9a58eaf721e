//! Words of 256 bits: division, products modulo a number, powers, and what two's complement adds.
//!
//! Division is Knuth's algorithm D (The Art of Computer Programming, 4.3.1) over 64-bit limbs, each quotient limb by the
//! divisor's reciprocal (Möller and Granlund, Improved Division by Invariant Integers, 2011): the compiler's own goes
//! bit by bit.

const std = @import("std");

pub const Word = u256;

pub const bytes_of_word = 32;
const limb_bits = 64;
const sign_bit: Word = 1 << 255;

/// Limbs of a word, the least significant first.
const Limbs = [4]u64;

fn limbs_of(value: Word) Limbs {
    var result: Limbs = undefined;
    inline for (&result, 0..) |*limb, index| limb.* = @truncate(value >> (limb_bits * index));
    return result;
}

fn word_of(limbs: Limbs) Word {
    var result: Word = 0;
    inline for (limbs, 0..) |limb, index| result |= @as(Word, limb) << (limb_bits * index);
    return result;
}

fn high(value: u128) u64 {
    return @truncate(value >> limb_bits);
}

fn low(value: u128) u64 {
    return @truncate(value);
}

fn join(upper: u64, lower: u64) u128 {
    return @as(u128, upper) << limb_bits | lower;
}

/// A divisor's highest limb, with its highest bit set, and floor((2**128 - 1) / limb) - 2**64.
const Reciprocal = struct {
    limb: u64,
    inverse: u64,

    /// Their algorithm 3: three approximations, of 11, 21 and 34 bits, and two corrections; no long division.
    fn of(limb: u64) Reciprocal {
        const first: u64 = ((1 << 19) - 3 * (1 << 8)) / @as(u32, @truncate(limb >> 55));
        const upper = (limb >> 24) + 1;
        const second = (first << 11) -% (first * first *% upper >> 40) -% 1;
        const third = (second << 13) +% (second *% ((1 << 60) -% second *% upper) >> 47);
        const odd = limb & 1;
        const half = (limb >> 1) + odd;
        const rest = ((third >> 1) & (0 -% odd)) -% third *% half;
        const fourth = (high(@as(u128, third) * rest) >> 1) +% (third << 31);
        const product = @as(u128, fourth) * limb + limb;
        return .{ .limb = limb, .inverse = fourth -% (high(product) +% limb) };
    }

    /// Two limbs, the upper below the divisor: quotient and remainder (their algorithm 4).
    fn divide(self: Reciprocal, upper: u64, lower: u64) struct { u64, u64 } {
        const estimate = @as(u128, self.inverse) * upper +% join(upper, lower);
        var quotient = high(estimate) +% 1;
        var remainder = lower -% quotient *% self.limb;
        if (remainder > low(estimate)) {
            quotient -%= 1;
            remainder +%= self.limb;
        }
        if (remainder >= self.limb) {
            quotient +%= 1;
            remainder -%= self.limb;
        }
        return .{ quotient, remainder };
    }
};

fn used(limbs: []const u64) usize {
    var count = limbs.len;
    while (count > 0 and limbs[count - 1] == 0) count -= 1;
    return count;
}

/// `source` moved to the left by fewer than 64 bits; what leaves it at the top goes into `target`'s last limb.
fn shift_left(target: anytype, source: anytype, bits: u6) void {
    var carry: u64 = 0;
    inline for (source, 0..) |limb, index| {
        const wide = @as(u128, limb) << bits;
        target[index] = low(wide) | carry;
        carry = high(wide);
    }
    if (target.len > source.len) target[source.len] = carry;
}

fn Division(comptime count: usize) type {
    return struct { quotient: [count]u64 = @splat(0), remainder: Limbs = @splat(0) };
}

/// Quotient and remainder of a number of `count` limbs by a divisor that is not 0.
fn divide(comptime count: usize, numerator: [count]u64, divisor: Limbs) Division(count) {
    return switch (used(&divisor)) {
        inline 1...4 => |places| divide_by(count, places, numerator, divisor[0..places].*),
        else => unreachable,
    };
}

/// As `divide`, for a divisor whose last limb is not 0.
fn divide_by(comptime count: usize, comptime places: usize, numerator: [count]u64, divisor: [places]u64) Division(count) {
    var result: Division(count) = .{};
    const length = used(&numerator);
    if (length < places) {
        inline for (0..places - 1) |index| result.remainder[index] = numerator[index];
        return result;
    }
    const bits: u6 = @intCast(@clz(divisor[places - 1]));
    var normal: [places]u64 = undefined;
    shift_left(&normal, &divisor, bits);
    var rest: [count + 1]u64 = undefined;
    shift_left(&rest, &numerator, bits);
    const reciprocal: Reciprocal = .of(normal[places - 1]);
    if (places == 1) {
        var remainder = rest[length];
        var index = length;
        while (index > 0) {
            index -= 1;
            result.quotient[index], remainder = reciprocal.divide(remainder, rest[index]);
        }
        result.remainder[0] = remainder >> bits;
        return result;
    }
    var index = length - places + 1;
    while (index > 0) {
        index -= 1;
        result.quotient[index] = next_limb(places, rest[index..][0 .. places + 1], &normal, reciprocal);
    }
    inline for (0..places) |place| {
        result.remainder[place] = low(join(rest[place + 1], rest[place]) >> bits);
    }
    return result;
}

/// One limb of the quotient, 2 limbs of a divisor at least; the part of the numerator becomes what is left of it.
fn next_limb(comptime places: usize, part: *[places + 1]u64, divisor: *const [places]u64, reciprocal: Reciprocal) u64 {
    const top = part[places];
    var estimate: u64 = std.math.maxInt(u64);
    // an estimate by two limbs of each number is too large by one at most (Knuth, exercise 20), without this by two
    if (top < reciprocal.limb) {
        estimate, const left = reciprocal.divide(top, part[places - 1]);
        if (@as(u128, estimate) * divisor[places - 2] > join(left, part[places - 2])) estimate -= 1;
    }
    if (!subtract_product(places, part, divisor, estimate)) return estimate;
    estimate -%= 1;
    if (!add_back(places, part, divisor)) {
        estimate -%= 1;
        _ = add_back(places, part, divisor);
    }
    return estimate;
}

/// Whether more was taken than was there.
fn subtract_product(comptime places: usize, part: *[places + 1]u64, divisor: *const [places]u64, factor: u64) bool {
    var carry: u64 = 0;
    inline for (divisor, part[0..places]) |limb, *place| {
        const product = @as(u128, limb) * factor + carry;
        const difference, const borrow = @subWithOverflow(place.*, low(product));
        place.* = difference;
        carry = high(product) + borrow;
    }
    const difference, const borrow = @subWithOverflow(part[places], carry);
    part[places] = difference;
    return borrow == 1;
}

/// Whether the sum has carried out at the top, so that it is not negative any more.
fn add_back(comptime places: usize, part: *[places + 1]u64, divisor: *const [places]u64) bool {
    var carry: u64 = 0;
    inline for (divisor, part[0..places]) |limb, *place| {
        const sum = @as(u128, place.*) + limb + carry;
        place.* = low(sum);
        carry = high(sum);
    }
    const sum, const out = @addWithOverflow(part[places], carry);
    part[places] = sum;
    return out == 1;
}

fn fits_limb(value: Word) bool {
    return value >> limb_bits == 0;
}

/// 0 for a divisor of 0, as all divisions here.
pub fn quotient_of(left: Word, right: Word) Word {
    if (right == 0 or left < right) return 0;
    if (fits_limb(left)) return @as(u64, @truncate(left)) / @as(u64, @truncate(right));
    return word_of(divide(4, limbs_of(left), limbs_of(right)).quotient);
}

pub fn remainder_of(left: Word, right: Word) Word {
    if (right == 0) return 0;
    if (left < right) return left;
    if (fits_limb(left)) return @as(u64, @truncate(left)) % @as(u64, @truncate(right));
    return word_of(divide(4, limbs_of(left), limbs_of(right)).remainder);
}

pub fn is_negative(value: Word) bool {
    return value & sign_bit != 0;
}

fn absolute(value: Word) Word {
    return if (is_negative(value)) 0 -% value else value;
}

/// Rounded towards 0.
pub fn signed_quotient_of(left: Word, right: Word) Word {
    const result = quotient_of(absolute(left), absolute(right));
    return if (is_negative(left) != is_negative(right)) 0 -% result else result;
}

/// With the sign of `left`.
pub fn signed_remainder_of(left: Word, right: Word) Word {
    const result = remainder_of(absolute(left), absolute(right));
    return if (is_negative(left)) 0 -% result else result;
}

pub fn sum_modulo(left: Word, right: Word, modulus: Word) Word {
    if (modulus == 0) return 0;
    const sum, const carry = @addWithOverflow(left, right);
    if (carry == 0) return remainder_of(sum, modulus);
    const limbs = limbs_of(sum);
    return word_of(divide(5, .{ limbs[0], limbs[1], limbs[2], limbs[3], 1 }, limbs_of(modulus)).remainder);
}

pub fn product_modulo(left: Word, right: Word, modulus: Word) Word {
    if (modulus == 0) return 0;
    return word_of(divide(8, product_of(limbs_of(left), limbs_of(right)), limbs_of(modulus)).remainder);
}

fn product_of(left: Limbs, right: Limbs) [8]u64 {
    var result: [8]u64 = @splat(0);
    inline for (left, 0..) |factor, index| {
        var carry: u64 = 0;
        inline for (right, 0..) |limb, place| {
            const sum = @as(u128, factor) * limb + result[index + place] + carry;
            result[index + place] = low(sum);
            carry = high(sum);
        }
        result[index + 4] = carry;
    }
    return result;
}

/// base ** exponent modulo 2**256.
pub fn power_of(base: Word, exponent: Word) Word {
    if (base == 2) return if (exponent < 256) @as(Word, 1) << @intCast(exponent) else 0;
    var result: Word = 1;
    var bits: u32 = 256 - @as(u32, @clz(exponent));
    while (bits > 0) {
        bits -= 1;
        result *%= result;
        if (exponent >> @intCast(bits) & 1 != 0) result *%= base;
    }
    return result;
}

/// The sign of the byte at `place`, counted from the least significant one, over all above it.
pub fn extend_sign(place: Word, value: Word) Word {
    if (place >= bytes_of_word - 1) return value;
    const unused: u8 = @intCast(248 - 8 * place);
    return shift_right_signed(unused, value << unused);
}

/// The byte at `place`, counted from the most significant one.
pub fn byte_at(place: Word, value: Word) Word {
    if (place >= bytes_of_word) return 0;
    return value >> @as(u8, @intCast(248 - 8 * place)) & 0xff;
}

pub fn shift_word_left(bits: Word, value: Word) Word {
    return if (bits < 256) value << @intCast(bits) else 0;
}

pub fn shift_word_right(bits: Word, value: Word) Word {
    return if (bits < 256) value >> @intCast(bits) else 0;
}

pub fn shift_right_signed(bits: Word, value: Word) Word {
    const signed: i256 = @bitCast(value);
    return @bitCast(signed >> @as(u8, @intCast(@min(bits, 255))));
}

pub fn is_less_signed(left: Word, right: Word) bool {
    return left ^ sign_bit < right ^ sign_bit;
}

pub fn bytes_in(value: Word) u32 {
    return (256 - @as(u32, @clz(value)) + 7) / 8;
}

// By limbs: the compiler's own way of turning the bytes of so long a number takes ten times as long.

fn limb_at(data: *const [8]u8) u64 {
    return std.mem.readInt(u64, data, .big);
}

pub inline fn from_bytes(data: *const [bytes_of_word]u8) Word {
    return word_of(.{ limb_at(data[24..32]), limb_at(data[16..24]), limb_at(data[8..16]), limb_at(data[0..8]) });
}

pub inline fn from_address(data: *const [20]u8) Word {
    const highest = std.mem.readInt(u32, data[0..4], .big);
    return word_of(.{ limb_at(data[12..20]), limb_at(data[4..12]), highest, 0 });
}

/// The number in the first `size` bytes, 1 to 32, of data that go on for a limb at least.
pub inline fn from_first(comptime size: usize, data: *const [size + 8]u8) Word {
    var limbs: Limbs = @splat(0);
    const whole = size / 8;
    const rest = size % 8;
    inline for (0..whole) |index| limbs[index] = limb_at(data[size - 8 * (index + 1) ..][0..8]);
    if (rest > 0) limbs[whole] = limb_at(data[0..8]) >> (64 - 8 * rest);
    return word_of(limbs);
}

pub inline fn write(value: Word, data: *[bytes_of_word]u8) void {
    inline for (limbs_of(value), 0..) |limb, index| std.mem.writeInt(u64, data[24 - 8 * index ..][0..8], limb, .big);
}

pub fn to_bytes(value: Word) [bytes_of_word]u8 {
    var data: [bytes_of_word]u8 = undefined;
    write(value, &data);
    return data;
}

pub fn to_address(value: Word) [20]u8 {
    return to_bytes(value)[12..].*;
}

test "division agrees with the compiler's" {
    var generator: std.Random.DefaultPrng = .init(1);
    const random = generator.random();
    for (0..20_000) |_| {
        const left = random.int(Word) >> random.int(u8);
        const right = random.int(Word) >> random.int(u8) | 1;
        try std.testing.expectEqual(left / right, quotient_of(left, right));
        try std.testing.expectEqual(left % right, remainder_of(left, right));
        const wide = @as(u512, left) * random.int(Word);
        const factor: Word = @intCast(wide / @max(left, 1));
        if (left != 0) try std.testing.expectEqual(@as(Word, @intCast(wide % right)), product_modulo(left, factor, right));
        const sum = @as(u257, left) + factor;
        try std.testing.expectEqual(@as(Word, @intCast(sum % right)), sum_modulo(left, factor, right));
    }
}

test "reciprocals" {
    var generator: std.Random.DefaultPrng = .init(2);
    const random = generator.random();
    const top: u64 = 1 << 63;
    for (0..100_000) |index| {
        const limb = switch (index % 4) {
            0 => random.int(u64) | top,
            1 => top + index,
            2 => ~@as(u64, index),
            else => top | @as(u64, 1) << random.int(u6),
        };
        try std.testing.expectEqual(low(join(~limb, ~@as(u64, 0)) / limb), Reciprocal.of(limb).inverse);
    }
}

test "division at the edges of its estimates" {
    const top: Word = std.math.maxInt(Word);
    const cases = [_]Word{ 1, 2, 3, 1 << 63, 1 << 64, (1 << 64) - 1, 1 << 127, 1 << 128, (1 << 128) - 1, 1 << 191, 1 << 192, (1 << 192) - 1, 1 << 255, top - 1, top, top ^ (1 << 64), top << 64, top >> 1, (1 << 255) + 1, ((1 << 255) + 1) ^ (1 << 128) };
    for (cases) |left| for (cases) |right| {
        try std.testing.expectEqual(left / right, quotient_of(left, right));
        try std.testing.expectEqual(left % right, remainder_of(left, right));
        for (cases) |modulus| {
            const wide = @as(u512, left) * right;
            try std.testing.expectEqual(@as(Word, @intCast(wide % modulus)), product_modulo(left, right, modulus));
        }
    };
}

test "bytes of words" {
    const value: Word = 0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20;
    var data: [40]u8 = undefined;
    for (&data, 1..) |*byte, index| byte.* = @intCast(index);
    try std.testing.expectEqual(value, from_bytes(data[0..32]));
    try std.testing.expectEqualSlices(u8, data[0..32], &to_bytes(value));
    try std.testing.expectEqualSlices(u8, data[12..32], &to_address(value));
    try std.testing.expectEqual(value >> 96, from_address(data[0..20]));
    inline for (1..33) |size| {
        try std.testing.expectEqual(value >> (256 - 8 * size), from_first(size, data[0 .. size + 8]));
    }
}
