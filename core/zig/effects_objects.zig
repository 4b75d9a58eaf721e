//! What a run leaves behind, as Python's objects: chain/vm/execution_state.py's Effects.

const std = @import("std");
const Error = @import("errors.zig").Error;
const python = @import("python.zig");
const state_of = @import("state.zig");
const word = @import("word.zig");

const Object = python.Object;
const State = state_of.State;

/// (accounts, slots, codes, touched, destroyed, logs, what was added to the refund counter, and what was taken)
pub fn of(arena: std.mem.Allocator, state: *State) Error!*Object {
    const changed = try Changed.of(arena, state);
    const negative = state.refund_change < 0;
    return python.gathered(8, .{
        accounts_of(state, &changed),
        slots_of(state, &changed),
        codes_of(state, &changed),
        addresses_of(state, .is_touched),
        addresses_of(state, .is_destroyed),
        logs_of(state),
        python.integer(if (negative) 0 else @intCast(state.refund_change)),
        python.integer(if (negative) @abs(state.refund_change) else 0),
    });
}

/// (accounts, slots, codes, logs, their places among all that were made, the number of these, and, if wanted, the
/// addresses and the slots that instructions named): what a whole transaction leaves that is not as it was
pub fn net_of(arena: std.mem.Allocator, state: *State, wants_named: bool) Error!*Object {
    const changed = try Changed.net(arena, state);
    return python.gathered(8, .{
        accounts_of(state, &changed),
        slots_of(state, &changed),
        codes_of(state, &changed),
        logs_of(state),
        ordinals_of(state),
        python.integer(state.logs_made),
        if (wants_named) addresses_of(state, .is_named) else python.tuple(&.{}),
        if (wants_named) named_slots_of(state) else python.tuple(&.{}),
    });
}

/// What has a change that was not undone, even if it is what it was before; and what is not, if no change says so.
pub const Changed = struct {
    accounts: std.DynamicBitSetUnmanaged,
    slots: std.DynamicBitSetUnmanaged,

    fn of(arena: std.mem.Allocator, state: *const State) Error!Changed {
        var result: Changed = .{
            .accounts = try .initEmpty(arena, state.accounts.items.len),
            .slots = try .initEmpty(arena, state.slots.items.len),
        };
        for (state.journal.changes.items) |change| switch (change.kind) {
            .account => result.accounts.set(change.index),
            .slot => result.slots.set(change.index),
            else => {},
        };
        result.add_net(state);
        return result;
    }

    /// What is not as it was; no slots of accounts that are gone.
    pub fn net(arena: std.mem.Allocator, state: *const State) Error!Changed {
        var result: Changed = .{
            .accounts = try .initEmpty(arena, state.accounts.items.len),
            .slots = try .initEmpty(arena, state.slots.items.len),
        };
        result.add_net(state);
        for (state.slots.items, 0..) |*slot, place| {
            if (state.accounts.items[@intFromEnum(slot.account)].held == null) result.slots.unset(place);
        }
        return result;
    }

    fn add_net(self: *Changed, state: *const State) void {
        for (state.accounts.items, 0..) |*entry, place| {
            if (!entry.is_as_it_was()) self.accounts.set(place);
        }
        for (state.slots.items, 0..) |*slot, place| {
            if (slot.value != slot.base) self.slots.set(place);
        }
    }
};

/// Address -> (nonce, balance, code hash), or None
pub fn accounts_of(state: *State, changed: *const Changed) Error!*Object {
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    var places = changed.accounts.iterator(.{});
    while (places.next()) |place| {
        const entry = &state.accounts.items[place];
        const address = try python.bytes(&entry.address);
        defer python.drop(address);
        try python.put(dict, address, fields_of(entry));
    }
    return dict;
}

fn fields_of(entry: *const state_of.Entry) Error!*Object {
    const held = entry.held orelse return python.none();
    return python.gathered(3, .{
        python.integer(held.nonce),
        python.integer_of_word(held.balance),
        python.bytes(&held.code_hash),
    });
}

/// (address, slot) -> value
pub fn slots_of(state: *State, changed: *const Changed) Error!*Object {
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    var places = changed.slots.iterator(.{});
    while (places.next()) |place| {
        const slot = &state.slots.items[place];
        const address = state.address_of(slot.account);
        const key = try python.gathered(2, .{ python.bytes(&address), python.integer_of_word(slot.key) });
        defer python.drop(key);
        try python.put(dict, key, python.integer_of_word(slot.value));
    }
    return dict;
}

/// Code hash -> code, of accounts whose code was set.
pub fn codes_of(state: *State, changed: *const Changed) Error!*Object {
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    var places = changed.accounts.iterator(.{});
    while (places.next()) |place| {
        const held = state.accounts.items[place].held orelse continue;
        const code = held.code orelse continue;
        if (!held.has_new_code) continue;
        const hash = try python.bytes(&held.code_hash);
        defer python.drop(hash);
        try python.put(dict, hash, python.bytes(code.bytes[0..code.size]));
    }
    return dict;
}

/// A list of the addresses with a mark.
fn addresses_of(state: *State, comptime mark: std.meta.FieldEnum(state_of.Entry)) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (state.accounts.items) |*entry| {
        if (!@field(entry, @tagName(mark))) continue;
        const address = try python.bytes(&entry.address);
        defer python.drop(address);
        try python.done(python.PyList_Append(list, address));
    }
    return list;
}

/// A list of (address, slot)
fn named_slots_of(state: *State) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (state.slots.items) |*slot| {
        if (!slot.is_named) continue;
        const address = state.address_of(slot.account);
        const key = try python.gathered(2, .{ python.bytes(&address), python.integer_of_word(slot.key) });
        defer python.drop(key);
        try python.done(python.PyList_Append(list, key));
    }
    return list;
}

/// A list of (address, topics, data)
pub fn logs_of(state: *State) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (state.logs.items) |*log| {
        const object = try log_of(log);
        defer python.drop(object);
        try python.done(python.PyList_Append(list, object));
    }
    return list;
}

/// (address, topics, data)
pub fn log_of(log: *const state_of.Log) Error!*Object {
    return python.gathered(3, .{
        python.bytes(&log.address),
        topics_of(log.topics[0..log.topic_count]),
        python.bytes(log.data),
    });
}

pub fn ordinals_of(state: *State) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (state.logs.items) |*log| try append_number(list, log.ordinal);
    return list;
}

/// A list of the places of logs that no contract has made
pub fn transfers_of(state: *State) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (state.logs.items, 0..) |*log, place| {
        if (log.is_transfer) try append_number(list, place);
    }
    return list;
}

fn append_number(list: *Object, number: u64) Error!void {
    const object = try python.integer(number);
    defer python.drop(object);
    try python.done(python.PyList_Append(list, object));
}

fn topics_of(topics: []const u256) Error!*Object {
    var objects: [4]*Object = undefined;
    for (topics, 0..) |topic, index| {
        objects[index] = python.bytes(&word.to_bytes(topic)) catch |failure| {
            for (objects[0..index]) |object| python.drop(object);
            return failure;
        };
    }
    return python.tuple(objects[0..topics.len]);
}
