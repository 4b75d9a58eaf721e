//! Random elements, points and inputs of alt_bn128 for fuzz.zig: what the laws of fields, groups and pairings ask for, and
//! damaged input.

const std = @import("std");
const curves = @import("bn254_curves.zig");
const field = @import("bn254_field.zig");
const pairing = @import("bn254_pairing.zig");
const precompile = @import("precompile_bn254.zig");
const tower = @import("bn254_tower.zig");
const Clock = @import("clock.zig").Clock;
const Error = @import("errors.zig").Error;

const Fp = field.Fp;
const Fp2 = tower.Fp2;
const Fp6 = tower.Fp6;
const Fp12 = tower.Fp12;
const G1 = curves.G1.Affine;
const Random = std.Random;
const WrongError = Error || error{Wrong};

const order: u256 = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
const generator: G1 = .{ .x = .of(1), .y = .of(2) };

/// The encoding of G2's generator (EIP-197).
const second_generator = bytes_of(.{
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
});

fn bytes_of(comptime numbers: [4]u256) [128]u8 {
    comptime {
        var bytes: [128]u8 = undefined;
        for (numbers, 0..) |number, index| std.mem.writeInt(u256, bytes[32 * index ..][0..32], number, .big);
        return bytes;
    }
}

fn check(holds: bool) error{Wrong}!void {
    if (!holds) return error.Wrong;
}

fn unwatched() Clock {
    return .{ .host = null, .units_between_looks = pairing.steps_between_looks };
}

/// Near the ends of the field now and then, where carries go far.
fn element(random: Random) Fp {
    var bytes: [32]u8 = @splat(0);
    switch (random.uintLessThan(u8, 6)) {
        0 => bytes[31] = random.uintLessThan(u8, 3),
        1 => std.mem.writeInt(u256, &bytes, field.prime - 1 - random.uintLessThan(u8, 3), .big),
        2 => random.bytes(bytes[16..]),
        else => std.mem.writeInt(u256, &bytes, random.int(u256) % field.prime, .big),
    }
    return Fp.from_bytes(&bytes).?;
}

fn pair(random: Random) Fp2 {
    return .{ .real = element(random), .imaginary = element(random) };
}

fn triple(random: Random) Fp6 {
    return .{ .a = pair(random), .b = pair(random), .c = pair(random) };
}

fn number_of(value: Fp) u512 {
    return std.mem.readInt(u256, &value.to_bytes(), .big);
}

/// The field against numbers of 512 bits, and the extensions against their laws.
fn fuzz_fields(random: Random) WrongError!void {
    const x = element(random);
    const y = element(random);
    const product = number_of(x) * number_of(y) % field.prime;
    try check(number_of(x.multiply(y)) == product);
    try check(number_of(x.add(y)) == (number_of(x) + number_of(y)) % field.prime);
    try check(number_of(x.subtract(y)) == (number_of(x) + field.prime - number_of(y)) % field.prime);
    try check(x.half().double().equals(x) and x.add(x.negate()).is_zero());
    try check(x.is_zero() or x.multiply(x.inverse()).equals(.one));
    const p = pair(random);
    const q = pair(random);
    const crossed = p.real.multiply(q.imaginary).add(p.imaginary.multiply(q.real));
    const plain = p.real.multiply(q.real).subtract(p.imaginary.multiply(q.imaginary));
    try check(p.multiply(q).equals(.{ .real = plain, .imaginary = crossed }));
    try check(p.square().equals(p.multiply(p)));
    try check(p.shift().equals(p.multiply(.{ .real = .of(9), .imaginary = .of(1) })));
    const value: Fp12 = .{ .a = triple(random), .b = triple(random) };
    const line: Fp12 = .{ .a = .{ .a = p, .b = .zero, .c = .zero }, .b = .{ .a = q, .b = pair(random), .c = .zero } };
    try check(value.multiply_line(p, q, line.b.b).equals(&value.multiply(&line)));
    try check(value.square().equals(&value.multiply(&value)));
    try check(value.multiply(&value.inverse()).equals(&.one));
    const half = value.conjugate().multiply(&value.inverse());
    const cyclotomic = half.frobenius().frobenius().multiply(&half);
    try check(cyclotomic.square_cyclotomic().equals(&cyclotomic.square()));
    try check(value.multiply(&line).frobenius().equals(&value.frobenius().multiply(&line.frobenius())));
}

/// Sums and multiples of the generator against those of numbers.
fn fuzz_points(random: Random) WrongError!void {
    const first = random.int(u256) >> random.int(u8);
    const second = switch (random.uintLessThan(u8, 4)) {
        0 => first % order,
        1 => order - first % order,
        else => random.int(u256) >> random.int(u8),
    };
    const sum = generator.multiply(first).add(&generator.multiply(second));
    const total: u256 = @intCast((@as(u512, first) + second) % order);
    const wanted = generator.multiply(total);
    try check(sum.is_valid() and sum.x.equals(wanted.x) and sum.y.equals(wanted.y));
}

/// A product of pairings that is one, of as many pairs as its groups' ends ask for, and damaged ones.
fn fuzz_pairings(random: Random) WrongError!void {
    const most = pairing.group_size + 2;
    var input: [192 * (most + 1)]u8 = undefined;
    const count = if (random.boolean()) 1 else 1 + random.uintLessThan(usize, most);
    var total: u512 = 0;
    for (0..count) |index| {
        const factor = random.int(u256) % order;
        total += factor;
        put(input[192 * index ..][0..192], &generator.multiply(factor));
    }
    put(input[192 * count ..][0..192], &generator.multiply(@intCast(total % order)).negate());
    const data = input[0 .. 192 * (count + 1)];
    try check(try is_one(data) orelse false);
    data[random.uintLessThan(usize, data.len)] ^= @as(u8, 1) << random.int(u3);
    try check(!(try is_one(data) orelse false));
    _ = try is_one(data[0..random.uintLessThan(usize, data.len)]);
}

fn put(room: *[192]u8, point: *const G1) void {
    room[0..32].* = point.x.to_bytes();
    room[32..64].* = point.y.to_bytes();
    room[64..].* = second_generator;
}

/// Null for an input that is refused.
fn is_one(data: []const u8) Error!?bool {
    var clock = unwatched();
    var room: [precompile.most_output]u8 = undefined;
    const output = precompile.run(.product, data, &clock, &room) catch |failure| switch (failure) {
        error.Refused, error.OutOfMemory, error.Raised => |known| return known,
        else => return null,
    };
    return output[31] == 1;
}

pub fn fuzz(random: Random, _: std.mem.Allocator) WrongError!void {
    try fuzz_fields(random);
    try fuzz_points(random);
    if (random.uintLessThan(u8, 4) == 0) try fuzz_pairings(random);
}
