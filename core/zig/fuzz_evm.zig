//! Random programs on the machine, over a world of a few accounts that is made up as it is asked for.
//!
//! What is checked: no gas comes from nowhere, no wei either; a failed run leaves nothing; the same again ends the same;
//! the host's refusals and exceptions, and a lack of memory, end the run; who watches sees each frame begin and end.

const std = @import("std");
const codes = @import("code.zig");
const forks = @import("forks.zig");
const host = @import("host.zig");
const keccak = @import("keccak.zig");
const machines = @import("machine.zig");
const places = @import("places.zig");
const states = @import("state.zig");
const watches = @import("watch.zig");
const Error = @import("errors.zig").Error;

const Allocator = std.mem.Allocator;
const Random = std.Random;
const Word = host.Word;
const WrongError = Error || error{Wrong};

const accounts_of_a_world = 6;
const most_code = 400;

/// Accounts 1 to 9 are precompiles, and 0x20 and those after it have code.
const World = struct {
    seed: u64,
    codes: [accounts_of_a_world][most_code]u8,
    sizes: [accounts_of_a_world]usize,
    /// Looks and bounds that go well; the next one raises.
    patience: usize,
    precompile_output: [96]u8 = undefined,

    const first_with_code = 0x20;

    fn make(random: Random) World {
        var world: World = .{ .seed = random.int(u64), .codes = undefined, .sizes = undefined, .patience = std.math.maxInt(usize) };
        if (random.uintLessThan(u8, 16) == 0) world.patience = random.uintLessThan(usize, 6);
        for (&world.codes, &world.sizes) |*code, *size| size.* = write_program(random, code);
        // one that delegates to another one (EIP-7702)
        if (random.boolean()) {
            const target = address_of(first_with_code + random.uintLessThan(u8, accounts_of_a_world));
            world.codes[1][0..23].* = "\xef\x01\x00".* ++ target;
            world.sizes[1] = 23;
        }
        return world;
    }

    fn of(context: *anyopaque) *World {
        return @ptrCast(@alignCast(context));
    }

    /// A number that the seed, and what is asked for, decide.
    fn draw(self: *const World, data: []const u8) u64 {
        return std.hash.Wyhash.hash(self.seed, data);
    }

    fn program(self: *const World, address: *const host.Address) ?[]const u8 {
        for (0..accounts_of_a_world) |index| {
            if (!std.mem.eql(u8, address, &address_of(first_with_code + @as(u8, @intCast(index))))) continue;
            return self.codes[index][0..self.sizes[index]];
        }
        return null;
    }
};

fn address_of(value: u8) host.Address {
    var address: host.Address = @splat(0);
    address[19] = value;
    return address;
}

