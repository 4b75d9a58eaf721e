//! What a message is run with: the block around it, the reader of cold state below it, and what it ends in.
//! No Python here: run_objects.zig fills the table with functions that ask Python, tests and the fuzzer with their own.

const std = @import("std");
const Error = @import("errors.zig").Error;
const wasmtime = @import("wasmtime.zig");

pub const Word = u256;
pub const Address = [20]u8;
pub const Hash = [32]u8;

/// An account as the message finds it.
pub const Fields = struct { nonce: u64, balance: Word, code_hash: Hash };

/// A slot's value, and whether no slot of its account is set: then no other one is asked for.
pub const FirstSlot = struct { value: Word, is_blank: bool };

/// A call of a precompile that the machine does not have itself.
pub const PrecompileCall = struct { address: Address, gas: u64, data: []const u8 };

/// What it ended in; `output` and `detail` are valid until the next call of one.
pub const PrecompileAnswer = struct { status: Status, gas_left: u64, output: []const u8, detail: []const u8 = "" };

/// Each function may end in Raised: a Python exception, which ends the run. Each cold thing is asked for once a run.
pub const Table = struct {
    /// Null where the state has no entry.
    account: *const fn (context: *anyopaque, address: *const Address) Error!?Fields,
    /// Whether any slot of the account is set (EIP-7610).
    has_storage: *const fn (context: *anyopaque, address: *const Address) Error!bool,
    /// The first slot of an account that is asked for: as the next one.
    first_storage: *const fn (context: *anyopaque, address: *const Address, slot: Word) Error!FirstSlot,
    /// A slot's value, which is its value at the transaction's start too: the run is the transaction's outermost message.
    storage: *const fn (context: *anyopaque, address: *const Address, slot: Word) Error!Word,
    /// Before what all runs share is used: no other one uses it until the next question or look.
    hold: *const fn (context: *anyopaque) void,
    /// Before work that asks nothing and looks at no clock: others may go on meanwhile.
    let_go: *const fn (context: *anyopaque) void,
    /// The code of an account that has some; it lives as long as the run.
    code: *const fn (context: *anyopaque, address: *const Address) Error![]const u8,
    /// Whether it was accessed before the message began: by the transaction itself, its access list, its coinbase.
    is_warm: *const fn (context: *anyopaque, address: *const Address) Error!bool,
    is_warm_slot: *const fn (context: *anyopaque, address: *const Address, slot: Word) Error!bool,
    /// The hash of one of the 256 blocks before this one.
    block_hash: *const fn (context: *anyopaque, number: Word) Error!Word,
    precompile: *const fn (context: *anyopaque, call: *const PrecompileCall) Error!PrecompileAnswer,
    /// How the chain runs WebAssembly. Refused where the core may not run it.
    terms: *const fn (context: *anyopaque) Error!WasmTerms,
    /// The compiled code of an account, with its hash; it lives until it is dropped. Refused where it is no contract of
    /// the core's.
    program: *const fn (context: *anyopaque, address: *const Address, code_hash: *const Hash) Error!Program,
    drop_program: *const fn (context: *anyopaque, program: *const Program) void,
    /// A line that a WebAssembly contract prints.
    print: *const fn (context: *anyopaque, text: []const u8) Error!void,
    /// Looks at the clock: Raised when the deadline has passed or the work was cancelled. Every `gas_between_looks`, and
    /// inside of what works long on its own.
    look: *const fn (context: *anyopaque) Error!void,
    /// Ahead of a step of this size that looks at no clock: Raised past `most` where the run has to be brief.
    bound: *const fn (context: *anyopaque, size: usize, most: usize) Error!void,
};

/// How WebAssembly runs: prices and limits in the form of wasm_terms.zig, which live as long as the run.
pub const WasmTerms = struct {
    packed_terms: []const u8,
    /// The lowest address of this thread's stack; 0 where the platform does not tell.
    stack_low: usize,
    /// Whether the run may be interrupted.
    has_deadline: bool,
};

/// A compiled WebAssembly contract, bound to the host functions of the core.
pub const Program = struct {
    engine: *wasmtime.Engine,
    template: *wasmtime.Template,
    has_memory: bool,
    initial_pages: u64,
    entry_gas: u64,
    /// How much it has run; others count there too, and it need not be exact. From `most_heat` on the host wants to be
    /// asked for it at each run.
    heat: *i64,
    most_heat: i64,
    /// The host's own.
    handle: *anyopaque,
};

pub const Host = struct {
    context: *anyopaque,
    table: *const Table,
    /// Whether code that is kept by its hash is asked for all the same: for who records reads.
    wants_kept_code: bool = true,
};

/// Gas between two looks at the clock: some fifty microseconds of instructions.
pub const gas_between_looks = 50_000;

