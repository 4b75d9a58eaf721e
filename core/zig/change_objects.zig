//! Changes of a whole transaction in a state in Python: chain/vm/state_changes.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const ordered = @import("ordered.zig");
const python = @import("python.zig");

const Object = python.Object;

/// The name of the reader's method.
var storage: *Object = undefined;

pub fn start() Error!void {
    storage = try python.made(python.PyUnicode_InternFromString("storage"));
}

/// A StateParts: dicts, but for the reader and the journal, which is a list.
const Parts = struct {
    reader: *Object,
    base: *Object,
    accounts: *Object,
    slots: *Object,
    base_slots: *Object,
    wiped: *Object,
    journal: *Object,

    fn of(object: *Object) Error!Parts {
        const items = try python.sequence(object);
        const names = @typeInfo(Parts).@"struct".field_names;
        if (items.size != names.len) return error.Refused;
        var parts: Parts = undefined;
        inline for (names, 0..) |name, index| @field(parts, name) = try items.at(index);
        inline for (.{ "base", "accounts", "slots", "base_slots", "wiped" }) |name| {
            if (!python.is(@field(parts, name), .dict)) return error.Refused;
        }
        return if (python.is(parts.journal, .list)) parts else error.Refused;
    }

    /// Note the value that a dict has under a key.
    fn note(self: *const Parts, dict: *Object, key: *Object, before: *Object) Error!void {
        const entry = try python.tuple(&.{ python.keep(dict), python.keep(key), python.keep(before) });
        defer python.drop(entry);
        try python.done(python.PyList_Append(self.journal, entry));
    }
};

/// make_changes(parts, delete, new_accounts, new_slots)
pub fn make(arguments: []const *Object) Error!*Object {
    const parts: Parts = try .of(arguments[0]);
    const delete, const new_accounts, const new_slots = arguments[1..4].*;
    if (!python.is(new_accounts, .dict) or !python.is(new_slots, .dict)) return error.Refused;
    var accounts: python.Pairs = .{ .dict = new_accounts };
    while (accounts.next()) |pair| try set_account(&parts, delete, pair.key, pair.value);
    var slots: python.Pairs = .{ .dict = new_slots };
    while (slots.next()) |pair| try set_slot(&parts, pair.key, pair.value);
    return python.none();
}

fn set_account(parts: *const Parts, delete: *Object, address: *Object, fields: *Object) Error!void {
    if (python.is_none(fields)) {
        const end: ?*Object = null;
        python.drop(try python.made(python.PyObject_CallFunctionObjArgs(delete, address, end)));
        return;
    }
    const before = try python.made(python.PyObject_GetItem(parts.accounts, address));
    defer python.drop(before);
    try parts.note(parts.accounts, address, before);
    try python.put(parts.accounts, address, python.keep(fields));
}

/// place: an address and a slot's number.
fn set_slot(parts: *const Parts, place: *Object, value: *Object) Error!void {
    const pair = try python.sequence(place);
    if (pair.size != 2) return error.Refused;
    const address = try pair.at(0);
    const slot = try pair.at(1);
    const own = try dict_in(parts.slots, address);
    const before = try value_before(parts, own, address, slot);
    defer python.drop(before);
    if (try python.are_equal(before, value)) return;
    try parts.note(own, slot, before);
    try python.put(own, slot, python.keep(value));
}

/// The dict under a key, borrowed, and made where there is none.
fn dict_in(dicts: *Object, key: *Object) Error!*Object {
    if (try python.value_in(dicts, key)) |found| return if (python.is(found, .dict)) found else error.Refused;
    try python.put(dicts, key, python.made(python.PyDict_New()));
    return (try python.value_in(dicts, key)).?;
}

/// A slot's value, a new reference; the reader's is kept where it was not known.
fn value_before(parts: *const Parts, own: *Object, address: *Object, slot: *Object) Error!*Object {
    if (try python.value_in(own, slot)) |known| return python.keep(known);
    const is_wiped = try python.value_in(parts.wiped, address) != null;
    const value = if (!is_wiped and try has_storage(parts, address))
        try python.call_method(parts.reader, storage, [_]*Object{ python.keep(address), python.keep(slot) })
    else
        try python.integer(0);
    errdefer python.drop(value);
    if (!is_wiped) try python.put(try dict_in(parts.base_slots, address), slot, python.keep(value));
    try python.put(own, slot, python.keep(value));
    return value;
}

/// Whether the reader may have slots of an account.
fn has_storage(parts: *const Parts, address: *Object) Error!bool {
    if (try python.value_in(parts.base, address) == null) {
        python.drop(try python.made(python.PyObject_GetItem(parts.accounts, address)));
    }
    const account = try python.value_in(parts.base, address) orelse return error.Refused;
    if (python.is_none(account)) return false;
    const fields = try python.sequence(account);
    if (fields.size != 4) return error.Refused;
    return !std.mem.eql(u8, try python.contents(try fields.at(2)), &ordered.empty_root);
}
