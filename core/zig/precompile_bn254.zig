//! The precompiles of alt_bn128: a sum and a multiple in G1 (EIP-196), and whether a product of pairings is one (EIP-197).
//! Prices: EIP-1108. A point's coordinates are big-endian; of G2's, the imaginary part comes first.

const std = @import("std");
const curves = @import("bn254_curves.zig");
const field = @import("bn254_field.zig");
const pairing = @import("bn254_pairing.zig");
const tower = @import("bn254_tower.zig");
const Clock = @import("clock.zig").Clock;
const Error = @import("errors.zig").Error;
const Fork = @import("forks.zig").Fork;

const Fp = field.Fp;
const Fp2 = tower.Fp2;
const G1 = curves.G1.Affine;
const G2 = curves.G2.Affine;

pub const steps_between_looks = pairing.steps_between_looks;

/// Steps of the clock for the check of a point's subgroup.
const check_steps = 12;

const g1_size = 2 * field.size;
const g2_size = 4 * field.size;
const pair_size = g1_size + g2_size;

/// What is wrong with an input.
pub const InputError = error{ NoFieldElement, NotOnCurve, NotInSubgroup, PairSize };

/// geth's text.
pub fn text_of(failure: InputError) []const u8 {
    return switch (failure) {
        error.NoFieldElement => "invalid fp.Element encoding",
        error.NotOnCurve => "point is not on curve",
        error.NotInSubgroup => "point is not in correct subgroup",
        error.PairSize => "bad elliptic curve pairing size",
    };
}

const Price = struct { first: Fork, add: u64, multiply: u64, product: u64, pair: u64 };

/// The newest first: EIP-1108, EIP-196 and EIP-197.
const prices = [_]Price{
    .{ .first = .istanbul, .add = 150, .multiply = 6_000, .product = 45_000, .pair = 34_000 },
    .{ .first = .byzantium, .add = 500, .multiply = 40_000, .product = 100_000, .pair = 80_000 },
};

/// By their addresses.
pub const Operation = enum(u8) {
    add = 6,
    multiply = 7,
    product = 8,

    pub fn gas(self: Operation, fork: Fork, input_size: usize) u64 {
        const price = for (&prices) |*price| {
            if (fork.from(price.first)) break price;
        } else &prices[prices.len - 1];
        return switch (self) {
            .add => price.add,
            .multiply => price.multiply,
            .product => price.product + price.pair * (input_size / pair_size),
        };
    }
};

pub const most_output = g1_size;

/// Run one; its output in `out`.
pub fn run(operation: Operation, data: []const u8, clock: *Clock, out: *[most_output]u8) (Error || InputError)![]const u8 {
    switch (operation) {
        .add => out.* = try add(data),
        .multiply => out.* = try multiply(data),
        .product => {
            out.* = @splat(0);
            out[field.size - 1] = @intFromBool(try product_is_one(data, clock));
            return out[0..field.size];
        },
    }
    return out;
}

/// Input of fixed size: cut, and filled with zeros.
fn filled(comptime size: usize, data: []const u8) [size]u8 {
    var whole: [size]u8 = @splat(0);
    const used = data[0..@min(size, data.len)];
    @memcpy(whole[0..used.len], used);
    return whole;
}

fn add(data: []const u8) InputError![g1_size]u8 {
    const input = filled(2 * g1_size, data);
    const first = try read_g1(input[0..g1_size]);
    const second = try read_g1(input[g1_size..]);
    return written(&first.add(&second));
}

fn multiply(data: []const u8) InputError![g1_size]u8 {
    const input = filled(g1_size + 32, data);
    const point = try read_g1(input[0..g1_size]);
    return written(&point.multiply(std.mem.readInt(u256, input[g1_size..], .big)));
}

fn product_is_one(data: []const u8, clock: *Clock) (Error || InputError)!bool {
    if (data.len % pair_size != 0) return error.PairSize;
    var value: tower.Fp12 = .one;
    var group: [pairing.group_size]pairing.Pair = undefined;
    var count: usize = 0;
    var place: usize = 0;
    while (place < data.len) : (place += pair_size) {
        const first = try read_g1(data[place..][0..g1_size]);
        const second = try read_g2(data[place + g1_size ..][0..g2_size]);
        try clock.spend(check_steps);
        if (first.is_infinity() or second.is_infinity()) continue;
        group[count] = .{ .first = first, .second = second };
        count += 1;
        if (count < group.len) continue;
        value = value.multiply(&try pairing.miller(&group, clock));
        count = 0;
    }
    if (count > 0) value = value.multiply(&try pairing.miller(group[0..count], clock));
    return pairing.is_one(&value, clock);
}

fn read(bytes: *const [field.size]u8) InputError!Fp {
    return Fp.from_bytes(bytes) orelse error.NoFieldElement;
}

fn read_pair(bytes: *const [2 * field.size]u8) InputError!Fp2 {
    const imaginary = try read(bytes[0..field.size]);
    return .{ .real = try read(bytes[field.size..]), .imaginary = imaginary };
}

fn read_g1(bytes: *const [g1_size]u8) InputError!G1 {
    const point: G1 = .{ .x = try read(bytes[0..field.size]), .y = try read(bytes[field.size..]) };
    return if (point.is_valid()) point else error.NotOnCurve;
}

fn read_g2(bytes: *const [g2_size]u8) InputError!G2 {
    const half = g2_size / 2;
    const point: G2 = .{ .x = try read_pair(bytes[0..half]), .y = try read_pair(bytes[half..]) };
    if (!point.is_valid()) return error.NotOnCurve;
    return if (curves.is_in_subgroup(&point)) point else error.NotInSubgroup;
}

fn written(point: *const G1) [g1_size]u8 {
    return point.x.to_bytes() ++ point.y.to_bytes();
}
