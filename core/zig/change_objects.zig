//! Changes of a state in Python that no instruction sees happen: chain/vm/state_changes.py's.

const std = @import("std");
const Error = @import("errors.zig").Error;
const ordered = @import("ordered.zig");
const python = @import("python.zig");

const Object = python.Object;

/// The names of the reader's methods.
var account: *Object = undefined;
var storage: *Object = undefined;

pub fn start() Error!void {
    account = try python.made(python.PyUnicode_InternFromString("account"));
    storage = try python.made(python.PyUnicode_InternFromString("storage"));
}

/// A StateParts: dicts, but for the reader and the journal, which is a list.
pub const Parts = struct {
    reader: *Object,
    known: *Object,
    base: *Object,
    accounts: *Object,
    slots: *Object,
    base_slots: *Object,
    wiped: *Object,
    journal: *Object,

    pub fn of(object: *Object) Error!Parts {
        const items = try python.sequence(object);
        const names = @typeInfo(Parts).@"struct".field_names;
        if (items.size != names.len) return error.Refused;
        var parts: Parts = undefined;
        inline for (names, 0..) |name, index| @field(parts, name) = try items.at(index);
        inline for (.{ "known", "base", "accounts", "slots", "base_slots", "wiped" }) |name| {
            if (!python.is(@field(parts, name), .dict)) return error.Refused;
        }
        return if (python.is(parts.journal, .list)) parts else error.Refused;
    }

    /// Nonce, balance and code hash of an account, or None, borrowed; it is read if it was not yet.
    pub fn fields_of(self: *const Parts, address: *Object) Error!*Object {
        if (try python.value_in(self.accounts, address)) |fields| return fields;
        const known = try python.value_in(self.known, address);
        const read = if (known) |found|
            python.keep(found)
        else
            try python.call_method(self.reader, account, [_]*Object{python.keep(address)});
        defer python.drop(read);
        const fields = try fields_in(read);
        defer python.drop(fields);
        try python.put(self.base, address, python.keep(read));
        try python.put(self.accounts, address, python.keep(fields));
        return (try python.value_in(self.accounts, address)) orelse error.Refused;
    }

    /// A new reference.
    fn fields_in(read: *Object) Error!*Object {
        if (python.is_none(read)) return python.none();
        const parts = try python.sequence(read);
        if (parts.size != 4) return error.Refused;
        var fields: [3]*Object = undefined;
        inline for (.{ 0, 1, 3 }, &fields) |place, *field| field.* = try parts.at(place);
        for (fields) |field| _ = python.keep(field);
        return python.tuple(&fields);
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
    while (slots.next()) |pair| {
        const place = try python.sequence(pair.key);
        if (place.size != 2) return error.Refused;
        try set_slot(&parts, try place.at(0), try place.at(1), pair.value);
    }
    return python.none();
}

/// Of a request queue: excess, count, head and tail.
const queue_slots = 4;

/// make_plain_calls(parts, calls): (address, hash of the code, slots and values, or None of a queue) each
pub fn make_plain_calls(arguments: []const *Object) Error!*Object {
    const parts: Parts = try .of(arguments[0]);
    const calls = try python.sequence(arguments[1]);
    for (0..calls.size) |done| {
        const call = try python.sequence(try calls.at(done));
        if (call.size != 3) return error.Refused;
        if (!try make_plain_call(&parts, try call.at(0), try call.at(1), try call.at(2))) return python.integer(done);
    }
    return python.integer(calls.size);
}

/// Whether its effect was the plain one, and is made.
fn make_plain_call(parts: *const Parts, address: *Object, code_hash: *Object, writes: *Object) Error!bool {
    const fields = try parts.fields_of(address);
    if (python.is_none(fields)) return false;
    const held = try python.sequence(fields);
    if (held.size != 3) return error.Refused;
    if (!std.mem.eql(u8, try python.contents(try held.at(2)), try python.contents(code_hash))) return false;
    if (python.is_none(writes)) return !try is_in_use(parts, address);
    if (!python.is(writes, .dict)) return error.Refused;
    var pairs: python.Pairs = .{ .dict = writes };
    while (pairs.next()) |pair| try set_slot(parts, address, pair.key, pair.value);
    return true;
}

fn is_in_use(parts: *const Parts, address: *Object) Error!bool {
    if (!try has_own(parts, address) and !try may_be_read(parts, address)) return false;
    const own = try dict_in(parts.slots, address);
    for (0..queue_slots) |number| {
        const slot = try python.integer(number);
        defer python.drop(slot);
        const value = try value_before(parts, own, address, slot);
        defer python.drop(value);
        if (try python.is_true(value)) return true;
    }
    return false;
}

/// Whether a slot of the account was set.
fn has_own(parts: *const Parts, address: *Object) Error!bool {
    const own = try python.value_in(parts.slots, address) orelse return false;
    if (!python.is(own, .dict)) return error.Refused;
    var pairs: python.Pairs = .{ .dict = own };
    while (pairs.next()) |pair| if (try python.is_true(pair.value)) return true;
    return false;
}

fn set_account(parts: *const Parts, delete: *Object, address: *Object, fields: *Object) Error!void {
    if (python.is_none(fields)) {
        const end: ?*Object = null;
        python.drop(try python.made(python.PyObject_CallFunctionObjArgs(delete, address, end)));
        return;
    }
    const before = python.keep(try parts.fields_of(address));
    defer python.drop(before);
    try parts.note(parts.accounts, address, before);
    try python.put(parts.accounts, address, python.keep(fields));
}

fn set_slot(parts: *const Parts, address: *Object, slot: *Object, value: *Object) Error!void {
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
    const value = if (try may_be_read(parts, address))
        try python.call_method(parts.reader, storage, [_]*Object{ python.keep(address), python.keep(slot) })
    else
        try python.integer(0);
    errdefer python.drop(value);
    try python.put(own, slot, python.keep(value));
    if (try python.value_in(parts.wiped, address) == null) {
        try python.put(try dict_in(parts.base_slots, address), slot, python.keep(value));
    }
    return value;
}

/// Whether the reader may have slots of an account.
fn may_be_read(parts: *const Parts, address: *Object) Error!bool {
    if (try python.value_in(parts.wiped, address) != null) return false;
    if (try python.value_in(parts.base, address) == null) _ = try parts.fields_of(address);
    const read = try python.value_in(parts.base, address) orelse return error.Refused;
    if (python.is_none(read)) return false;
    const fields = try python.sequence(read);
    if (fields.size != 4) return error.Refused;
    return !std.mem.eql(u8, try python.contents(try fields.at(2)), &ordered.empty_root);
}
