//! MODEXP (EIP-198): a power modulo a number of any parity, by Montgomery's products for its odd part and by cut products
//! for its power of two. Numbers are limbs, the least one first.

const std = @import("std");
const Clock = @import("clock.zig").Clock;
const Error = @import("errors.zig").Error;
const Fork = @import("forks.zig").Fork;

/// Most bytes of base, exponent and modulus here; EIP-7823's limit.
pub const most_bytes = 1024;
const most_limbs = most_bytes / 8;

/// The three sizes in front, in words.
const header_size = 96;

/// Products of limbs between two looks at the clock: some fifty microseconds.
pub const products_between_looks = 40_000;

/// Bits of an exponent for which a table of powers does not pay.
const short_bits = 32;

/// What a fork asks for: complexity of the longer size, times steps of the exponent, divided, but no less.
const Price = struct { first: Fork, complexity: *const fn (u64) u64, byte_steps: u64, divisor: u64, least: u64 };

/// The newest first: EIP-7883, EIP-2565, EIP-198.
const prices = [_]Price{
    .{ .first = .osaka, .complexity = osaka_complexity, .byte_steps = 16, .divisor = 1, .least = 500 },
    .{ .first = .berlin, .complexity = berlin_complexity, .byte_steps = 8, .divisor = 3, .least = 200 },
    .{ .first = .byzantium, .complexity = byzantium_complexity, .byte_steps = 8, .divisor = 20, .least = 0 },
};

fn osaka_complexity(size: u64) u64 {
    return if (size > 32) 2 * berlin_complexity(size) else 16;
}

fn berlin_complexity(size: u64) u64 {
    const words = (size + 7) / 8;
    return words * words;
}

fn byzantium_complexity(size: u64) u64 {
    return if (size <= 64) size * size else size * size / 4 + 96 * size - 3072;
}

/// Base, exponent and modulus of a precompile's input; what it lacks is zero.
pub const Input = struct {
    data: []const u8,
    base_size: usize,
    exponent_size: usize,
    modulus_size: usize,

    /// Null where a size is over `most_bytes`.
    pub fn of(data: []const u8) ?Input {
        return .{
            .data = data,
            .base_size = size_at(data, 0) orelse return null,
            .exponent_size = size_at(data, 32) orelse return null,
            .modulus_size = size_at(data, 64) orelse return null,
        };
    }

    fn size_at(data: []const u8, place: usize) ?usize {
        var word: [32]u8 = @splat(0);
        read(data, place, &word);
        const size = std.mem.readInt(u256, &word, .big);
        return if (size > most_bytes) null else @intCast(size);
    }

    pub fn gas(self: *const Input, fork: Fork) u64 {
        const price = for (&prices) |*price| {
            if (fork.from(price.first)) break price;
        } else &prices[prices.len - 1];
        var head: [32]u8 = @splat(0);
        const head_size = @min(self.exponent_size, 32);
        read(self.data, header_size + self.base_size, head[32 - head_size ..]);
        const head_bits: u64 = 256 - @as(u64, @clz(std.mem.readInt(u256, &head, .big)));
        const steps = (head_bits -| 1) + price.byte_steps * (self.exponent_size -| 32);
        const complexity = price.complexity(@max(self.base_size, self.modulus_size));
        return @max(price.least, complexity * @max(steps, 1) / price.divisor);
    }

    /// base ** exponent % modulus into `out`, which has the modulus's size; zero where the modulus is.
    pub fn power(self: *const Input, clock: *Clock, out: []u8) Error!void {
        var buffer: [3][most_bytes]u8 = undefined;
        const base = buffer[0][0..self.base_size];
        const exponent = buffer[1][0..self.exponent_size];
        const modulus = buffer[2][0..self.modulus_size];
        read(self.data, header_size, base);
        read(self.data, header_size + base.len, exponent);
        read(self.data, header_size + base.len + exponent.len, modulus);
        try power_of(clock, base, exponent, modulus, out);
    }
};

