//! A run of a WebAssembly module as the core's host functions see it: its memory, its ink, what its host keeps, its end.
//!
//! Between two host calls the memory may have grown: it is looked at again for what lies beyond its size. After a question
//! to the host, which may take ink, the ink is read again.

const std = @import("std");
const keccak = @import("keccak.zig");
const wasmtime = @import("wasmtime.zig");
const Storage = @import("wasm_storage.zig").Storage;

const api = &wasmtime.api;

/// The run stops: `end` says how.
pub const Failure = error{Stopped};

pub const ink_per_gas = 10_000;

/// HostPrices of chain/zvm/price_table.py, what is paid beyond fixed prices; ink, but for `_gas`.
pub const Prices = extern struct {
    read_byte: u64,
    write_byte: u64,
    keccak_word: u64,
    power_byte: u64,
    storage_miss_gas: u64,
    read_tiers: [tier_count]Tier,
    write_tiers: [tier_count]Tier,

    pub const tier_count = 2;
    pub const Tier = extern struct { past: u64, gas: u64 };

    const free_bytes = 32;

    pub fn read(self: *const Prices, length: u64) u64 {
        return self.read_byte * (length -| free_bytes);
    }

    pub fn write(self: *const Prices, length: u64) u64 {
        return self.write_byte * (length -| free_bytes);
    }

    pub fn keccak(self: *const Prices, length: u64) u64 {
        return self.keccak_word * (((length + 31) / 32) -| 2);
    }
};

/// How a host function stopped the run; the numbers are those of the texts in chain/zvm/host/native.py.
pub const End = union(enum(u8)) {
    none,
    exited: u32,
    out_of_ink: struct { price: u64, left: u64 },
    too_little_gas: struct { gas: u64, left: u64 },
    out_of_bounds: struct { end: u64, size: u64 },
    /// A trap, or more memory than the chain allows, of which the machine has the text.
    trapped,
    out_of_pages,
    /// The host's answer to a question was none: it keeps the reason.
    raised,
};

/// What the call, the transaction, the block and the chain tell, in the order of VALUES in
/// chain/zvm/host/functions/environment.py.
pub const Name = enum(u8) {
    chainid,
    block_gas_limit,
    block_number,
    block_timestamp,
    block_basefee,
    block_coinbase,
    contract_address,
    msg_sender,
    msg_value,
    tx_gas_price,
    tx_origin,
    blobbasefee,
    prevrandao,
    is_constructing,
    code_address,
};
pub const name_count = std.enums.values(Name).len;

/// Asked for what a run does not know itself. Each may be slow: it may wait for Python.
pub const Host = struct {
    /// A number, or 32 bytes at most.
    value: *const fn (*Frame, Name) Failure!Known,
    /// Keep an output that is too long for the frame.
    keep_output: *const fn (*Frame, []const u8) Failure!void,
    /// The slot's value in the state, paid for.
    load: *const fn (*Frame, *const [32]u8) Failure![32]u8,
    /// Write slots to the state, in this order, paid for.
    store: *const fn (*Frame, []const Storage.Write) Failure!void,
    /// Take the storage cache: there is no room for it here.
    take_storage: *const fn (*Frame) Failure!void,
    /// Storage functions of a frame whose cache the host has.
    load_through: *const fn (*Frame, u32, u32) Failure!void,
    cache_through: *const fn (*Frame, u32, u32) Failure!void,
    flush_through: *const fn (*Frame, u32) Failure!void,
};

pub const Known = struct {
    number: u64 = 0,
    content: [32]u8 = undefined,
    size: u8 = 0,
};

/// A brief run may work for so much ink as the module counts down. Where the work is done elsewhere, in the state and in
/// other frames, the ink comes from outside, and a clock is looked at. outside: ink that waits. unused: work beyond
/// the frame's ink.
pub const Share = struct { outside: u64, unused: u64 };

