//! Runs of WebAssembly modules with Python's objects: what the core's host functions ask `NativeHost` of
//! chain/zvm/host/native.py, and what is left of a run for it. Host functions run without the interpreter's lock.

const std = @import("std");
const Error = @import("errors.zig").Error;
const frames = @import("wasm_frame.zig");
const functions_of = @import("wasm_functions.zig");
const machine_functions_of = @import("wasm_state.zig");
const python = @import("python.zig");
const instances = @import("wasm_instances.zig");
const runs = @import("wasm_run.zig");
const wasmtime = @import("wasmtime.zig");
const storages = @import("wasm_storage.zig");
const memory = &@import("memory.zig").core;

const Failure = frames.Failure;
const Frame = frames.Frame;
const Object = python.Object;
const Slot = storages.Slot;
const Write = storages.Storage.Write;

/// The methods of a host that are called.
const Name = enum { value, load, store, take_storage, load_through, cache_through, flush_through };

var names: [std.enums.values(Name).len]*Object = undefined;
var is_ready = false;

/// Make the names of the methods, once.
pub fn start() Error!void {
    for (std.enums.values(Name)) |name| {
        names[@intFromEnum(name)] = try python.made(python.PyUnicode_InternFromString(@tagName(name)));
    }
}

const Run = struct {
    frame: Frame,
    scratch: *runs.Scratch,
    store: ?runs.Store = null,
    host: *Object,
    data: *Object,
    long_output: ?*Object = null,
    exception: ?*Object = null,

    fn of(frame: *Frame) *Run {
        return @fieldParentPtr("frame", frame);
    }

    fn ask(self: *Run, name: Name, arguments: anytype) Error!*Object {
        return python.call_method(self.host, names[@intFromEnum(name)], arguments);
    }

    /// Why a question had no answer becomes the run's end.
    fn stop(self: *Run, reason: Error) Failure {
        if (reason != error.Raised) {
            python.PyErr_SetString(python.PyExc_ValueError, "the host of a WebAssembly run gives what the core does not take");
        }
        self.exception = python.take_exception();
        return self.frame.stop(.raised);
    }
};

/// wasm_start(addresses): of wasmtime's functions, in the order of `Api`
pub fn use(arguments: []const *Object) Error!*Object {
    const addresses = try python.sequence(arguments[0]);
    const fields = @typeInfo(wasmtime.Api).@"struct".field_names;
    if (addresses.size != fields.len) return error.Refused;
    inline for (fields, 0..) |name, index| {
        const address = try python.size_of(try addresses.at(index));
        if (address == 0) return error.Refused;
        @field(wasmtime.api, name) = @ptrFromInt(address);
    }
    is_ready = true;
    return python.none();
}

/// wasm_functions(): {name: address}
pub fn functions(_: []const *Object) Error!*Object {
    return addresses_of(&functions_of.rows);
}

/// wasm_machine_functions(): {name: address}
pub fn machine_functions(_: []const *Object) Error!*Object {
    return addresses_of(&(functions_of.rows ++ machine_functions_of.rows));
}

fn addresses_of(rows: []const functions_of.Row) Error!*Object {
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    for (rows) |row| {
        const name = try python.string(row.name);
        defer python.drop(name);
        try python.put(dict, name, python.integer(@intFromPtr(row.callback)));
    }
    return dict;
}

fn pointer(comptime T: type, object: *Object) Error!*T {
    const address = try python.size_of(object);
    return if (address == 0) error.Refused else @ptrFromInt(address);
}

/// wasm_forget(template)
pub fn forget(arguments: []const *Object) Error!*Object {
    instances.forget(try pointer(wasmtime.Template, arguments[0]));
    return python.none();
}

/// wasm_begin(scratch, has_memory, prices, data, host)
pub fn begin(arguments: []const *Object) Error!*Object {
    const scratch = try pointer(runs.Scratch, arguments[0]);
    const has_memory = try python.is_true(arguments[1]);
    const prices = try python.contents(arguments[2]);
    if (!is_ready or prices.len != @sizeOf(frames.Prices)) return error.Refused;
    const data = try python.contents(arguments[3]);
    const run_ = try memory.allocator().create(Run);
    errdefer memory.allocator().destroy(run_);
    const address = try python.integer(@intFromPtr(run_));
    run_.* = .{
        .frame = .{
            .host = &host,
            .allocator = memory.allocator(),
            .ink = runs.item_of(&scratch.ink),
            .memory = if (has_memory) runs.item_of(&scratch.memory) else null,
            .prices = std.mem.bytesToValue(frames.Prices, prices[0..@sizeOf(frames.Prices)]),
            .data = data,
        },
        .scratch = scratch,
        .data = python.keep(arguments[3]),
        .host = python.keep(arguments[4]),
    };
    return address;
}

