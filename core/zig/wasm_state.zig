//! Host functions of WebAssembly contracts on the machine's state, and what its frames ask of the machine; their reference
//! is chain/zvm/host/functions. What costs gas in the EVM is done by the EVM's own instructions: ink is turned into gas
//! for them, and back.

const std = @import("std");
const calls = @import("calls.zig");
const create = @import("create.zig");
const faults = @import("faults.zig");
const host = @import("host.zig");
const opcodes = @import("opcodes.zig");
const storages = @import("wasm_storage.zig");
const wasm = @import("wasm_frame.zig");
const words = @import("word.zig");
const End = @import("machine.zig").End;
const Error = @import("errors.zig").Error;
const Run = @import("wasm_machine.zig").Run;
const Step = @import("frame.zig").Step;
const functions = @import("wasm_functions.zig");

const Arguments = functions.Arguments;
const Failure = wasm.Failure;
const Frame = wasm.Frame;
const Word = words.Word;
const ink_per_gas = wasm.ink_per_gas;

const opcode_balance = 0x31;
const opcode_code_size = 0x3b;
const opcode_code_hash = 0x3f;
const opcode_block_hash = 0x40;
const opcode_load = 0x54;
const opcode_store = 0x55;
const opcode_transient_load = 0x5c;
const opcode_transient_store = 0x5d;
const opcode_create = 0xf0;
const opcode_call = 0xf1;
const opcode_delegate_call = 0xf4;
const opcode_create2 = 0xf5;
const opcode_static_call = 0xfa;
const opcode_destruct = 0xff;

/// Gas of reading an account's code or its size, in addition to the access.
const code_gas = 700;
const log_gas = 375;
const log_byte_gas = 8;
const line_byte_gas = 8;
const most_topics = 4;
const word_size = 32;
const address_size = 20;

pub const rows = [_]functions.Row{
    row("transient_load_bytes32", transient_load),
    row("transient_store_bytes32", transient_store),
    row("emit_log", emit_log),
    row("account_balance", account_word(opcode_balance)),
    row("account_codehash", account_word(opcode_code_hash)),
    row("account_code_size", account_code_size),
    row("account_code", account_code),
    row("selfdestruct", selfdestruct),
    row("call_contract", call_contract),
    row("delegate_call_contract", call_without_value(.delegatecall)),
    row("static_call_contract", call_without_value(.staticcall)),
    row("create1", create1),
    row("create2", create2),
    row("read_return_data", read_return_data),
    row("return_data_size", return_data_size),
    row("msg_reentrant", msg_reentrant),
    row("blockhash", blockhash),
    row("pay_for_memory_grow", pay_for_memory_grow),
    row("log_txt", log_txt),
    row("log_i32", log_number(i32, false)),
    row("log_i64", log_number(i64, false)),
    row("tee_i32", log_number(i32, true)),
    row("tee_i64", log_number(i64, true)),
};

/// A function that may ask Python, and so may have taken the interpreter's lock.
fn row(name: [:0]const u8, comptime body: *const fn (*Run, *Arguments) Failure!void) functions.Row {
    return functions.row(name, struct {
        fn of_frame(frame: *Frame, arguments: *Arguments) Failure!void {
            const run: *Run = .of(frame);
            defer run.let_go();
            return body(run, arguments);
        }
    }.of_frame);
}

pub const table: wasm.Host = .{
    .value = value,
    .keep_output = keep_output,
    .load = load,
    .store = store,
    .take_storage = take_storage,
    .load_through = refuse_two,
    .cache_through = refuse_two,
    .flush_through = refuse_one,
};

// What frames ask

