//! Random RLP, tries, transactions, programs and points in the debug mode, with every leak and every wrong free told; no Python.
//! verification/core/run.py compiles and starts it, on Linux:  fuzz SECONDS SEED
//!
//! What is checked: what is accepted is canonical; a trie gives back what was put in, and the root of the same contents
//! made at once; damaged nodes, damaged transactions and a lack of memory end in an error.

const std = @import("std");
const Error = @import("errors.zig").Error;
const fuzz_bn254 = @import("fuzz_bn254.zig");
const fuzz_evm = @import("fuzz_evm.zig");
const keccak = @import("keccak.zig");
const lookup = @import("trie_lookup.zig");
const memory = @import("memory.zig");
const nibbles = @import("nibbles.zig");
const ordered = @import("ordered.zig");
const rlp = @import("rlp.zig");
const simulated = @import("simulated.zig");
const transactions = @import("transaction.zig");
const trie = @import("trie_update.zig");

const Random = std.Random;
const WrongError = Error || error{Wrong};

fn check(holds: bool) error{Wrong}!void {
    if (!holds) return error.Wrong;
}

fn now() u64 {
    var time: std.os.linux.timespec = undefined;
    _ = std.os.linux.clock_gettime(.MONOTONIC, &time);
    return @as(u64, @intCast(time.sec)) * std.time.ns_per_s + @as(u64, @intCast(time.nsec));
}

/// Change, cut, or lengthen some bytes.
fn damage(random: Random, buffer: []u8, size: usize) usize {
    var result = size;
    for (0..1 + random.uintLessThan(usize, 3)) |_| {
        if (result == 0) return 0;
        const place = random.uintLessThan(usize, result);
        switch (random.uintLessThan(u8, 5)) {
            0 => result = place,
            1 => buffer[place] = random.int(u8),
            2 => buffer[place] ^= @as(u8, 1) << random.int(u3),
            3 => buffer[place] +%= 1,
            else => if (result < buffer.len) {
                buffer[result] = random.int(u8);
                result += 1;
            },
        }
    }
    return result;
}

// RLP ------------------------------------------------------------------------------------------------------------

/// Write a random item into the end of a buffer; where it begins.
fn grow_item(random: Random, buffer: []u8, end: usize, depth: usize) usize {
    if (end < 64) return end;
    if (depth == 0 or random.uintLessThan(u8, 3) > 0) {
        const size = random.uintLessThan(usize, if (random.boolean()) 3 else 62);
        const room = @min(size, end - 12);
        var data: [64]u8 = undefined;
        random.bytes(data[0..room]);
        if (random.boolean()) @memset(data[0..room], random.int(u8) & 0x81);
        const start = end - rlp.string_size(data[0..room]);
        _ = rlp.write_string(buffer[start..end], data[0..room]);
        return start;
    }
    var position = end;
    for (0..random.uintLessThan(usize, 7)) |_| position = grow_item(random, buffer, position, depth - 1);
    if (position < 12) return end;
    const start = end - rlp.list_size(end - position);
    _ = rlp.write_list_header(buffer[start..], end - position);
    return start;
}

/// What is accepted must be what its parts encode to. How deep: as Python bounds it.
fn walk(encoded: []const u8, depth: usize) WrongError!void {
    const item = try rlp.item_at(encoded, 0);
    var header: [16]u8 = undefined;
    const payload = encoded[item.start..item.stop];
    if (item.is_list) {
        const size = rlp.write_list_header(&header, payload.len);
        try check(std.mem.eql(u8, header[0..size], encoded[0..item.start]));
        if (depth == 0) return error.Refused;
        var items: rlp.Items = .{ .payload = payload };
        while (try items.next()) |inner| try walk(inner, depth - 1);
    } else {
        try check(rlp.string_size(payload) == item.stop);
        try check(payload.len != 1 or payload[0] >= 0x80 or item.start == 0);
    }
}

