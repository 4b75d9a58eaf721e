//! Host functions of WebAssembly contracts in the core, but for those that work on the machine alone (wasm_state.zig);
//! those in chain/zvm/host/functions are their reference. The same checks and charges in the same order: a module can
//! tell a difference by its ink.

const wasmtime = @import("wasmtime.zig");
const words = @import("word.zig");
const frames = @import("wasm_frame.zig");

const Caller = wasmtime.Caller;
const Failure = frames.Failure;
const Frame = frames.Frame;
const Name = frames.Name;
const Slot = wasmtime.Slot;
const Trap = wasmtime.Trap;
const Word = words.Word;

pub const Callback = *const fn (?*anyopaque, *Caller, [*]Slot, usize) callconv(.c) ?*Trap;
pub const Body = *const fn (*Frame, *Arguments) Failure!void;

pub const Row = struct { name: [:0]const u8, callback: Callback };

pub const rows = [_]Row{
    row("read_args", read_args),
    row("write_result", write_result),
    row("exit_early", exit_early),
    row("native_keccak256", native_keccak256),
    row("math_div", binary(words.quotient_of)),
    row("math_mod", binary(words.remainder_of)),
    row("math_add_mod", ternary(words.sum_modulo)),
    row("math_mul_mod", ternary(words.product_modulo)),
    row("math_pow", math_pow),
    row("evm_ink_left", evm_ink_left),
    row("evm_gas_left", evm_gas_left),
    row("tx_ink_price", tx_ink_price),
    row("storage_load_bytes32", storage_load_bytes32),
    row("storage_cache_bytes32", storage_cache_bytes32),
    row("storage_flush_cache", storage_flush_cache),
    number(.chainid),
    number(.block_gas_limit),
    number(.block_number),
    number(.block_timestamp),
    number(.is_constructing),
    content(.block_basefee),
    content(.block_coinbase),
    content(.contract_address),
    content(.msg_sender),
    content(.msg_value),
    content(.tx_gas_price),
    content(.tx_origin),
    content(.blobbasefee),
    content(.prevrandao),
    content(.code_address),
};

/// Parameters of a host call, and the place of its result.
pub const Arguments = struct {
    slots: [*]Slot,

    pub fn at(self: *const Arguments, index: usize) u32 {
        return @truncate(self.long(index));
    }

    /// One of 64 bits.
    pub fn long(self: *const Arguments, index: usize) u64 {
        return @bitCast(self.slots[index].content);
    }

    pub fn give(self: *Arguments, result: u64) void {
        self.slots[0].content = @bitCast(result);
    }
};

pub fn row(name: [:0]const u8, comptime body: Body) Row {
    return .{ .name = name, .callback = struct {
        fn call(_: ?*anyopaque, caller: *Caller, slots: [*]Slot, _: usize) callconv(.c) ?*Trap {
            const api = &wasmtime.api;
            const context = api.caller_context(caller);
            // a module bound to these functions runs in a store that has its frame
            const frame: *Frame = @ptrCast(@alignCast(api.context_data(context).?));
            frame.context = context;
            var arguments: Arguments = .{ .slots = slots };
            body(frame, &arguments) catch return api.trap_new(wasmtime.unreachable_code);
            return null;
        }
    }.call };
}

fn number(comptime name: Name) Row {
    return row(@tagName(name), struct {
        fn body(frame: *Frame, arguments: *Arguments) Failure!void {
            arguments.give((try frame.value(name)).number);
        }
    }.body);
}

fn content(comptime name: Name) Row {
    return row(@tagName(name), struct {
        fn body(frame: *Frame, arguments: *Arguments) Failure!void {
            const known = try frame.value(name);
            try frame.put(arguments.at(0), known.content[0..known.size]);
        }
    }.body);
}

fn read_args(frame: *Frame, arguments: *Arguments) Failure!void {
    try frame.charge(frame.prices.write(frame.data.len));
    try frame.put(arguments.at(0), frame.data);
}

fn write_result(frame: *Frame, arguments: *Arguments) Failure!void {
    const length = arguments.at(1);
    try frame.charge(2 * frame.prices.read(length));
    try frame.set_output(try frame.span(arguments.at(0), length));
}

fn exit_early(frame: *Frame, arguments: *Arguments) Failure!void {
    return frame.stop(.{ .exited = arguments.at(0) });
}

fn native_keccak256(frame: *Frame, arguments: *Arguments) Failure!void {
    const length = arguments.at(1);
    try frame.charge(frame.prices.keccak(length));
    const digest = try frame.hash(arguments.at(0), length);
    try frame.put(arguments.at(2), &digest);
}

fn word(frame: *Frame, pointer: u32) Failure!Word {
    return words.from_bytes(try frame.word_bytes(pointer));
}

fn put_word(frame: *Frame, pointer: u32, value: Word) Failure!void {
    words.write(value, try frame.word_bytes(pointer));
}

/// A function that replaces its first operand by the result.
fn binary(comptime operation: fn (Word, Word) Word) Body {
    return struct {
        fn body(frame: *Frame, arguments: *Arguments) Failure!void {
            const left = try word(frame, arguments.at(0));
            const right = try word(frame, arguments.at(1));
            try put_word(frame, arguments.at(0), operation(left, right));
        }
    }.body;
}

fn ternary(comptime operation: fn (Word, Word, Word) Word) Body {
    return struct {
        fn body(frame: *Frame, arguments: *Arguments) Failure!void {
            const left = try word(frame, arguments.at(0));
            const right = try word(frame, arguments.at(1));
            const modulus = try word(frame, arguments.at(2));
            try put_word(frame, arguments.at(0), operation(left, right, modulus));
        }
    }.body;
}

fn math_pow(frame: *Frame, arguments: *Arguments) Failure!void {
    const exponent = try word(frame, arguments.at(1));
    try frame.charge(frame.prices.power_byte * words.bytes_in(exponent));
    try put_word(frame, arguments.at(0), words.power_of(try word(frame, arguments.at(0)), exponent));
}

fn evm_ink_left(frame: *Frame, arguments: *Arguments) Failure!void {
    arguments.give(frame.ink_left());
}

fn evm_gas_left(frame: *Frame, arguments: *Arguments) Failure!void {
    arguments.give(frame.ink_left() / frames.ink_per_gas);
}

fn tx_ink_price(_: *Frame, arguments: *Arguments) Failure!void {
    arguments.give(frames.ink_per_gas);
}

fn storage_load_bytes32(frame: *Frame, arguments: *Arguments) Failure!void {
    return frame.storage.load(frame, arguments.at(0), arguments.at(1));
}

fn storage_cache_bytes32(frame: *Frame, arguments: *Arguments) Failure!void {
    return frame.storage.cache(frame, arguments.at(0), arguments.at(1));
}

fn storage_flush_cache(frame: *Frame, arguments: *Arguments) Failure!void {
    return frame.storage.flush(frame, arguments.at(0) != 0);
}
