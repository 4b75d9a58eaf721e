//! The host of a run in Python: its `state` (chain/vm/execution_state.py) and its `helper` (chain/vm/engines/native.py).

const std = @import("std");
const change_objects = @import("change_objects.zig");
const flat_objects = @import("flat_objects.zig");
const Error = @import("errors.zig").Error;
const Lock = @import("lock.zig").Lock;
const host_of = @import("host.zig");
const ordered = @import("ordered.zig");
const python = @import("python.zig");
const wasmtime = @import("wasmtime.zig");
const words = @import("word.zig");
const memory = &@import("memory.zig").core;

const Address = host_of.Address;
const Object = python.Object;
const Word = host_of.Word;

/// The methods that are called, of `state` and then of `helper`.
const Name = enum {
    account_fields,
    has_storage,
    first_storage,
    get_storage,
    get_code,
    is_warm,
    is_warm_slot,
    block_hash,
    precompile,
    look,
    bound,
    wasm_terms,
    wasm_program,
    print,
    get,
};

var names: [std.enums.values(Name).len]*Object = undefined;

/// Make the names of the methods, once.
pub fn start() Error!void {
    for (std.enums.values(Name)) |name| {
        names[@intFromEnum(name)] = try python.made(python.PyUnicode_InternFromString(@tagName(name)));
    }
}

/// Objects that what was read points into, until the run ends.
pub const Context = struct {
    state: *Object,
    helper: *Object,
    lock: Lock = .{ .is_shared = false },
    /// Whether the transaction had accessed any slot before the message began: without an access list there is none.
    has_warm_slots: bool = true,
    /// Of a whole transaction: the precompiles that are warm from its start, and all else is cold.
    warm: ?host_of.Precompiles = null,
    wants_kept_code: bool = true,
    /// Accounts that the state has read before, by their addresses: the state is asked for no others.
    accounts: ?*Object = null,
    /// What slots are read out of, by their keys in storage/schema.py, in place of the state.
    flat_view: ?*Object = null,
    /// Those of a BlockState, to be read without a call of its methods.
    parts: ?change_objects.Parts = null,
    /// Compiled contracts that the run may take without a question: answers to `wasm_program` by the hash of the code.
    programs: ?*Object = null,
    held: std.ArrayList(*Object) = .empty,
    /// What the last precompile gave.
    answer: ?*Object = null,

    pub fn host(self: *Context) host_of.Host {
        return .{ .context = self, .table = &table, .wants_kept_code = self.wants_kept_code };
    }

    pub fn release(self: *Context) void {
        for (self.held.items) |object| python.drop(object);
        self.held.deinit(memory.allocator());
        if (self.answer) |object| python.drop(object);
    }

    fn of(context: *anyopaque) *Context {
        return @ptrCast(@alignCast(context));
    }

    /// With the interpreter's lock, for a question to Python.
    fn asking(context: *anyopaque) *Context {
        const self = of(context);
        self.lock.take();
        return self;
    }
};

const table: host_of.Table = .{
    .account = account,
    .has_storage = has_storage,
    .first_storage = first_storage,
    .storage = storage,
    .code = code,
    .is_warm = is_warm,
    .is_warm_slot = is_warm_slot,
    .hold = hold,
    .let_go = let_go,
    .block_hash = block_hash,
    .precompile = precompile,
    .terms = terms,
    .program = program,
    .drop_program = drop_program,
    .print = print,
    .look = look,
    .bound = bound,
};

/// Call a method with new references, which are dropped.
fn call(object: *Object, name: Name, arguments: anytype) Error!*Object {
    return python.call_method(object, names[@intFromEnum(name)], arguments);
}

fn call_with_address(object: *Object, name: Name, address: *const Address) Error!*Object {
    return call(object, name, [_]*Object{try python.bytes(address)});
}

fn call_with_slot(object: *Object, name: Name, address: *const Address, slot: Word) Error!*Object {
    return call(object, name, try python.all(2, .{ python.bytes(address), python.integer_of_word(slot) }));
}

fn truth(answer: *Object) Error!bool {
    defer python.drop(answer);
    return python.is_true(answer);
}

fn word(answer: *Object) Error!Word {
    defer python.drop(answer);
    return python.word_of(answer);
}

fn account(context: *anyopaque, address: *const Address) Error!?host_of.Fields {
    const self = Context.asking(context);
    if (self.parts) |*parts| {
        const key = try python.bytes(address);
        defer python.drop(key);
        return fields_of(try parts.fields_of(key));
    }
    const answer = try account_object(self, address);
    defer python.drop(answer);
    return fields_of(answer);
}

/// A new reference to an account as the state has it.
fn account_object(self: *Context, address: *const Address) Error!*Object {
    const key = try python.bytes(address);
    if (self.accounts) |accounts| {
        errdefer python.drop(key);
        if (try python.value_in(accounts, key)) |known| {
            python.drop(key);
            return python.keep(known);
        }
    }
    return call(self.state, .account_fields, [_]*Object{key});
}

