//! The net changes of a block's state, for Python: chain/vm/net_change.py's comparison with the state that it stands on.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const trie_objects = @import("trie_objects.zig");

const Object = python.Object;

/// The hash of no code.
const empty_code = keccak.hash_at_compile_time("");
/// The storage root of an account whose slots another state has changed.
const unsettled_root: [32]u8 = @splat(0);

/// The parts of a block's state: dicts.
pub const State = struct {
    base: *Object,
    accounts: *Object,
    slots: *Object,
    base_slots: *Object,
    wiped: *Object,
    codes: *Object,

    pub fn of(parts: *const [6]*Object) Error!State {
        for (parts) |part| if (!python.is(part, .dict)) return error.Refused;
        const base, const accounts, const slots, const base_slots, const wiped, const codes = parts.*;
        return .{
            .base = base,
            .accounts = accounts,
            .slots = slots,
            .base_slots = base_slots,
            .wiped = wiped,
            .codes = codes,
        };
    }
};

/// What it gives: the fields of a StateDiff, in their order.
const Difference = struct {
    accounts: *Object,
    storage: *Object,
    wiped: *Object,
    code: *Object,
    storage_roots: *Object,
};

/// net_changes(base, accounts, slots, base_slots, wiped, codes, change_of)
pub fn changes(arguments: []const *Object) Error!*Object {
    const state: State = try .of(arguments[0..6]);
    const made = try python.all(5, .{
        python.made(python.PyDict_New()),
        python.made(python.PyDict_New()),
        python.made(python.PySet_New(null)),
        python.made(python.PyDict_New()),
        python.made(python.PyDict_New()),
    });
    errdefer for (made) |object| python.drop(object);
    const difference: Difference = .{
        .accounts = made[0],
        .storage = made[1],
        .wiped = made[2],
        .code = made[3],
        .storage_roots = made[4],
    };
    var pairs: python.Pairs = .{ .dict = state.accounts };
    while (pairs.next()) |pair| {
        const before = try python.value_in(state.base, pair.key) orelse return error.Refused;
        if (!python.is_none(pair.value)) {
            try take(&state, &difference, arguments[6], pair.key, pair.value, before);
        } else if (!python.is_none(before)) {
            try python.put(difference.accounts, pair.key, python.none());
            try python.done(python.PySet_Add(difference.wiped, pair.key));
        }
    }
    return python.tuple(&made);
}

/// Take what an account that exists has differently. fields: nonce, balance, code hash. before: an Account, or None.
fn take(state: *const State, difference: *const Difference, change_of: *Object, address: *Object, fields: *Object, before: *Object) Error!void {
    const changed = try compare(state, address, fields, before) orelse return;
    defer changed.drop();
    const end: ?*Object = null;
    try python.put(difference.accounts, address, python.made(python.PyObject_CallFunctionObjArgs(change_of, fields, end)));
    if (changed.root) |root| try python.put(difference.storage_roots, address, python.bytes(root));
    if (changed.slots) |dict| try python.put(difference.storage, address, python.keep(dict));
    if (changed.is_emptied) try python.done(python.PySet_Add(difference.wiped, address));
    try take_code(state, difference.code, fields, before);
}

/// How an account that exists differs.
pub const Changed = struct {
    /// A dict of the slots with another value, a new reference.
    slots: ?*Object,
    /// Whether none of its older slots stays.
    is_emptied: bool,
    /// The storage root before, borrowed; null where that is not known.
    root: ?*const [32]u8,

    pub fn drop(self: *const Changed) void {
        if (self.slots) |dict| python.drop(dict);
    }
};

/// The difference of an account that exists; null where there is none. fields, before: as `take` has them.
pub fn compare(state: *const State, address: *Object, fields: *Object, before: *Object) Error!?Changed {
    const now = try python.sequence(fields);
    if (now.size != 3) return error.Refused;
    const old = if (python.is_none(before)) null else try python.sequence(before);
    if (old) |account| if (account.size != 4) return error.Refused;
    const is_wiped = try python.value_in(state.wiped, address) != null;
    const slots = try changed_slots(state, address, is_wiped);
    errdefer if (slots) |dict| python.drop(dict);
    const root = if (old) |account| try trie_objects.root_of(try account.at(2)) else &ordered.empty_root;
    const is_emptied = is_wiped and !std.mem.eql(u8, root, &ordered.empty_root);
    if (slots == null and !is_emptied and try is_unchanged(now, old)) return null;
    const is_known = !std.mem.eql(u8, root, &unsettled_root);
    return .{ .slots = slots, .is_emptied = is_emptied, .root = if (is_known) root else null };
}

fn holds(object: *Object, wanted: []const u8) Error!bool {
    return std.mem.eql(u8, try python.contents(object), wanted);
}

fn is_unchanged(now: python.Sequence, old: ?python.Sequence) Error!bool {
    const account = old orelse return false;
    inline for (.{ .{ 0, 0 }, .{ 1, 1 }, .{ 2, 3 } }) |places| {
        if (!try python.are_equal(try now.at(places[0]), try account.at(places[1]))) return false;
    }
    return true;
}

/// Put a new code of the account into a dict: its hash differs from the one before, which is that of no code where there
/// was no account.
pub fn take_code(state: *const State, taken: *Object, fields: *Object, before: *Object) Error!void {
    const code_hash = try (try python.sequence(fields)).at(2);
    if (try holds(code_hash, &empty_code)) return;
    if (!python.is_none(before)) {
        const old = try (try python.sequence(before)).at(3);
        if (try holds(code_hash, try python.contents(old))) return;
    }
    const code = try python.value_in(state.codes, code_hash) orelse return error.Refused;
    try python.put(taken, code_hash, python.keep(code));
}

/// A dict of the slots that have another value than before, null where there are none.
fn changed_slots(state: *const State, address: *Object, is_wiped: bool) Error!?*Object {
    const slots = try python.value_in(state.slots, address) orelse return null;
    if (!python.is(slots, .dict)) return error.Refused;
    const before = if (is_wiped) null else try python.value_in(state.base_slots, address);
    if (before) |dict| if (!python.is(dict, .dict)) return error.Refused;
    var changed: ?*Object = null;
    errdefer if (changed) |dict| python.drop(dict);
    var pairs: python.Pairs = .{ .dict = slots };
    while (pairs.next()) |slot| {
        const differs = if (is_wiped)
            try python.is_true(slot.value)
        else
            !try python.are_equal(slot.value, try python.value_in(before orelse return error.Refused, slot.key) orelse return error.Refused);
        if (!differs) continue;
        if (changed == null) changed = try python.made(python.PyDict_New());
        try python.put(changed.?, slot.key, python.keep(slot.value));
    }
    return changed;
}