fn value(frame: *Frame, name: wasm.Name) Failure!wasm.Known {
    const run: *Run = .of(frame);
    const block = run.machine.block;
    const transaction = run.machine.transaction;
    const message = &run.outer.message;
    return switch (name) {
        .chainid => number_of(block.chain_id),
        .block_gas_limit => number_of(block.gas_limit),
        .block_number => number_of(block.number),
        .block_timestamp => number_of(block.timestamp),
        .block_basefee => word_of(block.base_fee),
        .block_coinbase => address_of(&block.coinbase),
        .contract_address => address_of(&message.storage_address),
        .msg_sender => address_of(&message.sender),
        .msg_value => word_of(message.value),
        .tx_gas_price => word_of(transaction.gas_price),
        .tx_origin => address_of(&transaction.origin),
        .blobbasefee => word_of(block.blob_base_fee),
        .prevrandao => word_of(block.prev_randao),
        // what a creation runs is Python's
        .is_constructing => number_of(0),
        .code_address => address_of(&message.code_address),
    };
}

/// Its lower 64 bits, as the interface has no more.
fn number_of(number: Word) wasm.Known {
    return .{ .number = @truncate(number) };
}

fn word_of(word: Word) wasm.Known {
    return .{ .content = words.to_bytes(word), .size = word_size };
}

fn address_of(address: *const host.Address) wasm.Known {
    var known: wasm.Known = .{ .size = address_size };
    known.content[0..address_size].* = address.*;
    return known;
}

fn keep_output(frame: *Frame, content: []const u8) Failure!void {
    const run: *Run = .of(frame);
    run.output.clearRetainingCapacity();
    run.output.appendSlice(run.machine.memory, content) catch |reason| return run.abandon(reason);
}

fn load(frame: *Frame, key: *const [word_size]u8) Failure![word_size]u8 {
    const run: *Run = .of(frame);
    defer run.let_go();
    return words.to_bytes(try with_gas(run, instruct(opcode_load, 1), [1]Word{words.from_bytes(key)}));
}

fn store(frame: *Frame, writes: []const storages.Storage.Write) Failure!void {
    const run: *Run = .of(frame);
    defer run.let_go();
    try refuse_static(run, "a write to storage");
    return with_gas(run, store_all, writes);
}

fn store_all(step: *Step, writes: []const storages.Storage.Write) faults.Failure!void {
    for (writes) |*write| {
        _ = try instruct(opcode_store, 2)(step, .{ words.from_bytes(&write.value), words.from_bytes(&write.key) });
    }
}

fn take_storage(frame: *Frame) Failure!void {
    return Run.of(frame).abandon(error.Refused);
}

fn refuse_two(frame: *Frame, _: u32, _: u32) Failure!void {
    return Run.of(frame).abandon(error.Refused);
}

fn refuse_one(frame: *Frame, _: u32) Failure!void {
    return Run.of(frame).abandon(error.Refused);
}

// Gas

/// Do what charges gas, which the run's ink pays for.
fn with_gas(run: *Run, comptime action: anytype, argument: anytype) Failure!Payload(@TypeOf(action)) {
    const frame = &run.frame;
    const ink = frame.ink_left();
    const shared = &run.machine.wasm;
    if (frame.share != null) {
        shared.look(run.machine.state.host) catch |reason| return run.abandon(reason);
        shared.work = frame.work_left();
    }
    var step: Step = .of(run.machine, run.outer);
    step.gas = ink / ink_per_gas;
    const result = action(&step, argument) catch |failure| return run.fail(failure);
    frame.go_on(step.gas * ink_per_gas + ink % ink_per_gas, shared.work);
    return result;
}

fn Payload(comptime Action: type) type {
    return @typeInfo(@typeInfo(Action).@"fn".return_type.?).error_union.payload;
}

/// Run an instruction of the EVM on words, the top one last; the word that it pushes, or 0.
fn instruct(comptime opcode: u8, comptime count: usize) fn (*Step, [count]Word) faults.Failure!Word {
    return struct {
        fn run(step: *Step, operands: [count]Word) faults.Failure!Word {
            const instruction = comptime opcodes.rows[opcode];
            try admit(step, opcode);
            for (operands) |operand| step.push(operand);
            switch (comptime instruction.body) {
                .quick, .slow => |act| try act(step),
                .ending => |act| _ = try act(step),
                else => comptime unreachable,
            }
            return if (comptime instruction.pushes > 0) step.pop() else 0;
        }
    }.run;
}