/// The power of big-endian numbers, base and modulus of `most_bytes` at most; `out` has the modulus's size.
pub fn power_of(clock: *Clock, base: []const u8, exponent: []const u8, modulus: []const u8, out: []u8) Error!void {
    var base_limbs: Limbs = undefined;
    var modulus_limbs: Limbs = undefined;
    var result: Limbs = @splat(0);
    const digits = limbs_of(modulus, &modulus_limbs);
    const significant = std.mem.trimStart(u8, exponent, "\x00");
    if (digits.len > 0) try power_of_any(clock, limbs_of(base, &base_limbs), significant, digits, &result);
    for (out, 0..) |*byte, index| {
        const place = out.len - 1 - index;
        byte.* = @truncate(result[place / 8] >> @intCast(place % 8 * 8));
    }
}

/// Copy what the data have from a place on, and zeros behind.
fn read(data: []const u8, place: usize, out: []u8) void {
    const there = data[@min(place, data.len)..];
    const size = @min(there.len, out.len);
    @memcpy(out[0..size], there[0..size]);
    @memset(out[size..], 0);
}

const Limbs = [most_limbs]u64;

/// The number of big-endian bytes, without leading zeros.
fn limbs_of(bytes: []const u8, buffer: *Limbs) []const u64 {
    buffer.* = @splat(0);
    for (bytes, 0..) |byte, index| {
        const place = bytes.len - 1 - index;
        buffer[place / 8] |= @as(u64, byte) << @intCast(place % 8 * 8);
    }
    return trimmed(buffer);
}

fn trimmed(limbs: []const u64) []const u64 {
    return std.mem.trimEnd(u64, limbs, &.{0});
}

/// The power modulo odd * 2**shift: by the remainder theorem of both. exponent: bytes without leading zeros.
fn power_of_any(clock: *Clock, base: []const u64, exponent: []const u8, modulus: []const u64, result: *Limbs) Error!void {
    const shift = trailing_zeros(modulus);
    var odd_buffer: Limbs = @splat(0);
    shift_right(modulus, shift, &odd_buffer);
    const odd = trimmed(&odd_buffer);
    var ring: Montgomery = .of(odd);
    if (odd.len > 1 or odd[0] > 1) try ring.power(clock, base, exponent, result);
    if (shift == 0) return;
    var cut: Cut = .of(shift);
    var of_two: Limbs = @splat(0);
    try cut.power(clock, base, exponent, &of_two);
    // result + odd * ((of_two - result) / odd modulo 2**shift)
    var inverse: Limbs = @splat(0);
    try cut.inverse(clock, odd, &inverse);
    var factor: Limbs = @splat(0);
    _ = subtract(of_two[0..cut.size], result[0..cut.size], factor[0..cut.size]);
    cut.multiply(factor[0..cut.size], inverse[0..cut.size], factor[0..cut.size]);
    add_product(result[0..modulus.len], odd, trimmed(factor[0..cut.size]));
}

fn trailing_zeros(limbs: []const u64) usize {
    for (limbs, 0..) |limb, index| {
        if (limb != 0) return 64 * index + @ctz(limb);
    }
    return 64 * limbs.len;
}

fn shift_right(limbs: []const u64, shift: usize, out: *Limbs) void {
    const bits: u6 = @intCast(shift % 64);
    const whole = shift / 64;
    for (out[0 .. limbs.len - whole], limbs[whole..], 0..) |*limb, low, index| {
        const next = whole + index + 1;
        const high = if (next < limbs.len) limbs[next] else 0;
        limb.* = if (bits == 0) low else low >> bits | high << @intCast(64 - @as(u7, bits));
    }
}

/// x * y + a + b, which two limbs always hold: the low one into `low`, the high one returned.
inline fn fused(x: u64, y: u64, a: u64, b: u64, low: *u64) u64 {
    const product = @as(u128, x) *% y +% a +% b;
    low.* = @truncate(product);
    return @truncate(product >> 64);
}

/// out += left * right; the sum is known to fit.
fn add_product(out: []u64, left: []const u64, right: []const u64) void {
    for (right, 0..) |factor, place| {
        var carry: u64 = 0;
        for (out[place..][0..@min(left.len, out.len - place)], left[0..@min(left.len, out.len - place)]) |*limb, digit| {
            carry = fused(factor, digit, limb.*, carry, limb);
        }
        var next = place + left.len;
        while (carry != 0 and next < out.len) : (next += 1) carry = fused(1, out[next], carry, 0, &out[next]);
    }
}