fn fields_of(answer: *Object) Error!?host_of.Fields {
    if (python.is_none(answer)) return null;
    // as a BlockState has it, or as storage/account.py's Account, with the storage root before the code hash
    const fields = try python.sequence(answer);
    if (fields.size != 3 and fields.size != 4) return error.Refused;
    const hash = try python.contents(try fields.at(fields.size - 1));
    if (hash.len != 32) return error.Refused;
    return .{
        .nonce = std.math.cast(u64, try python.word_of(try fields.at(0))) orelse return error.Refused,
        .balance = try python.word_of(try fields.at(1)),
        .code_hash = hash[0..32].*,
    };
}

fn has_storage(context: *anyopaque, address: *const Address) Error!bool {
    return truth(try call_with_address(Context.asking(context).state, .has_storage, address));
}

/// first_storage(address, slot) -> (value, whether no slot is set)
fn first_storage(context: *anyopaque, address: *const Address, slot: Word) Error!host_of.FirstSlot {
    const self = Context.asking(context);
    if (self.parts) |*known| {
        const owner = try python.bytes(address);
        defer python.drop(owner);
        if (try known.is_blank(owner)) return .{ .value = 0, .is_blank = true };
        return .{ .value = try slot_of(known, owner, slot), .is_blank = false };
    }
    if (self.flat_view) |view| {
        if (try has_no_slots(self, address)) return .{ .value = 0, .is_blank = true };
        return .{ .value = try flat_slot(view, address, slot), .is_blank = false };
    }
    const answer = try call_with_slot(self.state, .first_storage, address, slot);
    defer python.drop(answer);
    const parts = try python.sequence(answer);
    if (parts.size != 2) return error.Refused;
    return .{ .value = try python.word_of(try parts.at(0)), .is_blank = try python.is_true(try parts.at(1)) };
}

fn storage(context: *anyopaque, address: *const Address, slot: Word) Error!Word {
    const self = Context.asking(context);
    if (self.parts) |*known| {
        const owner = try python.bytes(address);
        defer python.drop(owner);
        return slot_of(known, owner, slot);
    }
    if (self.flat_view) |view| return flat_slot(view, address, slot);
    return word(try call_with_slot(self.state, .get_storage, address, slot));
}

/// Whether an account, as storage/account.py has it, has the root of an empty storage.
fn has_no_slots(self: *Context, address: *const Address) Error!bool {
    const answer = try account_object(self, address);
    defer python.drop(answer);
    if (python.is_none(answer)) return true;
    const fields = try python.sequence(answer);
    if (fields.size != 4) return error.Refused;
    return std.mem.eql(u8, try python.contents(try fields.at(2)), &ordered.empty_root);
}

/// As LatestReader.storage of storage/state_readers.py.
fn flat_slot(view: *Object, address: *const Address, slot: Word) Error!Word {
    const key = [_]u8{flat_objects.prefix.slot} ++ address.* ++ words.to_bytes(slot);
    const answer = try call(view, .get, [_]*Object{try python.bytes(&key)});
    defer python.drop(answer);
    if (python.is_none(answer)) return 0;
    const digits = try python.contents(answer);
    var padded: [32]u8 = @splat(0);
    if (digits.len > padded.len) return error.Refused;
    @memcpy(padded[padded.len - digits.len ..], digits);
    return words.from_bytes(&padded);
}

fn slot_of(parts: *const change_objects.Parts, owner: *Object, slot: Word) Error!Word {
    const key = try python.integer_of_word(slot);
    defer python.drop(key);
    return word(try parts.slot_of(owner, key));
}

fn code(context: *anyopaque, address: *const Address) Error![]const u8 {
    const self = Context.asking(context);
    const answer = try call_with_address(self.state, .get_code, address);
    errdefer python.drop(answer);
    const bytes = try python.contents(answer);
    // a scan takes time in proportion
    try bound(context, bytes.len, brief_code_size);
    try self.held.append(memory.allocator(), answer);
    return bytes;
}

/// BRIEF_CODE_BYTES of chain/vm/brief.py.
const brief_code_size = 64 * 1024;

fn is_warm(context: *anyopaque, address: *const Address) Error!bool {
    if (Context.of(context).warm) |*warm| return warm.find(address) != null;
    return truth(try call_with_address(Context.asking(context).state, .is_warm, address));
}

fn is_warm_slot(context: *anyopaque, address: *const Address, slot: Word) Error!bool {
    if (!Context.of(context).has_warm_slots) return false;
    return truth(try call_with_slot(Context.asking(context).state, .is_warm_slot, address, slot));
}

fn hold(context: *anyopaque) void {
    Context.of(context).lock.take();
}

fn let_go(context: *anyopaque) void {
    Context.of(context).lock.let_go();
}

fn block_hash(context: *anyopaque, number: Word) Error!Word {
    const answer = try call(Context.asking(context).helper, .block_hash, [_]*Object{try python.integer_of_word(number)});
    defer python.drop(answer);
    const hash = try python.contents(answer);
    if (hash.len == 0) return 0;
    return if (hash.len == 32) words.from_bytes(hash[0..32]) else error.Refused;
}

