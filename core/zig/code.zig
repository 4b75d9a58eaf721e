//! Code made ready to run: padded, so that what is read past its end is STOP, and with its jump destinations found.
//! The codes of contracts are kept by their hashes, the least recently used going first, within a limit in bytes.
//! All functions of the cache are to be called with the interpreter's lock held.

const std = @import("std");
const Error = @import("errors.zig").Error;

const Allocator = std.mem.Allocator;
const Hash = [32]u8;
const Word = u256;

const jumpdest = 0x5b;
const push1 = 0x60;
const push32 = 0x7f;

/// Bytes of 0 after the code: as many as the longest instruction takes, one to stop at, and a limb to read into.
pub const padding = 41;

pub const Code = struct {
    /// The code, and its padding.
    bytes: []const u8,
    size: usize,
    /// One bit a byte of code: whether it is a JUMPDEST and no data of a PUSH.
    targets: []const u8,

    hash: Hash = undefined,
    references: usize = 0,
    is_kept: bool = false,
    node: std.DoublyLinkedList.Node = .{},

    /// Without the padding.
    pub fn content(self: *const Code) []const u8 {
        return self.bytes[0..self.size];
    }

    pub inline fn is_target(self: *const Code, place: Word) bool {
        if (place >= self.size) return false;
        const index: usize = @truncate(place);
        return self.targets[index / 8] >> @truncate(index) & 1 != 0;
    }

    fn weight(self: *const Code) usize {
        return @sizeOf(Code) + self.bytes.len + self.targets.len;
    }
};

const no_bytes: [padding]u8 = @splat(0);

/// The code of an account that has none.
pub const empty: Code = .{ .bytes = &no_bytes, .size = 0, .targets = "" };

/// Code that lasts as long as its maker keeps it; `free` takes it back.
pub fn prepare(memory: Allocator, content: []const u8) Error!Code {
    const padded = content.len + padding;
    const whole = try memory.alloc(u8, padded + (content.len + 7) / 8);
    @memcpy(whole[0..content.len], content);
    @memset(whole[content.len..], 0);
    find_targets(content, whole[padded..]);
    return .{ .bytes = whole[0..padded], .size = content.len, .targets = whole[padded..] };
}

pub fn free(memory: Allocator, code: *const Code) void {
    memory.free(code.bytes.ptr[0 .. code.bytes.len + code.targets.len]);
}

fn find_targets(content: []const u8, targets: []u8) void {
    var place: usize = 0;
    while (place < content.len) : (place += 1) {
        const opcode = content[place];
        if (opcode == jumpdest) {
            targets[place / 8] |= @as(u8, 1) << @truncate(place);
        } else if (opcode >= push1 and opcode <= push32) {
            place += opcode - push1 + 1;
        }
    }
}

/// Those who choose codes must not foresee their places in the table.
var seed: u64 = 0;

const Hashing = struct {
    pub fn hash(_: Hashing, key: Hash) u64 {
        return std.hash.Wyhash.hash(seed, &key);
    }

    pub fn eql(_: Hashing, left: Hash, right: Hash) bool {
        return std.mem.eql(u8, &left, &right);
    }
};

pub const Cache = struct {
    memory: Allocator,
    /// Bytes that are kept at most, beyond codes in use.
    limit: usize = 32 << 20,
    held: usize = 0,
    places: std.HashMapUnmanaged(Hash, *Code, Hashing, 60) = .empty,
    /// The most recently used one first.
    order: std.DoublyLinkedList = .{},

    /// The code with this hash, referred to once more; null where it is not kept.
    pub fn get(self: *Cache, hash: *const Hash) ?*Code {
        const code = self.places.get(hash.*) orelse return null;
        self.order.remove(&code.node);
        self.order.prepend(&code.node);
        code.references += 1;
        return code;
    }

    /// Keep a code that is not there; it is referred to once.
    pub fn put(self: *Cache, hash: *const Hash, content: []const u8) Error!*Code {
        const code = try self.memory.create(Code);
        errdefer self.memory.destroy(code);
        code.* = try prepare(self.memory, content);
        errdefer free(self.memory, code);
        try self.places.putNoClobber(self.memory, hash.*, code);
        code.hash = hash.*;
        code.references = 1;
        code.is_kept = true;
        self.order.prepend(&code.node);
        self.held += code.weight();
        while (self.held > self.limit) self.drop_last();
        return code;
    }

    /// One reference less.
    pub fn release(self: *Cache, code: *Code) void {
        code.references -= 1;
        self.free_unused(code);
    }

    fn drop_last(self: *Cache) void {
        const node = self.order.pop() orelse return;
        const code: *Code = @fieldParentPtr("node", node);
        _ = self.places.remove(code.hash);
        self.held -= code.weight();
        code.is_kept = false;
        self.free_unused(code);
    }

    fn free_unused(self: *Cache, code: *Code) void {
        if (code.references > 0 or code.is_kept) return;
        free(self.memory, code);
        self.memory.destroy(code);
    }

    /// Keep nothing any more.
    pub fn deinit(self: *Cache) void {
        while (self.order.first != null) self.drop_last();
        self.places.deinit(self.memory);
        self.places = .empty;
    }
};

/// What every run keeps its codes in.
pub var cache: Cache = undefined;

/// Once, before anything runs.
pub fn start(memory: Allocator, entropy: u64) void {
    seed = entropy;
    cache = .{ .memory = memory };
}

test "destinations are no data of pushes" {
    const code = try prepare(std.testing.allocator, &.{ 0x60, 0x5b, 0x5b, 0x61, 0x5b });
    defer free(std.testing.allocator, &code);
    for ([_]bool{ false, false, true, false, false, false }, 0..) |is_target, place| {
        try std.testing.expectEqual(is_target, code.is_target(place));
    }
    try std.testing.expect(!code.is_target(1 << 200 | 2));
}

test "the cache stays within its limit, and keeps what is in use" {
    start(std.testing.allocator, 1);
    defer cache.deinit();
    cache.limit = 4_000;
    const first = try cache.put(&@splat(1), &@as([1000]u8, @splat(0x5b)));
    for (2..12) |value| cache.release(try cache.put(&@splat(@intCast(value)), &@as([1000]u8, @splat(0x5b))));
    try std.testing.expect(cache.held <= cache.limit);
    try std.testing.expect(cache.get(&@splat(1)) == null);
    try std.testing.expect(first.is_target(999));
    cache.release(first);
    const last = cache.get(&@splat(11)).?;
    cache.release(last);
}
