//! Keccak-f[1600] (FIPS 202, section 3.3) on one state, or on as many at once as a vector has lanes.

const std = @import("std");

/// What iota adds in each round (FIPS 202, 3.2.5), from the linear feedback shift register that defines it.
const round_constants: [24]u64 = constants: {
    @setEvalBranchQuota(20_000);
    var result: [24]u64 = @splat(0);
    var register: u8 = 1;
    for (&result) |*constant| {
        for (0..7) |j| {
            if (register & 1 != 0) constant.* ^= @as(u64, 1) << ((1 << j) - 1);
            register = (register << 1) ^ (if (register & 0x80 != 0) 0x71 else 0);
        }
    }
    break :constants result;
};

/// How far rho turns each lane (FIPS 202, 3.2.2), at 5 * y + x.
const offsets: [25]u6 = table: {
    var result: [25]u6 = @splat(0);
    var x: usize = 1;
    var y: usize = 0;
    for (0..24) |t| {
        result[5 * y + x] = @intCast((t + 1) * (t + 2) / 2 % 64);
        const next = (2 * x + 3 * y) % 5;
        x = y;
        y = next;
    }
    break :table result;
};

inline fn turned(comptime Lane: type, value: Lane, comptime distance: u6) Lane {
    if (distance == 0) return value;
    if (Lane == u64) return std.math.rotl(u64, value, @as(u32, distance));
    const left: @Vector(@typeInfo(Lane).vector.len, u6) = @splat(distance);
    const right: @Vector(@typeInfo(Lane).vector.len, u6) = @splat(@intCast(64 - @as(u7, distance)));
    return (value << left) | (value >> right);
}

/// Permute a state. Lane: u64, or a vector of u64 whose elements are states of their own.
pub fn permute(comptime Lane: type, state: *[25]Lane) void {
    var a: [25]Lane = state.*;
    for (round_constants) |constant| {
        var column: [5]Lane = undefined;
        inline for (0..5) |x| column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        var moved: [25]Lane = undefined;
        inline for (0..5) |x| {
            const parity = column[(x + 4) % 5] ^ turned(Lane, column[(x + 1) % 5], 1);
            inline for (0..5) |y| {
                moved[5 * ((2 * x + 3 * y) % 5) + y] = turned(Lane, a[5 * y + x] ^ parity, offsets[5 * y + x]);
            }
        }
        inline for (0..5) |y| {
            inline for (0..5) |x| {
                a[5 * y + x] = moved[5 * y + x] ^ (~moved[5 * y + (x + 1) % 5] & moved[5 * y + (x + 2) % 5]);
            }
        }
        a[0] ^= if (Lane == u64) constant else @as(Lane, @splat(constant));
    }
    state.* = a;
}
