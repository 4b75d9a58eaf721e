//! BLAKE2b's compression function (RFC 7693, section 3.2) as a precompile (EIP-152).

const std = @import("std");
const Clock = @import("clock.zig").Clock;
const Error = @import("errors.zig").Error;

pub const input_size = 213;
pub const output_size = 64;

/// Rounds between two looks at the clock: some half a millisecond.
pub const rounds_between_looks = 20_000;

const initial = [8]u64{
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/// The message words of each mix, by round.
const schedule = [10][16]u8{
    .{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    .{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
    .{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
    .{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
    .{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
    .{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
    .{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
    .{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
    .{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
    .{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

/// The four words of each mix: columns, then diagonals.
const mixes = [8][4]u8{
    .{ 0, 4, 8, 12 },  .{ 1, 5, 9, 13 },  .{ 2, 6, 10, 14 }, .{ 3, 7, 11, 15 },
    .{ 0, 5, 10, 15 }, .{ 1, 6, 11, 12 }, .{ 2, 7, 8, 13 },  .{ 3, 4, 9, 14 },
};

pub fn rounds_of(data: *const [input_size]u8) u32 {
    return std.mem.readInt(u32, data[0..4], .big);
}

/// A compression under way, so that it can be interrupted.
pub const Compression = struct {
    chain: [8]u64,
    message: [16]u64,
    work: [16]u64,
    round: u32 = 0,

    /// Null for a final flag that is neither 0 nor 1.
    pub fn begin(data: *const [input_size]u8) ?Compression {
        const flag = data[input_size - 1];
        if (flag > 1) return null;
        var chain: [8]u64 = undefined;
        for (&chain, 0..) |*word, index| word.* = word_at(data, 4 + 8 * index);
        var message: [16]u64 = undefined;
        for (&message, 0..) |*word, index| word.* = word_at(data, 68 + 8 * index);
        var work: [16]u64 = chain ++ initial;
        work[12] ^= word_at(data, 196);
        work[13] ^= word_at(data, 204);
        if (flag == 1) work[14] = ~work[14];
        return .{ .chain = chain, .message = message, .work = work };
    }

    fn word_at(data: *const [input_size]u8, place: usize) u64 {
        return std.mem.readInt(u64, data[place..][0..8], .little);
    }

    /// By all rounds, in parts between looks at the clock.
    pub fn advance_all(self: *Compression, rounds: u32, clock: *Clock) Error!void {
        var left = rounds;
        while (left > 0) {
            const now = @min(left, rounds_between_looks);
            try clock.spend(if (left < rounds) rounds_between_looks else 0);
            self.advance(now);
            left -= now;
        }
    }

    fn advance(self: *Compression, rounds: u32) void {
        for (0..rounds) |_| {
            const order = &schedule[self.round % schedule.len];
            inline for (mixes, 0..) |places, index| {
                self.mix(places, self.message[order[2 * index]], self.message[order[2 * index + 1]]);
            }
            self.round +%= 1;
        }
    }

    inline fn mix(self: *Compression, comptime places: [4]u8, first: u64, second: u64) void {
        const a = &self.work[places[0]];
        const b = &self.work[places[1]];
        const c = &self.work[places[2]];
        const d = &self.work[places[3]];
        a.* +%= b.* +% first;
        d.* = std.math.rotr(u64, d.* ^ a.*, 32);
        c.* +%= d.*;
        b.* = std.math.rotr(u64, b.* ^ c.*, 24);
        a.* +%= b.* +% second;
        d.* = std.math.rotr(u64, d.* ^ a.*, 16);
        c.* +%= d.*;
        b.* = std.math.rotr(u64, b.* ^ c.*, 63);
    }

    pub fn end(self: *const Compression) [output_size]u8 {
        var output: [output_size]u8 = undefined;
        for (self.chain, 0..) |word, index| {
            std.mem.writeInt(u64, output[8 * index ..][0..8], word ^ self.work[index] ^ self.work[index + 8], .little);
        }
        return output;
    }
};
