//! run_plain_block: plain transactions of a block, one after another on its state (chain/vm/engines/plain.py).
//! Their changes are made in Python's state together, after the last one.

const std = @import("std");
const change_objects = @import("change_objects.zig");
const effects = @import("effects_objects.zig");
const Error = @import("errors.zig").Error;
const Gas = @import("gas_needs.zig").Gas;
const plain_objects = @import("plain_objects.zig");
const python = @import("python.zig");
const run_objects = @import("run_objects.zig");
const state_of = @import("state.zig");
const transition = @import("transition.zig");
const trie_objects = @import("trie_objects.zig");
const memory = &@import("memory.zig").core;
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
    const state = arguments[0];
    const rules, const ends = arguments[9..11].*;
    var held: trie_objects.Held = .{};
    defer held.release();
    const parts = try kept_attribute(&held, state, ._parts);
    const ground: plain_objects.Ground = try .of(arguments[0..3], parts, arguments[5], arguments[7..9]);
    const changes: Changes = try .of(&held, state, parts);
    var turns: Turns = .{
        .transactions = try python.sequence(arguments[3]),
        .gas = try python.sequence(arguments[4]),
        .gas_left = try python.size_of(arguments[6]),
        .rules = rules,
        .ends = ends,
    };
    if (!python.is(ends, .list) or turns.gas.size != turns.transactions.size) return error.Refused;
    return run_series(&ground, &changes, &turns);
}

/// Run what `turns.take` gives one after another on one state, as long as it may be, and make the changes in Python's.
/// turns: `take(series)` runs the next one and notes how it ended; false where there is none. It is refused, with nothing
/// done, of one that is not plain or that may not be in the block. Raised from it leaves those before it done as well.
pub fn run_series(ground: *const plain_objects.Ground, changes: *const Changes, turns: anytype) Error!void {
    var series: plain_objects.Series = undefined;
    series.begin(ground);
    defer series.end();
    const stopped: Error!void = while (true) {
        // what the helper has noted is of one transaction
        const is_further = turns.take(&series) catch |failure| break failure;
        const may_go_on = is_further and series.state.can_go_on() and (is_absent(ground.helper) catch |failure| break failure);
        if (!may_go_on) break {};
    };
    series.context.lock.take();
    const is_raised = if (stopped) |_| false else |failure| failure == error.Raised;
    const exception: ?python.Exception = if (is_raised) .fetch() else null;
    changes.make(&series.state) catch |failure| {
        if (exception) |raised| raised.drop();
        return failure;
    };
    if (exception) |raised| raised.restore();
    return stopped;
}

/// Transactions of a block.
const Turns = struct {
    transactions: python.Sequence,
    gas: python.Sequence,
    gas_left: usize,
    rules: *Object,
    ends: *Object,
    index: usize = 0,

    pub fn take(self: *Turns, series: *plain_objects.Series) Error!bool {
        if (self.index == self.transactions.size) return false;
        const transaction = try self.transactions.at(self.index);
        const needs = try gas_of(transaction, try self.gas.at(self.index), self.rules);
        const ended = try series.run(transaction, needs, self.gas_left);
        self.gas_left -= ended.outcome.gas_used;
        self.index += 1;
        const end = end_of(&series.state, &ended.outcome, ended.price) catch |failure| return raised_of(failure);
        defer python.drop(end);
        try python.done(python.PyList_Append(self.ends, end));
        return true;
    }
};

/// Raised, of a failure behind which Python cannot run the transaction again.
pub fn raised_of(failure: Error) Error {
    switch (failure) {
        error.Raised => {},
        error.Refused => python.PyErr_SetString(python.PyExc_TypeError, "the parts of a state are dicts"),
        error.OutOfMemory => _ = python.PyErr_NoMemory(),
    }
    return error.Raised;
}

/// A new reference, which `held` keeps.
pub fn kept_attribute(held: *trie_objects.Held, object: *Object, name: Name) Error!*Object {
    const value = try python.attribute(object, interned.get(name));
    try held.add(value);
    return value;
}

/// Of a GasNeeds, or of None: the transaction has not been checked then.
fn gas_of(transaction: *Object, needs: *Object, rules: *Object) Error!Gas {
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

/// Makes what transactions have changed in a BlockState's dicts.
pub const Changes = struct {
    parts: *Object,
    codes: *Object,
    delete: *Object,

    pub fn of(held: *trie_objects.Held, state: *Object, parts: *Object) Error!Changes {
        const changes: Changes = .{
            .parts = parts,
            .codes = try kept_attribute(held, state, ._new_codes),
            .delete = try kept_attribute(held, state, .delete_account),
        };
        return if (python.is(changes.codes, .dict)) changes else error.Refused;
    }

    fn make(self: *const Changes, state: *state_of.State) Error!void {
        // a part of them may be made
        self.make_net(state) catch |failure| return raised_of(failure);
    }

    fn make_net(self: *const Changes, state: *state_of.State) Error!void {
        var arena_state: std.heap.ArenaAllocator = .init(memory.allocator());
        defer arena_state.deinit();
        const changed: effects.Changed = try .net(arena_state.allocator(), state);
        const accounts, const slots, const codes = try python.all(3, .{
            effects.accounts_of(state, &changed),
            effects.slots_of(state, &changed),
            effects.codes_of(state, &changed),
        });
        defer inline for (.{ accounts, slots, codes }) |object| python.drop(object);
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
