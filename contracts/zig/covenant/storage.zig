//! Storage laid out as Solidity lays it out: a value in its slot, a mapping's item at keccak256(key ++ slot), a string
//! of up to 31 bytes beside its length. Every value has a slot to itself: Solidity's packing of small ones is not here.

const abi = @import("abi.zig");
const hooks = @import("hooks.zig");
const memory = @import("memory.zig");

/// Keccak-256 by the host.
pub fn hash(data: []const u8) [32]u8 {
    var out: [32]u8 = undefined;
    hooks.native_keccak256(data.ptr, data.len, &out);
    return out;
}

pub fn load(slot: *const [32]u8) [32]u8 {
    var word: [32]u8 = undefined;
    hooks.storage_load_bytes32(slot, &word);
    return word;
}

/// Write into the frame's cache; it reaches the trie by `flush`, which returning from a call and calling out do.
pub fn store(slot: *const [32]u8, word: [32]u8) void {
    hooks.storage_cache_bytes32(slot, &word);
}

pub fn flush() void {
    hooks.storage_flush_cache(0);
}

/// One value (an integer, bool, Address, `[n]u8`) in a slot.
pub fn Value(comptime T: type) type {
    return struct {
        slot: [32]u8,

        const Self = @This();

        pub fn at(slot: u256) Self {
            return .{ .slot = abi.toWord(slot) };
        }

        pub noinline fn get(self: *const Self) T {
            return abi.fromWord(T, &load(&self.slot)) orelse @trap();
        }

        pub noinline fn set(self: *const Self, value: T) void {
            store(&self.slot, abi.toWord(value));
        }
    };
}

/// `mapping(Key => Item)`, where Item is a Value or another Mapping.
pub fn Mapping(comptime Key: type, comptime Item: type) type {
    return struct {
        slot: [32]u8,

        const Self = @This();

        pub fn at(slot: u256) Self {
            return .{ .slot = abi.toWord(slot) };
        }

        pub noinline fn of(self: *const Self, key: Key) Item {
            return .{ .slot = hash(&(abi.toWord(key) ++ self.slot)) };
        }
    };
}

/// `string` of at most 31 bytes in a slot.
pub const ShortString = struct {
    slot: [32]u8,

    pub fn at(slot: u256) ShortString {
        return .{ .slot = abi.toWord(slot) };
    }

    /// Its bytes; none where the slot holds a longer string's length.
    pub fn get(self: *const ShortString) abi.String {
        const word = memory.take(32);
        word[0..32].* = load(&self.slot);
        return .{ .data = word[0..if (word[31] & 1 == 0) word[31] >> 1 else 0] };
    }

    pub fn set(self: *const ShortString, comptime value: []const u8) void {
        if (value.len > 31) @compileError("a string in one slot has at most 31 bytes");
        comptime var word: [32]u8 = @splat(0);
        comptime word[0..value.len].* = value[0..value.len].*;
        comptime word[31] = 2 * value.len;
        store(&self.slot, word);
    }
};