const Ask = struct {
    fn account(context: *anyopaque, address: *const host.Address) Error!?host.Fields {
        const world = World.of(context);
        const drawn = world.draw(address);
        if (world.program(address)) |content| {
            return .{ .nonce = if (drawn % 8 == 0) std.math.maxInt(u64) else 1, .balance = drawn % 100, .code_hash = keccak.hash(content) };
        }
        if (drawn % 2 == 0) return null;
        const balance: Word = if (drawn % 16 == 1) std.math.maxInt(Word) - 3 else drawn % 5;
        return .{ .nonce = drawn / 16 % 2, .balance = balance, .code_hash = states.empty_hash };
    }

    /// Of any account that may have a slot, as of a state: a slot that is set is storage.
    fn has_storage(context: *anyopaque, address: *const host.Address) Error!bool {
        return !is_blank(World.of(context).draw(address));
    }

    fn is_blank(drawn: u64) bool {
        return drawn / 16 % 4 == 0;
    }

    fn first_storage(context: *anyopaque, address: *const host.Address, slot: Word) Error!host.FirstSlot {
        return .{ .value = try storage(context, address, slot), .is_blank = is_blank(World.of(context).draw(address)) };
    }

    fn storage(context: *anyopaque, address: *const host.Address, slot: Word) Error!Word {
        if (is_blank(World.of(context).draw(address))) return 0;
        const key: [52]u8 = address.* ++ @as([32]u8, @bitCast(slot));
        const drawn = World.of(context).draw(&key);
        return if (drawn % 2 == 0) 0 else drawn % 4;
    }

    fn code(context: *anyopaque, address: *const host.Address) Error![]const u8 {
        return World.of(context).program(address) orelse error.Refused;
    }

    fn is_warm(context: *anyopaque, address: *const host.Address) Error!bool {
        return World.of(context).draw(address) % 3 == 0;
    }

    fn is_warm_slot(context: *anyopaque, address: *const host.Address, slot: Word) Error!bool {
        const key: [52]u8 = address.* ++ @as([32]u8, @bitCast(slot));
        return World.of(context).draw(&key) % 3 == 0;
    }

    fn hold(_: *anyopaque) void {}

    fn let_go(_: *anyopaque) void {}

    fn terms(_: *anyopaque) Error!host.WasmTerms {
        return error.Refused;
    }

    fn wasm_program(_: *anyopaque, _: *const host.Address, _: *const host.Hash) Error!host.Program {
        return error.Refused;
    }

    fn drop_program(_: *anyopaque, _: *const host.Program) void {}

    fn print(_: *anyopaque, _: []const u8) Error!void {
        return error.Refused;
    }

    fn block_hash(context: *anyopaque, number: Word) Error!Word {
        return World.of(context).draw(&@as([32]u8, @bitCast(number)));
    }

    fn precompile(context: *anyopaque, call: *const host.PrecompileCall) Error!host.PrecompileAnswer {
        const world = World.of(context);
        const drawn = world.draw(call.data);
        if (drawn % 32 == 0) return error.Refused;
        if (drawn % 5 == 0) return .{ .status = .precompile, .gas_left = 0, .output = "", .detail = "no point" };
        const output = world.precompile_output[0 .. drawn % 97];
        @memset(output, @truncate(drawn));
        return .{ .status = .success, .gas_left = call.gas / 2, .output = output };
    }

    fn look(context: *anyopaque) Error!void {
        const world = World.of(context);
        if (world.patience == 0) return error.Raised;
        world.patience -= 1;
    }

    fn bound(context: *anyopaque, _: usize, _: usize) Error!void {
        return look(context);
    }
};

const table: host.Table = .{
    .account = Ask.account,
    .has_storage = Ask.has_storage,
    .first_storage = Ask.first_storage,
    .storage = Ask.storage,
    .code = Ask.code,
    .is_warm = Ask.is_warm,
    .is_warm_slot = Ask.is_warm_slot,
    .hold = Ask.hold,
    .let_go = Ask.let_go,
    .terms = Ask.terms,
    .program = Ask.wasm_program,
    .drop_program = Ask.drop_program,
    .print = Ask.print,
    .block_hash = Ask.block_hash,
    .precompile = Ask.precompile,
    .look = Ask.look,
    .bound = Ask.bound,
};

// Programs -------------------------------------------------------------------------------------------------------