fn fuzz_rlp(random: Random, _: std.mem.Allocator) WrongError!void {
    var buffer: [2048]u8 = undefined;
    const start = grow_item(random, &buffer, buffer.len, 5);
    const whole = buffer[start..];
    if (whole.len > 0) try walk(whole, 64);
    for (0..20) |_| {
        var damaged: [2048]u8 = undefined;
        @memcpy(damaged[0..whole.len], whole);
        const size = damage(random, &damaged, whole.len);
        walk(damaged[0..size], 64) catch |failure| if (failure == error.Wrong) return failure;
    }
}

// Tries ----------------------------------------------------------------------------------------------------------

const Held = std.AutoHashMapUnmanaged([32]u8, []const u8);

const Source = struct {
    held: *const Held,
    /// A hash whose node is given another content.
    broken: ?*const [32]u8 = null,
    content: []const u8 = "",

    pub fn get(self: Source, _: []const u8, hash: *const [32]u8) Error![]const u8 {
        if (self.broken) |name| if (std.mem.eql(u8, name, hash)) return self.content;
        return self.held.get(hash.*) orelse error.Refused;
    }
};

const Hasher = struct {
    pub fn hash_many(_: Hasher, messages: []const []const u8, digests: [][32]u8) void {
        keccak.hash_many(messages, digests);
    }
};

const keys_of_a_trie = 48;

const Model = struct {
    keys: [keys_of_a_trie][4]u8 = undefined,
    sizes: [keys_of_a_trie]usize = undefined,
    values: [keys_of_a_trie][40]u8 = undefined,
    value_sizes: [keys_of_a_trie]usize = @splat(0),

    fn key(self: *const Model, index: usize) []const u8 {
        return self.keys[index][0..self.sizes[index]];
    }

    fn value(self: *const Model, index: usize) []const u8 {
        return self.values[index][0..self.value_sizes[index]];
    }

    /// Keys with few different bytes, none of them twice.
    fn begin(self: *Model, random: Random) void {
        const widths = [_]u8{ 1, 2, 17, 255 };
        const width = widths[random.uintLessThan(usize, widths.len)];
        for (0..keys_of_a_trie) |index| {
            self.sizes[index] = random.uintLessThan(usize, 5);
            for (&self.keys[index]) |*byte| byte.* = random.uintAtMost(u8, width);
        }
    }

    fn is_first(self: *const Model, index: usize) bool {
        for (0..index) |other| if (std.mem.eql(u8, self.key(other), self.key(index))) return false;
        return true;
    }
};

fn entries_of(arena: std.mem.Allocator, model: *const Model, chosen: *const [keys_of_a_trie]bool) Error![]trie.Entry {
    var entries: std.ArrayList(trie.Entry) = .empty;
    for (0..keys_of_a_trie) |index| {
        if (!chosen[index] or !model.is_first(index)) continue;
        const path = try arena.alloc(u8, 2 * model.sizes[index]);
        nibbles.unpack(path, model.key(index));
        try entries.append(arena, .{ .path = path, .value = try arena.dupe(u8, model.value(index)) });
    }
    std.sort.pdq(trie.Entry, entries.items, {}, trie.Entry.before);
    return entries.items;
}

/// The root after changes; new nodes join those that are held, where `keep` is given.
fn changed(arena: std.mem.Allocator, source: Source, root: [32]u8, entries: []trie.Entry, keep: ?*Held) Error![32]u8 {
    if (entries.len == 0) return root;
    var builder: trie.Builder(Source) = .{ .arena = arena, .source = source };
    const is_empty = std.mem.eql(u8, &root, &ordered.empty_root);
    switch (try builder.apply(if (is_empty) null else &root, entries)) {
        .same => return root,
        .gone => return ordered.empty_root,
        .node => |top| {
            for (try trie.seal(arena, &.{top}, Hasher{})) |node| if (keep) |held| try held.put(arena, node.hash, node.raw);
            return top.hash;
        },
    }
}

