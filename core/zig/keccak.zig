//! Keccak-256 (the original padding): one message, or many at once in the lanes of a vector.
//! Not promised: constant time. Messages here are public.

const std = @import("std");
const builtin = @import("builtin");
const options = @import("root");
const cpu = @import("cpu.zig");
const rounds = @import("keccak_rounds.zig");

/// Bytes of a message that one permutation takes.
pub const rate = 136;
const words = rate / 8;
const widest = 8;

/// The permutations for one level of the processor. `width`: how many states `many` takes.
const Kernel = struct {
    name: [:0]const u8,
    one: *const fn (*[25]u64) callconv(.c) void,
    many: ?*const fn ([*]align(64) u64) callconv(.c) void = null,
    width: usize = 1,
};

fn baseline_one(state: *[25]u64) callconv(.c) void {
    rounds.permute(u64, state);
}

/// Whether the build links the object files of keccak_kernel.zig; the root says so.
const has_kernels = @hasDecl(options, "has_kernels") and options.has_kernels and builtin.cpu.arch == .x86_64;

const linked = struct {
    extern fn zevm_keccak_one_v3(*[25]u64) callconv(.c) void;
    extern fn zevm_keccak_many_v3([*]align(64) u64) callconv(.c) void;
    extern fn zevm_keccak_one_v4(*[25]u64) callconv(.c) void;
    extern fn zevm_keccak_many_v4([*]align(64) u64) callconv(.c) void;
};

const baseline: Kernel = .{ .name = "baseline", .one = &baseline_one };
const kernels: []const Kernel = if (has_kernels) &.{
    baseline,
    .{ .name = "x86_64_v3", .one = &linked.zevm_keccak_one_v3, .many = &linked.zevm_keccak_many_v3, .width = 4 },
    .{ .name = "x86_64_v4", .one = &linked.zevm_keccak_one_v4, .many = &linked.zevm_keccak_many_v4, .width = 8 },
} else &.{baseline};

/// Index of the kernel in use. Set once, before the module has functions to call.
var chosen: usize = 0;

/// Take the best kernel that may run here.
pub fn start() void {
    chosen = @min(@intFromEnum(cpu.level()), kernels.len - 1);
}

/// Take a lower kernel, to test it: false where there is none of this name, or the processor has no such level.
pub fn choose(name: []const u8) bool {
    for (kernels, 0..) |kernel, index| {
        if (index > @intFromEnum(cpu.level()) or !std.mem.eql(u8, kernel.name, name)) continue;
        chosen = index;
        return true;
    }
    return false;
}

/// The name of the kernel in use.
pub fn kernel_name() [:0]const u8 {
    return kernels[chosen].name;
}

/// Its last block: what is left of a message, with the padding.
fn last_block(rest: []const u8) [rate]u8 {
    var block: [rate]u8 = @splat(0);
    @memcpy(block[0..rest.len], rest);
    block[rest.len] = 0x01;
    block[rate - 1] |= 0x80;
    return block;
}

inline fn word_of(block: *const [rate]u8, index: usize) u64 {
    return std.mem.readInt(u64, block[8 * index ..][0..8], .little);
}

fn absorb(state: *[25]u64, block: *const [rate]u8) void {
    inline for (0..words) |index| state[index] ^= word_of(block, index);
}

fn finish(one: anytype, state: *[25]u64, message: []const u8) [32]u8 {
    var rest = message;
    while (rest.len >= rate) : (rest = rest[rate..]) {
        absorb(state, rest[0..rate]);
        one(state);
    }
    absorb(state, &last_block(rest));
    one(state);
    var digest: [32]u8 = undefined;
    inline for (0..4) |index| std.mem.writeInt(u64, digest[8 * index ..][0..8], state[index], .little);
    return digest;
}

/// The digest of a message that the program has.
pub fn hash_at_compile_time(comptime message: []const u8) [32]u8 {
    @setEvalBranchQuota(100_000);
    var state: [25]u64 = @splat(0);
    return finish(struct {
        fn one(inner: *[25]u64) void {
            rounds.permute(u64, inner);
        }
    }.one, &state, message);
}

