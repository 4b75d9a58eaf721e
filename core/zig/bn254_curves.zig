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

            /// factor times the point, by digits of five bits without sign; any factor of 256 bits.
            pub fn multiply(self: *const Affine, factor: u256) Affine {
                if (self.is_infinity()) return infinity;
                const odd = odd_multiples(self);
                var digits: Digits = undefined;
                var sum: Point = .infinity;
                var left = digits_of(factor, &digits);
                while (left > 0) {
                    left -= 1;
                    sum = sum.double();
                    const digit = digits[left];
                    if (digit == 0) continue;
                    const multiple = &odd[@abs(digit) / 2];
                    sum = if (digit > 0) sum.add(multiple) else sum.add(&multiple.negate());
                }
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

        /// 1, 3, 5 ... 15 times a point.
        fn odd_multiples(point: *const Affine) [8]Point {
            var odd: [8]Point = @splat(.of(point));
            const twice = odd[0].double();
            for (odd[1..], odd[0..7]) |*next, *before| next.* = before.add(&twice);
            return odd;
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

const most_digits = 257;
const Digits = [most_digits]i8;

/// Odd digits from -15 to 15, and zeros, at least four of them behind each; the lowest first. How many there are.
fn digits_of(factor: u256, digits: *Digits) usize {
    var rest: u257 = factor;
    var count: usize = 0;
    while (rest != 0) : (count += 1) {
        var digit: i8 = 0;
        if (rest & 1 != 0) {
            const low: i8 = @intCast(rest & 31);
            digit = if (low > 15) low - 32 else low;
            rest = if (digit > 0) rest - @as(u257, @intCast(digit)) else rest + @abs(digit);
        }
        digits[count] = digit;
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