pub const Frame = struct {
    host: *const Host,
    /// For the storage cache.
    allocator: std.mem.Allocator,
    ink: *const wasmtime.Item,
    /// Of a brief run, which others wait for.
    share: ?Share = null,
    /// Null where the module has none.
    memory: ?*const wasmtime.Item,
    prices: Prices,
    data: []const u8,
    end: End = .none,
    storage: Storage = .{},
    /// As it was when it was looked at: it stays at its place (memory_may_move of chain/zvm/runtime/engine.py), and grows.
    known_memory: []u8 = &.{},
    /// Set for the time of a host call.
    context: *wasmtime.Context = undefined,
    known: [name_count]?Known = @splat(null),
    output_size: ?u8 = null,
    output: [short_output]u8 = undefined,

    pub const short_output = 128;

    pub fn stop(self: *Frame, end: End) Failure {
        self.end = end;
        return error.Stopped;
    }

    /// The frame's memory from a place on.
    pub fn span(self: *Frame, pointer: u32, length: u64) Failure![]u8 {
        const end = pointer + length;
        if (end > self.known_memory.len) try self.look_at_memory(end);
        return self.known_memory[pointer..][0..@intCast(length)];
    }

    /// It must reach to `end`.
    fn look_at_memory(self: *Frame, end: u64) Failure!void {
        if (self.memory) |memory| {
            const size = api.memory_size(self.context, memory);
            if (size > 0) self.known_memory = (api.memory_data(self.context, memory) orelse unreachable)[0..size];
        }
        const size = self.known_memory.len;
        if (end > size) return self.stop(.{ .out_of_bounds = .{ .end = end, .size = size } });
    }

    pub fn word_bytes(self: *Frame, pointer: u32) Failure!*[32]u8 {
        return (try self.span(pointer, 32))[0..32];
    }

    pub fn put(self: *Frame, pointer: u32, content: []const u8) Failure!void {
        @memcpy(try self.span(pointer, content.len), content);
    }

    pub fn ink_left(self: *Frame) u64 {
        return self.ink_inside() + if (self.share) |*share| share.outside else 0;
    }

    /// What the module counts down.
    fn ink_inside(self: *Frame) u64 {
        var ink: wasmtime.Value = .{ .kind = wasmtime.Value.kind_i64, .content = 0 };
        api.global_get(self.context, self.ink, &ink);
        return @bitCast(ink.content);
    }

    fn set_ink(self: *Frame, ink: u64) void {
        const left: wasmtime.Value = .{ .kind = wasmtime.Value.kind_i64, .content = @bitCast(ink) };
        // of a mutable global of that type
        std.debug.assert(api.global_set(self.context, self.ink, &left) == null);
    }

    /// What a brief run may still work, in ink.
    pub fn work_left(self: *Frame) u64 {
        return self.ink_inside() + self.share.?.unused;
    }

    /// Go on with this ink. work: of a brief run, what it may still work.
    pub fn go_on(self: *Frame, ink: u64, work: u64) void {
        const share = if (self.share) |*share| share else return self.set_ink(ink);
        const inside = @min(ink, work);
        share.* = .{ .outside = ink - inside, .unused = work - inside };
        self.set_ink(inside);
    }

    /// Debit ink; where it does not suffice, the rest is consumed.
    pub fn charge(self: *Frame, price: u64) Failure!void {
        if (price == 0) return;
        const left = self.ink_inside();
        self.set_ink(left -| price);
        if (left >= price) return;
        const share = if (self.share) |*share| share.outside else 0;
        // too long for a brief run: another thread begins it again
        if (left + share >= price) return self.stop(.raised);
        return self.stop(.{ .out_of_ink = .{ .price = price, .left = left + share } });
    }

    pub fn charge_gas(self: *Frame, gas: u64) Failure!void {
        return self.charge(gas * ink_per_gas);
    }

    /// Stop unless this much gas remains; nothing is charged.
    pub fn require_gas(self: *Frame, gas: u64) Failure!void {
        const left = self.ink_left();
        if (left < gas * ink_per_gas) return self.stop(.{ .too_little_gas = .{ .gas = gas, .left = left / ink_per_gas } });
    }

    /// A value of the environment, asked for once.
    pub fn value(self: *Frame, name: Name) Failure!*const Known {
        const place = &self.known[@intFromEnum(name)];
        if (place.* == null) place.* = try self.host.value(self, name);
        return &place.*.?;
    }

    pub fn set_output(self: *Frame, content: []const u8) Failure!void {
        if (content.len > short_output) {
            self.output_size = null;
            return self.host.keep_output(self, content);
        }
        @memcpy(self.output[0..content.len], content);
        self.output_size = @intCast(content.len);
    }

    pub fn hash(self: *Frame, pointer: u32, length: u32) Failure![32]u8 {
        return keccak.hash(try self.span(pointer, length));
    }
};
