//! Extensions of alt_bn128's field: Fp2 = Fp[i] / (i**2 + 1), Fp6 = Fp2[v] / (v**3 - xi) with xi = 9 + i, and
//! Fp12 = Fp6[w] / (w**2 - v). Methods as in "Multiplication and Squaring on Pairing-Friendly Fields" (ePrint 2006/471).

const field = @import("bn254_field.zig");

const Fp = field.Fp;

pub const Fp2 = struct {
    real: Fp,
    imaginary: Fp,

    pub const zero: Fp2 = .{ .real = .zero, .imaginary = .zero };
    pub const one: Fp2 = .{ .real = .one, .imaginary = .zero };

    pub fn is_zero(self: *const Fp2) bool {
        return self.real.is_zero() and self.imaginary.is_zero();
    }

    pub fn equals(self: *const Fp2, other: Fp2) bool {
        return self.real.equals(other.real) and self.imaginary.equals(other.imaginary);
    }

    pub fn add(self: Fp2, other: Fp2) Fp2 {
        return .{ .real = self.real.add(other.real), .imaginary = self.imaginary.add(other.imaginary) };
    }

    pub fn double(self: Fp2) Fp2 {
        return .{ .real = self.real.double(), .imaginary = self.imaginary.double() };
    }

    pub fn half(self: Fp2) Fp2 {
        return .{ .real = self.real.half(), .imaginary = self.imaginary.half() };
    }

    pub fn subtract(self: Fp2, other: Fp2) Fp2 {
        return .{ .real = self.real.subtract(other.real), .imaginary = self.imaginary.subtract(other.imaginary) };
    }

    pub fn negate(self: Fp2) Fp2 {
        return .{ .real = self.real.negate(), .imaginary = self.imaginary.negate() };
    }

    /// Its power of the prime.
    pub fn conjugate(self: Fp2) Fp2 {
        return .{ .real = self.real, .imaginary = self.imaginary.negate() };
    }

    pub fn multiply(self: Fp2, other: Fp2) Fp2 {
        const left = .{ self.real.residue, self.imaginary.residue };
        const opposite = field.prime -% other.imaginary.residue;
        return .{
            .real = field.sum_of_products(2, left, .{ other.real.residue, opposite }),
            .imaginary = field.sum_of_products(2, left, .{ other.imaginary.residue, other.real.residue }),
        };
    }

    /// (a + b i)**2 = (a + b) (a - b) + 2 a b i
    pub fn square(self: Fp2) Fp2 {
        const sum = self.real.residue +% self.imaginary.residue;
        const difference = self.real.subtract(self.imaginary).residue;
        return .{
            .real = field.sum_of_products(1, .{sum}, .{difference}),
            .imaginary = field.sum_of_products(1, .{self.real.residue << 1}, .{self.imaginary.residue}),
        };
    }

    pub fn scale(self: Fp2, factor: Fp) Fp2 {
        return .{ .real = self.real.multiply(factor), .imaginary = self.imaginary.multiply(factor) };
    }

    /// Times xi.
    pub fn shift(self: Fp2) Fp2 {
        const nine = self.double().double().double().add(self);
        return .{
            .real = nine.real.subtract(self.imaginary),
            .imaginary = nine.imaginary.add(self.real),
        };
    }

    /// 1 / number, and 0 for 0.
    pub fn inverse(self: Fp2) Fp2 {
        const norm = self.real.square().add(self.imaginary.square());
        return self.conjugate().scale(norm.inverse());
    }
};

