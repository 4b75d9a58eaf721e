//! Writes of slots into a state in Python: chain/vm/slot_writes.py's.

const Error = @import("errors.zig").Error;
const std = @import("std");
const ordered = @import("ordered.zig");
const python = @import("python.zig");

const Object = python.Object;

/// The name of the reader's method.
var storage: *Object = undefined;

pub fn start() Error!void {
    storage = try python.made(python.PyUnicode_InternFromString("storage"));
}

/// What a call works with: dicts, but for the reader and the address.
const Work = struct {
    reader: *Object,
    base_slots: *Object,
    address: *Object,
    is_wiped: bool,
    /// Whether the reader may have slots of the account.
    has_stored: bool,
    /// The account's slots.
    own: *Object,
};

/// put_slots(reader, base, slots, base_slots, wiped, journal, address, values)
pub fn put(arguments: []const *Object) Error!*Object {
    const reader, const base, const slots, const base_slots, const wiped, const journal, const address, const values =
        arguments[0..8].*;
    for ([_]*Object{ base, slots, base_slots, wiped, values }) |dict| if (!python.is(dict, .dict)) return error.Refused;
    if (!python.is(journal, .list)) return error.Refused;
    const account = try python.value_in(base, address) orelse return error.Refused;
    const work: Work = .{
        .reader = reader,
        .base_slots = base_slots,
        .address = address,
        .is_wiped = try python.value_in(wiped, address) != null,
        .has_stored = try has_storage(account),
        .own = try dict_in(slots, address),
    };
    var pairs: python.Pairs = .{ .dict = values };
    while (pairs.next()) |pair| {
        const before = try value_before(&work, pair.key);
        defer python.drop(before);
        if (try python.are_equal(before, pair.value)) continue;
        const entry = try python.tuple(&.{ python.keep(work.own), python.keep(pair.key), python.keep(before) });
        defer python.drop(entry);
        try python.done(python.PyList_Append(journal, entry));
        try python.put(work.own, pair.key, python.keep(pair.value));
    }
    return python.none();
}

fn has_storage(account: *Object) Error!bool {
    if (python.is_none(account)) return false;
    const fields = try python.sequence(account);
    if (fields.size != 4) return error.Refused;
    return !std.mem.eql(u8, try python.contents(try fields.at(2)), &ordered.empty_root);
}

/// The dict under a key, borrowed, and made where there is none.
fn dict_in(dicts: *Object, key: *Object) Error!*Object {
    if (try python.value_in(dicts, key)) |found| return if (python.is(found, .dict)) found else error.Refused;
    try python.put(dicts, key, python.made(python.PyDict_New()));
    return (try python.value_in(dicts, key)).?;
}

/// A slot's value, a new reference; the reader's is kept where it was not known.
fn value_before(work: *const Work, slot: *Object) Error!*Object {
    if (try python.value_in(work.own, slot)) |known| return python.keep(known);
    const is_asked = work.has_stored and !work.is_wiped;
    const value = if (is_asked)
        try python.call_method(work.reader, storage, [_]*Object{ python.keep(work.address), python.keep(slot) })
    else
        try python.integer(0);
    errdefer python.drop(value);
    if (!work.is_wiped) try python.put(try dict_in(work.base_slots, work.address), slot, python.keep(value));
    try python.put(work.own, slot, python.keep(value));
    return value;
}