const Writer = struct {
    random: Random,
    buffer: []u8,
    size: usize = 0,
    /// The newest jump destination.
    target: ?usize = null,

    fn room(self: *const Writer) usize {
        return self.buffer.len - self.size;
    }

    fn op(self: *Writer, opcode: u8) void {
        if (self.room() == 0) return;
        self.buffer[self.size] = opcode;
        self.size += 1;
    }

    fn push(self: *Writer, value: u64) void {
        const length: u8 = if (value < 0x100) 1 else if (value < 0x10000) 2 else 8;
        self.op(0x5f + length);
        var left = length;
        while (left > 0) {
            left -= 1;
            self.op(@truncate(value >> @intCast(8 * left)));
        }
    }

    /// A word of any kind: near an edge, short, or long.
    fn push_any(self: *Writer) void {
        const random = self.random;
        switch (random.uintLessThan(u8, 6)) {
            0 => self.push(random.uintLessThan(u8, 4)),
            1 => self.push(random.int(u16)),
            2 => {
                self.push(0);
                self.op(0x19); // NOT
            },
            3 => {
                const size = 1 + random.uintLessThan(u8, 32);
                self.op(0x5f + size);
                for (0..size) |_| self.op(random.int(u8));
            },
            4 => self.push(@as(u64, 1) << random.int(u6)),
            else => self.op(0x59 + random.uintLessThan(u8, 2)), // MSIZE, GAS
        }
    }

    fn memory_place(self: *Writer) void {
        const random = self.random;
        self.push(if (random.uintLessThan(u8, 12) == 0) random.int(u24) else random.uintLessThan(u16, 300));
    }

    fn call(self: *Writer) void {
        const random = self.random;
        const opcodes = [_]u8{ 0xf1, 0xf2, 0xf4, 0xfa };
        const opcode = opcodes[random.uintLessThan(usize, opcodes.len)];
        for (0..4) |_| self.memory_place();
        if (opcode < 0xf4) self.push(random.uintLessThan(u8, 3));
        self.push(if (random.boolean()) World.first_with_code + random.uintLessThan(u8, accounts_of_a_world + 1) else random.uintLessThan(u8, 12));
        if (random.boolean()) self.op(0x5a) else self.push(random.int(u16));
        self.op(opcode);
    }

    /// Creation code that is a piece of this code, or returns some memory.
    fn creation(self: *Writer) void {
        const random = self.random;
        self.push(random.uintLessThan(u16, 300));
        self.push(random.uintLessThan(u8, 40));
        self.push(0);
        self.op(0x39); // CODECOPY
        const is_salted = random.boolean();
        if (is_salted) self.push(random.uintLessThan(u8, 2));
        self.push(random.uintLessThan(u16, 300));
        self.push(0);
        self.push(random.uintLessThan(u8, 2));
        self.op(if (is_salted) 0xf5 else 0xf0);
    }

    /// A jump to a destination that is there, or, sometimes, anywhere.
    fn jump(self: *Writer) void {
        const random = self.random;
        const is_wild = self.target == null or random.uintLessThan(u8, 16) == 0;
        self.push_any();
        self.push(if (is_wild) random.uintLessThan(u16, most_code) else self.target.?);
        self.op(if (is_wild or random.uintLessThan(u8, 4) > 0) 0x57 else 0x56);
    }

    fn piece(self: *Writer) void {
        const random = self.random;
        switch (random.uintLessThan(u8, 24)) {
            0...5 => self.push_any(),
            6 => {
                self.target = self.size;
                self.op(0x5b);
            },
            7 => self.jump(),
            8...10 => self.call(),
            11 => self.creation(),
            12, 13 => {
                if (random.boolean()) self.push_any();
                self.memory_place();
                self.op(0x51 + random.uintLessThan(u8, 3));
            },
            14 => {
                self.push(random.uintLessThan(u8, 3));
                self.push(random.uintLessThan(u8, 3));
                const opcodes = [_]u8{ 0x54, 0x55, 0x5c, 0x5d };
                self.op(opcodes[random.uintLessThan(usize, opcodes.len)]);
            },
            15 => {
                for (0..3) |_| self.memory_place();
                const opcodes = [_]u8{ 0x37, 0x39, 0x3e, 0x5e, 0x20, 0xa1, 0xf3, 0xfd };
                self.op(opcodes[random.uintLessThan(usize, opcodes.len)]);
            },
            16, 17 => self.op(0x80 + random.uintLessThan(u8, 32)),
            18 => {
                self.push(World.first_with_code + random.uintLessThan(u8, 8));
                const opcodes = [_]u8{ 0x31, 0x3b, 0x3f, 0x40, 0x49, 0xff };
                self.op(opcodes[random.uintLessThan(usize, if (random.uintLessThan(u8, 4) == 0) opcodes.len else 5)]);
            },
            19 => if (random.uintLessThan(u8, 8) == 0) self.op(random.int(u8)) else self.op(0x30 + random.uintLessThan(u8, 0x1b)),
            else => {
                self.push_any();
                self.push_any();
                self.op(0x01 + random.uintLessThan(u8, 0x1e));
            },
        }
    }
};

