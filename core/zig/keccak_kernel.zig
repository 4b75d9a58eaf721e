//! One object file a level of x86-64: the permutation for a processor with AVX2 (v3) or AVX-512 (v4).
//! The build compiles this file once a level and links both into the library; cpu.zig says which of them may run.

const std = @import("std");
const builtin = @import("builtin");
const rounds = @import("keccak_rounds.zig");

/// There is nothing to check in a permutation, and no library to report through.
pub const panic = std.debug.no_panic;

const is_v4 = std.Target.x86.featureSetHas(builtin.cpu.features, .avx512f);
const level = if (is_v4) "v4" else "v3";
const width = if (is_v4) 8 else 4;

fn one(state: *[25]u64) callconv(.c) void {
    rounds.permute(u64, state);
}

/// state: 25 rows of `width` lanes, one column a state.
fn many(state: *[25]@Vector(width, u64)) callconv(.c) void {
    rounds.permute(@Vector(width, u64), state);
}

comptime {
    @export(&one, .{ .name = "zevm_keccak_one_" ++ level, .visibility = .hidden });
    @export(&many, .{ .name = "zevm_keccak_many_" ++ level, .visibility = .hidden });
}
