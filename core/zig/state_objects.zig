//! The state after a block, for Python: storage/state_update.py's records, roots and nodes in one call.
//! The storage tries of all accounts are hashed together, level by level, and so are the keys.

const std = @import("std");
const Error = @import("errors.zig").Error;
const lookup = @import("trie_lookup.zig");
const nibbles = @import("nibbles.zig");
const node = @import("node.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const rlp = @import("rlp.zig");
const trie_objects = @import("trie_objects.zig");
const update = @import("trie_update.zig");
const word = @import("word.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const Builder = update.Builder(trie_objects.Nodes);
const Hasher = trie_objects.Hasher;

const hash_size = 32;
/// Of an account's record: the largest nonce and balance, two hashes, and their prefixes.
const largest_record = 2 + 9 + 33 + 2 * (1 + hash_size);

/// An account of a difference. Objects are borrowed from what `held` keeps.
pub const Account = struct {
    address: *Object,
    /// Nonce, balance and code hash, or None.
    change: *Object,
    /// The key of the state trie.
    key: [hash_size]u8 = undefined,
    /// Null of an account that goes.
    fields: ?Fields,
    slots: []const Slot = &.{},
    /// The storage root before; null where the state trie is to tell it.
    base_root: ?*const [hash_size]u8 = null,
    storage_root: [hash_size]u8 = ordered.empty_root,
    /// The new root of the storage trie, where that changes and stays.
    storage: ?*node.Node = null,
};

const Fields = struct { nonce: u64, balance: u256, code_hash: [hash_size]u8 };
const Slot = struct { number: [hash_size]u8, value: []const u8, key: [hash_size]u8 = undefined };

/// What a call works with.
pub const Work = struct {
    arena: std.mem.Allocator,
    held: *trie_objects.Held,
    nodes_of: *Object,
    known: []const *Object,
    root: *const [hash_size]u8,
    /// Makes an Account of its fields.
    account_of: *Object,

    pub fn of(arena: std.mem.Allocator, held: *trie_objects.Held, arguments: *const [3]*Object, account_of: *Object) Error!Work {
        return .{
            .arena = arena,
            .held = held,
            .nodes_of = arguments[0],
            .known = try dicts_of(arena, arguments[1], held),
            .root = try hash_in(arguments[2]),
            .account_of = account_of,
        };
    }

    /// owner: lives as long as the nodes.
    fn nodes(self: *const Work, owner: []const u8) Error!trie_objects.Nodes {
        const opener = try self.arena.create(trie_objects.Opener);
        opener.* = .{ .nodes_of = self.nodes_of, .owner = owner };
        return .{ .source = .{ .opener = opener }, .held = self.held, .known = self.known };
    }
};

/// state_after(nodes_of, known, root, accounts, storage, wiped, storage_roots, account_of)
pub fn after(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    var held: trie_objects.Held = .{};
    defer held.release();
    const work: Work = try .of(arena_state.allocator(), &held, arguments[0..3], arguments[7]);
    const accounts = try accounts_of(&work, arguments[3], arguments[4]);
    try find_roots(&work, accounts, arguments[5], arguments[6]);
    const settled = try settle(&work, accounts);
    const root = python.bytes(&settled.root);
    return python.gathered(4, .{ root, settled.records, settled.decoded, settled.nodes });
}

/// The state after the accounts: its root, and dicts, new references.
pub const Settled = struct {
    root: [hash_size]u8,
    /// By address, as the trie holds them; b"" where deleted.
    records: *Object,
    /// The same, decoded.
    decoded: *Object,
    /// The new nodes, by hash.
    nodes: *Object,
};

/// The state after the accounts, whose keys are not known yet.
pub fn settle(work: *const Work, accounts: []Account) Error!Settled {
    try hash_keys(work.arena, accounts);
    const kept = try settle_storage(work, accounts);
    const records, const decoded, const made = try python.all(3, .{
        python.made(python.PyDict_New()),
        python.made(python.PyDict_New()),
        python.made(python.PyDict_New()),
    });
    errdefer for ([_]*Object{ records, decoded, made }) |object| python.drop(object);
    const entries = try entries_of(work, accounts, records, decoded);
    try trie_objects.put_by_hash(made, kept);
    return .{ .root = try settle_accounts(work, entries, made), .records = records, .decoded = decoded, .nodes = made };
}

pub fn dicts_of(arena: std.mem.Allocator, list: *Object, held: *trie_objects.Held) Error![]const *Object {
    const items = try python.sequence(list);
    const dicts = try arena.alloc(*Object, items.size);
    for (dicts, 0..) |*dict, index| {
        dict.* = try items.at(index);
        if (!python.is(dict.*, .dict)) return error.Refused;
        try held.add(python.keep(dict.*));
    }
    return dicts;
}

pub fn hash_in(object: *Object) Error!*const [hash_size]u8 {
    const data = try python.contents(object);
    return if (data.len == hash_size) data[0..hash_size] else error.Refused;
}

fn accounts_of(work: *const Work, changes: *Object, storage: *Object) Error![]Account {
    if (!python.is(changes, .dict) or !python.is(storage, .dict)) return error.Refused;
    const accounts = try work.arena.alloc(Account, @intCast(python.PyDict_Size(changes)));
    var pairs: python.Pairs = .{ .dict = changes };
    for (accounts) |*account| {
        const pair = pairs.next() orelse return error.Refused;
        try work.held.add(python.keep(pair.key));
        try work.held.add(python.keep(pair.value));
        const fields = if (python.is_none(pair.value)) null else try fields_of(pair.value);
        const slots = try python.value_in(storage, pair.key);
        account.* = .{
            .address = pair.key,
            .change = pair.value,
            .fields = fields,
            .slots = if (fields == null or slots == null) &.{} else try slots_of(work.arena, slots.?),
        };
    }
    return accounts;
}

/// Of an AccountChange.
pub fn fields_of(object: *Object) Error!Fields {
    const fields = try python.sequence(object);
    if (fields.size != 3) return error.Refused;
    const nonce = try python.word_of(try fields.at(0));
    if (nonce >> 64 != 0) return error.Refused;
    return .{
        .nonce = @truncate(nonce),
        .balance = try python.word_of(try fields.at(1)),
        .code_hash = (try hash_in(try fields.at(2))).*,
    };
}

pub fn slots_of(arena: std.mem.Allocator, values: *Object) Error![]Slot {
    if (!python.is(values, .dict)) return error.Refused;
    const slots = try arena.alloc(Slot, @intCast(python.PyDict_Size(values)));
    var pairs: python.Pairs = .{ .dict = values };
    for (slots) |*slot| {
        const pair = pairs.next() orelse return error.Refused;
        const value = try python.word_of(pair.value);
        slot.* = .{
            .number = word.to_bytes(try python.word_of(pair.key)),
            .value = if (value == 0) "" else try encoded(arena, value),
        };
    }
    return slots;
}

fn encoded(arena: std.mem.Allocator, value: u256) Error![]const u8 {
    var out: [1 + hash_size]u8 = undefined;
    return arena.dupe(u8, out[0..write_integer(&out, value)]);
}

/// Write the RLP of an integer; how many bytes it has.
fn write_integer(out: []u8, value: u256) usize {
    const digits = word.to_bytes(value);
    return rlp.write_string(out, std.mem.trimStart(u8, &digits, "\x00"));
}

/// The keys of accounts and slots in their tries, all at once.
fn hash_keys(arena: std.mem.Allocator, accounts: []Account) Error!void {
    var plain: std.ArrayList([]const u8) = .empty;
    for (accounts) |*account| {
        try plain.append(arena, try python.contents(account.address));
        for (account.slots) |*slot| try plain.append(arena, &slot.number);
    }
    const digests = try arena.alloc([hash_size]u8, plain.items.len);
    (Hasher{}).hash_many(plain.items, digests);
    var next: usize = 0;
    for (accounts) |*account| {
        account.key = digests[next];
        next += 1;
        for (@constCast(account.slots)) |*slot| {
            slot.key = digests[next];
            next += 1;
        }
    }
}

/// Take the storage roots before, as far as the difference tells them.
fn find_roots(work: *const Work, accounts: []Account, wiped: *Object, roots: *Object) Error!void {
    if (!python.is(roots, .dict)) return error.Refused;
    for (accounts) |*account| {
        if (account.fields == null) continue;
        if (try python.has(wiped, account.address)) {
            account.base_root = &ordered.empty_root;
        } else if (try python.value_in(roots, account.address)) |known| {
            try work.held.add(python.keep(known));
            account.base_root = try hash_in(known);
        }
    }
}

/// The new storage roots; the nodes that they lead to and that are new.
fn settle_storage(work: *const Work, accounts: []Account) Error![]const *node.Node {
    var tops: std.ArrayList(*node.Node) = .empty;
    for (accounts) |*account| {
        if (account.fields == null) continue;
        account.storage_root = if (account.base_root) |known| known.* else try old_root(work, account);
        if (account.slots.len == 0) continue;
        var builder: Builder = .{ .arena = work.arena, .source = try work.nodes(&account.key) };
        const entries = try work.arena.alloc(update.Entry, account.slots.len);
        for (entries, account.slots) |*entry, *slot| entry.* = try entry_of(work.arena, &slot.key, slot.value);
        switch (try builder.apply(or_empty(&account.storage_root), try update.sorted(entries))) {
            .same => {},
            .gone => account.storage_root = ordered.empty_root,
            .node => |top| {
                account.storage = top;
                try tops.append(work.arena, top);
            },
        }
    }
    const kept = try update.seal(work.arena, tops.items, Hasher{});
    for (accounts) |*account| {
        if (account.storage) |top| account.storage_root = top.hash;
    }
    return kept;
}

fn or_empty(root: *const [hash_size]u8) ?*const [hash_size]u8 {
    return if (std.mem.eql(u8, root, &ordered.empty_root)) null else root;
}

fn entry_of(arena: std.mem.Allocator, key: *const [hash_size]u8, value: []const u8) Error!update.Entry {
    const path = try arena.alloc(u8, 2 * hash_size);
    nibbles.unpack(path, key);
    return .{ .path = path, .value = value };
}

/// The storage root before the difference, out of the state trie.
fn old_root(work: *const Work, account: *const Account) Error![hash_size]u8 {
    const root = or_empty(work.root) orelse return ordered.empty_root;
    const record = try lookup.get(try work.nodes(""), root, &account.key) orelse return ordered.empty_root;
    var items: rlp.Items = .{ .payload = try rlp.spanning(record, true) };
    const nonce = try items.take(false);
    const balance = try items.take(false);
    const storage_root = try items.take(false);
    const code_hash = try items.take(false);
    const is_record = nonce.len <= 8 and balance.len <= 32 and storage_root.len == hash_size and
        code_hash.len == hash_size and items.at_end();
    return if (is_record) storage_root[0..hash_size].* else error.Refused;
}

/// The accounts as the state trie is to hold them; the same and what they decode to are put into the dicts.
fn entries_of(work: *const Work, accounts: []const Account, records: *Object, decoded: *Object) Error![]update.Entry {
    const entries = try work.arena.alloc(update.Entry, accounts.len);
    for (entries, accounts) |*entry, *account| {
        const record = if (account.fields) |*fields| try encode_record(work.arena, fields, &account.storage_root) else "";
        entry.* = try entry_of(work.arena, &account.key, record);
        try python.put(records, account.address, python.bytes(record));
        try python.put(decoded, account.address, if (account.fields == null) python.none() else account_from(work, account));
    }
    return update.sorted(entries);
}

fn account_from(work: *const Work, account: *const Account) Error!*Object {
    const change = try python.sequence(account.change);
    const root = try python.bytes(&account.storage_root);
    const nonce = python.keep(try change.at(0));
    const fields = try python.tuple(&.{ nonce, python.keep(try change.at(1)), root, python.keep(try change.at(2)) });
    defer python.drop(fields);
    const end: ?*Object = null;
    return python.made(python.PyObject_CallFunctionObjArgs(work.account_of, fields, end));
}

/// The RLP of [nonce, balance, storage root, code hash].
fn encode_record(arena: std.mem.Allocator, fields: *const Fields, root: *const [hash_size]u8) Error![]const u8 {
    const out = try arena.alloc(u8, largest_record);
    // two hashes alone are 66 bytes: the payload always has a size of one byte
    var size: usize = 2;
    size += write_integer(out[size..], fields.nonce);
    size += write_integer(out[size..], fields.balance);
    size += rlp.write_string(out[size..], root);
    size += rlp.write_string(out[size..], &fields.code_hash);
    _ = rlp.write_list_header(out, size - 2);
    return out[0..size];
}

/// The state's new root; its new nodes are put into the dict.
fn settle_accounts(work: *const Work, entries: []const update.Entry, made: *Object) Error![hash_size]u8 {
    if (entries.len == 0) return work.root.*;
    var builder: Builder = .{ .arena = work.arena, .source = try work.nodes("") };
    switch (try builder.apply(or_empty(work.root), entries)) {
        .same => return work.root.*,
        .gone => return ordered.empty_root,
        .node => |top| {
            try trie_objects.put_by_hash(made, try update.seal(work.arena, &.{top}, Hasher{}));
            return top.hash;
        },
    }
}
