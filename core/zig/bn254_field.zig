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

    /// 1 / number, and 0 for 0: its power of prime - 2 (Fermat), four bits of the exponent at once.
    pub fn inverse(self: Fp) Fp {
        var powers: [16]Fp = @splat(one);
        for (powers[1..], powers[0..15]) |*power, before| power.* = before.multiply(self);
        const exponent = prime - 2;
        var result = one;
        var left: u16 = 256;
        while (left > 0) {
            left -= 4;
            for (0..4) |_| result = result.square();
            result = result.multiply(powers[@as(u4, @truncate(exponent >> @intCast(left)))]);
        }
        return result;
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