/// Charge an instruction's constant gas. Where the fork does not have it, Python words the trap.
fn admit(step: *Step, comptime opcode: u8) faults.Failure!void {
    if (opcodes.rows[opcode].gas_of(step.machine.rules.fork) == null) return error.Refused;
    step.height = 0;
    try step.charge(step.machine.admissions[opcode].gas);
}

fn refuse_static(run: *Run, comptime what: []const u8) Failure!void {
    if (run.outer.message.is_static) return run.trap(what ++ " in a static call", .{});
}

fn word_at(run: *Run, pointer: u32) Failure!Word {
    return words.from_bytes(try run.frame.word_bytes(pointer));
}

fn put_word(run: *Run, pointer: u32, word: Word) Failure!void {
    words.write(word, try run.frame.word_bytes(pointer));
}

fn address_at(run: *Run, pointer: u32) Failure!host.Address {
    return (try run.frame.span(pointer, address_size))[0..address_size].*;
}

fn put_length(run: *Run, pointer: u32) Failure!void {
    var length: [4]u8 = undefined;
    std.mem.writeInt(u32, &length, @intCast(run.outer.return_data.items.len), .little);
    try run.frame.put(pointer, &length);
}

// Storage, logs and accounts

fn transient_load(run: *Run, arguments: *Arguments) Failure!void {
    const slot = try word_at(run, arguments.at(0));
    try put_word(run, arguments.at(1), try with_gas(run, instruct(opcode_transient_load, 1), [1]Word{slot}));
}

fn transient_store(run: *Run, arguments: *Arguments) Failure!void {
    try refuse_static(run, "a write to transient storage");
    const slot = try word_at(run, arguments.at(0));
    const word = try word_at(run, arguments.at(1));
    _ = try with_gas(run, instruct(opcode_transient_store, 2), [2]Word{ word, slot });
}

fn emit_log(run: *Run, arguments: *Arguments) Failure!void {
    const length = arguments.at(1);
    const count = arguments.at(2);
    if (count > most_topics or length < word_size * count) {
        return run.trap("{d} bytes of log with {d} topics; at most 4, of 32 bytes each", .{ length, count });
    }
    try refuse_static(run, "a log");
    const frame = &run.frame;
    try frame.charge(frame.prices.read(length));
    const content = try frame.span(arguments.at(0), length);
    const data = content[word_size * count ..];
    try frame.charge_gas(log_gas * (1 + @as(u64, count)) + log_byte_gas * @as(u64, data.len));
    var topics: [most_topics]Word = undefined;
    for (topics[0..count], 0..) |*topic, place| topic.* = words.from_bytes(content[word_size * place ..][0..word_size]);
    append_log(run, topics[0..count], data) catch |reason| return run.abandon(reason);
}

fn append_log(run: *Run, topics: []const Word, data: []const u8) Error!void {
    const state = run.machine.state;
    try state.add_log(&run.outer.message.storage_address, topics, data);
    if (run.machine.watch) |watch| try watch.log(&state.logs.items[state.logs.items.len - 1]);
}

/// A function that writes what an instruction tells about an account.
fn account_word(comptime opcode: u8) *const fn (*Run, *Arguments) Failure!void {
    return struct {
        fn body(run: *Run, arguments: *Arguments) Failure!void {
            const address = words.from_address(&try address_at(run, arguments.at(0)));
            try put_word(run, arguments.at(1), try with_gas(run, instruct(opcode, 1), [1]Word{address}));
        }
    }.body;
}

fn code_size(step: *Step, address: host.Address) faults.Failure!u64 {
    const size = try instruct(opcode_code_size, 1)(step, .{words.from_address(&address)});
    try step.charge(code_gas);
    return @truncate(size);
}

fn account_code_size(run: *Run, arguments: *Arguments) Failure!void {
    arguments.give(try with_gas(run, code_size, try address_at(run, arguments.at(0))));
}