/// left - right modulo their size's power of two; whether it went below zero.
fn subtract(left: []const u64, right: []const u64, out: []u64) bool {
    var borrow: u1 = 0;
    for (left, right, out) |x, y, *limb| {
        const first, const below = @subWithOverflow(x, y);
        const second, const further = @subWithOverflow(first, borrow);
        limb.* = second;
        borrow = below | further;
    }
    return borrow != 0;
}

/// base ** exponent in a ring that has `size`, `one`, `enter` and `multiply`. out: limbs of the ring's form.
fn raise(ring: anytype, clock: *Clock, base: []const u64, exponent: []const u8, out: []u64) Error!void {
    const size = ring.size;
    if (exponent.len == 0) return @memcpy(out, ring.one[0..size]);
    const width: u4 = if (8 * exponent.len <= short_bits) 1 else 4;
    var powers: [16]Limbs = undefined;
    @memcpy(powers[0][0..size], ring.one[0..size]);
    try ring.enter(clock, base, powers[1][0..size]);
    for (2..@as(usize, 1) << width) |index| {
        try clock.spend(size * size);
        ring.multiply(powers[index - 1][0..size], powers[1][0..size], powers[index][0..size]);
    }
    var is_begun = false;
    for (exponent) |byte| {
        var left: u4 = 8;
        while (left > 0) {
            left -= width;
            const digit = byte >> @intCast(left) & (@as(u8, 1) << @intCast(width)) - 1;
            if (is_begun) {
                for (0..width) |_| {
                    try clock.spend(size * size);
                    ring.multiply(out, out, out);
                }
            }
            if (digit == 0) continue;
            if (is_begun) ring.multiply(out, powers[digit][0..size], out) else @memcpy(out, powers[digit][0..size]);
            is_begun = true;
            try clock.spend(size * size);
        }
    }
}

/// Numbers modulo an odd one, each times R = 2**(64 size).
const Montgomery = struct {
    size: usize,
    modulus: []const u64,
    /// -1 / modulus modulo 2**64.
    negated: u64,
    /// R and R * R modulo the modulus.
    one: Limbs = undefined,
    square: Limbs = undefined,
    /// Room of `multiply` and `reduce`; the safe mode would fill it anew in each.
    sum: Limbs = undefined,
    less: Limbs = undefined,

    fn of(modulus: []const u64) Montgomery {
        var inverse = modulus[0];
        for (0..6) |_| inverse *%= 2 -% modulus[0] *% inverse;
        return .{ .size = modulus.len, .modulus = modulus, .negated = 0 -% inverse };
    }

    /// base ** exponent modulo the modulus, which is not 1.
    fn power(self: *Montgomery, clock: *Clock, base: []const u64, exponent: []const u8, result: *Limbs) Error!void {
        self.prepare();
        const out = result[0..self.size];
        try raise(self, clock, base, exponent, out);
        var plain: Limbs = @splat(0);
        plain[0] = 1;
        self.multiply(out, plain[0..self.size], out);
    }

    /// R by doubling the modulus's highest bit; R * R is 2 in this form, to the power of 64 size.
    fn prepare(self: *Montgomery) void {
        const size = self.size;
        const top = self.modulus[size - 1];
        const bits = 64 * size - @clz(top);
        @memset(self.one[0..size], 0);
        self.one[(bits - 1) / 64] = @as(u64, 1) << @intCast((bits - 1) % 64);
        for (bits - 1..64 * size) |_| self.double(self.one[0..size]);
        @memcpy(self.square[0..size], self.one[0..size]);
        for (0..size) |_| self.double(self.square[0..size]);
        for (0..6) |_| self.multiply(self.square[0..size], self.square[0..size], self.square[0..size]);
    }

    /// A number of any size in the ring's form: by R for each part of the modulus's size.
    fn enter(self: *Montgomery, clock: *Clock, number: []const u64, out: []u64) Error!void {
        @memset(out, 0);
        var is_zero = true;
        var left = (number.len + self.size - 1) / self.size * self.size;
        while (left > 0) {
            left -= self.size;
            var part: Limbs = @splat(0);
            const there = number[left..@min(left + self.size, number.len)];
            @memcpy(part[0..there.len], there);
            if (!is_zero) self.multiply(out, self.square[0..self.size], out);
            is_zero = false;
            self.multiply(part[0..self.size], self.square[0..self.size], part[0..self.size]);
            self.add(out, part[0..self.size]);
            try clock.spend(4 * self.size * self.size);
        }
    }

    fn double(self: *Montgomery, number: []u64) void {
        self.add(number, number);
    }

    fn add(self: *Montgomery, number: []u64, other: []const u64) void {
        var carry: u64 = 0;
        for (number, other) |*limb, digit| carry = fused(1, limb.*, digit, carry, limb);
        self.reduce(number, carry, number);
    }

    /// A number of one limb more, below twice the modulus, modulo it.
    fn reduce(self: *Montgomery, number: []const u64, top: u64, out: []u64) void {
        const less = self.less[0..self.size];
        const is_below = subtract(number, self.modulus, less);
        const source = if (top == 0 and is_below) number else less;
        if (source.ptr != out.ptr) @memcpy(out, source);
    }

    /// left * right / R; `out` may be one of them. left: any number of the size; right: below the modulus.
    fn multiply(self: *Montgomery, left: []const u64, right: []const u64, out: []u64) void {
        const sum = self.sum[0..self.size];
        @memset(sum, 0);
        var top: u64 = 0;
        for (left) |factor| {
            var carry: u64 = 0;
            for (sum, right) |*limb, digit| carry = fused(factor, digit, limb.*, carry, limb);
            const high = @as(u128, top) +% carry;
            const multiple = sum[0] *% self.negated;
            var dropped: u64 = undefined;
            carry = fused(multiple, self.modulus[0], sum[0], 0, &dropped);
            for (sum[0 .. sum.len - 1], sum[1..], self.modulus[1..]) |*limb, next, digit| {
                carry = fused(multiple, digit, next, carry, limb);
            }
            const ends = high +% carry;
            sum[sum.len - 1] = @truncate(ends);
            top = @truncate(ends >> 64);
        }
        self.reduce(sum, top, out);
    }
};

