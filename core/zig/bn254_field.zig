//! The prime field of alt_bn128 (EIP-196). A number is held as Montgomery's residue: times 2**256, modulo the prime.
//! Not promised: constant time. Points here are public.

const std = @import("std");

pub const prime: u256 = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;

pub const size = 32;
const limb_bits = 64;
const limb_count = 4;

/// -1 / prime modulo 2**64, by Newton's steps.
const negated: u64 = blk: {
    const low: u64 = @truncate(prime);
    var inverse = low;
    for (0..6) |_| inverse *%= 2 -% low *% inverse;
    break :blk 0 -% inverse;
};

pub const Fp = struct {
    /// Below the prime.
    residue: u256,

    pub const zero: Fp = .{ .residue = 0 };
    pub const one: Fp = .of(1);

    /// 2**512 modulo the prime: a product with it makes a residue.
    const square_of_radix: Fp = .{ .residue = @intCast((1 << 512) % @as(comptime_int, prime)) };

    pub fn of(comptime number: comptime_int) Fp {
        return .{ .residue = @intCast(@mod(number << 256, @as(comptime_int, prime))) };
    }

    /// The number of big-endian bytes; null where it is not below the prime.
    pub fn from_bytes(bytes: *const [size]u8) ?Fp {
        const number = std.mem.readInt(u256, bytes, .big);
        if (number >= prime) return null;
        return square_of_radix.multiply(.{ .residue = number });
    }

    pub fn to_bytes(self: Fp) [size]u8 {
        var bytes: [size]u8 = undefined;
        std.mem.writeInt(u256, &bytes, self.multiply(.{ .residue = 1 }).residue, .big);
        return bytes;
    }

    pub fn is_zero(self: Fp) bool {
        return self.residue == 0;
    }

    pub fn equals(self: Fp, other: Fp) bool {
        return self.residue == other.residue;
    }

    /// A number below twice the prime, modulo it.
    inline fn reduced(number: u256) Fp {
        const less, const is_below = @subWithOverflow(number, prime);
        return .{ .residue = if (is_below != 0) number else less };
    }

    pub inline fn add(self: Fp, other: Fp) Fp {
        return reduced(self.residue +% other.residue);
    }

    pub inline fn double(self: Fp) Fp {
        return reduced(self.residue << 1);
    }

    pub inline fn subtract(self: Fp, other: Fp) Fp {
        const difference, const is_below = @subWithOverflow(self.residue, other.residue);
        return .{ .residue = if (is_below != 0) difference +% prime else difference };
    }

    pub inline fn negate(self: Fp) Fp {
        return zero.subtract(self);
    }

    pub inline fn half(self: Fp) Fp {
        const even = if (self.residue & 1 != 0) self.residue +% prime else self.residue;
        return .{ .residue = even >> 1 };
    }

    pub fn multiply(self: Fp, other: Fp) Fp {
        return sum_of_products(1, .{self.residue}, .{other.residue});
    }

    pub fn square(self: Fp) Fp {
        return sum_of_products(1, .{self.residue}, .{self.residue});
    }

    /// The number itself: no part of the prime field has another conjugate.
    pub fn conjugate(self: Fp) Fp {
        return self;
    }

    /// 1 / number, and 0 for 0: by a binary division of the prime whose steps are taken 31 at once, on the highest and the
    /// lowest bits of its numbers (Pornin, ePrint 2020/972, algorithm 2).
    pub fn inverse(self: Fp) Fp {
        var a = self.residue;
        var b = prime;
        // a = number * of_a and b = number * of_b, but for what `unscale` makes up for
        var of_a: u256 = 1;
        var of_b: u256 = 0;
        for (0..rounds) |_| {
            var steps: Steps = .of(a, b);
            const next_a = steps.first.signed(a, b);
            const next_b = steps.second.signed(a, b);
            if (next_a < 0) steps.first.negate();
            if (next_b < 0) steps.second.negate();
            const next = steps.first.residue(of_a, of_b);
            of_b = steps.second.residue(of_a, of_b);
            of_a = next;
            a = @truncate(@abs(next_a));
            b = @truncate(@abs(next_b));
        }
        return sum_of_products(1, .{of_b}, .{unscale});
    }
};

/// Steps of a division on approximations, and how often it takes so many: two bits of the numbers go in one step at worst.
const steps_at_once = 31;
const rounds = (2 * 254 - 1 + steps_at_once - 1) / steps_at_once;

