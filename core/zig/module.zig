//! The extension module `zevm.core._core`: its functions, one row each.
//!
//! A function that refuses its arguments calls the Python function that it stands for, if one is bound: that one
//! decides, and its errors are the errors. So the core may refuse whatever is rare.

const std = @import("std");
const Error = @import("errors.zig").Error;
const block_objects = @import("block_objects.zig");
const call_objects = @import("call_objects.zig");
const change_objects = @import("change_objects.zig");
const node_change_objects = @import("node_change_objects.zig");
const code = @import("code.zig");
const ending_objects = @import("ending_objects.zig");
const evm_objects = @import("evm_objects.zig");
const flat_objects = @import("flat_objects.zig");
const header_objects = @import("header_objects.zig");
const host_objects = @import("host_objects.zig");
const json_objects = @import("json_objects.zig");
const keccak = @import("keccak.zig");
const ledger_objects = @import("ledger_objects.zig");
const net_objects = @import("net_objects.zig");
const places = @import("places.zig");
const plain_block_objects = @import("plain_block_objects.zig");
const plain_objects = @import("plain_objects.zig");
const precompile_objects = @import("precompile_objects.zig");
const python = @import("python.zig");
const rlp_objects = @import("rlp_objects.zig");
const run_objects = @import("run_objects.zig");
const signatures = @import("signatures.zig");
const simulated_objects = @import("simulated_objects.zig");
const state_objects = @import("state_objects.zig");
const store_objects = @import("store_objects.zig");
const transaction_objects = @import("transaction_objects.zig");
const transition_objects = @import("transition_objects.zig");
const trie_objects = @import("trie_objects.zig");
const wasm_objects = @import("wasm_objects.zig");
const memory = &@import("memory.zig").core;

/// What the library was built from; core/build.py writes it.
const origin = @import("origin");

const Object = python.Object;

pub const panic = @import("panic.zig").panic;

/// keccak.zig: the build links the kernels.
pub const has_kernels = true;

const Row = struct {
    name: [:0]const u8,
    run: *const fn ([]const *Object) Error!*Object,
    least: usize,
    most: usize,
};

fn row(name: [:0]const u8, run: *const fn ([]const *Object) Error!*Object, least: usize, most: usize) Row {
    return .{ .name = name, .run = run, .least = least, .most = most };
}

const rows = [_]Row{
    row("keccak256", keccak256, 1, 1),
    row("keccak_many", trie_objects.keccak_many, 1, 1),
    row("bloom", trie_objects.bloom_of, 1, 1),
    row("rlp_encode", rlp_objects.encode, 1, 1),
    row("rlp_decode", rlp_objects.decode, 1, 2),
    row("rlp_split", rlp_objects.split, 1, 1),
    row("items_replaced", rlp_objects.replaced, 2, 2),
    row("trie_get", trie_objects.get, 3, 3),
    row("trie_get_with_proof", trie_objects.get_with_proof, 3, 3),
    row("trie_update", trie_objects.update, 3, 3),
    row("trie_changes", node_change_objects.between, 5, 5),
    row("ordered_root", trie_objects.ordered_root, 1, 1),
    row("make_changes", change_objects.make, 4, 4),
    row("make_plain_calls", change_objects.make_plain_calls, 2, 2),
    row("net_changes", net_objects.changes, 7, 7),
    row("state_after", state_objects.after, 8, 8),
    row("ended_block", ending_objects.end, 12, 12),
    row("flat_changes", flat_objects.changes, 4, 4),
    row("flat_operations", flat_objects.operations, 7, 7),
    row("index_operations", ledger_objects.index, 4, 4),
    row("block_operations", ledger_objects.block, 7, 7),
    row("head_operations", ledger_objects.head, 8, 8),
    row("difference_operations", flat_objects.difference, 4, 4),
    row("memory_changes", store_objects.changes, 3, 3),
    row("fields_rlp", block_objects.fields_rlp, 1, 1),
    row("fields_fit", block_objects.fields_fit, 2, 2),
    row("set_fields", header_objects.set_fields, 3, 3),
    row("sealed_header", header_objects.sealed, 6, 6),
    row("body_transactions", block_objects.body_transactions, 1, 1),
    row("stored_receipts", block_objects.stored_receipts, 1, 1),
    row("receipts_summary", block_objects.receipts_summary, 1, 1),
    row("transaction_fields", transaction_objects.decode, 1, 1),
    row("secp256k1_start", signatures.use, 1, 1),
    row("recover_address", signatures.recover_address, 4, 4),
    row("recover_addresses", signatures.recover_addresses, 1, 1),
    row("run_message", run_objects.run_message, 5, 5),
    row("run_transaction", transition_objects.run_transaction, 8, 8),
    row("run_plain", plain_objects.run_plain, 9, 9),
    row("run_plain_block", plain_block_objects.run, 11, 11),
    row("plain_needs", plain_objects.needs, 4, 4),
    row("run_simulated", simulated_objects.run, 13, 13),
    row("run_call", transition_objects.run_call, 7, 7),
    row("hex_json", json_objects.hex_json, 1, 1),
    row("results_json", json_objects.results_json, 1, 1),
    row("simulated_calls", call_objects.simulated_calls, 3, 3),
    row("call_arguments", call_objects.call_arguments, 2, 2),
    row("evm_operations", evm_objects.operations, 1, 1),
    row("evm_words", evm_objects.evaluate, 2, 2),
    row("wasm_start", wasm_objects.use, 1, 1),
    row("wasm_functions", wasm_objects.functions, 0, 0),
    row("wasm_machine_functions", wasm_objects.machine_functions, 0, 0),
    row("wasm_forget", wasm_objects.forget, 1, 1),
    row("wasm_begin", wasm_objects.begin, 5, 5),
    row("wasm_run", wasm_objects.perform, 11, 11),
    row("wasm_failure", wasm_objects.failure, 1, 1),
    row("wasm_end", wasm_objects.end, 1, 1),
    row("bn254_add", precompile_objects.bn254_add, 1, 1),
    row("bn254_multiply", precompile_objects.bn254_multiply, 1, 1),
    row("bn254_pairing", precompile_objects.bn254_pairing, 1, 1),
    row("modexp", precompile_objects.power, 3, 3),
    row("blake2f", precompile_objects.compression, 1, 1),
    row("bind", bind, 3, 3),
    row("check", check, 1, 1),
    row("use_kernel", use_kernel, 1, 1),
    row("kernel", kernel, 0, 0),
    row("memory", memory_figures, 0, 0),
    row("limit_memory", limit_memory, 1, 1),
};

