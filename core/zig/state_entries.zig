//! What the state of a run knows of accounts, slots and logs.

const std = @import("std");
const host = @import("host.zig");
const keccak = @import("keccak.zig");
const Code = @import("code.zig").Code;

const Address = host.Address;
const Hash = host.Hash;
const Word = host.Word;

pub const empty_hash = keccak.hash_at_compile_time("");

/// An account's place among those that the run has met.
pub const Account = enum(u32) { _ };

/// What an account holds; `code` once somebody asked for it, or set it.
pub const Held = struct {
    nonce: u64 = 0,
    balance: Word = 0,
    code_hash: Hash = empty_hash,
    code: ?*const Code = null,
    has_new_code: bool = false,

    pub fn equals(self: *const Held, other: *const Held) bool {
        return self.nonce == other.nonce and self.balance == other.balance and std.mem.eql(u8, &self.code_hash, &other.code_hash);
    }
};

pub const Warmth = enum(u8) { unknown, cold, warm };

pub const Entry = struct {
    address: Address,
    is_loaded: bool = false,
    /// Whether an instruction named it, in a frame that failed too.
    is_named: bool = false,
    /// Whether who watches has seen it.
    is_shown: bool = false,
    /// Null where the state has no such account; read once loaded.
    held: ?Held = null,
    /// As the host gave it.
    original: ?Held = null,
    warmth: Warmth = .unknown,
    is_touched: bool = false,
    is_created: bool = false,
    is_destroyed: bool = false,
    /// Whether the end of the transaction removes it.
    is_leaving: bool = false,
    /// Whether the host was asked for a slot, and whether it has said that none is set.
    is_known: bool = false,
    is_blank: bool = false,
    /// Place of the newest slot met, whose `next` leads on.
    last_slot: ?u32 = null,

    /// Whether it is what the host gave.
    pub fn is_as_it_was(self: *const Entry) bool {
        const now = if (self.held) |*held| held else return self.original == null;
        const before = if (self.original) |*held| held else return false;
        return now.equals(before);
    }
};

pub const Slot = struct {
    account: Account,
    key: Word,
    is_loaded: bool = false,
    /// As an account's, both.
    is_named: bool = false,
    is_shown: bool = false,
    value: Word = 0,
    /// The value when the transaction began (EIP-2200).
    original: Word = 0,
    /// As the host gave it.
    base: Word = 0,
    warmth: Warmth = .unknown,
    next: ?u32,
};

pub const Transient = struct { account: Account, key: Word, value: Word = 0 };

/// ordinal: its place among all logs that the run made, those that were undone too. is_transfer: see ether_logs.zig.
pub const Log = struct { address: Address, topics: [4]Word, topic_count: u8, data: []const u8, ordinal: u64, is_transfer: bool = false };
