//! The precompiled contracts that the test machine has: those that Zig's standard library can compute.

const std = @import("std");
const machines = @import("machine.zig");
const states = @import("state.zig");
const types = @import("../types.zig");

const Precompile = *const fn (data: []const u8, keeper: std.mem.Allocator) machines.Outcome;

pub fn find(address: types.Address) ?Precompile {
    const number = std.mem.readInt(u160, &address.bytes, .big);
    return switch (number) {
        1 => &recover,
        2 => &sha256,
        4 => &identity,
        3, 5...17, 0x100 => &missing,
        else => null,
    };
}

fn missing(_: []const u8, _: std.mem.Allocator) machines.Outcome {
    @panic("the test machine has the precompiles 1 (ecrecover), 2 (sha256) and 4 (identity) alone");
}

fn identity(data: []const u8, keeper: std.mem.Allocator) machines.Outcome {
    return success(data, keeper);
}

fn sha256(data: []const u8, keeper: std.mem.Allocator) machines.Outcome {
    var out: [32]u8 = undefined;
    std.crypto.hash.sha2.Sha256.hash(data, &out, .{});
    return success(&out, keeper);
}

/// hash, v, r, s -> the signer's address as a word; nothing where there is none.
fn recover(data: []const u8, keeper: std.mem.Allocator) machines.Outcome {
    var input: [128]u8 = @splat(0);
    const given = @min(data.len, input.len);
    @memcpy(input[0..given], data[0..given]);
    const signer = recovered(&input) catch return success(&.{}, keeper);
    return success(&signer, keeper);
}

fn recovered(input: *const [128]u8) ![32]u8 {
    const Curve = std.crypto.ecc.Secp256k1;
    const v = std.mem.readInt(u256, input[32..64], .big);
    if (v != 27 and v != 28) return error.NoSignature;
    const r = input[64..96].*;
    const x = try Curve.Fe.fromBytes(r, .big);
    const y = try Curve.recoverY(x, v == 28);
    const point = try Curve.fromAffineCoordinates(.{ .x = x, .y = y });
    const inverse = (try Curve.scalar.Scalar.fromBytes(r, .big)).invert();
    const s = try Curve.scalar.Scalar.fromBytes(input[96..128].*, .big);
    if (inverse.isZero() or s.isZero()) return error.NoSignature;
    var wide: [48]u8 = @splat(0);
    wide[16..].* = input[0..32].*;
    const hash = Curve.scalar.Scalar.fromBytes48(wide, .big);
    const by_base = hash.neg().mul(inverse).toBytes(.big);
    const by_point = s.mul(inverse).toBytes(.big);
    const key = try Curve.mulDoubleBasePublic(Curve.basePoint, by_base, point, by_point, .big);
    const text = key.toUncompressedSec1();
    var out: [32]u8 = undefined;
    std.crypto.hash.sha3.Keccak256.hash(text[1..], &out, .{});
    @memset(out[0..12], 0);
    return out;
}

fn success(data: []const u8, keeper: std.mem.Allocator) machines.Outcome {
    return .{ .succeeded = true, .data = keeper.dupe(u8, data) catch states.outOfMemory() };
}
