//! The groups of alt_bn128 (EIP-196, EIP-197): G1 on y**2 = x**3 + 3 over Fp, and G2 on its twist, y**2 = x**3 + 3 / xi
//! over Fp2. Points are added in Jacobian coordinates: x = X / Z**2, y = Y / Z**3.

const std = @import("std");
const field = @import("bn254_field.zig");
const tower = @import("bn254_tower.zig");

const Fp = field.Fp;
const Fp2 = tower.Fp2;

/// The parameter of the curve, a Barreto-Naehrig one: prime and order are polynomials of it.
pub const parameter: u64 = 4965661367192848881;

/// 3 / xi = 3 (9 - i) / 82
pub const twist_coefficient: Fp2 = .{ .real = .of(27 * inverse_of_82), .imaginary = .of(-3 * inverse_of_82) };

const inverse_of_82 = blk: {
    var number: comptime_int = field.prime + 1;
    while (number % 82 != 0) number += field.prime;
    break :blk number / 82;
};

pub const G1 = Curve(Fp, .of(3));
pub const G2 = Curve(Fp2, twist_coefficient);

/// Digits 1, 0 and -1 of a number, the highest first, no two next to each other other than 0.
pub fn signed_digits(comptime number: comptime_int) []const i2 {
    comptime {
        @setEvalBranchQuota(10_000);
        var digits: []const i2 = &.{};
        var rest = number;
        while (rest > 0) {
            const digit = if (rest % 2 == 0) 0 else if (rest % 4 == 1) 1 else -1;
            digits = &[_]i2{digit} ++ digits;
            rest = (rest - digit) / 2;
        }
        return digits;
    }
}