fn write_program(random: Random, buffer: []u8) usize {
    var writer: Writer = .{ .random = random, .buffer = buffer[0 .. 1 + random.uintLessThan(usize, buffer.len)] };
    for (0..random.uintLessThan(usize, 17)) |_| writer.push(random.uintLessThan(u16, 400));
    while (writer.room() > 0) writer.piece();
    return writer.size;
}

// Runs -----------------------------------------------------------------------------------------------------------

const Summary = struct { status: host.Status, gas_left: u64, output: u64, wei_before: u512, wei_after: u512, changes: usize };

fn summarize(world: *World, state: *const states.State, result: *const host.Result) Error!Summary {
    var before: u512 = 0;
    var after: u512 = 0;
    for (state.accounts.items) |entry| {
        if (!entry.is_loaded) continue;
        if (try Ask.account(world, &entry.address)) |fields| before += fields.balance;
        if (entry.held) |held| after += held.balance;
    }
    return .{
        .status = result.status,
        .gas_left = result.gas_left,
        .output = std.hash.Wyhash.hash(1, result.output),
        .wei_before = before,
        .wei_after = after,
        .changes = state.record().length,
    };
}

const precompile_entries: [9 * 21]u8 = blk: {
    var entries: [9 * 21]u8 = undefined;
    for (1..10) |number| entries[21 * (number - 1) ..][0..21].* = address_of(number) ++ [1]u8{number};
    break :blk entries;
};

/// watched: with a record of frames. after_another: on the state on which the same message ran before, and was undone.
const Way = enum { alone, watched, after_another };

fn run_once(memory: Allocator, world: *World, block: *const host.Block, message: *const host.Message, way: Way) WrongError!Summary {
    var arena: std.heap.ArenaAllocator = .init(memory);
    defer arena.deinit();
    var state: states.State = .{ .memory = arena.allocator(), .host = .{ .context = world, .table = &table } };
    defer state.deinit();
    var machine: machines.Machine = .init(memory);
    defer machine.deinit();
    var watch: watches.Watch = .{ .memory = arena.allocator(), .limit = 1 << 30, .wants_logs = true, .wants_looks = true };
    if (way == .watched) machine.watch = &watch;
    const transaction: host.Transaction = .{ .origin = address_of(1), .gas_price = 1, .blob_hashes = &.{@splat(1)} };
    if (way == .after_another) {
        _ = try machines.run(&machine, &state, block, &transaction, message);
        state.discard(.start);
        state.begin_transaction();
    }
    const result = try machines.run(&machine, &state, block, &transaction, message);
    if (way == .watched) try check_frames(&watch, message.gas - result.gas_left);
    return summarize(world, &state, &result);
}

/// Each frame lies within the one around it, and the outermost one has used the gas.
fn check_frames(watch: *const watches.Watch, gas_used: u64) WrongError!void {
    var depth: u16 = 0;
    for (watch.events.items, 0..) |*event, place| switch (event.*) {
        .enter => |*enter| {
            if (enter.depth != depth or (depth == 0 and place != 0)) return error.Wrong;
            depth += 1;
        },
        .exit => |*exit| {
            if (depth == 0 or (depth == 1 and exit.gas_used != gas_used)) return error.Wrong;
            depth -= 1;
        },
        .log, .look => if (depth == 0) return error.Wrong,
    };
    if (depth != 0) return error.Wrong;
}

