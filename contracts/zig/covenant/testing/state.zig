//! Accounts in memory, with a journal by which a failed frame is undone.

const std = @import("std");
const types = @import("../types.zig");

const Address = types.Address;

pub const Word = [32]u8;

/// Runs a call of a contract: the length of the call data in, the status out.
pub const Entry = *const fn (length: usize) u32;

pub const Slots = std.AutoHashMapUnmanaged(Word, Word);

pub const Account = struct {
    balance: u256 = 0,
    nonce: u64 = 0,
    /// What others see as its code.
    code: []const u8 = &.{},
    entry: ?Entry = null,
    storage: Slots = .empty,
    transient: Slots = .empty,
};

/// A log as `emit` wrote it.
pub const Log = struct {
    address: Address,
    topics: []const Word,
    data: []const u8,
};

/// What undoes one change.
const Change = union(enum) {
    balance: struct { *Account, u256 },
    nonce: struct { *Account, u64 },
    code: struct { *Account, []const u8, ?Entry },
    slot: struct { *Slots, Word, Word },
};

/// A point to which a state can go back.
pub const Mark = struct { changes: usize, logs: usize };

pub const State = struct {
    allocator: std.mem.Allocator,
    accounts: std.AutoHashMapUnmanaged(Address, *Account) = .empty,
    changes: std.ArrayList(Change) = .empty,
    logs: std.ArrayList(Log) = .empty,

    /// The account at an address, made where there is none.
    pub fn account(self: *State, address: Address) *Account {
        const found = self.accounts.getOrPut(self.allocator, address) catch outOfMemory();
        if (!found.found_existing) {
            found.value_ptr.* = self.allocator.create(Account) catch outOfMemory();
            found.value_ptr.*.* = .{};
        }
        return found.value_ptr.*;
    }

    pub fn setBalance(self: *State, address: Address, wei: u256) void {
        const entry = self.account(address);
        self.note(.{ .balance = .{ entry, entry.balance } });
        entry.balance = wei;
    }

    /// False where the sender has less.
    pub fn transfer(self: *State, from: Address, to: Address, wei: u256) bool {
        const held = self.account(from).balance;
        if (held < wei) return false;
        self.setBalance(from, held - wei);
        self.setBalance(to, self.account(to).balance + wei);
        return true;
    }

    /// Count one up, and give the number before.
    pub fn useNonce(self: *State, address: Address) u64 {
        const entry = self.account(address);
        self.note(.{ .nonce = .{ entry, entry.nonce } });
        entry.nonce += 1;
        return entry.nonce - 1;
    }

    pub fn setCode(self: *State, address: Address, code: []const u8, runs: ?Entry) void {
        const entry = self.account(address);
        self.note(.{ .code = .{ entry, entry.code, entry.entry } });
        entry.code = code;
        entry.entry = runs;
    }

    pub fn setSlot(self: *State, slots: *Slots, key: Word, value: Word) void {
        self.note(.{ .slot = .{ slots, key, slotOf(slots, key) } });
        slots.put(self.allocator, key, value) catch outOfMemory();
    }

    pub fn log(self: *State, entry: Log) void {
        self.logs.append(self.allocator, entry) catch outOfMemory();
    }

    pub fn mark(self: *const State) Mark {
        return .{ .changes = self.changes.items.len, .logs = self.logs.items.len };
    }

    pub fn goBack(self: *State, to: Mark) void {
        self.logs.shrinkRetainingCapacity(to.logs);
        while (self.changes.items.len > to.changes) switch (self.changes.pop().?) {
            .balance => |old| old[0].balance = old[1],
            .nonce => |old| old[0].nonce = old[1],
            .code => |old| {
                old[0].code = old[1];
                old[0].entry = old[2];
            },
            .slot => |old| old[0].putAssumeCapacity(old[1], old[2]),
        };
    }

    /// The end of a transaction: what is done stays, and transient slots are forgotten.
    pub fn finish(self: *State) void {
        self.changes.clearRetainingCapacity();
        var accounts = self.accounts.valueIterator();
        while (accounts.next()) |entry| entry.*.transient.clearRetainingCapacity();
    }

    fn note(self: *State, change: Change) void {
        self.changes.append(self.allocator, change) catch outOfMemory();
    }
};

pub fn slotOf(slots: *const Slots, key: Word) Word {
    return slots.get(key) orelse @splat(0);
}

pub fn outOfMemory() noreturn {
    @panic("the test machine is out of memory");
}
