//! The storage cache of a WebAssembly run: slots as the contract sees them, and as the state has them where that is known.
//! What storage functions cost and refuse is chain/zvm/host/functions/state.py's, and so is the order.

const std = @import("std");
const frames = @import("wasm_frame.zig");
const Places = @import("places.zig").Places;

const Failure = frames.Failure;
const Frame = frames.Frame;
const Prices = frames.Prices;

const Bytes = [32]u8;

/// Gas that must be left to write into the cache, and to flush it: CACHE_WRITE_GAS_LEFT, STIPEND_GAS + 1.
const cache_gas_left = 2_310;
const flush_gas_left = 2_301;

/// Slots of one run that are kept here. With more of them the host has the cache.
const most_slots = 1 << 16;

pub const Slot = struct {
    key: Bytes,
    value: Bytes,
    /// What the state has; null where it was not asked.
    stored: ?Bytes = null,
    is_written: bool = false,
};

pub const Storage = struct {
    slots: std.ArrayList(Slot) = .empty,
    places: Places(Bytes) = .empty,
    /// Places of slots written since the last flush, in order.
    written: std.ArrayList(u32) = .empty,
    loads: u64 = 0,
    writes: u64 = 0,
    /// Whether the host has the cache.
    is_away: bool = false,

    pub const Write = struct { key: Bytes, value: Bytes };

    pub fn deinit(self: *Storage, allocator: std.mem.Allocator) void {
        self.slots.deinit(allocator);
        self.places.deinit(allocator);
        self.written.deinit(allocator);
    }

    pub fn load(self: *Storage, frame: *Frame, key_pointer: u32, target: u32) Failure!void {
        if (self.is_away) return frame.host.load_through(frame, key_pointer, target);
        const key = (try frame.word_bytes(key_pointer)).*;
        const value, const gas = if (self.places.get(key)) |place| found: {
            const gas = tier_gas(&frame.prices.read_tiers, self.loads);
            self.loads += 1;
            break :found .{ self.slots.items[place].value, gas };
        } else missed: {
            const place = self.add(frame.allocator, key) catch {
                try frame.host.take_storage(frame);
                return frame.host.load_through(frame, key_pointer, target);
            };
            const gas = tier_gas(&frame.prices.read_tiers, self.loads) + frame.prices.storage_miss_gas;
            self.loads += 1;
            const value = try frame.host.load(frame, &key);
            const slot = &self.slots.items[place];
            slot.value = value;
            slot.stored = value;
            break :missed .{ value, gas };
        };
        try frame.charge_gas(gas);
        try frame.put(target, &value);
    }

    pub fn cache(self: *Storage, frame: *Frame, key_pointer: u32, value_pointer: u32) Failure!void {
        if (self.is_away) return frame.host.cache_through(frame, key_pointer, value_pointer);
        try frame.require_gas(cache_gas_left);
        const key = (try frame.word_bytes(key_pointer)).*;
        const value = (try frame.word_bytes(value_pointer)).*;
        const place = self.place_to_write(frame.allocator, key) catch {
            try frame.host.take_storage(frame);
            return frame.host.cache_through(frame, key_pointer, value_pointer);
        };
        const gas = tier_gas(&frame.prices.write_tiers, self.writes);
        self.writes += 1;
        try frame.charge_gas(gas);
        const slot = &self.slots.items[place];
        slot.value = value;
        if (slot.is_written) return;
        slot.is_written = true;
        self.written.appendAssumeCapacity(place);
    }

    pub fn flush(self: *Storage, frame: *Frame, clears: bool) Failure!void {
        if (self.is_away) return frame.host.flush_through(frame, @intFromBool(clears));
        try frame.require_gas(flush_gas_left);
        if (self.written.items.len > 0) try self.store(frame, clears);
        if (self.is_away or !clears) return;
        self.slots.clearRetainingCapacity();
        self.places.clearRetainingCapacity();
    }

    fn store(self: *Storage, frame: *Frame, clears: bool) Failure!void {
        const allocator = frame.allocator;
        var changed = std.ArrayList(Write).initCapacity(allocator, self.written.items.len) catch {
            try frame.host.take_storage(frame);
            return frame.host.flush_through(frame, @intFromBool(clears));
        };
        defer changed.deinit(allocator);
        for (self.written.items) |place| {
            const slot = &self.slots.items[place];
            if (slot.stored) |*stored| if (std.mem.eql(u8, stored, &slot.value)) continue;
            changed.appendAssumeCapacity(.{ .key = slot.key, .value = slot.value });
        }
        if (changed.items.len > 0) try frame.host.store(frame, changed.items);
        for (self.written.items) |place| {
            const slot = &self.slots.items[place];
            slot.stored = slot.value;
            slot.is_written = false;
        }
        self.written.clearRetainingCapacity();
    }

    /// A new slot, whose value is to be set at once.
    fn add(self: *Storage, allocator: std.mem.Allocator, key: Bytes) error{OutOfMemory}!u32 {
        if (self.slots.items.len == most_slots) return error.OutOfMemory;
        try self.slots.ensureUnusedCapacity(allocator, 1);
        const place: u32 = @intCast(self.slots.items.len);
        try self.places.put(allocator, key, place);
        self.slots.appendAssumeCapacity(.{ .key = key, .value = undefined });
        return place;
    }

    /// The slot of a key, with room to note that it was written.
    fn place_to_write(self: *Storage, allocator: std.mem.Allocator, key: Bytes) error{OutOfMemory}!u32 {
        try self.written.ensureUnusedCapacity(allocator, 1);
        return self.places.get(key) orelse self.add(allocator, key);
    }
};

fn tier_gas(tiers: *const [Prices.tier_count]Prices.Tier, count: u64) u64 {
    var gas: u64 = 0;
    for (tiers) |tier| {
        if (count < tier.past) break;
        gas = tier.gas;
    }
    return gas;
}