fn fuzz_trie(random: Random, allocator: std.mem.Allocator) WrongError!void {
    var arena_state: std.heap.ArenaAllocator = .init(allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var held: Held = .empty;
    var model: Model = .{};
    model.begin(random);
    var root = ordered.empty_root;
    for (0..6) |_| {
        var chosen: [keys_of_a_trie]bool = undefined;
        for (&chosen, 0..) |*is_chosen, index| {
            is_chosen.* = random.uintLessThan(u8, 4) == 0 and model.is_first(index);
            if (!is_chosen.*) continue;
            model.value_sizes[index] = if (random.boolean()) 0 else 1 + random.uintLessThan(usize, 40);
            @memset(&model.values[index], random.int(u8));
        }
        root = try changed(arena, .{ .held = &held }, root, try entries_of(arena, &model, &chosen), &held);
        try compare(arena, &held, root, &model);
        try break_nodes(random, arena, &held, root, &model);
    }
}

fn compare(arena: std.mem.Allocator, held: *const Held, root: [32]u8, model: *const Model) WrongError!void {
    const all: [keys_of_a_trie]bool = @splat(true);
    const source: Source = .{ .held = held };
    try check(std.mem.eql(u8, &root, &try changed(arena, source, ordered.empty_root, try entries_of(arena, model, &all), null)));
    if (std.mem.eql(u8, &root, &ordered.empty_root)) return;
    for (0..keys_of_a_trie) |index| {
        if (!model.is_first(index)) continue;
        const found = try lookup.get(source, &root, model.key(index)) orelse "";
        try check(std.mem.eql(u8, found, model.value(index)));
    }
}

/// Work on a trie with a damaged node ends: with an answer, or with an error.
fn break_nodes(random: Random, arena: std.mem.Allocator, held: *const Held, root: [32]u8, model: *const Model) WrongError!void {
    if (held.count() == 0) return;
    for (0..4) |_| {
        var names = held.keyIterator();
        for (0..random.uintLessThan(usize, held.count())) |_| _ = names.next();
        const name = names.next() orelse return;
        var content: [640]u8 = undefined;
        const raw = held.get(name.*).?;
        @memcpy(content[0..raw.len], raw);
        const size = damage(random, &content, raw.len);
        const source: Source = .{ .held = held, .broken = name, .content = content[0..size] };
        var chosen: [keys_of_a_trie]bool = undefined;
        for (&chosen) |*is_chosen| is_chosen.* = random.uintLessThan(u8, 4) == 0;
        _ = changed(arena, source, root, try entries_of(arena, model, &chosen), null) catch |failure| try expected(failure);
        for (0..keys_of_a_trie) |index| {
            _ = lookup.get(source, &root, model.key(index)) catch |failure| try expected(failure);
        }
    }
}

fn expected(failure: Error) Error!void {
    if (failure != error.Refused) return failure;
}

// Transactions ---------------------------------------------------------------------------------------------------

fn put_random(random: Random, buffer: []u8, end: usize, size: usize) usize {
    var data: [128]u8 = undefined;
    random.bytes(data[0..size]);
    if (size > 0 and data[0] == 0) data[0] = 1;
    const start = end - rlp.string_size(data[0..size]);
    _ = rlp.write_string(buffer[start..end], data[0..size]);
    return start;
}

fn close_list(buffer: []u8, position: usize, end: usize) usize {
    const start = position - (rlp.list_size(end - position) - (end - position));
    _ = rlp.write_list_header(buffer[start..], end - position);
    return start;
}

/// Write a list of access entries, hashes or authorizations, which ends at a position.
fn put_list(random: Random, buffer: []u8, end: usize, kind: enum { access, words, authorizations }) usize {
    var position = end;
    for (0..random.uintLessThan(usize, 3)) |_| {
        const last = position;
        switch (kind) {
            .words => position = put_random(random, buffer, position, 32),
            .access => {
                position = put_list(random, buffer, position, .words);
                position = close_list(buffer, put_random(random, buffer, position, 20), last);
            },
            .authorizations => {
                for ([_]usize{ 32, 32, 1, 8, 20, 5 }) |size| position = put_random(random, buffer, position, size);
                position = close_list(buffer, position, last);
            },
        }
    }
    return close_list(buffer, position, end);
}

/// Write a transaction into the end of a buffer; where it begins.
fn put_transaction(random: Random, buffer: []u8) usize {
    const kind = random.enumValue(transactions.Kind);
    var position = buffer.len;
    for (0..2) |_| position = put_random(random, buffer, position, random.uintAtMost(usize, 32));
    position = put_random(random, buffer, position, if (kind == .legacy) 2 else random.uintAtMost(usize, 1));
    if (kind == .set_code) position = put_list(random, buffer, position, .authorizations);
    if (kind == .blob) {
        position = put_list(random, buffer, position, .words);
        position = put_random(random, buffer, position, 9);
    }
    if (kind != .legacy) position = put_list(random, buffer, position, .access);
    position = put_random(random, buffer, position, random.uintLessThan(usize, 128));
    position = put_random(random, buffer, position, random.uintAtMost(usize, 32));
    const may_create = kind != .blob and kind != .set_code;
    position = put_random(random, buffer, position, if (may_create and random.boolean()) 0 else 20);
    for (0..if (kind == .legacy or kind == .access_list) 3 else 4) |_| {
        position = put_random(random, buffer, position, random.uintAtMost(usize, 8));
    }
    if (kind != .legacy) position = put_random(random, buffer, position, random.uintAtMost(usize, 32));
    position = close_list(buffer, position, buffer.len);
    if (kind == .legacy) return position;
    buffer[position - 1] = @intFromEnum(kind);
    return position - 1;
}

fn fuzz_transactions(random: Random, allocator: std.mem.Allocator) WrongError!void {
    var buffer: [4096]u8 = undefined;
    const start = put_transaction(random, &buffer);
    const whole = buffer[start..];
    const fields = try transactions.decode(whole);
    _ = try transactions.signing_hash(allocator, &fields);
    for (0..40) |_| {
        var damaged: [4096]u8 = undefined;
        @memcpy(damaged[0..whole.len], whole);
        const size = damage(random, &damaged, whole.len);
        const found = transactions.decode(damaged[0..size]) catch |failure| {
            try expected(failure);
            continue;
        };
        _ = try transactions.signing_hash(allocator, &found);
    }
}

/// A simulated call's transaction gives its fields back, and its receipt is a list of four items.
fn fuzz_simulated(random: Random, allocator: std.mem.Allocator) WrongError!void {
    var arena: std.heap.ArenaAllocator = .init(allocator);
    defer arena.deinit();
    var data: [200]u8 = undefined;
    random.bytes(&data);
    var call: simulated.Call = .{
        .kind = if (random.boolean()) .legacy else .dynamic_fee,
        .nonce = random.int(u64) >> random.int(u6),
        .max_fee_per_gas = random.int(u256) >> random.int(u8),
        .max_priority_fee_per_gas = random.int(u256) >> random.int(u8),
        .gas_limit = random.int(u64) >> random.int(u6),
        .to = @splat(random.int(u8)),
        .value = random.int(u256) >> random.int(u8),
        .data = data[0..random.uintAtMost(usize, data.len)],
    };
    const chain_id = random.int(u256) >> random.int(u8);
    const encoded = try simulated.encode_call(arena.allocator(), &call, chain_id);
    if (call.kind == .dynamic_fee) {
        const fields = try transactions.decode(encoded);
        try check(fields.chain_id.? == chain_id and std.mem.eql(u8, fields.to, &call.to));
        try check(std.mem.eql(u8, fields.data, call.data) and fields.s.len == 0);
        inline for (.{ "nonce", "max_fee_per_gas", "max_priority_fee_per_gas", "gas_limit", "value" }) |name| {
            var digits: [32]u8 = undefined;
            std.mem.writeInt(u256, &digits, @field(call, name), .big);
            try check(std.mem.eql(u8, @field(fields, name), std.mem.trimStart(u8, &digits, "\x00")));
        }
    } else try check(try count_items(encoded) == 9);
    const filter: simulated.Bloom = @splat(0);
    const receipt = try simulated.encode_receipt(arena.allocator(), .legacy, random.boolean(), random.int(u64), &filter, &.{});
    try check(try count_items(receipt) == 4);
}

fn count_items(list: []const u8) Error!usize {
    var items: rlp.Items = .{ .payload = try rlp.spanning(list, true) };
    var count: usize = 0;
    while (try items.next()) |_| count += 1;
    return count;
}

// Rounds ---------------------------------------------------------------------------------------------------------

/// cases: of a round, so that each subject has its share of the time.
const Subject = struct { name: []const u8, run: *const fn (Random, std.mem.Allocator) WrongError!void, cases: usize };
const subjects = [_]Subject{
    .{ .name = "rlp", .run = &fuzz_rlp, .cases = 64 },
    .{ .name = "trie", .run = &fuzz_trie, .cases = 4 },
    .{ .name = "transactions", .run = &fuzz_transactions, .cases = 64 },
    .{ .name = "simulated", .run = &fuzz_simulated, .cases = 64 },
    .{ .name = "evm", .run = &fuzz_evm.fuzz, .cases = 64 },
    .{ .name = "bn254", .run = &fuzz_bn254.fuzz, .cases = 4 },
};

/// One case, in an allocator of its own that may give out little. Ends the process where something is wrong.
fn run(subject: Subject, seed: u64) void {
    var leaks: std.heap.DebugAllocator(.{ .stack_trace_frames = 0 }) = .init;
    var counted: memory.Counted = .{ .child = leaks.allocator() };
    var generator: Random.DefaultPrng = .init(seed);
    const random = generator.random();
    const is_short = random.uintLessThan(u8, 8) == 0;
    if (is_short) counted.limit.store(random.uintLessThan(usize, 200_000), .monotonic);
    subject.run(random, counted.allocator()) catch |failure| {
        if (failure != error.OutOfMemory or !is_short) fail(subject, seed, @errorName(failure));
    };
    if (counted.used.load(.monotonic) != 0) fail(subject, seed, "memory is counted wrong");
    if (leaks.deinit() != .ok) fail(subject, seed, "memory leaks");
}

fn fail(subject: Subject, seed: u64, what: []const u8) noreturn {
    std.debug.print("found: {s} with seed {d}: {s}\n", .{ subject.name, seed, what });
    std.process.exit(1);
}

/// SECONDS SEED: random cases of all subjects. SUBJECT SEED: the one case that a message of `fail` names.
pub fn main(init: std.process.Init.Minimal) !void {
    var arguments = init.args.iterate();
    _ = arguments.next();
    const first = arguments.next() orelse "10";
    for (subjects) |subject| {
        if (!std.mem.eql(u8, first, subject.name)) continue;
        const seed = try std.fmt.parseInt(u64, arguments.next() orelse "0", 10);
        run(subject, seed);
        std.debug.print("{s} with seed {d}: nothing found\n", .{ subject.name, seed });
        return;
    }
    const seconds = try std.fmt.parseInt(u64, first, 10);
    var seed = try std.fmt.parseInt(u64, arguments.next() orelse "1", 10) << 32;
    const end = now() + seconds * std.time.ns_per_s;
    var counts: [subjects.len]u64 = @splat(0);
    while (now() < end) {
        for (subjects, &counts) |subject, *count| {
            for (0..subject.cases) |_| {
                run(subject, seed);
                seed += 1;
                count.* += 1;
            }
        }
    }
    for (subjects, counts) |subject, count| std.debug.print("{s}: {d} cases\n", .{ subject.name, count });
}