fn account_code(run: *Run, arguments: *Arguments) Failure!void {
    const address = try address_at(run, arguments.at(0));
    const whole = try with_gas(run, code_size, address);
    try run.frame.charge(run.frame.prices.write(whole));
    const content = content_of(run, &address) catch |reason| return run.abandon(reason);
    const part = part_of(content, arguments.at(1), arguments.at(2));
    try run.frame.put(arguments.at(3), part);
    arguments.give(part.len);
}

fn content_of(run: *Run, address: *const host.Address) Error![]const u8 {
    const state = run.machine.state;
    return (try state.code(try state.at(address))).content();
}

fn part_of(content: []const u8, offset: u32, size: u32) []const u8 {
    const start = @min(offset, content.len);
    return content[start..][0..@min(size, content.len - start)];
}

/// The contract ends with success and no output.
fn selfdestruct(run: *Run, arguments: *Arguments) Failure!void {
    try refuse_static(run, "a self-destruct");
    const beneficiary = words.from_address(&try address_at(run, arguments.at(0)));
    _ = try with_gas(run, instruct(opcode_destruct, 1), [1]Word{beneficiary});
    run.frame.output_size = 0;
    return run.frame.stop(.{ .exited = 0 });
}

// Calls and creations

const succeeded = 0;
const failed = 1;

fn call_contract(run: *Run, arguments: *Arguments) Failure!void {
    const wei = try word_at(run, arguments.at(3));
    if (wei != 0) try refuse_static(run, "a call with value");
    return call(run, arguments, .call, wei, arguments.long(4), arguments.at(5));
}

fn call_without_value(comptime kind: host.Kind) *const fn (*Run, *Arguments) Failure!void {
    return struct {
        fn body(run: *Run, arguments: *Arguments) Failure!void {
            return call(run, arguments, kind, 0, arguments.long(3), arguments.at(4));
        }
    }.body;
}

/// The first three arguments: where the address, the data, and how long these are.
fn call(run: *Run, arguments: *Arguments, comptime kind: host.Kind, wei: Word, gas: u64, length_target: u32) Failure!void {
    const frame = &run.frame;
    const target = try address_at(run, arguments.at(0));
    _ = try frame.span(length_target, 4);
    const length = arguments.at(2);
    try frame.charge(2 * frame.prices.read(length));
    const request: calls.Request = .{ .gas = gas, .target = target, .value = wei, .data = try frame.span(arguments.at(1), length) };
    const used = set_aside_words(run);
    const has_succeeded = try with_gas(run, Calling(kind).send, &request);
    run.machine.wasm.stack_words += used;
    try put_length(run, length_target);
    arguments.give(if (has_succeeded) succeeded else failed);
}

fn Calling(comptime kind: host.Kind) type {
    const opcode = switch (kind) {
        .call => opcode_call,
        .delegatecall => opcode_delegate_call,
        .staticcall => opcode_static_call,
        else => comptime unreachable,
    };
    return struct {
        fn send(step: *Step, request: *const calls.Request) faults.Failure!bool {
            try admit(step, opcode);
            const floor = step.machine.depth;
            return switch (try calls.send(step, kind, request)) {
                .refused => false,
                .ended => |end| calls.absorb(step, end),
                .opened => calls.absorb(step, try step.machine.drive(floor)),
            };
        }
    };
}

/// Take the words that the frame has in use from what its callee's frames may have; how many.
fn set_aside_words(run: *Run) u64 {
    const used = run.stack_words -| run.stack_words_left();
    run.machine.wasm.stack_words -= used;
    return used;
}

fn create1(run: *Run, arguments: *Arguments) Failure!void {
    return create_account(run, arguments, .create, arguments.at(3), arguments.at(4));
}

fn create2(run: *Run, arguments: *Arguments) Failure!void {
    return create_account(run, arguments, .create2, arguments.at(4), arguments.at(5));
}

