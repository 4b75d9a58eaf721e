//! The optimal ate pairing of alt_bn128 (Vercauteren, ePrint 2008/096), for products of pairings: the squarings of Miller's
//! loop are shared by the pairs of a group, the final exponentiation by all.

const curves = @import("bn254_curves.zig");
const field = @import("bn254_field.zig");
const tower = @import("bn254_tower.zig");
const Clock = @import("clock.zig").Clock;
const Error = @import("errors.zig").Error;

const Fp2 = tower.Fp2;
const Fp12 = tower.Fp12;
const G1 = curves.G1.Affine;
const G2 = curves.G2.Affine;

/// Pairs that go through Miller's loop together.
pub const group_size = 8;

/// Steps of a point, or squarings, between two looks at the clock: some fifty microseconds.
pub const steps_between_looks = 16;

/// 6 u + 2, without its first digit.
const loop = curves.signed_digits(6 * @as(comptime_int, curves.parameter) + 2)[1..];
const parameter = curves.signed_digits(curves.parameter)[1..];

/// Both of their groups, neither infinity.
pub const Pair = struct { first: G1, second: G2 };

/// A multiple of a pair's second point on the way through the loop: x = X / Z, y = Y / Z.
const Step = struct {
    pair: Pair,
    x: Fp2,
    y: Fp2,
    z: Fp2,

    fn of(pair: *const Pair) Step {
        return .{ .pair = pair.*, .x = pair.second.x, .y = pair.second.y, .z = .one };
    }

    /// Double the point; value times the tangent there, at the first point (Costello and others, ePrint 2009/615).
    fn double(self: *Step, value: *Fp12) void {
        const of_y = self.y.square();
        const of_z = self.z.square();
        const third = of_z.double().add(of_z).multiply(curves.twist_coefficient);
        const ninth = third.double().add(third);
        const twice = self.y.add(self.z).square().subtract(of_y).subtract(of_z);
        const of_x = self.x.square();
        const slope = of_x.double().add(of_x);
        const half = self.x.multiply(self.y).half();
        const mean = of_y.add(ninth).half();
        const of_third = third.square();
        self.x = half.multiply(of_y.subtract(ninth));
        self.y = mean.square().subtract(of_third.double().add(of_third));
        self.z = of_y.multiply(twice);
        self.take_line(value, twice, slope, of_y.subtract(third));
    }

    /// Add a point that differs in x; value times the line through both.
    fn add(self: *Step, other: *const G2, value: *Fp12) void {
        const rise = self.y.subtract(other.y.multiply(self.z));
        const run = self.x.subtract(other.x.multiply(self.z));
        const square = run.square();
        const cube = square.multiply(run);
        const middle = self.x.multiply(square);
        const sum = cube.add(self.z.multiply(rise.square())).subtract(middle.double());
        self.x = run.multiply(sum);
        self.y = rise.multiply(middle.subtract(sum)).subtract(cube.multiply(self.y));
        self.z = self.z.multiply(cube);
        self.take_line(value, run, rise, rise.multiply(other.x).subtract(run.multiply(other.y)));
    }

    /// The line run y - rise x w + rest w**3, on the curve itself, at the first point.
    fn take_line(self: *const Step, value: *Fp12, run: Fp2, rise: Fp2, rest: Fp2) void {
        const at = &self.pair.first;
        value.* = value.multiply_line(run.scale(at.y), rise.scale(at.x.negate()), rest);
    }

    /// The loop's two last lines: to Frobenius's image of the second point, and to the opposite of its image again.
    fn end(self: *Step, value: *Fp12) void {
        const image = frobenius(&self.pair.second);
        self.add(&image, value);
        self.add(&frobenius(&image).negate(), value);
    }
};

fn frobenius(point: *const G2) G2 {
    const image = curves.frobenius(&.{ .x = point.x, .y = point.y, .z = .one });
    return .{ .x = image.x, .y = image.y };
}

/// The product of Miller's functions of the pairs, `group_size` at most.
pub fn miller(pairs: []const Pair, clock: *Clock) Error!Fp12 {
    var steps: [group_size]Step = undefined;
    for (steps[0..pairs.len], pairs) |*step, *pair| step.* = .of(pair);
    var value: Fp12 = .one;
    for (loop) |digit| {
        try clock.spend(pairs.len + 1);
        value = value.square();
        for (steps[0..pairs.len]) |*step| {
            step.double(&value);
            if (digit > 0) step.add(&step.pair.second, &value);
            if (digit < 0) step.add(&step.pair.second.negate(), &value);
        }
    }
    for (steps[0..pairs.len]) |*step| step.end(&value);
    return value;
}

/// Whether the value to the power of (prime**12 - 1) / order is one: so is the product of the pairings then.
pub fn is_one(value: *const Fp12, clock: *Clock) Error!bool {
    const half = value.conjugate().multiply(&value.inverse());
    const easy = half.frobenius().frobenius().multiply(&half);
    return (try hard_part(&easy, clock)).equals(&.one);
}

/// The power of 2 u (6 u**2 + 3 u + 1) (prime**4 - prime**2 + 1) / order (Fuentes-Castaneda and others, SAC 2011), of an
/// element whose order divides prime**4 - prime**2 + 1. The first factors have none in common with the order.
fn hard_part(value: *const Fp12, clock: *Clock) Error!Fp12 {
    const twice = (try to_parameter(value, clock)).square_cyclotomic();
    const sixfold = twice.square_cyclotomic().multiply(&twice); // 6 u
    const second = try to_parameter(&sixfold, clock); // 6 u**2
    const third = try to_parameter(&second.square_cyclotomic(), clock); // 12 u**3
    const sum = sixfold.multiply(&second).multiply(&third);
    const less = sum.multiply(&twice.conjugate());
    const plain = sum.multiply(&second).multiply(value);
    const of_one = less.frobenius();
    const of_two = sum.frobenius().frobenius();
    const of_three = less.multiply(&value.conjugate()).frobenius().frobenius().frobenius();
    return plain.multiply(&of_one).multiply(&of_two.multiply(&of_three));
}

fn to_parameter(value: *const Fp12, clock: *Clock) Error!Fp12 {
    const opposite = value.conjugate();
    var power = value.*;
    for (parameter) |digit| {
        try clock.spend(1);
        power = power.square_cyclotomic();
        if (digit != 0) power = power.multiply(if (digit > 0) value else &opposite);
    }
    return power;
}