/// The curve y**2 = x**3 + coefficient. It has no point of order two, and (0, 0) is not on it.
fn Curve(comptime Field: type, comptime coefficient: Field) type {
    return struct {
        /// A point by its coordinates; (0, 0) stands for infinity, as in the precompiles' encoding.
        pub const Affine = struct {
            x: Field,
            y: Field,

            pub const infinity: Affine = .{ .x = .zero, .y = .zero };

            pub fn is_infinity(self: *const Affine) bool {
                return self.x.is_zero() and self.y.is_zero();
            }

            /// Whether it is infinity or on the curve.
            pub fn is_valid(self: *const Affine) bool {
                const wanted = self.x.square().multiply(self.x).add(coefficient);
                return self.y.square().equals(wanted) or self.is_infinity();
            }

            pub fn negate(self: *const Affine) Affine {
                return .{ .x = self.x, .y = self.y.negate() };
            }

            /// The sum, by the slope of the line through both, or of the tangent.
            pub fn add(self: *const Affine, other: *const Affine) Affine {
                if (self.is_infinity()) return other.*;
                if (other.is_infinity()) return self.*;
                const run = other.x.subtract(self.x);
                const rise = other.y.subtract(self.y);
                if (!run.is_zero()) return self.third(other, rise.multiply(run.inverse()));
                if (!rise.is_zero()) return infinity;
                const square = self.x.square();
                const slope = square.double().add(square).multiply(self.y.double().inverse());
                return self.third(self, slope);
            }

            /// The opposite of the third point of the curve on a line through two.
            fn third(self: *const Affine, other: *const Affine, slope: Field) Affine {
                const x = slope.square().subtract(self.x).subtract(other.x);
                return .{ .x = x, .y = slope.multiply(self.x.subtract(x)).subtract(self.y) };
            }

            /// factor times the point; any factor of 256 bits. Of the prime field's curve alone, whose points all have the
            /// group's order.
            pub fn multiply(self: *const Affine, factor: u256) Affine {
                if (self.is_infinity()) return infinity;
                var multiples: [2][odd_count]Affine = undefined;
                const z = odd_multiples(self, &multiples[0]);
                for (&multiples[1], &multiples[0]) |*image, *multiple| image.* = endomorphism(multiple);
                const parts = split(factor);
                var digits: [2]Digits = undefined;
                const counts = [2]usize{ digits_of(parts[0], &digits[0]), digits_of(parts[1], &digits[1]) };
                var sum: Point = .infinity;
                var left = @max(counts[0], counts[1]);
                while (left > 0) {
                    left -= 1;
                    sum = sum.double();
                    for (&multiples, &digits, counts) |*of_part, *of_digits, count| {
                        const digit = if (left < count) of_digits[left] else 0;
                        if (digit == 0) continue;
                        const multiple = &of_part[@abs(digit) / 2];
                        sum = sum.add_affine(&if (digit > 0) multiple.* else multiple.negate());
                    }
                }
                sum.z = sum.z.multiply(z);
                return sum.affine();
            }

            /// A factor that is known when this is compiled.
            pub fn multiply_by(self: *const Affine, comptime factor: comptime_int) Point {
                const opposite = self.negate();
                var sum: Point = .of(self);
                for (comptime signed_digits(factor)[1..]) |digit| {
                    sum = sum.double();
                    if (digit != 0) sum = sum.add_affine(if (digit > 0) self else &opposite);
                }
                return sum;
            }
        };

        /// 1, 3, 5 ... 15 times a point that is not infinity, all over the same Z, which is returned: as if they were affine,
        /// on a curve with another coefficient, which no sum looks at. The order is large, so no sum here is of equal points.
        fn odd_multiples(point: *const Affine, odd: *[odd_count]Affine) Field {
            const twice = Point.of(point).double();
            const step: Affine = .{ .x = twice.x, .y = twice.y };
            odd[0] = over(point, twice.z);
            // of each, what its Z is to that of the one before
            var ratios: [odd_count]Field = undefined;
            var sum: Point = .of(&odd[0]);
            for (odd[1..], ratios[1..]) |*next, *ratio| {
                ratio.* = step.x.multiply(sum.z.square()).subtract(sum.x);
                sum = sum.add_affine(&step);
                next.* = .{ .x = sum.x, .y = sum.y };
            }
            var ratio = ratios[odd_count - 1];
            var left: usize = odd_count - 1;
            while (left > 0) {
                left -= 1;
                odd[left] = over(&odd[left], ratio);
                if (left > 0) ratio = ratio.multiply(ratios[left]);
            }
            return sum.z.multiply(twice.z);
        }

        /// The x and y that a point has over a Z that is `ratio` times its own.
        fn over(point: *const Affine, ratio: Field) Affine {
            const square = ratio.square();
            return .{ .x = point.x.multiply(square), .y = point.y.multiply(square).multiply(ratio) };
        }

        /// X, Y, Z; infinity where Z is zero.
        pub const Point = struct {
            x: Field,
            y: Field,
            z: Field,

            pub const infinity: Point = .{ .x = .one, .y = .one, .z = .zero };

            pub fn of(point: *const Affine) Point {
                return if (point.is_infinity()) infinity else .{ .x = point.x, .y = point.y, .z = .one };
            }

            pub fn affine(self: *const Point) Affine {
                const inverse = self.z.inverse();
                const square = inverse.square();
                return .{ .x = self.x.multiply(square), .y = self.y.multiply(square).multiply(inverse) };
            }

            pub fn negate(self: *const Point) Point {
                return .{ .x = self.x, .y = self.y.negate(), .z = self.z };
            }

            pub fn equals(self: *const Point, other: *const Point) bool {
                if (self.z.is_zero() or other.z.is_zero()) return self.z.is_zero() and other.z.is_zero();
                const mine = self.z.square();
                const its = other.z.square();
                if (!self.x.multiply(its).equals(other.x.multiply(mine))) return false;
                return self.y.multiply(its.multiply(other.z)).equals(other.y.multiply(mine.multiply(self.z)));
            }

            pub fn double(self: *const Point) Point {
                const of_x = self.x.square();
                const of_y = self.y.square();
                const fourth = of_y.square();
                const middle = self.x.add(of_y).square().subtract(of_x).subtract(fourth).double();
                const slope = of_x.double().add(of_x);
                const x = slope.square().subtract(middle.double());
                const y = slope.multiply(middle.subtract(x)).subtract(fourth.double().double().double());
                return .{ .x = x, .y = y, .z = self.y.multiply(self.z).double() };
            }

            pub fn add_affine(self: *const Point, other: *const Affine) Point {
                if (other.is_infinity()) return self.*;
                if (self.z.is_zero()) return .of(other);
                const square = self.z.square();
                const run = other.x.multiply(square).subtract(self.x);
                const rise = other.y.multiply(square.multiply(self.z)).subtract(self.y);
                if (run.is_zero()) return if (rise.is_zero()) self.double() else infinity;
                return joined(self.x, self.y, run, rise, self.z.multiply(run));
            }

            pub fn add(self: *const Point, other: *const Point) Point {
                if (other.z.is_zero()) return self.*;
                if (self.z.is_zero()) return other.*;
                const mine = self.z.square();
                const its = other.z.square();
                const x = self.x.multiply(its);
                const y = self.y.multiply(its.multiply(other.z));
                const run = other.x.multiply(mine).subtract(x);
                const rise = other.y.multiply(mine.multiply(self.z)).subtract(y);
                if (run.is_zero()) return if (rise.is_zero()) self.double() else infinity;
                return joined(x, y, run, rise, self.z.multiply(other.z).multiply(run));
            }

            /// The sum of (x, y) and (x + run, y + rise), all over the same Z; z is Z run.
            fn joined(x: Field, y: Field, run: Field, rise: Field, z: Field) Point {
                const square = run.square();
                const cube = square.multiply(run);
                const middle = square.multiply(x);
                const new_x = rise.square().subtract(cube).subtract(middle.double());
                const new_y = rise.multiply(middle.subtract(new_x)).subtract(y.multiply(cube));
                return .{ .x = new_x, .y = new_y, .z = z };
            }
        };
    };
}

