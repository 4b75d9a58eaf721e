//! RIPEMD-160 (Dobbertin, Bosselaers, Preneel, 1996).

const std = @import("std");

const block_size = 64;
pub const digest_size = 20;

/// One of the two lines of 80 steps that a block goes through: words of the message, rotations, constants by round.
const Line = struct { words: [80]u8, rotations: [80]u5, constants: [5]u32, backwards: bool };

const left: Line = .{
    .words = .{
        0, 1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,
        7, 4,  13, 1,  10, 6,  15, 3,  12, 0, 9,  5,  2,  14, 11, 8,
        3, 10, 14, 4,  9,  15, 8,  1,  2,  7, 0,  6,  13, 11, 5,  12,
        1, 9,  11, 10, 0,  8,  12, 4,  13, 3, 7,  15, 14, 5,  6,  2,
        4, 0,  5,  9,  7,  12, 2,  10, 14, 1, 3,  8,  11, 6,  15, 13,
    },
    .rotations = .{
        11, 14, 15, 12, 5,  8,  7,  9,  11, 13, 14, 15, 6,  7,  9,  8,
        7,  6,  8,  13, 11, 9,  7,  15, 7,  12, 15, 9,  11, 7,  13, 12,
        11, 13, 6,  7,  14, 9,  13, 15, 14, 8,  13, 6,  5,  12, 7,  5,
        11, 12, 14, 15, 14, 15, 9,  8,  9,  14, 5,  6,  8,  6,  5,  12,
        9,  15, 5,  11, 6,  8,  13, 12, 5,  12, 13, 14, 11, 8,  5,  6,
    },
    .constants = .{ 0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e },
    .backwards = false,
};

const right: Line = .{
    .words = .{
        5,  14, 7,  0, 9, 2,  11, 4,  13, 6,  15, 8,  1,  10, 3,  12,
        6,  11, 3,  7, 0, 13, 5,  10, 14, 15, 8,  12, 4,  9,  1,  2,
        15, 5,  1,  3, 7, 14, 6,  9,  11, 8,  12, 2,  10, 0,  4,  13,
        8,  6,  4,  1, 3, 11, 15, 0,  5,  12, 2,  13, 9,  7,  10, 14,
        12, 15, 10, 4, 1, 5,  8,  7,  6,  2,  13, 14, 0,  3,  9,  11,
    },
    .rotations = .{
        8,  9,  9,  11, 13, 15, 15, 5,  7,  7,  8,  11, 14, 14, 12, 6,
        9,  13, 15, 7,  12, 8,  9,  11, 7,  7,  12, 7,  6,  15, 13, 11,
        9,  7,  15, 11, 8,  6,  6,  14, 12, 13, 5,  14, 13, 13, 7,  5,
        15, 5,  8,  11, 14, 14, 6,  14, 6,  9,  12, 9,  12, 5,  15, 8,
        8,  5,  12, 9,  12, 5,  14, 6,  8,  13, 6,  5,  15, 13, 11, 11,
    },
    .constants = .{ 0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0 },
    .backwards = true,
};

fn combine(comptime round: usize, x: u32, y: u32, z: u32) u32 {
    return switch (round) {
        0 => x ^ y ^ z,
        1 => (x & y) | (~x & z),
        2 => (x | ~y) ^ z,
        3 => (x & z) | (y & ~z),
        4 => x ^ (y | ~z),
        else => comptime unreachable,
    };
}

fn walk(comptime line: Line, chain: [5]u32, words: *const [16]u32) [5]u32 {
    @setEvalBranchQuota(10_000);
    var a, var b, var c, var d, var e = chain;
    inline for (0..80) |place| {
        const round = place / 16;
        const mixed = combine(if (line.backwards) 4 - round else round, b, c, d);
        const sum = a +% mixed +% words[line.words[place]] +% line.constants[round];
        a = e;
        e = d;
        d = std.math.rotl(u32, c, 10);
        c = b;
        b = std.math.rotl(u32, sum, line.rotations[place]) +% a;
    }
    return .{ a, b, c, d, e };
}

fn absorb(chain: *[5]u32, block: *const [block_size]u8) void {
    var words: [16]u32 = undefined;
    for (&words, 0..) |*word, index| word.* = std.mem.readInt(u32, block[4 * index ..][0..4], .little);
    const one = walk(left, chain.*, &words);
    const other = walk(right, chain.*, &words);
    const before = chain.*;
    for (chain, 0..) |*word, index| {
        word.* = before[(index + 1) % 5] +% one[(index + 2) % 5] +% other[(index + 3) % 5];
    }
}

pub fn hash(data: []const u8) [digest_size]u8 {
    var chain = [5]u32{ 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    var rest = data;
    while (rest.len >= block_size) : (rest = rest[block_size..]) absorb(&chain, rest[0..block_size]);
    var last: [2 * block_size]u8 = @splat(0);
    @memcpy(last[0..rest.len], rest);
    last[rest.len] = 0x80;
    const end: usize = if (rest.len < block_size - 8) block_size else 2 * block_size;
    std.mem.writeInt(u64, last[end - 8 ..][0..8], 8 * @as(u64, data.len), .little);
    absorb(&chain, last[0..block_size]);
    if (end > block_size) absorb(&chain, last[block_size..]);
    var digest: [digest_size]u8 = undefined;
    for (chain, 0..) |word, index| std.mem.writeInt(u32, digest[4 * index ..][0..4], word, .little);
    return digest;
}

test "digests of the paper" {
    const cases = [_]struct { []const u8, *const [40]u8 }{
        .{ "", "9c1185a5c5e9fc54612808977ee8f548b2258d31" },
        .{ "abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc" },
        .{ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "b0e20b6e3116640286ed3a87a5713079b21f5189" },
    };
    for (cases) |case| try std.testing.expectEqualStrings(case[1], &std.fmt.bytesToHex(hash(case[0]), .lower));
}
