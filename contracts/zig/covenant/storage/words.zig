//! Words of storage: reading and writing a slot, or the part of one that a packed value has. What is here is compiled
//! once for all handles, as a byte of code costs 200 gas.

const abi = @import("../abi.zig");
const hooks = @import("../hooks.zig");
const memory = @import("../memory.zig");
const failure = @import("../failure.zig");

pub const Word = [32]u8;

/// Solidity's codes of Panic(uint256) that storage knows.
pub const bad_enum = 0x21;
pub const bad_encoding = 0x22;
pub const empty_pop = 0x31;
pub const bad_index = 0x32;
pub const too_large = 0x41;

/// Items or bytes that can be read into memory; more end in Panic(0x41).
pub const most_length = 1 << 26;

/// Where a slot is: in the contract's storage, or in what EIP-1153 forgets at the end of the transaction.
pub const Region = enum { persistent, transient };

/// A packed value: `offset` counts bytes from the low end of the slot's word, as Solidity does.
pub const Place = struct { slot: Word, offset: u8 };

/// Keccak-256 by the host.
pub fn hash(data: []const u8) Word {
    var out: Word = undefined;
    hooks.native_keccak256(data.ptr, data.len, &out);
    return out;
}

pub fn load(comptime region: Region, slot: *const Word) Word {
    var word: Word = undefined;
    switch (region) {
        .persistent => hooks.storage_load_bytes32(slot, &word),
        .transient => hooks.transient_load_bytes32(slot, &word),
    }
    return word;
}

/// Persistent words go into the frame's cache; they reach the trie by `flush`, which returning and calling out do.
pub fn store(comptime region: Region, slot: *const Word, word: *const Word) void {
    switch (region) {
        .persistent => hooks.storage_cache_bytes32(slot, word),
        .transient => hooks.transient_store_bytes32(slot, word),
    }
}

pub fn flush() void {
    hooks.storage_flush_cache(0);
}

pub fn loadNumber(comptime region: Region, slot: *const Word) u256 {
    return abi.readNumber(&load(region, slot));
}

pub fn storeNumber(comptime region: Region, slot: *const Word, number: u256) void {
    var word: Word = undefined;
    abi.writeNumber(&word, number);
    store(region, slot, &word);
}

/// The bytes of a packed value, most significant first.
pub noinline fn loadBytes(comptime region: Region, slot: *const Word, offset: u8, out: []u8) void {
    const word = load(region, slot);
    @memcpy(out, word[32 - offset - out.len ..][0..out.len]);
}

/// Replace the bytes of a packed value; its neighbours stay.
pub noinline fn storeBytes(comptime region: Region, slot: *const Word, offset: u8, bytes: []const u8) void {
    var word = load(region, slot);
    @memcpy(word[32 - offset - bytes.len ..][0..bytes.len], bytes);
    store(region, slot, &word);
}

pub noinline fn loadSmall(comptime region: Region, slot: *const Word, offset: u8, size: u8) u256 {
    var word: Word = @splat(0);
    loadBytes(region, slot, offset, word[32 - size ..]);
    return abi.readNumber(&word);
}

/// The low `size` bytes of `number`.
pub noinline fn storeSmall(comptime region: Region, slot: *const Word, offset: u8, size: u8, number: u256) void {
    var word: Word = undefined;
    abi.writeNumber(&word, number);
    storeBytes(region, slot, offset, word[32 - size ..]);
}

/// slot + distance, around the end of storage as in Solidity.
pub noinline fn advance(slot: *const Word, distance: u256) Word {
    var word: Word = undefined;
    abi.writeNumber(&word, abi.readNumber(slot) +% distance);
    return word;
}

/// Set `count` slots from `first` on to zero.
pub noinline fn clear(comptime region: Region, first: *const Word, count: u256) void {
    var slot = first.*;
    var left = count;
    while (left != 0) : (left -= 1) {
        store(region, &slot, &@splat(0));
        slot = advance(&slot, 1);
    }
}

/// The slot of a mapping's item under a key of one word.
pub noinline fn itemSlot(slot: *const Word, key: *const Word) Word {
    return hash(&(key.* ++ slot.*));
}

/// Where item `index` lies in an array whose items share slots.
pub noinline fn packedPlace(first: *const Word, index: u64, size: u8) Place {
    const in_slot = 32 / @as(u64, size);
    return .{ .slot = advance(first, index / in_slot), .offset = @intCast(index % in_slot * size) };
}

/// Room for items in memory.
pub fn takeItems(comptime T: type, count: usize) []T {
    if (@as(u64, count) * @sizeOf(T) > most_length) failure.panic(too_large);
    return memory.takeItems(T, count);
}

/// The slot of a mapping's item under a string or bytes key.
pub noinline fn bytesItemSlot(slot: *const Word, key: []const u8) Word {
    const joined = memory.take(key.len + 32);
    @memcpy(joined[0..key.len], key);
    joined[key.len..][0..32].* = slot.*;
    return hash(joined);
}