/// The first arguments: where the code, how long it is, where the endowment, and of CREATE2 where the salt.
fn create_account(run: *Run, arguments: *Arguments, comptime kind: host.Kind, address_target: u32, length_target: u32) Failure!void {
    const frame = &run.frame;
    const salt = if (kind == .create2) try word_at(run, arguments.at(3)) else null;
    try refuse_static(run, "a creation");
    const wei = try word_at(run, arguments.at(2));
    _ = try frame.span(address_target, address_size);
    _ = try frame.span(length_target, 4);
    const length = arguments.at(1);
    try frame.charge(2 * frame.prices.read(length));
    const request: create.Request = .{ .value = wei, .code = try frame.span(arguments.at(0), length), .salt = salt };
    const used = set_aside_words(run);
    const address = try with_gas(run, Creating(kind).send, &request);
    run.machine.wasm.stack_words += used;
    try frame.put(address_target, &(address orelse @as(host.Address, @splat(0))));
    try put_length(run, length_target);
}

fn Creating(comptime kind: host.Kind) type {
    return struct {
        fn send(step: *Step, request: *const create.Request) faults.Failure!?host.Address {
            try admit(step, if (kind == .create2) opcode_create2 else opcode_create);
            try create.charge(step, kind, request.code.len);
            const floor = step.machine.depth;
            var address: host.Address = undefined;
            const end: End = switch (try create.send(step, kind, request, &address)) {
                .refused => return null,
                .ended => |end| end,
                .opened => try step.machine.drive(floor),
            };
            return if (try create.absorb(step, end)) address else null;
        }
    };
}

fn read_return_data(run: *Run, arguments: *Arguments) Failure!void {
    const part = part_of(run.outer.return_data.items, arguments.at(1), arguments.at(2));
    try run.frame.charge(run.frame.prices.write(part.len));
    try run.frame.put(arguments.at(0), part);
    arguments.give(part.len);
}

fn return_data_size(run: *Run, arguments: *Arguments) Failure!void {
    arguments.give(run.outer.return_data.items.len);
}

// The rest

/// 1 while the acting account has more than one frame of its own open; delegate calls are none of its own.
fn msg_reentrant(run: *Run, arguments: *Arguments) Failure!void {
    const machine = run.machine;
    var count: u32 = 0;
    for (machine.frames.items[0..machine.depth]) |open| {
        const message = &open.message;
        if (message.kind == .delegatecall or message.kind == .callcode) continue;
        count += @intFromBool(std.mem.eql(u8, &message.storage_address, &run.outer.message.storage_address));
    }
    arguments.give(@intFromBool(count > 1));
}

fn blockhash(run: *Run, arguments: *Arguments) Failure!void {
    const digest = try with_gas(run, instruct(opcode_block_hash, 1), [1]Word{arguments.long(0)});
    try put_word(run, arguments.at(1), digest);
}

fn pay_for_memory_grow(run: *Run, arguments: *Arguments) Failure!void {
    const shared = &run.machine.wasm;
    const pages = arguments.at(0);
    if (pages == 0) return run.frame.charge(shared.terms.?.growth_of_none);
    const gas = shared.grow(pages, run.pages) catch return run.frame.stop(.out_of_pages);
    run.pages += pages;
    try run.frame.charge_gas(gas);
}

fn log_txt(run: *Run, arguments: *Arguments) Failure!void {
    const length = arguments.at(1);
    try run.frame.charge_gas(line_byte_gas * @as(u64, length));
    try print(run, try run.frame.span(arguments.at(0), length));
}

/// A function that prints its signed argument, and gives it back where it `returns`.
fn log_number(comptime Number: type, comptime returns: bool) *const fn (*Run, *Arguments) Failure!void {
    return struct {
        fn body(run: *Run, arguments: *Arguments) Failure!void {
            const given = arguments.long(0);
            const number: Number = if (Number == i32) @bitCast(@as(u32, @truncate(given))) else @bitCast(given);
            var text: [20]u8 = undefined;
            try print(run, std.fmt.bufPrint(&text, "{d}", .{number}) catch unreachable);
            if (returns) arguments.give(if (Number == i32) @as(u32, @bitCast(number)) else @bitCast(number));
        }
    }.body;
}

fn print(run: *Run, text: []const u8) Failure!void {
    const from = run.machine.state.host;
    from.table.print(from.context, text) catch |reason| return run.abandon(reason);
}