/// Each round halves 31 times what it divides, and divides factors by 2**256; the residue itself is times 2**256, and so
/// shall its inverse be; the product with this number divides once more.
const unscale: u256 = @intCast((1 << (256 * (rounds + 3) - steps_at_once * rounds)) % @as(comptime_int, prime));

/// A combination of two numbers.
const Combination = struct {
    first: i64,
    second: i64,

    /// Of those of the division, which 2**31 divides.
    inline fn signed(self: Combination, a: u256, b: u256) i320 {
        return (@as(i320, a) *% self.first +% @as(i320, b) *% self.second) >> steps_at_once;
    }

    /// Of their factors.
    inline fn residue(self: Combination, a: u256, b: u256) u256 {
        return sum_of_products(2, .{ a, b }, .{ in_field(self.first), in_field(self.second) }).residue;
    }

    fn negate(self: *Combination) void {
        self.* = .{ .first = -self.first, .second = -self.second };
    }

    inline fn in_field(factor: i64) u256 {
        return if (factor < 0) prime -% @abs(factor) else @abs(factor);
    }
};

/// What 31 steps make of two numbers, the second odd: combinations of them, times 2**31.
const Steps = struct {
    first: Combination,
    second: Combination,

    fn of(a: u256, b: u256) Steps {
        const bits = @max(256 - @as(u16, @clz(a | b)), 2 * (steps_at_once + 1));
        var high = approximation(a, bits);
        var low = approximation(b, bits);
        var factors: [4]u64 = .{ 1, 0, 0, 1 };
        for (0..steps_at_once) |_| {
            // without branches, which nothing could predict
            const is_odd = 0 -% (high & 1);
            const is_less = is_odd & (0 -% @as(u64, @intFromBool(high < low)));
            exchange(&high, &low, is_less);
            exchange(&factors[0], &factors[2], is_less);
            exchange(&factors[1], &factors[3], is_less);
            high = (high -% (low & is_odd)) >> 1;
            factors[0] -%= factors[2] & is_odd;
            factors[1] -%= factors[3] & is_odd;
            factors[2] <<= 1;
            factors[3] <<= 1;
        }
        return .{
            .first = .{ .first = @bitCast(factors[0]), .second = @bitCast(factors[1]) },
            .second = .{ .first = @bitCast(factors[2]), .second = @bitCast(factors[3]) },
        };
    }

    /// The lowest 31 bits of a number of so many, and its highest 33.
    inline fn approximation(number: u256, bits: u16) u64 {
        const lowest: u64 = @as(u31, @truncate(number));
        const highest: u64 = @truncate(number >> @intCast(bits - steps_at_once - 2));
        return lowest | highest << steps_at_once;
    }

    inline fn exchange(a: *u64, b: *u64, mask: u64) void {
        const difference = (a.* ^ b.*) & mask;
        a.* ^= difference;
        b.* ^= difference;
    }
};

inline fn limb(number: u256, comptime index: usize) u64 {
    return @truncate(number >> (limb_bits * index));
}

/// x * y + a + b, which two limbs always hold: the low one into `low`, the high one returned.
inline fn fused(x: u64, y: u64, a: u64, b: u64, low: *u64) u64 {
    const product = @as(u128, x) *% y +% a +% b;
    low.* = @truncate(product);
    return @truncate(product >> limb_bits);
}

/// The sum of left[i] * right[i] / 2**256 modulo the prime, with one reduction for all (Montgomery's, by rows).
/// The factors are at most the prime; a single left one may be up to its double. The rows' sums stay below
/// (count + 1) * prime, so within four limbs, and the result below twice the prime.
pub inline fn sum_of_products(comptime count: usize, left: [count]u256, right: [count]u256) Fp {
    comptime std.debug.assert(prime < std.math.maxInt(u256) / (@as(u256, count) + 1));
    var sum: [limb_count]u64 = @splat(0);
    inline for (0..limb_count) |row| {
        var top: u64 = 0;
        inline for (left, right) |x, y| {
            var carry: u64 = 0;
            inline for (0..limb_count) |place| carry = fused(limb(x, row), limb(y, place), sum[place], carry, &sum[place]);
            top +%= carry;
        }
        const multiple = sum[0] *% negated;
        var dropped: u64 = 0;
        var carry = fused(multiple, limb(prime, 0), sum[0], 0, &dropped);
        inline for (1..limb_count) |place| {
            carry = fused(multiple, limb(prime, place), sum[place], carry, &sum[place - 1]);
        }
        sum[limb_count - 1] = top +% carry;
    }
    var number: u256 = 0;
    inline for (sum, 0..) |part, place| number |= @as(u256, part) << (limb_bits * place);
    return .reduced(number);
}
