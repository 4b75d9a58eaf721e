//! Events: a struct's name and fields are its signature.
//!
//!     const Transfer = struct {
//!         from: Address, to: Address, value: u256,
//!         pub const indexed = .{ "from", "to" };
//!     };
//!     covenant.emit(Transfer{ .from = a, .to = b, .value = 1 });

const std = @import("std");
const encode = @import("encode.zig");
const failure = @import("failure.zig");
const hash = @import("hash.zig");
const hooks = @import("hooks.zig");
const memory = @import("memory.zig");
const types = @import("types.zig");
const word = @import("word.zig");

/// Write a log: topic 0 is the signature's hash, the fields that `indexed` names follow, the others are data.
/// `pub const anonymous = true` leaves topic 0 out, so that four fields may be indexed.
/// The topic of a field that is no value of one word is the hash of its bytes, as Solidity has it.
pub fn emit(event: anytype) void {
    const Event = @TypeOf(event);
    comptime check(Event);
    const plain = comptime namesOf(Event, false);
    const topics = comptime topicsOf(Event);
    const data = memory.take(32 * topics + encode.sizeOfFields(Event, &event, plain));
    if (!comptime isAnonymous(Event)) data[0..32].* = comptime types.keccak(failure.signatureOf(Event));
    comptime var index: usize = if (isAnonymous(Event)) 0 else 1;
    inline for (comptime namesOf(Event, true)) |name| {
        writeTopic(@FieldType(Event, name), &@field(event, name), data[32 * index ..][0..32]);
        index += 1;
    }
    _ = encode.writeFields(Event, &event, plain, data[32 * topics ..].ptr);
    hooks.emit_log(data.ptr, data.len, topics);
}

fn writeTopic(comptime T: type, value: *const T, topic: *[32]u8) void {
    if (comptime types.isValue(T)) return word.writeWord(T, value, topic);
    switch (comptime types.kindOf(T)) {
        .bytes, .string => topic.* = hash.keccak256(encode.bytesOf(T, value)),
        else => {
            const data = memory.take(flatSize(T, value));
            _ = writeFlat(T, value, data.ptr);
            topic.* = hash.keccak256(data);
        },
    }
}

/// Bytes of a value without offsets and lengths, each part padded to whole words: what is hashed for a topic.
fn flatSize(comptime T: type, value: *const T) usize {
    if (!comptime types.isDynamic(T)) return comptime types.headSize(T);
    var size: usize = 0;
    switch (comptime types.kindOf(T)) {
        .bytes, .string => size = encode.paddedLength(encode.bytesOf(T, value).len),
        .list, .array => for (encode.itemsOf(T, value)) |*item| {
            size += flatSize(types.ItemOf(T), item);
        },
        else => inline for (@typeInfo(T).@"struct".field_names) |name| {
            size += flatSize(@FieldType(T, name), &@field(value, name));
        },
    }
    return size;
}

fn writeFlat(comptime T: type, value: *const T, out: [*]u8) usize {
    var size: usize = 0;
    switch (comptime types.kindOf(T)) {
        .bytes, .string => {
            const data = encode.bytesOf(T, value);
            size = encode.paddedLength(data.len);
            @memcpy(out[0..data.len], data);
            @memset(out[data.len..size], 0);
        },
        .list, .array => for (encode.itemsOf(T, value)) |*item| {
            size += writeFlat(types.ItemOf(T), item, out + size);
        },
        .tuple => inline for (@typeInfo(T).@"struct".field_names) |name| {
            size += writeFlat(@FieldType(T, name), &@field(value, name), out + size);
        },
        else => {
            word.writeWord(T, value, out[0..32]);
            size = 32;
        },
    }
    return size;
}

/// The fields that are indexed, or those that are not, in order.
fn namesOf(comptime Event: type, comptime indexed: bool) []const [:0]const u8 {
    comptime var names: []const [:0]const u8 = &.{};
    inline for (@typeInfo(Event).@"struct".field_names) |name| {
        if (isIndexed(Event, name) == indexed) names = names ++ .{name};
    }
    return names;
}

fn topicsOf(comptime Event: type) usize {
    return namesOf(Event, true).len + @intFromBool(!isAnonymous(Event));
}

pub fn isIndexed(comptime Event: type, comptime name: []const u8) bool {
    return @hasDecl(Event, "indexed") and types.contains(Event.indexed, name);
}

pub fn isAnonymous(comptime Event: type) bool {
    return @hasDecl(Event, "anonymous") and Event.anonymous;
}

/// Every name in `indexed` is a field, once, and there are at most four topics.
pub fn check(comptime Event: type) void {
    if (@typeInfo(Event) != .@"struct") @compileError("an event is a struct, " ++ @typeName(Event) ++ " is none");
    if (!@hasDecl(Event, "indexed")) return;
    const fields = @typeInfo(Event).@"struct".field_names;
    inline for (Event.indexed, 0..) |name, index| {
        if (!types.contains(fields, name)) {
            @compileError(@typeName(Event) ++ ": indexed names " ++ name ++ ", which is no field; the fields are " ++ types.listed(fields));
        }
        inline for (Event.indexed, 0..) |other, place| if (place < index and std.mem.eql(u8, other, name)) {
            @compileError(@typeName(Event) ++ ": indexed names " ++ name ++ " twice");
        };
    }
    const most = if (isAnonymous(Event)) 4 else 3;
    if (Event.indexed.len > most) @compileError(std.fmt.comptimePrint("{s}: {d} fields are indexed, an event has at most {d}{s}", .{
        @typeName(Event),                                                                               Event.indexed.len, most,
        if (most == 3) ", or 4 with pub const anonymous = true, which has no topic of its own" else "",
    }));
}