/// What became of a run: the first number of `wasm_run`.
const Course = enum(u8) { called, not_made, no_export };

/// wasm_run(run, engine, template, memory_bytes, table_elements, entry, ink, stack_words, slots, slot_count, at_epoch)
pub fn perform(arguments: []const *Object) Error!*Object {
    const run_ = try run_at(arguments[0]);
    if (run_.store != null) return error.Refused;
    const slots: [*]wasmtime.Slot = @ptrCast(try pointer(wasmtime.Slot, arguments[8]));
    const plan: runs.Plan = .{
        .engine = try pointer(wasmtime.Engine, arguments[1]),
        .template = try pointer(wasmtime.Template, arguments[2]),
        .scratch = run_.scratch,
        .has_memory = run_.frame.memory != null,
        .memory_bytes = @intCast(try python.size_of(arguments[3])),
        .table_elements = @intCast(try python.size_of(arguments[4])),
        .entry = try python.contents(arguments[5]),
        .ink = try python.size_of(arguments[6]),
        .stack_words = std.math.cast(u32, try python.size_of(arguments[7])) orelse return error.Refused,
        .slots = slots[0..try python.size_of(arguments[9])],
        .at_epoch = @ptrFromInt(try python.size_of(arguments[10])),
        .at_epoch_data = null,
    };
    var cause: ?*wasmtime.Error = null;
    const lock = python.PyEval_SaveThread();
    const course = course_of(run_, &plan, &cause);
    python.PyEval_RestoreThread(lock);
    const ink = if (course == .called) runs.ink_left(run_.scratch) else 0;
    return python.gathered(3, .{
        python.integer(@intFromEnum(course)),
        python.integer(@intFromPtr(cause)),
        python.integer(ink),
    });
}

fn course_of(run_: *Run, plan: *const runs.Plan, cause: *?*wasmtime.Error) Course {
    const store_: runs.Store = .open(plan, &run_.frame);
    run_.store = store_;
    store_.make(plan, cause) catch |reason| return switch (reason) {
        error.NoExport => .no_export,
        error.NotMade => .not_made,
    };
    cause.* = runs.call(plan);
    return .called;
}

fn run_at(object: *Object) Error!*Run {
    return pointer(Run, object);
}

/// wasm_failure(run): how a host function of the core stopped it, as (kind, number, number); an exception; or None
pub fn failure(arguments: []const *Object) Error!*Object {
    const run = try run_at(arguments[0]);
    if (run.exception) |exception| return python.keep(exception);
    const first: u64, const second: u64 = switch (run.frame.end) {
        .none, .raised, .trapped, .out_of_pages => return python.none(),
        .exited => |status| .{ status, 0 },
        .out_of_ink => |of| .{ of.price, of.left },
        .too_little_gas => |of| .{ of.gas, of.left },
        .out_of_bounds => |of| .{ of.end, of.size },
    };
    const kind = @intFromEnum(run.frame.end);
    return python.gathered(3, .{ python.integer(kind), python.integer(first), python.integer(second) });
}

/// wasm_end(run): the output, or None where none was set; the run and its store are no more
pub fn end(arguments: []const *Object) Error!*Object {
    const run = try run_at(arguments[0]);
    if (run.store) |store_| {
        const lock = python.PyEval_SaveThread();
        store_.close();
        python.PyEval_RestoreThread(lock);
    }
    defer {
        python.drop(run.host);
        python.drop(run.data);
        if (run.long_output) |object| python.drop(object);
        if (run.exception) |object| python.drop(object);
        run.frame.storage.deinit(memory.allocator());
        memory.allocator().destroy(run);
    }
    if (run.frame.output_size) |size| return python.bytes(run.frame.output[0..size]);
    return if (run.long_output) |object| python.keep(object) else python.none();
}

const host: frames.Host = .{
    .value = value,
    .keep_output = keep_output,
    .load = load,
    .store = store,
    .take_storage = take_storage,
    .load_through = load_through,
    .cache_through = cache_through,
    .flush_through = flush_through,
};