/// The digest of a message.
pub fn hash(message: []const u8) [32]u8 {
    var state: [25]u64 = @splat(0);
    return finish(kernels[chosen].one, &state, message);
}

/// A digest of a long message under way, so that it can be interrupted.
pub const Digest = struct {
    state: [25]u64 = @splat(0),

    /// Take the message's next bytes, as many as whole blocks have.
    pub fn take(self: *Digest, blocks: []const u8) void {
        std.debug.assert(blocks.len % rate == 0);
        var rest = blocks;
        while (rest.len >= rate) : (rest = rest[rate..]) {
            absorb(&self.state, rest[0..rate]);
            kernels[chosen].one(&self.state);
        }
    }

    /// The digest, after the message's last bytes.
    pub fn end(self: *Digest, rest: []const u8) [32]u8 {
        return finish(kernels[chosen].one, &self.state, rest);
    }
};

/// The digests of messages, in their order. digests: as many as messages.
pub fn hash_many(messages: []const []const u8, digests: [][32]u8) void {
    std.debug.assert(messages.len == digests.len);
    const kernel = kernels[chosen];
    const many = kernel.many orelse {
        for (messages, digests) |message, *digest| digest.* = hash(message);
        return;
    };
    var lanes: Lanes = .{ .messages = messages, .digests = digests, .width = kernel.width };
    lanes.begin();
    while (lanes.active > 1) {
        lanes.absorb_all();
        many(&lanes.state);
        lanes.step();
    }
    lanes.finish_last(kernel);
}

/// Messages in flight, one a lane: a lane whose message ends takes the next one.
const Lanes = struct {
    messages: []const []const u8,
    digests: [][32]u8,
    width: usize,
    state: [25 * widest]u64 align(64) = @splat(0),
    holds: [widest]?usize = @splat(null),
    position: [widest]usize = @splat(0),
    next: usize = 0,
    active: usize = 0,

    fn begin(self: *Lanes) void {
        for (0..self.width) |lane| self.take(lane);
    }

    fn take(self: *Lanes, lane: usize) void {
        if (self.next == self.messages.len) {
            self.holds[lane] = null;
            return;
        }
        self.holds[lane] = self.next;
        self.position[lane] = 0;
        self.next += 1;
        self.active += 1;
        for (0..25) |row| self.state[row * self.width + lane] = 0;
    }

    fn absorb_all(self: *Lanes) void {
        for (0..self.width) |lane| {
            const rest = self.messages[self.holds[lane] orelse continue][self.position[lane]..];
            var padded: [rate]u8 = undefined;
            var block: *const [rate]u8 = &padded;
            if (rest.len >= rate) block = rest[0..rate] else padded = last_block(rest);
            for (0..words) |row| self.state[row * self.width + lane] ^= word_of(block, row);
        }
    }

    /// After a permutation: messages that have ended give their digests.
    fn step(self: *Lanes) void {
        for (0..self.width) |lane| {
            const index = self.holds[lane] orelse continue;
            if (self.messages[index].len - self.position[lane] >= rate) {
                self.position[lane] += rate;
                continue;
            }
            for (0..4) |row| {
                std.mem.writeInt(u64, self.digests[index][8 * row ..][0..8], self.state[row * self.width + lane], .little);
            }
            self.active -= 1;
            self.take(lane);
        }
    }

    /// The one message that is left is cheaper alone.
    fn finish_last(self: *Lanes, kernel: Kernel) void {
        for (0..self.width) |lane| {
            const index = self.holds[lane] orelse continue;
            var state: [25]u64 = undefined;
            for (&state, 0..) |*word, row| word.* = self.state[row * self.width + lane];
            self.digests[index] = finish(kernel.one, &state, self.messages[index][self.position[lane]..]);
        }
    }
};