/// By row: the Python function that decides where the core refuses.
var references: [rows.len]?*Object = @splat(null);
/// By row: what makes the result out of the core's answer.
var results: [rows.len]?*Object = @splat(null);
/// What is raised where a function and its reference differ; null while they are not compared.
var difference: ?*Object = null;
/// Whether this thread is in a reference that is run to be compared.
threadlocal var is_comparing = false;
/// The exception for a refusal without such a function.
var refused: *Object = undefined;

fn Wrapped(comptime index: usize) type {
    return struct {
        fn call(_: ?*Object, first: [*]const *Object, count: python.Size, keywords: ?*Object) callconv(.c) ?*Object {
            const arguments = first[0..@intCast(count)];
            const fits = arguments.len >= rows[index].least and arguments.len <= rows[index].most;
            if (!fits or keywords != null) return refer(index, first, arguments.len, keywords);
            const answer = rows[index].run(arguments) catch |failure| return switch (failure) {
                error.Raised => null,
                error.Refused, error.OutOfMemory => refer(index, first, arguments.len, null),
            };
            const found = finished(index, answer) orelse return null;
            const exception = difference orelse return found;
            return compared(index, exception, found, arguments) catch null;
        }
    };
}

/// What the function returns for the core's answer, which it takes over.
fn finished(index: usize, answer: *Object) ?*Object {
    const result = results[index] orelse return answer;
    defer python.drop(answer);
    return python.PyObject_CallFunctionObjArgs(result, answer, @as(?*Object, null));
}

/// What was found, which it takes over, where the reference gives the same.
fn compared(index: usize, exception: *Object, found: *Object, arguments: []const *Object) Error!*Object {
    errdefer python.drop(found);
    // a reference calls functions of the core in its turn, with callables that may count their calls
    if (is_comparing) return found;
    is_comparing = true;
    defer is_comparing = false;
    const reference = references[index] orelse return found;
    const wanted = try call_reference(reference, arguments.ptr, arguments.len, null);
    defer python.drop(wanted);
    if (try python.are_equal(found, wanted)) return found;
    var text: [128]u8 = undefined;
    const message = std.fmt.bufPrintSentinel(&text, "the core and Python do not agree on {s}", .{rows[index].name}, 0);
    python.PyErr_SetString(exception, message catch "the core and Python do not agree");
    return error.Raised;
}