/// Numbers modulo a power of two.
const Cut = struct {
    size: usize,
    /// The bits of the highest limb.
    mask: u64,
    one: Limbs,
    /// Room of `multiply`.
    sum: Limbs = undefined,

    fn of(bits: usize) Cut {
        var one: Limbs = @splat(0);
        one[0] = 1;
        const over: u6 = @intCast((64 - bits % 64) % 64);
        return .{ .size = (bits + 63) / 64, .mask = @as(u64, std.math.maxInt(u64)) >> over, .one = one };
    }

    fn power(self: *Cut, clock: *Clock, base: []const u64, exponent: []const u8, result: *Limbs) Error!void {
        try raise(self, clock, base, exponent, result[0..self.size]);
    }

    fn enter(self: *const Cut, _: *Clock, number: []const u64, out: []u64) Error!void {
        @memset(out, 0);
        const there = number[0..@min(number.len, self.size)];
        @memcpy(out[0..there.len], there);
        out[self.size - 1] &= self.mask;
    }

    /// `out` may be one of them.
    fn multiply(self: *Cut, left: []const u64, right: []const u64, out: []u64) void {
        const sum = self.sum[0..self.size];
        @memset(sum, 0);
        add_product(sum, left, right);
        sum[self.size - 1] &= self.mask;
        @memcpy(out, sum);
    }

    /// 1 / odd, by Newton's steps, each of which doubles the bits that are right.
    fn inverse(self: *Cut, clock: *Clock, odd: []const u64, out: *Limbs) Error!void {
        const size = self.size;
        var number: Limbs = undefined;
        try self.enter(clock, odd, number[0..size]);
        @memset(out[0..size], 0);
        out[0] = odd[0]; // right in three bits
        var right_bits: usize = 3;
        while (right_bits < 64 * size) : (right_bits *= 2) {
            var two: Limbs = @splat(0);
            two[0] = 2;
            var product: Limbs = undefined;
            self.multiply(number[0..size], out[0..size], product[0..size]);
            _ = subtract(two[0..size], product[0..size], product[0..size]);
            self.multiply(out[0..size], product[0..size], out[0..size]);
            try clock.spend(2 * size * size);
        }
    }
};
