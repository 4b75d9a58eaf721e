//! The ABI's encoding to values, with the refusals of Solidity's decoder (ABI coder v2): bits set that a type has no
//! place for, an offset or a length beyond the data, data that is too short.
//! A decoded `bytes` or `string` borrows the data; the items of a list lie in memory of their own.

const memory = @import("memory.zig");
const types = @import("types.zig");
const word = @import("word.zig");

/// The value whose place is at byte `head` of `frame`, or null where Solidity would refuse it.
pub fn decode(comptime T: type, frame: []const u8, head: usize) ?T {
    var out: T = undefined;
    return if (read(T, &out, frame, head)) out else null;
}

/// The same into `out`, which is undefined where the answer is false.
pub fn read(comptime T: type, out: *T, frame: []const u8, head: usize) bool {
    if (comptime types.isDynamic(T)) {
        const offset = readLength(frame, head) orelse return false;
        return offset <= frame.len and readBody(T, out, frame[offset..]);
    }
    switch (comptime types.kindOf(T)) {
        .array, .tuple => return readParts(T, out, frame, head),
        else => {
            const place = wordAt(frame, head) orelse return false;
            out.* = word.fromWord(T, place) orelse return false;
            return true;
        },
    }
}

fn readBody(comptime T: type, out: *T, body: []const u8) bool {
    switch (comptime types.kindOf(T)) {
        .bytes, .string => {
            const data = readBytes(body) orelse return false;
            out.* = if (@typeInfo(T) == .pointer) data else .{ .data = data };
            return true;
        },
        .list => {
            const length = readLength(body, 0) orelse return false;
            const Item = types.ItemOf(T);
            const frame = body[32..];
            if (length > frame.len / comptime types.headSize(Item)) return false;
            const items = memory.takeItems(Item, length);
            if (@typeInfo(T) == .pointer) out.* = items else out.* = .{ .items = items };
            return readItems(Item, items, frame, 0);
        },
        else => return readParts(T, out, body, 0),
    }
}

/// The items of an array, the fields of a struct.
fn readParts(comptime T: type, out: *T, frame: []const u8, head: usize) bool {
    if (comptime types.kindOf(T) == .array) {
        return readItems(types.ItemOf(T), if (@typeInfo(T) == .array) out else &out.items, frame, head);
    }
    comptime var offset = 0;
    inline for (@typeInfo(T).@"struct".field_names) |name| {
        const Field = @FieldType(T, name);
        if (!read(Field, &@field(out, name), frame, head + offset)) return false;
        offset += comptime types.headSize(Field);
    }
    return true;
}

fn readItems(comptime Item: type, items: []Item, frame: []const u8, head: usize) bool {
    for (items, 0..) |*item, index| {
        if (!read(Item, item, frame, head + index * comptime types.headSize(Item))) return false;
    }
    return true;
}

noinline fn readBytes(body: []const u8) ?[]const u8 {
    const length = readLength(body, 0) orelse return null;
    return if (length > body.len - 32) null else body[32..][0..length];
}

/// A length or an offset; null where it is missing, or so large that no data has it.
noinline fn readLength(frame: []const u8, head: usize) ?usize {
    const place = wordAt(frame, head) orelse return null;
    const number = word.fromWord(u32, place) orelse return null;
    return number;
}

fn wordAt(frame: []const u8, head: usize) ?*const [32]u8 {
    return if (frame.len < 32 or head > frame.len - 32) null else frame[head..][0..32];
}
