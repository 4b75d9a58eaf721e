//! run_plain_block: plain transactions of a block, one after another on its state (chain/vm/engines/plain.py).

const std = @import("std");
const change_objects = @import("change_objects.zig");
const effects = @import("effects_objects.zig");
const Error = @import("errors.zig").Error;
const plain_objects = @import("plain_objects.zig");
const python = @import("python.zig");
const run_objects = @import("run_objects.zig");
const state_of = @import("state.zig");
const transition = @import("transition.zig");
const trie_objects = @import("trie_objects.zig");
const Word = @import("host.zig").Word;

const Object = python.Object;

/// Attributes: of the helper what it has made, and of a BlockState its parts, its new codes, and how an account goes.
const Name = enum { made, _parts, _new_codes, delete_account };
var interned: std.EnumArray(Name, *Object) = .initUndefined();

/// Make the names of the attributes.
pub fn start() Error!void {
    for (std.enums.values(Name)) |name| {
        interned.set(name, try python.made(python.PyUnicode_InternFromString(@tagName(name))));
    }
}

/// run_plain_block(state, helper, block, transactions, gas, base_fee, gas_available, warm, is_shared, rules, ends)
pub fn run(arguments: []const *Object) Error!*Object {
    run_all(arguments) catch |failure| switch (failure) {
        error.Raised => return error.Raised,
        error.Refused, error.OutOfMemory => {},
    };
    return python.none();
}

fn run_all(arguments: []const *Object) Error!void {
    const state, const helper = arguments[0..2].*;
    const rules, const ends = arguments[9..11].*;
    var held: trie_objects.Held = .{};
    defer held.release();
    const parts = try kept_attribute(&held, state, ._parts);
    const ground: plain_objects.Ground = try .of(arguments[0..3], parts, arguments[5], arguments[7..9]);
    const changes: Changes = .{
        .parts = parts,
        .codes = try kept_attribute(&held, state, ._new_codes),
        .delete = try kept_attribute(&held, state, .delete_account),
        .ends = ends,
    };
    const transactions = try python.sequence(arguments[3]);
    const gas = try python.sequence(arguments[4]);
    var gas_left = try python.size_of(arguments[6]);
    if (!python.is(changes.codes, .dict) or !python.is(ends, .list) or gas.size != transactions.size) return error.Refused;
    for (0..transactions.size) |index| {
        const transaction = try transactions.at(index);
        const needs = try gas_of(transaction, try gas.at(index), rules);
        gas_left -= try plain_objects.run_on(&ground, transaction, needs, gas_left, changes);
        // what that has noted is of one transaction
        if (!try is_absent(helper)) return;
    }
}

/// A new reference, which `held` keeps.
fn kept_attribute(held: *trie_objects.Held, object: *Object, name: Name) Error!*Object {
    const value = try python.attribute(object, interned.get(name));
    try held.add(value);
    return value;
}

/// Of a GasNeeds, or of None: the transaction has not been checked then.
fn gas_of(transaction: *Object, needs: *Object, rules: *Object) Error!plain_objects.Gas {
    if (!python.is_none(needs)) return plain_objects.gas_of(needs);
    var held: trie_objects.Held = .{};
    defer held.release();
    const reader: plain_objects.Reader = .{ .object = transaction, .held = &held };
    return plain_objects.static_gas(reader, reader.of(rules));
}

/// Whether the core has not asked the helper.
fn is_absent(helper: *Object) Error!bool {
    const made = try python.attribute(helper, interned.get(.made));
    defer python.drop(made);
    return python.is_none(made);
}

/// Makes the changes of a transaction in the state's dicts, and notes how it ended.
const Changes = struct {
    /// Its gas.
    pub const Made = u64;

    parts: *Object,
    codes: *Object,
    delete: *Object,
    ends: *Object,

    pub fn take(
        self: *const Changes,
        arena: std.mem.Allocator,
        state: *state_of.State,
        outcome: *const transition.Outcome,
        price: Word,
    ) Error!u64 {
        const changed: effects.Changed = try .net(arena, state);
        const accounts, const slots, const codes, const end = try python.all(4, .{
            effects.accounts_of(state, &changed),
            effects.slots_of(state, &changed),
            effects.codes_of(state, &changed),
            end_of(state, outcome, price),
        });
        defer inline for (.{ accounts, slots, codes, end }) |object| python.drop(object);
        self.make(accounts, slots, codes) catch |failure| {
            // a part of them may be made: Python cannot run the transaction again
            if (failure != error.Raised) python.PyErr_SetString(python.PyExc_TypeError, "the parts of a state are dicts");
            return error.Raised;
        };
        try python.done(python.PyList_Append(self.ends, end));
        return outcome.gas_used;
    }

    fn make(self: *const Changes, accounts: *Object, slots: *Object, codes: *Object) Error!void {
        var new: python.Pairs = .{ .dict = codes };
        while (new.next()) |pair| try python.put(self.codes, pair.key, python.keep(pair.value));
        python.drop(try change_objects.make(&.{ self.parts, self.delete, accounts, slots }));
    }
};

/// (status, output, detail, gas used, price, logs)
fn end_of(state: *state_of.State, outcome: *const transition.Outcome, price: Word) Error!*Object {
    return python.gathered(6, .{
        python.integer(@intFromEnum(outcome.result.status)),
        python.bytes(outcome.result.output),
        run_objects.detail_of(&outcome.result.detail),
        python.integer(outcome.gas_used),
        python.integer_of_word(price),
        effects.logs_of(state),
    });
}