fn refer(index: usize, first: [*]const *Object, count: usize, keywords: ?*Object) ?*Object {
    const reference = references[index] orelse {
        python.PyErr_SetString(refused, "the core does not take these arguments");
        return null;
    };
    return call_reference(reference, first, count, keywords) catch null;
}

fn call_reference(reference: *Object, first: [*]const *Object, count: usize, keywords: ?*Object) Error!*Object {
    const positional = try python.made(python.PyTuple_New(@intCast(count)));
    defer python.drop(positional);
    for (first[0..count], 0..) |argument, index| {
        _ = python.PyTuple_SetItem(positional, @intCast(index), python.keep(argument));
    }
    const named = if (keywords) |names| try named_arguments(first[count..], names) else null;
    defer if (named) |dict| python.drop(dict);
    return python.made(python.PyObject_Call(reference, positional, named));
}

fn named_arguments(values: [*]const *Object, names: *Object) Error!*Object {
    const dict = try python.made(python.PyDict_New());
    errdefer python.drop(dict);
    const sequence = try python.sequence(names);
    for (values[0..sequence.size], 0..) |value, index| {
        try python.done(python.PyDict_SetItem(dict, try sequence.at(index), value));
    }
    return dict;
}

fn keccak256(arguments: []const *Object) Error!*Object {
    if (python.is(arguments[0], .bytes)) {
        const data = try python.contents(arguments[0]);
        var digest: [1][32]u8 = undefined;
        (trie_objects.Hasher{}).hash_many(&.{data}, &digest);
        return python.bytes(&digest[0]);
    }
    var view = try python.view(arguments[0]);
    defer view.release();
    return python.bytes(&keccak.hash(view.data()));
}

fn or_null(object: *Object) ?*Object {
    return if (python.is_none(object)) null else python.keep(object);
}

/// bind(name, reference, result)
fn bind(arguments: []const *Object) Error!*Object {
    const name = try python.text_of(arguments[0]);
    for (rows, &references, &results) |known, *reference, *result| {
        if (!std.mem.eql(u8, known.name, name)) continue;
        const before = reference.*;
        reference.* = or_null(arguments[1]);
        if (result.*) |object| python.drop(object);
        result.* = or_null(arguments[2]);
        return before orelse python.none();
    }
    return error.Refused;
}

/// check(exception)
fn check(arguments: []const *Object) Error!*Object {
    const before = difference;
    difference = or_null(arguments[0]);
    return before orelse python.none();
}

fn use_kernel(arguments: []const *Object) Error!*Object {
    return if (keccak.choose(try python.text_of(arguments[0]))) python.none() else error.Refused;
}

fn kernel(_: []const *Object) Error!*Object {
    return python.string(keccak.kernel_name());
}

/// (bytes in use, their peak, the limit)
fn memory_figures(_: []const *Object) Error!*Object {
    const used = try python.integer(memory.used.load(.monotonic));
    const peak = try python.integer(memory.peak.load(.monotonic));
    return python.tuple(&.{ used, peak, try python.integer(memory.limit.load(.monotonic)) });
}

fn limit_memory(arguments: []const *Object) Error!*Object {
    memory.limit.store(try python.size_of(arguments[0]), .monotonic);
    return python.none();
}

var methods: [rows.len + 1]python.Method = blk: {
    var table: [rows.len + 1]python.Method = @splat(.{});
    for (rows, 0..) |known, index| {
        table[index] = .{
            .name = known.name.ptr,
            .function = @ptrCast(&Wrapped(index).call),
            .flags = python.fastcall_with_keywords,
        };
    }
    break :blk table;
};

var definition: python.Module = .{ .name = "_core", .methods = &methods };

fn initialize() Error!*Object {
    keccak.start();
    try transaction_objects.start();
    try host_objects.start();
    try plain_objects.start();
    try plain_block_objects.start();
    try block_objects.start();
    try change_objects.start();
    try wasm_objects.start();
    const entropy = try python.entropy();
    places.start(entropy);
    code.start(memory.allocator(), entropy);
    refused = try python.made(python.PyErr_NewException("zevm.core._core.RefusedError", python.PyExc_ValueError, null));
    const module = try python.made(python.PyModule_Create2(&definition, python.api_version));
    errdefer python.drop(module);
    try python.done(python.PyModule_AddObjectRef(module, "RefusedError", refused));
    try python.add(module, "FACE", origin.face);
    try python.add(module, "SOURCES", origin.sources);
    return module;
}

export fn PyInit__core() ?*Object {
    return initialize() catch null;
}