/// a + b v + c v**2
pub const Fp6 = struct {
    a: Fp2,
    b: Fp2,
    c: Fp2,

    pub const zero: Fp6 = .{ .a = .zero, .b = .zero, .c = .zero };
    pub const one: Fp6 = .{ .a = .one, .b = .zero, .c = .zero };

    pub fn equals(self: *const Fp6, other: *const Fp6) bool {
        return self.a.equals(other.a) and self.b.equals(other.b) and self.c.equals(other.c);
    }

    pub fn add(self: *const Fp6, other: *const Fp6) Fp6 {
        return .{ .a = self.a.add(other.a), .b = self.b.add(other.b), .c = self.c.add(other.c) };
    }

    pub fn subtract(self: *const Fp6, other: *const Fp6) Fp6 {
        return .{ .a = self.a.subtract(other.a), .b = self.b.subtract(other.b), .c = self.c.subtract(other.c) };
    }

    pub fn double(self: *const Fp6) Fp6 {
        return .{ .a = self.a.double(), .b = self.b.double(), .c = self.c.double() };
    }

    pub fn negate(self: *const Fp6) Fp6 {
        return .{ .a = self.a.negate(), .b = self.b.negate(), .c = self.c.negate() };
    }

    /// Six products of Fp2 for the nine (Karatsuba).
    pub fn multiply(self: *const Fp6, other: *const Fp6) Fp6 {
        const first = self.a.multiply(other.a);
        const second = self.b.multiply(other.b);
        const third = self.c.multiply(other.c);
        const high = self.b.add(self.c).multiply(other.b.add(other.c)).subtract(second).subtract(third);
        const low = self.a.add(self.b).multiply(other.a.add(other.b)).subtract(first).subtract(second);
        const outer = self.a.add(self.c).multiply(other.a.add(other.c)).subtract(first).subtract(third);
        return .{ .a = first.add(high.shift()), .b = low.add(third.shift()), .c = outer.add(second) };
    }

    /// Times a + b v.
    pub fn multiply_sparse(self: *const Fp6, a: Fp2, b: Fp2) Fp6 {
        const first = self.a.multiply(a);
        const second = self.b.multiply(b);
        const low = self.a.add(self.b).multiply(a.add(b)).subtract(first).subtract(second);
        return .{
            .a = first.add(self.c.multiply(b).shift()),
            .b = low,
            .c = self.c.multiply(a).add(second),
        };
    }

    pub fn scale(self: *const Fp6, factor: Fp2) Fp6 {
        return .{ .a = self.a.multiply(factor), .b = self.b.multiply(factor), .c = self.c.multiply(factor) };
    }

    /// Times v.
    pub fn shift(self: *const Fp6) Fp6 {
        return .{ .a = self.c.shift(), .b = self.a, .c = self.b };
    }

    /// 1 / number, and 0 for 0: its cofactors over its norm.
    pub fn inverse(self: *const Fp6) Fp6 {
        const a = self.a.square().subtract(self.b.multiply(self.c).shift());
        const b = self.c.square().shift().subtract(self.a.multiply(self.b));
        const c = self.b.square().subtract(self.a.multiply(self.c));
        const crossed = self.c.multiply(b).add(self.b.multiply(c)).shift();
        const norm = self.a.multiply(a).add(crossed).inverse();
        return .{ .a = a.multiply(norm), .b = b.multiply(norm), .c = c.multiply(norm) };
    }
};

