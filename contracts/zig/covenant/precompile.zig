//! The EVM's precompiled contracts as functions. One that fails (wrong input, too little gas) reverts without data,
//! unless its answer can say so.

const calls = @import("call.zig");
const failure = @import("failure.zig");
const memory = @import("memory.zig");
const types = @import("types.zig");
const word = @import("word.zig");

/// A point of the curve BN254 (alt_bn128); zeros are the point at infinity.
pub const Point = struct { x: u256, y: u256 };

/// A point of the twist of BN254, in the order of EIP-197: the imaginary part of a coordinate comes first.
pub const TwistPoint = struct { x_imaginary: u256, x_real: u256, y_imaginary: u256, y_real: u256 };

pub const Pair = struct { left: Point, right: TwistPoint };

/// `ecrecover`: who signed the digest, or null where the signature is none. v is 27 or 28.
pub fn ecrecover(digest: [32]u8, v: u8, r: [32]u8, s: [32]u8) ?types.Address {
    const input = digest ++ word.toWord(v) ++ r ++ s;
    const output = run(1, &input) orelse failure.refuse();
    if (output.len != 32) return null;
    return .{ .bytes = output[12..32].* };
}

/// `sha256`.
pub fn sha256(data: []const u8) [32]u8 {
    return words(1, run(2, data))[0];
}

/// `ripemd160`.
pub fn ripemd160(data: []const u8) [20]u8 {
    return words(1, run(3, data))[0][12..].*;
}

/// A copy of the data, by the identity precompile.
pub fn identity(data: []const u8) []const u8 {
    return run(4, data) orelse failure.refuse();
}

/// base ** exponent % modulus, all big-endian of any length; as long as the modulus.
pub fn modexp(base: []const u8, exponent: []const u8, modulus: []const u8) []const u8 {
    const input = memory.take(96 + base.len + exponent.len + modulus.len);
    var end: usize = 96;
    inline for (.{ base, exponent, modulus }, 0..) |part, index| {
        input[32 * index ..][0..32].* = word.toWord(@as(u256, part.len));
        @memcpy(input[end..][0..part.len], part);
        end += part.len;
    }
    return run(5, input) orelse failure.refuse();
}

/// a + b on BN254, or null where one is no point of the curve.
pub fn ecAdd(a: Point, b: Point) ?Point {
    const input = word.toWord(a.x) ++ word.toWord(a.y) ++ word.toWord(b.x) ++ word.toWord(b.y);
    return point(run(6, &input));
}

/// The multiple of a point of BN254, or null where it is no point of the curve.
pub fn ecMul(a: Point, factor: u256) ?Point {
    const input = word.toWord(a.x) ++ word.toWord(a.y) ++ word.toWord(factor);
    return point(run(7, &input));
}

/// Whether the product of the pairings is one; null where a point is none of its group.
pub fn ecPairing(pairs: []const Pair) ?bool {
    const input = memory.take(192 * pairs.len);
    for (pairs, 0..) |pair, index| {
        const numbers = [6]u256{
            pair.left.x,       pair.left.y,            pair.right.x_imaginary,
            pair.right.x_real, pair.right.y_imaginary, pair.right.y_real,
        };
        for (numbers, 0..) |number, place| word.writeNumber(input[192 * index + 32 * place ..][0..32], number);
    }
    const output = run(8, input) orelse return null;
    return output.len == 32 and output[31] == 1;
}

/// The compression function of BLAKE2b (EIP-152). `state`, `message` and the result are little-endian.
pub fn blake2f(rounds: u32, state: [64]u8, message: [128]u8, offset: [16]u8, is_last: bool) [64]u8 {
    const count: [4]u8 = .{ @truncate(rounds >> 24), @truncate(rounds >> 16), @truncate(rounds >> 8), @truncate(rounds) };
    const input = count ++ state ++ message ++ offset ++ [1]u8{@intFromBool(is_last)};
    return @bitCast(words(2, run(9, &input)));
}

/// Whether a blob's polynomial has the value y at z (EIP-4844).
pub fn pointEvaluation(versioned_hash: [32]u8, z: [32]u8, y: [32]u8, commitment: [48]u8, proof: [48]u8) bool {
    return run(0x0a, &(versioned_hash ++ z ++ y ++ commitment ++ proof)) != null;
}

/// Whether (r, s) is the signature of the digest by the key (x, y) of the curve P-256 (EIP-7951).
pub fn p256Verify(digest: [32]u8, r: [32]u8, s: [32]u8, x: [32]u8, y: [32]u8) bool {
    const output = run(0x100, &(digest ++ r ++ s ++ x ++ y)) orelse return false;
    return output.len == 32 and output[31] == 1;
}

fn point(output: ?[]const u8) ?Point {
    const data = output orelse return null;
    if (data.len != 64) return null;
    return .{ .x = word.readNumber(data[0..32]), .y = word.readNumber(data[32..64]) };
}

fn words(comptime count: usize, output: ?[]const u8) [count][32]u8 {
    const data = output orelse failure.refuse();
    if (data.len != 32 * count) failure.refuse();
    return @bitCast(data[0 .. 32 * count].*);
}

fn run(comptime number: u16, data: []const u8) ?[]const u8 {
    const target = comptime types.Address{ .bytes = @as([18]u8, @splat(0)) ++ [2]u8{ number >> 8, number & 0xff } };
    return switch (calls.tryRaw(target, data, .{ .kind = .static })) {
        .ok => |output| output,
        .failed => null,
    };
}