/// Input up to this size is copied for a precompile (COPIED_BYTES of chain/vm/calls.py); of longer one it gets a view,
/// which the helper releases: a message pays for its memory once, and not for showing it to as many precompiles as it likes.
const copied_bytes = 4096;

/// precompile(address, gas, data) -> (status, gas left, output, text)
fn precompile(context: *anyopaque, asked: *const host_of.PrecompileCall) Error!host_of.PrecompileAnswer {
    const self = Context.asking(context);
    const data = if (asked.data.len > copied_bytes) python.shown(asked.data) else python.bytes(asked.data);
    const arguments = .{ python.bytes(&asked.address), python.integer(asked.gas), data };
    const answer = try call(self.helper, .precompile, try python.all(3, arguments));
    if (self.answer) |before| python.drop(before);
    self.answer = answer;
    const parts = try python.sequence(answer);
    if (parts.size != 4) return error.Refused;
    return .{
        .status = std.enums.fromInt(host_of.Status, try python.size_of(try parts.at(0))) orelse return error.Refused,
        .gas_left = try python.size_of(try parts.at(1)),
        .output = try python.contents(try parts.at(2)),
        .detail = try python.text_of(try parts.at(3)),
    };
}

/// wasm_terms() -> (packed terms, lowest address of the stack, whether there is a deadline, answers to wasm_program or
/// None), or None to refuse
fn terms(context: *anyopaque) Error!host_of.WasmTerms {
    const self = Context.asking(context);
    const answer = try call(self.helper, .wasm_terms, [_]*Object{});
    errdefer python.drop(answer);
    if (python.is_none(answer)) return error.Refused;
    const parts = try python.sequence(answer);
    if (parts.size != 4) return error.Refused;
    const programs = try parts.at(3);
    const told: host_of.WasmTerms = .{
        .packed_terms = try python.contents(try parts.at(0)),
        .stack_low = try python.size_of(try parts.at(1)),
        .has_deadline = try python.is_true(try parts.at(2)),
    };
    try self.held.append(memory.allocator(), answer);
    if (python.is(programs, .dict)) self.programs = programs;
    return told;
}

/// wasm_program(address), where no kept answer will do.
fn program(context: *anyopaque, address: *const Address, code_hash: *const host_of.Hash) Error!host_of.Program {
    const self = Context.asking(context);
    if (try kept_program(self, code_hash)) |kept| return kept;
    const answer = try call_with_address(self.helper, .wasm_program, address);
    errdefer python.drop(answer);
    return if (python.is_none(answer)) error.Refused else program_of(answer);
}

fn kept_program(self: *Context, code_hash: *const host_of.Hash) Error!?host_of.Program {
    const programs = self.programs orelse return null;
    const key = try python.bytes(code_hash);
    defer python.drop(key);
    const answer = (try python.value_in(programs, key)) orelse return null;
    const kept = try program_of(answer);
    if (@atomicLoad(i64, kept.heat, .monotonic) >= kept.most_heat) return null;
    _ = python.keep(answer);
    return kept;
}

/// Of (program, facts), which keeps it alive. facts: binding, engine, template, whether it has a memory, initial pages,
/// entry gas, address of its heat, most heat.
fn program_of(answer: *Object) Error!host_of.Program {
    const parts = try python.sequence(answer);
    if (parts.size != 2) return error.Refused;
    const facts = try python.sequence(try parts.at(1));
    if (facts.size != 8) return error.Refused;
    return .{
        .engine = try pointer(wasmtime.Engine, try facts.at(1)),
        .template = try pointer(wasmtime.Template, try facts.at(2)),
        .has_memory = try python.is_true(try facts.at(3)),
        .initial_pages = try python.size_of(try facts.at(4)),
        .entry_gas = try python.size_of(try facts.at(5)),
        .heat = try pointer(i64, try facts.at(6)),
        .most_heat = std.math.cast(i64, try python.size_of(try facts.at(7))) orelse return error.Refused,
        .handle = answer,
    };
}

fn pointer(comptime T: type, object: *Object) Error!*T {
    const address = try python.size_of(object);
    return if (address == 0) error.Refused else @ptrFromInt(address);
}

fn drop_program(context: *anyopaque, dropped: *const host_of.Program) void {
    hold(context);
    python.drop(@ptrCast(@alignCast(dropped.handle)));
}

fn print(context: *anyopaque, text: []const u8) Error!void {
    python.drop(try call(Context.asking(context).helper, .print, [_]*Object{try python.bytes(text)}));
}

fn look(context: *anyopaque) Error!void {
    const self = Context.of(context);
    if (!self.lock.wants_look()) return;
    python.drop(try call(self.helper, .look, [_]*Object{}));
    self.lock.looked();
}

fn bound(context: *anyopaque, size: usize, most: usize) Error!void {
    if (size <= most) return;
    const self = Context.asking(context);
    const arguments = try python.all(2, .{ python.integer(size), python.integer(most) });
    python.drop(try call(self.helper, .bound, arguments));
}
