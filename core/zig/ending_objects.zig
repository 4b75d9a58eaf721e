//! The end of a block, for Python: chain/blocks/ending.py's state, roots and header, out of a block's state in one call.

const std = @import("std");
const Error = @import("errors.zig").Error;
const header_objects = @import("header_objects.zig");
const net_objects = @import("net_objects.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const state_objects = @import("state_objects.zig");
const trie_objects = @import("trie_objects.zig");
const memory = &@import("memory.zig").core;

const Object = python.Object;
const Accounts = std.ArrayList(state_objects.Account);

/// What of a difference is Python's: dicts, and a set of addresses.
const Difference = struct { storage: *Object, wiped: *Object, code: *Object };

/// ended_block(nodes_of, known, root, parts, account_of, most_changes, class, names, sizes, values, transactions, receipts)
pub fn end(arguments: []const *Object) Error!*Object {
    var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var held: trie_objects.Held = .{};
    defer held.release();
    const work: state_objects.Work = try .of(arena, &held, arguments[0..3], arguments[4]);
    const storage, const wiped, const code = try python.all(3, .{
        python.made(python.PyDict_New()),
        python.made(python.PySet_New(null)),
        python.made(python.PyDict_New()),
    });
    defer for ([_]*Object{ storage, wiped, code }) |object| python.drop(object);
    const difference: Difference = .{ .storage = storage, .wiped = wiped, .code = code };
    var accounts: Accounts = .empty;
    const is_emptied = try take_accounts(&work, &accounts, arguments[3], &difference);
    if (try passes(&accounts, is_emptied, code, arguments[5])) return python.none();
    const settled = try state_objects.settle(&work, accounts.items);
    const header = header_objects.finish(arena, &held, arguments[6..12], &settled.root) catch |failure| {
        for ([_]*Object{ settled.records, settled.decoded, settled.nodes }) |object| python.drop(object);
        return failure;
    };
    const frozen = python.made(python.PyFrozenSet_New(wiped));
    return python.gathered(8, .{
        settled.records,   python.keep(storage), frozen,    settled.nodes,
        python.keep(code), settled.decoded,      header[0], header[1],
    });
}

/// Take the accounts that differ; whether the storage of one that stays is emptied, or one goes.
fn take_accounts(work: *const state_objects.Work, accounts: *Accounts, parts: *Object, difference: *const Difference) Error!bool {
    const listed = try python.sequence(parts);
    if (listed.size != 6) return error.Refused;
    var dicts: [6]*Object = undefined;
    for (&dicts, 0..) |*dict, index| dict.* = try listed.at(index);
    const state: net_objects.State = try .of(&dicts);
    var is_emptied = false;
    var pairs: python.Pairs = .{ .dict = state.accounts };
    while (pairs.next()) |pair| {
        const before = try python.value_in(state.base, pair.key) orelse return error.Refused;
        var account: state_objects.Account = .{ .address = pair.key, .change = pair.value, .fields = null };
        var emptied = python.is_none(pair.value);
        if (emptied) {
            if (python.is_none(before)) continue;
        } else {
            const changed = try net_objects.compare(&state, pair.key, pair.value, before) orelse continue;
            defer changed.drop();
            emptied = changed.is_emptied;
            account.fields = try state_objects.fields_of(pair.value);
            account.base_root = if (emptied) &ordered.empty_root else changed.root;
            try work.held.add(python.keep(before));
            if (changed.slots) |dict| {
                account.slots = try state_objects.slots_of(work.arena, dict);
                try python.put(difference.storage, pair.key, python.keep(dict));
            }
            try net_objects.take_code(&state, difference.code, pair.value, before);
        }
        if (emptied) try python.done(python.PySet_Add(difference.wiped, pair.key));
        is_emptied = is_emptied or emptied;
        try work.held.add(python.keep(pair.key));
        try work.held.add(python.keep(pair.value));
        try accounts.append(work.arena, account);
    }
    return is_emptied;
}

/// Whether the changes are more than the most, where there is a bound: accounts, slots and codes, and no emptied storage.
fn passes(accounts: *const Accounts, is_emptied: bool, code: *Object, bound: *Object) Error!bool {
    if (python.is_none(bound)) return false;
    var count = accounts.items.len + @as(usize, @intCast(python.PyDict_Size(code)));
    for (accounts.items) |*account| count += account.slots.len;
    return is_emptied or count > try python.size_of(bound);
}