fn value(frame: *Frame, name: frames.Name) Failure!frames.Known {
    const lock: python.Lock = .take();
    defer lock.give();
    const run: *Run = .of(frame);
    return known_of(run, name) catch |reason| run.stop(reason);
}

fn known_of(run: *Run, name: frames.Name) Error!frames.Known {
    const answer = try run.ask(.value, [_]*Object{try python.integer(@intFromEnum(name))});
    defer python.drop(answer);
    if (python.is(answer, .integer)) {
        const number = std.math.cast(u64, try python.word_of(answer)) orelse return error.Refused;
        return .{ .number = number };
    }
    const content = try python.contents(answer);
    var known: frames.Known = .{};
    if (content.len > known.content.len) return error.Refused;
    known.size = @intCast(content.len);
    @memcpy(known.content[0..content.len], content);
    return known;
}

fn keep_output(frame: *Frame, content: []const u8) Failure!void {
    const lock: python.Lock = .take();
    defer lock.give();
    const run: *Run = .of(frame);
    const kept = python.bytes(content) catch |reason| return run.stop(reason);
    if (run.long_output) |before| python.drop(before);
    run.long_output = kept;
}

fn load(frame: *Frame, key: *const [32]u8) Failure![32]u8 {
    const lock: python.Lock = .take();
    defer lock.give();
    const run: *Run = .of(frame);
    return loaded(run, key) catch |reason| run.stop(reason);
}

fn loaded(run: *Run, key: *const [32]u8) Error![32]u8 {
    const answer = try run.ask(.load, [_]*Object{try python.bytes(key)});
    defer python.drop(answer);
    const content = try python.contents(answer);
    return if (content.len == 32) content[0..32].* else error.Refused;
}

fn store(frame: *Frame, writes: []const Write) Failure!void {
    const lock: python.Lock = .take();
    defer lock.give();
    const run: *Run = .of(frame);
    stored(run, writes) catch |reason| return run.stop(reason);
}

fn stored(run: *Run, writes: []const Write) Error!void {
    python.drop(try run.ask(.store, [_]*Object{try listed(writes, pair)}));
}

fn pair(write: *const Write) Error!*Object {
    return python.gathered(2, .{ python.bytes(&write.key), python.bytes(&write.value) });
}

/// A list of what is made of each item.
fn listed(items: anytype, comptime made: anytype) Error!*Object {
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (items) |*item| {
        const object = try made(item);
        defer python.drop(object);
        try python.done(python.PyList_Append(list, object));
    }
    return list;
}

fn take_storage(frame: *Frame) Failure!void {
    const lock: python.Lock = .take();
    defer lock.give();
    const run: *Run = .of(frame);
    given(run) catch |reason| return run.stop(reason);
    frame.storage.deinit(frame.allocator);
    frame.storage = .{ .is_away = true };
}

/// take_storage([(key, value, stored or None)], [index of a slot that was written], loads, writes)
fn given(run: *Run) Error!void {
    const storage = &run.frame.storage;
    python.drop(try run.ask(.take_storage, try python.all(4, .{
        listed(storage.slots.items, described),
        listed(storage.written.items, python_index),
        python.integer(storage.loads),
        python.integer(storage.writes),
    })));
}

fn described(slot: *const Slot) Error!*Object {
    const before = if (slot.stored) |*content| python.bytes(content) else @as(Error!*Object, python.none());
    return python.gathered(3, .{ python.bytes(&slot.key), python.bytes(&slot.value), before });
}

fn python_index(place: *const u32) Error!*Object {
    return python.integer(place.*);
}

fn load_through(frame: *Frame, key_pointer: u32, target: u32) Failure!void {
    return through(frame, .load_through, [_]u32{ key_pointer, target });
}

fn cache_through(frame: *Frame, key_pointer: u32, value_pointer: u32) Failure!void {
    return through(frame, .cache_through, [_]u32{ key_pointer, value_pointer });
}

fn flush_through(frame: *Frame, clears: u32) Failure!void {
    return through(frame, .flush_through, [_]u32{clears});
}

fn through(frame: *Frame, name: Name, numbers: anytype) Failure!void {
    const lock: python.Lock = .take();
    defer lock.give();
    const run: *Run = .of(frame);
    var parts: [numbers.len]Error!*Object = undefined;
    for (numbers, &parts) |number, *part| part.* = python.integer(number);
    const arguments = python.all(numbers.len, parts) catch |reason| return run.stop(reason);
    python.drop(run.ask(name, arguments) catch |reason| return run.stop(reason));
}