/// Where precompiles answer, and which.
pub const Precompiles = struct {
    /// Entries of 21 bytes: an address, and a number. 1 to 17 for the fork's own whose body it is, wherever it answers;
    /// `asked` for one that only the host has; `foreign` for one that works on the state: to call it is refused.
    entries: []const u8,
    last_bytes: std.StaticBitSet(256),

    pub const asked = 0;
    pub const foreign = 255;
    const entry_size = 21;

    pub fn of(entries: []const u8) Error!Precompiles {
        if (entries.len % entry_size != 0) return error.Refused;
        var last_bytes: std.StaticBitSet(256) = .empty;
        var place: usize = 0;
        while (place < entries.len) : (place += entry_size) last_bytes.set(entries[place + 19]);
        return .{ .entries = entries, .last_bytes = last_bytes };
    }

    /// The number of the precompile at an address, or null.
    pub fn find(self: *const Precompiles, address: *const Address) ?u8 {
        if (!self.last_bytes.isSet(address[19])) return null;
        var place: usize = 0;
        while (place < self.entries.len) : (place += entry_size) {
            if (std.mem.eql(u8, self.entries[place..][0..20], address)) return self.entries[place + 20];
        }
        return null;
    }
};

/// The block and the chain as code sees them.
pub const Block = struct {
    /// Index in chain/rules/forks.py.
    fork: u8,
    coinbase: Address,
    number: Word,
    timestamp: Word,
    gas_limit: Word,
    /// 0 before London, and for a call that pays no fees.
    base_fee: Word,
    prev_randao: Word,
    difficulty: Word,
    blob_base_fee: Word,
    chain_id: Word,
    /// Of deployed code; null for the fork's own.
    code_size_limit: ?usize,
    precompiles: Precompiles,
    /// Whether the chain has WebAssembly contracts: their code is for another machine.
    has_wasm: bool,

    /// Whether code, or creation code, is for another machine: to run it, or to deploy it, is refused.
    pub fn is_foreign(self: *const Block, code: []const u8) bool {
        if (!self.has_wasm) return false;
        return std.mem.startsWith(u8, code, wasm_magic) or std.mem.startsWith(u8, code, wasm_compressed);
    }
};

const wasm_magic = "\x00asm";
const wasm_compressed = "\xef\xf0\x00";

pub const Transaction = struct {
    origin: Address,
    gas_price: Word,
    blob_hashes: []const Hash,
    /// The most 32-byte words of one frame's memory: beyond it, `out_of_memory`.
    memory_words: u64 = std.math.maxInt(u64),
};

pub const Kind = enum(u8) { call, callcode, delegatecall, staticcall, create, create2 };

/// One frame's input; gas is below 2**63. The outermost message comes from outside, those below it from the machine.
pub const Message = struct {
    kind: Kind,
    gas: u64,
    sender: Address,
    /// Whose storage and balance the code acts on; of a creation, the new address.
    storage_address: Address,
    /// Whose code it is, behind a delegation. Not read of a creation.
    code_address: Address,
    /// The account that was called, before a delegation is followed; the new one of a creation. For who watches.
    target: Address,
    value: Word,
    data: []const u8,
    /// Creation code; of calls the code of `code_address`.
    code: []const u8,
    is_static: bool = false,
    /// Whether the code was found through a delegation (EIP-7702): then no precompile runs.
    is_delegation: bool = false,
    depth: u16 = 0,

    pub fn is_create(self: *const Message) bool {
        return self.kind == .create or self.kind == .create2;
    }
};

/// How a frame ended: names of VmErrorKind (chain/vm/interface.py) in small letters, and `success`.
pub const Status = enum(u8) {
    success,
    revert,
    out_of_gas,
    invalid_opcode,
    invalid_jump,
    stack_underflow,
    stack_overflow,
    write_protection,
    depth,
    insufficient_balance,
    balance_overflow,
    address_collision,
    code_size,
    initcode_size,
    code_store_out_of_gas,
    invalid_code,
    return_data_out_of_bounds,
    nonce_overflow,
    precompile,
    precompile_input_length,
    out_of_memory,
    trap,
    out_of_stack,
    call_data_size,
};

/// What geth's text of a fault says beyond its kind.
pub const Detail = union(enum) {
    none,
    /// Words on the stack, and how many the instruction takes; or, of an overflow, how many it leaves room for.
    stack: struct { height: u16, limit: u16 },
    opcode: u8,
    /// Words of memory that the frame would have, and the limit.
    memory: struct { words: u64, limit: u64 },
    /// SSTORE with no more gas than a stipend (EIP-2200).
    sentry,
    /// What a WebAssembly contract returned, other than 0.
    status: u32,
    /// A text of a precompile's, or of a WebAssembly contract's fault; lives until the next one.
    text: []const u8,
};

/// The outermost frame's end. `output` lives as long as the machine.
pub const Result = struct {
    status: Status,
    gas_left: u64,
    output: []const u8 = "",
    detail: Detail = .none,
    /// By how much less gas would surely have had the same course: the least that SSTORE had over its stipend, and 0
    /// after GAS, calls and creations. No limit where nothing looked at the gas.
    spare_gas: u64 = std.math.maxInt(u64),
};