fn random_block(random: Random) Error!host.Block {
    return .{
        .fork = if (random.boolean()) forks.count - 1 else random.uintLessThan(u8, forks.count),
        .coinbase = address_of(0xcb),
        .number = 300,
        .timestamp = random.int(u32),
        .gas_limit = 30_000_000,
        .base_fee = 7,
        .prev_randao = random.int(Word),
        .difficulty = 2,
        .blob_base_fee = 1,
        .chain_id = 1,
        .code_size_limit = if (random.uintLessThan(u8, 8) == 0) 64 else null,
        .precompiles = try .of(&precompile_entries),
        .has_wasm = random.boolean(),
    };
}

/// MODEXP's input: operands of any sizes up to its limit, with long runs of equal bytes.
fn write_powers(random: Random, buffer: []u8) void {
    random.bytes(buffer);
    @memset(buffer[0..96], 0);
    for (0..3) |index| {
        const size = if (random.uintLessThan(u8, 16) == 0) random.uintLessThan(u16, 1100) else random.uintLessThan(u16, 140);
        std.mem.writeInt(u16, buffer[32 * index + 30 ..][0..2], size, .big);
    }
    for (0..random.uintLessThan(usize, 4)) |_| {
        const from = 96 + random.uintLessThan(usize, buffer.len - 96);
        const to = from + random.uintAtMost(usize, buffer.len - from);
        @memset(buffer[from..to], if (random.boolean()) 0 else 0xff);
    }
}

pub fn fuzz(random: Random, memory: Allocator) WrongError!void {
    codes.start(memory, random.int(u64));
    defer codes.cache.deinit();
    if (random.boolean()) codes.cache.limit = 1_000;
    places.start(random.int(u64));
    var world: World = .make(random);
    const block = try random_block(random);
    const gas: u64 = if (random.uintLessThan(u8, 64) == 0) 3_000_000 else random.uintLessThan(u64, 150_000);
    const is_creation = random.uintLessThan(u8, 8) == 0;
    const is_power = !is_creation and random.uintLessThan(u8, 8) == 0;
    const called: u8 = if (is_power) 5 else World.first_with_code + random.uintLessThan(u8, accounts_of_a_world);
    const target = address_of(if (is_creation) 0xcc else called);
    var data: [600]u8 = undefined;
    if (is_power) write_powers(random, &data) else random.bytes(&data);
    const message: host.Message = .{
        .kind = if (is_creation) .create else .call,
        .gas = gas,
        .sender = address_of(World.first_with_code + 5),
        .storage_address = target,
        .code_address = target,
        .target = target,
        .value = random.uintLessThan(u8, 2),
        .data = if (is_creation) "" else if (is_power) &data else data[0..70],
        .code = if (is_creation) world.codes[0][0..world.sizes[0]] else "",
        .is_static = !is_creation and random.uintLessThan(u8, 8) == 0,
    };
    const patience = world.patience;
    const first = run_once(memory, &world, &block, &message, .alone) catch |failure| switch (failure) {
        error.Refused => return,
        error.Raised => return if (patience == std.math.maxInt(usize)) error.Wrong else {},
        error.OutOfMemory, error.Wrong => return failure,
    };
    if (first.gas_left > gas or first.wei_after > first.wei_before) return error.Wrong;
    if (first.status != .success and (first.changes != 0 or first.wei_after != first.wei_before)) return error.Wrong;
    world.patience = patience;
    const again = try run_once(memory, &world, &block, &message, .watched);
    if (!std.meta.eql(first, again)) return error.Wrong;
    world.patience = patience;
    const after = run_once(memory, &world, &block, &message, .after_another) catch |failure| switch (failure) {
        // two runs look at the clock twice as often
        error.Raised => return if (patience == std.math.maxInt(usize)) error.Wrong else {},
        else => return failure,
    };
    if (!std.meta.eql(first, after)) return error.Wrong;
}