/// a + b w
pub const Fp12 = struct {
    a: Fp6,
    b: Fp6,

    pub const one: Fp12 = .{ .a = .one, .b = .zero };

    pub fn equals(self: *const Fp12, other: *const Fp12) bool {
        return self.a.equals(&other.a) and self.b.equals(&other.b);
    }

    pub fn multiply(self: *const Fp12, other: *const Fp12) Fp12 {
        const first = self.a.multiply(&other.a);
        const second = self.b.multiply(&other.b);
        const crossed = self.a.add(&self.b).multiply(&other.a.add(&other.b));
        return .{ .a = first.add(&second.shift()), .b = crossed.subtract(&first).subtract(&second) };
    }

    /// (a + b w)**2 = (a + b) (a + b v) - a b (1 + v) + 2 a b w
    pub fn square(self: *const Fp12) Fp12 {
        const product = self.a.multiply(&self.b);
        const crossed = self.a.add(&self.b).multiply(&self.a.add(&self.b.shift()));
        return .{ .a = crossed.subtract(&product).subtract(&product.shift()), .b = product.double() };
    }

    /// Times a line: a + (b + c v) w.
    pub fn multiply_line(self: *const Fp12, a: Fp2, b: Fp2, c: Fp2) Fp12 {
        const first = self.a.scale(a);
        const second = self.b.multiply_sparse(b, c);
        const crossed = self.a.add(&self.b).multiply_sparse(a.add(b), c);
        return .{ .a = first.add(&second.shift()), .b = crossed.subtract(&first).subtract(&second) };
    }

    /// Its power of prime**6; of an element of order prime**6 + 1, its inverse.
    pub fn conjugate(self: *const Fp12) Fp12 {
        return .{ .a = self.a, .b = self.b.negate() };
    }

    pub fn inverse(self: *const Fp12) Fp12 {
        const norm = self.a.multiply(&self.a).subtract(&self.b.multiply(&self.b).shift()).inverse();
        return .{ .a = self.a.multiply(&norm), .b = self.b.multiply(&norm).negate() };
    }

    /// Its power of the prime.
    pub fn frobenius(self: *const Fp12) Fp12 {
        return .{
            .a = .{
                .a = self.a.a.conjugate(),
                .b = self.a.b.conjugate().multiply(twists[2]),
                .c = self.a.c.conjugate().multiply(twists[4]),
            },
            .b = .{
                .a = self.b.a.conjugate().multiply(twists[1]),
                .b = self.b.b.conjugate().multiply(twists[3]),
                .c = self.b.c.conjugate().multiply(twists[5]),
            },
        };
    }

    /// The square of an element whose order divides prime**4 - prime**2 + 1 (Granger and Scott, ePrint 2009/565).
    pub fn square_cyclotomic(self: *const Fp12) Fp12 {
        const first = square_of_pair(self.a.a, self.b.b);
        const second = square_of_pair(self.b.a, self.a.c);
        const third = square_of_pair(self.a.b, self.b.c);
        return .{
            .a = .{
                .a = thrice_less(first[0], self.a.a),
                .b = thrice_less(second[0], self.a.b),
                .c = thrice_less(third[0], self.a.c),
            },
            .b = .{
                .a = thrice_more(third[1].shift(), self.b.a),
                .b = thrice_more(first[1], self.b.b),
                .c = thrice_more(second[1], self.b.c),
            },
        };
    }
};

/// (x + y u)**2 with u**2 = xi.
fn square_of_pair(x: Fp2, y: Fp2) [2]Fp2 {
    const of_x = x.square();
    const of_y = y.square();
    return .{ of_x.add(of_y.shift()), x.add(y).square().subtract(of_x).subtract(of_y) };
}

/// 3 square - 2 number
fn thrice_less(square: Fp2, number: Fp2) Fp2 {
    return square.subtract(number).double().add(square);
}

/// 3 square + 2 number
fn thrice_more(square: Fp2, number: Fp2) Fp2 {
    return square.add(number).double().add(square);
}

/// By k: xi**(k (prime - 1) / 6), so that (c w**k)**prime is conjugate(c) twists[k] w**k.
pub const twists: [6]Fp2 = blk: {
    @setEvalBranchQuota(100_000);
    const xi: Numbers = .{ 9, 1 };
    var base: Numbers = .{ 1, 0 };
    const exponent = (field.prime - 1) / 6;
    for (0..256) |index| {
        base = product_of_numbers(base, base);
        if (exponent >> (255 - index) & 1 != 0) base = product_of_numbers(base, xi);
    }
    var powers: [6]Fp2 = @splat(.one);
    var power: Numbers = .{ 1, 0 };
    for (&powers) |*twist| {
        twist.* = .{ .real = .of(power[0]), .imaginary = .of(power[1]) };
        power = product_of_numbers(power, base);
    }
    break :blk powers;
};

/// An element of Fp2 at compile time.
const Numbers = [2]comptime_int;

fn product_of_numbers(comptime left: Numbers, comptime right: Numbers) Numbers {
    return .{
        @mod(left[0] * right[0] - left[1] * right[1], @as(comptime_int, field.prime)),
        @mod(left[0] * right[1] + left[1] * right[0], @as(comptime_int, field.prime)),
    };
}
