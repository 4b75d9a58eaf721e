//! Runs of WebAssembly modules with Python's objects: what the core's host functions ask `NativeHost` of
//! chain/zvm/host/native.py, and what is left of a run for it. Host functions run without the interpreter's lock.

const std = @import("std");
const Error = @import("errors.zig").Error;
const frames = @import("wasm_frame.zig");
const functions_of = @import("wasm_functions.zig");
const python = @import("python.zig");
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
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    for (functions_of.rows) |row| {
        const name = try python.string(row.name);
        defer python.drop(name);
        try python.put(dict, name, python.integer(@intFromPtr(row.callback)));
    }
    return dict;
}

/// wasm_begin(ink, memory, prices, data, host)
pub fn begin(arguments: []const *Object) Error!*Object {
    const ink = try python.size_of(arguments[0]);
    const memory_item = try python.size_of(arguments[1]);
    const prices = try python.contents(arguments[2]);
    if (!is_ready or ink == 0 or prices.len != @sizeOf(frames.Prices)) return error.Refused;
    const data = try python.contents(arguments[3]);
    const run = try memory.allocator().create(Run);
    errdefer memory.allocator().destroy(run);
    const address = try python.integer(@intFromPtr(run));
    run.* = .{
        .frame = .{
            .host = &host,
            .ink = @ptrFromInt(ink),
            .memory = @ptrFromInt(memory_item),
            .prices = std.mem.bytesToValue(frames.Prices, prices[0..@sizeOf(frames.Prices)]),
            .data = data,
        },
        .data = python.keep(arguments[3]),
        .host = python.keep(arguments[4]),
    };
    return address;
}

fn run_at(object: *Object) Error!*Run {
    const address = try python.size_of(object);
    return if (address == 0) error.Refused else @ptrFromInt(address);
}

/// wasm_failure(run): how a host function of the core stopped it, as (kind, number, number); an exception; or None
pub fn failure(arguments: []const *Object) Error!*Object {
    const run = try run_at(arguments[0]);
    if (run.exception) |exception| return python.keep(exception);
    const first: u64, const second: u64 = switch (run.frame.end) {
        .none, .raised => return python.none(),
        .exited => |status| .{ status, 0 },
        .out_of_ink => |of| .{ of.price, of.left },
        .too_little_gas => |of| .{ of.gas, of.left },
        .out_of_bounds => |of| .{ of.end, of.size },
    };
    const kind = @intFromEnum(run.frame.end);
    return python.gathered(3, .{ python.integer(kind), python.integer(first), python.integer(second) });
}

/// wasm_end(run): the output, or None where none was set; the run is no more
pub fn end(arguments: []const *Object) Error!*Object {
    const run = try run_at(arguments[0]);
    defer {
        python.drop(run.host);
        python.drop(run.data);
        if (run.long_output) |object| python.drop(object);
        if (run.exception) |object| python.drop(object);
        run.frame.storage.deinit();
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
    frame.storage.deinit();
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
