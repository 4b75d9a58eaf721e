//! The state while a message runs, over a host that is asked for each cold account, slot and code once.
//! Accounts and slots have places, which are theirs until the end. Every change can be undone (journal.zig).

const std = @import("std");
const codes = @import("code.zig");
const entries = @import("state_entries.zig");
const ether_logs = @import("ether_logs.zig");
const host_of = @import("host.zig");
const journal_of = @import("journal.zig");
const keccak = @import("keccak.zig");
const Places = @import("places.zig").Places;
const Error = @import("errors.zig").Error;

const Allocator = std.mem.Allocator;
const Address = host_of.Address;
const Code = codes.Code;
const Hash = host_of.Hash;
const Word = host_of.Word;

pub const Checkpoint = journal_of.Checkpoint;

pub const empty_hash = entries.empty_hash;

/// Touched even by a frame that failed, as the main network's block 2,675,119 has it (EIP-161, note on 0x03).
const ripemd160: Address = @as([19]u8, @splat(0)) ++ [1]u8{3};

pub const Account = entries.Account;
pub const Entry = entries.Entry;
pub const Held = entries.Held;
pub const Log = entries.Log;
pub const Slot = entries.Slot;

const SlotKey = struct { account: Account, slot: Word };

pub const State = struct {
    /// Of a run: freed as a whole.
    memory: Allocator,
    host: host_of.Host,
    accounts: std.ArrayList(Entry) = .empty,
    slots: std.ArrayList(Slot) = .empty,
    transients: std.ArrayList(entries.Transient) = .empty,
    logs: std.ArrayList(Log) = .empty,
    account_places: Places(Address) = .empty,
    slot_places: Places(SlotKey) = .empty,
    transient_places: Places(SlotKey) = .empty,
    journal: journal_of.Journal(?Held) = .{},
    /// What was added to the refund counter since the run began.
    refund_change: i64 = 0,
    /// Logs that were appended, those that were undone too.
    logs_made: u64 = 0,
    /// Whether each transfer leaves a log.
    shows_transfers: bool = false,
    /// References that the state keeps until its end.
    code_references: std.ArrayList(*Code) = .empty,

    /// Under the host's `hold`.
    pub fn deinit(self: *State) void {
        for (self.code_references.items) |code_| codes.cache.release(code_);
    }

    // Accounts

    /// The place of an account; nothing is asked of the host.
    pub fn at(self: *State, address: *const Address) Error!Account {
        const found = try self.account_places.getOrPut(self.memory, address.*);
        if (!found.found_existing) {
            found.value_ptr.* = @intCast(self.accounts.items.len);
            errdefer _ = self.account_places.remove(address.*);
            try self.accounts.append(self.memory, .{ .address = address.* });
        }
        return @enumFromInt(found.value_ptr.*);
    }

    pub fn address_of(self: *const State, account: Account) Address {
        return self.accounts.items[@intFromEnum(account)].address;
    }

    /// Valid until the next call of `at`.
    fn entry(self: *State, account: Account) *Entry {
        return &self.accounts.items[@intFromEnum(account)];
    }

    fn loaded(self: *State, account: Account) Error!*Entry {
        const known = self.entry(account);
        if (known.is_loaded) return known;
        const fields = try self.host.table.account(self.host.context, &known.address);
        if (fields) |found| {
            known.held = .{ .nonce = found.nonce, .balance = found.balance, .code_hash = found.code_hash };
        }
        known.original = known.held;
        known.is_loaded = true;
        return known;
    }

    fn put(self: *State, account: Account, held: ?Held) Error!void {
        const known = try self.loaded(account);
        try self.journal.account(self.memory, @intFromEnum(account), known.held);
        known.held = held;
    }

    fn held_or_new(self: *State, account: Account) Error!Held {
        return (try self.loaded(account)).held orelse .{};
    }

    /// Whether the state has an entry for the account, empty or not.
    pub fn exists(self: *State, account: Account) Error!bool {
        return (try self.loaded(account)).held != null;
    }

    /// No nonce, balance or code (EIP-161); true of accounts that do not exist.
    pub fn is_empty(self: *State, account: Account) Error!bool {
        const held = (try self.loaded(account)).held orelse return true;
        return held.nonce == 0 and held.balance == 0 and std.mem.eql(u8, &held.code_hash, &empty_hash);
    }

    pub fn balance(self: *State, account: Account) Error!Word {
        return (try self.held_or_new(account)).balance;
    }

    /// Creates the account if need be, as all that set a field do.
    pub fn set_balance(self: *State, account: Account, value: Word) Error!void {
        var held = try self.held_or_new(account);
        held.balance = value;
        try self.put(account, held);
    }

    /// A credit ends at the largest word; zero changes nothing and creates nothing.
    pub fn add_balance(self: *State, account: Account, amount: Word) Error!void {
        if (amount != 0) try self.set_balance(account, try self.balance(account) +| amount);
    }

    /// Whether a transfer leaves the recipient's balance within a word.
    pub fn can_receive(self: *State, sender: Account, recipient: Account, amount: Word) Error!bool {
        return sender == recipient or amount <= std.math.maxInt(Word) - try self.balance(recipient);
    }

    /// Move wei that the sender has.
    pub fn transfer(self: *State, sender: Account, recipient: Account, amount: Word) Error!void {
        if (amount == 0) return;
        const left = std.math.sub(Word, try self.balance(sender), amount) catch return error.Refused;
        try self.set_balance(sender, left);
        try self.add_balance(recipient, amount);
        if (self.shows_transfers) try ether_logs.add(self, sender, recipient, amount);
    }

    pub fn nonce(self: *State, account: Account) Error!u64 {
        return (try self.held_or_new(account)).nonce;
    }

    pub fn set_nonce(self: *State, account: Account, value: u64) Error!void {
        var held = try self.held_or_new(account);
        held.nonce = value;
        try self.put(account, held);
    }

    /// `empty_hash` where there is no code or no account.
    pub fn code_hash(self: *State, account: Account) Error!Hash {
        return (try self.held_or_new(account)).code_hash;
    }

    /// The account's code, which lives as long as the state; `Code.empty` where there is none.
    pub fn code(self: *State, account: Account) Error!*const Code {
        const known = try self.loaded(account);
        const held = if (known.held) |*held| held else return &codes.empty;
        if (held.code) |found| return found;
        if (std.mem.eql(u8, &held.code_hash, &empty_hash)) return &codes.empty;
        const kept = if (self.host.wants_kept_code) null else try self.kept_code(&held.code_hash, null);
        held.code = kept orelse blk: {
            const bytes = try self.host.table.code(self.host.context, &known.address);
            break :blk try self.kept_code(&held.code_hash, bytes);
        };
        return held.code.?;
    }

    /// The code with this hash; null where it is not kept yet and its bytes are not given.
    fn kept_code(self: *State, hash: *const Hash, bytes: ?[]const u8) Error!?*const Code {
        try self.code_references.ensureUnusedCapacity(self.memory, 1);
        self.host.table.hold(self.host.context);
        const found = codes.cache.get(hash) orelse try codes.cache.put(hash, bytes orelse return null);
        self.code_references.appendAssumeCapacity(found);
        return found;
    }

    pub fn set_code(self: *State, account: Account, bytes: []const u8) Error!void {
        var held = try self.held_or_new(account);
        held.code_hash = keccak.hash(bytes);
        held.code = if (bytes.len == 0) null else try self.kept_code(&held.code_hash, bytes);
        held.has_new_code = held.code != null;
        try self.put(account, held);
    }

    /// Make sure that the account exists: what touching did before EIP-161.
    pub fn create_empty(self: *State, account: Account) Error!void {
        if (!try self.exists(account)) try self.put(account, .{});
    }

    // Storage

    fn slot_at(self: *State, account: Account, key: Word) Error!u32 {
        const name: SlotKey = .{ .account = account, .slot = key };
        const found = try self.slot_places.getOrPut(self.memory, name);
        if (!found.found_existing) {
            found.value_ptr.* = @intCast(self.slots.items.len);
            errdefer _ = self.slot_places.remove(name);
            const owner = self.entry(account);
            try self.slots.append(self.memory, .{ .account = account, .key = key, .next = owner.last_slot });
            owner.last_slot = found.value_ptr.*;
        }
        return found.value_ptr.*;
    }

    /// Valid until the next slot is met.
    fn loaded_slot(self: *State, place: u32) Error!*Slot {
        const known = &self.slots.items[place];
        if (known.is_loaded) return known;
        const value = try self.asked_slot(self.entry(known.account), known.key);
        known.value = value;
        known.original = value;
        known.base = value;
        known.is_loaded = true;
        return known;
    }

    fn asked_slot(self: *State, owner: *Entry, key: Word) Error!Word {
        if (owner.is_blank) return 0;
        if (owner.is_known) return self.host.table.storage(self.host.context, &owner.address, key);
        const first = try self.host.table.first_storage(self.host.context, &owner.address, key);
        owner.is_known = true;
        owner.is_blank = first.is_blank;
        return first.value;
    }

    pub fn storage(self: *State, account: Account, key: Word) Error!Word {
        return (try self.loaded_slot(try self.slot_at(account, key))).value;
    }

    /// The value when the transaction began (EIP-2200).
    pub fn original_storage(self: *State, account: Account, key: Word) Error!Word {
        return (try self.loaded_slot(try self.slot_at(account, key))).original;
    }

    pub fn set_storage(self: *State, account: Account, key: Word, value: Word) Error!void {
        const place = try self.slot_at(account, key);
        const known = try self.loaded_slot(place);
        if (known.value == value) return;
        try self.journal.word(self.memory, .slot, place, known.value);
        known.value = value;
    }

    /// Whether any slot is set (EIP-7610).
    pub fn has_storage(self: *State, account: Account) Error!bool {
        const known = try self.loaded(account);
        var has_changed = false;
        var place = known.last_slot;
        while (place) |index| : (place = self.slots.items[index].next) {
            const slot = &self.slots.items[index];
            if (slot.value != 0) return true;
            has_changed = has_changed or slot.base != 0;
        }
        const had = try self.host.table.has_storage(self.host.context, &known.address);
        // cleared slots may be the ones that the host still sees
        return if (had and has_changed) error.Refused else had;
    }

    /// A transient slot (EIP-1153).
    pub fn transient(self: *State, account: Account, key: Word) Error!Word {
        const place = self.transient_places.get(.{ .account = account, .slot = key }) orelse return 0;
        return self.transients.items[place].value;
    }

    pub fn set_transient(self: *State, account: Account, key: Word, value: Word) Error!void {
        const name: SlotKey = .{ .account = account, .slot = key };
        const found = try self.transient_places.getOrPut(self.memory, name);
        if (!found.found_existing) {
            found.value_ptr.* = @intCast(self.transients.items.len);
            errdefer _ = self.transient_places.remove(name);
            try self.transients.append(self.memory, .{ .account = account, .key = key });
        }
        const known = &self.transients.items[found.value_ptr.*];
        if (known.value == value) return;
        try self.journal.word(self.memory, .transient, found.value_ptr.*, known.value);
        known.value = value;
    }

    // What lasts one transaction

    /// Add to the accessed addresses (EIP-2929) one that an instruction names; true when it was cold.
    pub fn warm_address(self: *State, account: Account) Error!bool {
        self.entry(account).is_named = true;
        return self.warm_unnamed(account);
    }

    /// The same for one that no instruction names: a new contract, the target of a delegation.
    pub fn warm_unnamed(self: *State, account: Account) Error!bool {
        if (try self.is_warm(account)) return false;
        try self.journal.mark(self.memory, .warm, @intFromEnum(account));
        self.entry(account).warmth = .warm;
        return true;
    }

    pub fn is_warm(self: *State, account: Account) Error!bool {
        const known = self.entry(account);
        if (known.warmth == .unknown) {
            const was_warm = try self.host.table.is_warm(self.host.context, &known.address);
            known.warmth = if (was_warm) .warm else .cold;
        }
        return known.warmth == .warm;
    }

    /// Add to the accessed slots (EIP-2929) one that an instruction names; true when it was cold.
    pub fn warm_slot(self: *State, account: Account, key: Word) Error!bool {
        const place = try self.slot_at(account, key);
        const known = &self.slots.items[place];
        known.is_named = true;
        if (known.warmth == .unknown) {
            const address = &self.entry(account).address;
            const was_warm = try self.host.table.is_warm_slot(self.host.context, address, key);
            known.warmth = if (was_warm) .warm else .cold;
        }
        if (known.warmth == .warm) return false;
        try self.journal.mark(self.memory, .warm_slot, place);
        known.warmth = .warm;
        return true;
    }

    /// Note that the account goes at the end of the transaction if it is empty then (EIP-161).
    pub fn touch(self: *State, account: Account) Error!void {
        const known = self.entry(account);
        if (known.is_touched) return;
        try self.journal.mark(self.memory, .touched, @intFromEnum(account));
        known.is_touched = true;
    }

    /// Note that the contract came to be in this transaction (EIP-6780).
    pub fn mark_created(self: *State, account: Account) Error!void {
        const known = self.entry(account);
        if (known.is_created) return;
        try self.journal.mark(self.memory, .created, @intFromEnum(account));
        known.is_created = true;
    }

    pub fn is_created(self: *State, account: Account) bool {
        return self.entry(account).is_created;
    }

    /// Note that the account goes at the end of the transaction.
    pub fn mark_destroyed(self: *State, account: Account) Error!void {
        const known = self.entry(account);
        if (known.is_destroyed) return;
        try self.journal.mark(self.memory, .destroyed, @intFromEnum(account));
        known.is_destroyed = true;
    }

    /// Append a log entry; the data are copied.
    pub fn add_log(self: *State, address: *const Address, topics: []const Word, data: []const u8) Error!void {
        var log: Log = .{
            .address = address.*,
            .topics = @splat(0),
            .topic_count = @intCast(topics.len),
            .data = try self.memory.dupe(u8, data),
            .ordinal = self.logs_made,
        };
        @memcpy(log.topics[0..topics.len], topics);
        try self.logs.append(self.memory, log);
        errdefer _ = self.logs.pop();
        try self.journal.mark(self.memory, .log, 0);
        self.logs_made += 1;
    }

    /// Add to, or, negative, take from the refund counter.
    pub fn add_refund(self: *State, gas: i64) Error!void {
        try self.journal.refund(self.memory, self.refund_change);
        self.refund_change +|= gas;
    }

    /// Add to the accessed addresses before the run begins, which nothing undoes.
    pub fn warm_ahead(self: *State, address: *const Address) Error!void {
        self.entry(try self.at(address)).warmth = .warm;
    }

    /// Add to the accessed slots before the run begins, which nothing undoes.
    pub fn warm_slot_ahead(self: *State, address: *const Address, key: Word) Error!void {
        self.slots.items[try self.slot_at(try self.at(address), key)].warmth = .warm;
    }

    /// Note that who watches has seen the account; true when it is new to him.
    pub fn show(self: *State, account: Account) bool {
        const known = self.entry(account);
        defer known.is_shown = true;
        return !known.is_shown;
    }

    /// The same of a slot.
    pub fn show_slot(self: *State, account: Account, key: Word) Error!bool {
        const known = &self.slots.items[try self.slot_at(account, key)];
        defer known.is_shown = true;
        return !known.is_shown;
    }

    /// Accounts that go at the end of the transaction.
    pub fn destroyed_count(self: *const State) u32 {
        var count: u32 = 0;
        for (self.accounts.items) |*known| count += @intFromBool(known.is_destroyed);
        return count;
    }

    /// Remove destroyed accounts, and with `clears_empty` the empty ones that were touched or changed. No undoing; where it
    /// fails, nothing is removed.
    pub fn end_transaction(self: *State, clears_empty: bool) Error!void {
        if (clears_empty) for (self.journal.changes.items) |change| {
            if (change.kind == .account) self.accounts.items[change.index].is_touched = true;
        };
        for (0..self.accounts.items.len) |place| {
            const account: Account = @enumFromInt(place);
            const known = self.entry(account);
            known.is_leaving = known.is_destroyed or (clears_empty and known.is_touched and try self.is_empty(account));
            if (known.is_leaving) _ = try self.loaded(account);
        }
        for (self.accounts.items) |*known| if (known.is_leaving) {
            known.held = null;
        };
    }

    /// What is known of more accounts and slots takes long to make ready for a transaction.
    const most_kept = 1_024;

    /// Whether a further transaction may run on what this one has left: its changes can be told together with those of
    /// this one, as no account is gone that was there, or that has slots.
    pub fn can_go_on(self: *const State) bool {
        if (self.accounts.items.len + self.slots.items.len > most_kept) return false;
        for (self.accounts.items) |*known| {
            const is_gone = known.is_loaded and known.held == null and (known.original != null or known.last_slot != null);
            if (known.is_destroyed or is_gone) return false;
        }
        return true;
    }

    /// Forget what lasts one transaction, whose changes stay.
    pub fn begin_transaction(self: *State) void {
        for (self.accounts.items) |*known| {
            known.warmth = .unknown;
            inline for (.{ "is_named", "is_shown", "is_touched", "is_created", "is_destroyed" }) |mark| @field(known, mark) = false;
        }
        for (self.slots.items) |*known| {
            known.warmth = .unknown;
            known.original = known.value;
            inline for (.{ "is_named", "is_shown" }) |mark| @field(known, mark) = false;
        }
        self.transients.clearRetainingCapacity();
        self.transient_places.clearRetainingCapacity();
        self.logs.clearRetainingCapacity();
        self.journal.clear();
        self.refund_change = 0;
        self.logs_made = 0;
    }

    // Checkpoints

    pub fn record(self: *const State) Checkpoint {
        return self.journal.record();
    }

    /// Undo everything since the checkpoint.
    pub fn discard(self: *State, checkpoint: Checkpoint) void {
        const changes = &self.journal.changes;
        while (changes.items.len > checkpoint.length) self.undo(changes.pop() orelse return);
    }

    fn undo(self: *State, change: journal_of.Change) void {
        const journal = &self.journal;
        switch (change.kind) {
            .account => self.accounts.items[change.index].held = journal.accounts.pop() orelse return,
            .slot => self.slots.items[change.index].value = journal.words.pop() orelse return,
            .transient => self.transients.items[change.index].value = journal.words.pop() orelse return,
            .warm => self.accounts.items[change.index].warmth = .cold,
            .warm_slot => self.slots.items[change.index].warmth = .cold,
            .touched => {
                const known = &self.accounts.items[change.index];
                known.is_touched = std.mem.eql(u8, &known.address, &ripemd160);
            },
            .created => self.accounts.items[change.index].is_created = false,
            .destroyed => self.accounts.items[change.index].is_destroyed = false,
            .log => _ = self.logs.pop(),
            .refund => self.refund_change = journal.refunds.pop() orelse return,
        }
    }
};
