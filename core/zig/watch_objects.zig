//! What a watch heard, as Python's objects: chain/vm/engines/telling.py reads them.

const std = @import("std");
const Error = @import("errors.zig").Error;
const effects = @import("effects_objects.zig");
const python = @import("python.zig");
const run_objects = @import("run_objects.zig");
const watch_of = @import("watch.zig");

const Object = python.Object;
const Watch = watch_of.Watch;

/// The watch that was asked for: (most bytes, whether logs are wanted, whether looks are), or null of None.
pub fn of(memory: std.mem.Allocator, object: *Object) Error!?Watch {
    if (python.is_none(object)) return null;
    const parts = try python.sequence(object);
    if (parts.size != 3) return error.Refused;
    return .{
        .memory = memory,
        .limit = try python.size_of(try parts.at(0)),
        .wants_logs = try python.is_true(try parts.at(1)),
        .wants_looks = try python.is_true(try parts.at(2)),
    };
}

/// (bytes taken, the events in order), or None where nobody watched
pub fn events_of(watch: *const ?Watch) Error!*Object {
    const heard = if (watch.*) |*heard| heard else return python.none();
    return python.gathered(2, .{ python.integer(heard.used), list_of(heard) });
}

fn list_of(watch: *const Watch) Error!*Object {
    const list = try python.made(python.PyList_New(@intCast(watch.events.items.len)));
    errdefer python.drop(list);
    for (watch.events.items, 0..) |*event, place| {
        const object = try switch (event.*) {
            .enter => |*enter| entered(watch, enter),
            .exit => |*exit| exited(watch, exit),
            .log => |*log| effects.log_of(log),
            .look => |*look| looked(look),
        };
        // it takes the reference over, at a failure too
        try python.done(python.PyList_SetItem(list, @intCast(place), object));
    }
    return list;
}

/// (address, slot or None)
fn looked(look: *const watch_of.Look) Error!*Object {
    return python.gathered(2, .{
        python.bytes(&look.address),
        if (look.slot) |slot| python.integer_of_word(slot) else @as(Error!*Object, python.none()),
    });
}

/// The fields of FrameStart (chain/vm/message.py).
fn entered(watch: *const Watch, enter: *const watch_of.Enter) Error!*Object {
    const has_code_address = switch (enter.kind) {
        .CREATE, .CREATE2, .SELFDESTRUCT => false,
        else => true,
    };
    return python.gathered(9, .{
        python.string(@tagName(enter.kind)),
        python.integer(enter.depth),
        python.bytes(&enter.sender),
        python.bytes(&enter.address),
        python.bytes(if (has_code_address) &enter.code_address else ""),
        python.bytes(&enter.target),
        python.integer_of_word(enter.value),
        python.integer(enter.gas),
        python.bytes(watch.shown(enter.data)),
    });
}

/// (gas used, output, status, detail)
fn exited(watch: *const Watch, exit: *const watch_of.Exit) Error!*Object {
    return python.gathered(4, .{
        python.integer(exit.gas_used),
        python.bytes(watch.shown(exit.output)),
        python.integer(@intFromEnum(exit.status)),
        if (exit.detail == .text) python.string(watch.shown(exit.text)) else run_objects.detail_of(&exit.detail),
    });
}