const odd_count = 8;

/// (x, y) -> (beta x, y), with a cube root of one: the product with `eigenvalue` on the curve over the prime field.
fn endomorphism(point: *const G1.Affine) G1.Affine {
    return .{ .x = point.x.multiply(.of(beta)), .y = point.y };
}

const u: comptime_int = parameter;
const order = 36 * u * u * u * u + 36 * u * u * u + 18 * u * u + 6 * u + 1;
const beta = 18 * u * u * u + 18 * u * u + 9 * u + 1;
const eigenvalue = 36 * u * u * u + 18 * u * u + 6 * u + 1;

/// Two short pairs (a, b) with a + b * eigenvalue = 0 modulo the order, whose determinant is the order
/// (Gallant, Lambert and Vanstone, CRYPTO 2001; for these curves Nogami and others, 2008).
const short = [2][2]comptime_int{ .{ 2 * u + 1, -(6 * u * u + 2 * u) }, .{ 6 * u * u + 4 * u + 1, 2 * u + 1 } };

comptime {
    std.debug.assert(@rem(beta * beta + beta + 1, @as(comptime_int, field.prime)) == 0);
    for (short) |pair| std.debug.assert(@rem(pair[0] + pair[1] * eigenvalue, order) == 0);
    std.debug.assert(short[0][0] * short[1][1] - short[0][1] * short[1][0] == order);
}

/// Two numbers of at most 128 bits and a sign with first + second * eigenvalue = factor modulo the order.
/// The quotients are at most one and a half below the true ones: their rounding changes how short the numbers are, and
/// nothing else.
fn split(factor: u256) [2]i256 {
    const first = quotient(factor, short[1][1]);
    const second = quotient(factor, -short[0][1]);
    return .{
        @intCast(@as(i512, factor) - first * short[0][0] - second * short[1][0]),
        @intCast(-first * short[0][1] - second * short[1][1]),
    };
}

/// factor * numerator / order
inline fn quotient(factor: u256, comptime numerator: comptime_int) i512 {
    return @intCast(@as(u512, factor) * (((numerator << 257) / order + 1) / 2) >> 256);
}

const most_digits = 129;
const Digits = [most_digits]i8;

/// Odd digits from -15 to 15, and zeros, at least four of them behind each; the lowest first. How many there are.
fn digits_of(factor: i256, digits: *Digits) usize {
    var rest: u129 = @intCast(@abs(factor));
    var count: usize = 0;
    while (rest != 0) : (count += 1) {
        var digit: i8 = 0;
        if (rest & 1 != 0) {
            const low: i8 = @intCast(rest & 31);
            digit = if (low > 15) low - 32 else low;
            rest = if (digit > 0) rest - @as(u129, @intCast(digit)) else rest + @abs(digit);
        }
        digits[count] = if (factor < 0) -digit else digit;
        rest >>= 1;
    }
    return count;
}

/// The endomorphism of the twist that is Frobenius's on the curve itself; on G2 it is the product with the prime.
pub fn frobenius(point: *const G2.Point) G2.Point {
    return .{
        .x = point.x.conjugate().multiply(tower.twists[2]),
        .y = point.y.conjugate().multiply(tower.twists[3]),
        .z = point.z.conjugate(),
    };
}

/// Whether a point of the twist has the group's order: with the parameter u and Frobenius's endomorphism f, if
/// (u + 1) Q + f(u Q) + f(f(u Q)) = f(f(f(2 u Q))) (Dai and others, ePrint 2022/348). f**2 - trace f + prime = 0, and the
/// norm of (u + 1) + u f + u f**2 - 2 u f**3 has no factor in common with the twist's order but the group's.
pub fn is_in_subgroup(point: *const G2.Affine) bool {
    if (point.is_infinity()) return true;
    const multiple = point.multiply_by(parameter);
    const once = frobenius(&multiple);
    const twice = frobenius(&once);
    const left = multiple.add_affine(point).add(&once).add(&twice);
    return left.equals(&frobenius(&twice).double());
}
