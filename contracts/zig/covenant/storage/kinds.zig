//! What a declared type is in storage: its kind, its bytes or slots, and where members lie.

const std = @import("std");
const abi = @import("../abi.zig");

pub const Kind = enum { value, text, mapping, dynamic_array, fixed_array, structure };

/// `mapping(K => V)`: a declaration, as the field of a layout; the field itself is a handle with `of(key)`.
pub fn Mapping(comptime K: type, comptime V: type) type {
    return struct {
        pub const covenant_kind: Kind = .mapping;
        pub const Key = K;
        pub const Item = V;
    };
}

/// `T[]`: a declaration. A slice `[]const T` is the same, and can be a member of a struct that is read whole.
pub fn Array(comptime T: type) type {
    return struct {
        pub const covenant_kind: Kind = .dynamic_array;
        pub const Item = T;
    };
}

/// `T[count]`: a declaration, for items that Zig's own `[count]T` cannot have: `[n]u8` is `bytesN`, and mappings.
pub fn FixedArray(comptime T: type, comptime count: u256) type {
    return struct {
        pub const covenant_kind: Kind = .fixed_array;
        pub const Item = T;
        pub const len = count;
    };
}

pub fn kindOf(comptime T: type) Kind {
    if (T == abi.Bytes or T == abi.String or T == []const u8) return .text;
    return switch (@typeInfo(T)) {
        .bool => .value,
        .int => |integer| if (isInteger(T, integer.bits)) .value else refuse(T),
        .@"enum" => |enumeration| if (enumeration.field_names.len <= 256) .value else refuse(T),
        .array => |array| if (array.child != u8) .fixed_array else if (array.len >= 1 and array.len <= 32) .value else refuse(T),
        .pointer => |pointer| if (pointer.size == .slice) .dynamic_array else refuse(T),
        .@"struct" => structKind(T),
        else => refuse(T),
    };
}

fn structKind(comptime T: type) Kind {
    if (T == abi.Address) return .value;
    if (isList(T)) return if (@typeInfo(@FieldType(T, "items")) == .pointer) .dynamic_array else .fixed_array;
    return if (@hasDecl(T, "covenant_kind")) T.covenant_kind else .structure;
}

/// Whether it is the ABI's `covenant.List`, which in storage is the array that it is in the ABI.
pub fn isList(comptime T: type) bool {
    return @typeInfo(T) == .@"struct" and @hasDecl(T, "abi_list");
}

fn isInteger(comptime T: type, comptime bits: u16) bool {
    return bits >= 8 and bits <= 256 and bits % 8 == 0 and T != usize and T != isize;
}

fn refuse(comptime T: type) noreturn {
    @compileError("no storage type for " ++ @typeName(T) ++ ": there are bool, integers of 8, 16 ... 256 bits, enums, Address, " ++
        "[1]u8 to [32]u8 (bytesN), Bytes, String, structs, [N]T, FixedArray(T, N) (for uint8[N]), Array(T) or []const T, and " ++
        "Mapping(K, V)");
}

/// Of the items of an array.
pub fn Item(comptime T: type) type {
    return switch (@typeInfo(T)) {
        .array => |array| array.child,
        .pointer => |pointer| pointer.child,
        else => if (isList(T)) Item(@FieldType(T, "items")) else T.Item,
    };
}

/// Of a fixed array.
pub fn length(comptime T: type) u256 {
    return switch (@typeInfo(T)) {
        .array => |array| array.len,
        else => if (isList(T)) length(@FieldType(T, "items")) else T.len,
    };
}

/// Bytes of a value; 32 for what has slots of its own.
pub fn byteSize(comptime T: type) u8 {
    if (kindOf(T) != .value) return 32;
    if (T == abi.Address) return 20;
    return switch (@typeInfo(T)) {
        .int => |integer| integer.bits / 8,
        .array => |array| array.len,
        else => 1,
    };
}

/// Slots that it takes in an array or a mapping.
pub fn slots(comptime T: type) u256 {
    return switch (kindOf(T)) {
        .fixed_array => arraySlots(Item(T), length(T)),
        .structure => after(@typeInfo(T).@"struct".field_types),
        else => 1,
    };
}

/// Items of an array that share a slot; 1 where they do not.
pub fn inSlot(comptime T: type) u8 {
    return if (kindOf(T) == .value) 32 / byteSize(T) else 1;
}

fn arraySlots(comptime T: type, comptime count: u256) u256 {
    const shared: u256 = inSlot(T);
    return if (shared > 1) (count + shared - 1) / shared else count * slots(T);
}

/// A member's slot, counted from the first of its struct or contract, and its offset in it.
pub const Position = struct { slot: u256, offset: u8 };

/// Solidity's packing: values follow one another in a slot from its low end; one that does not fit opens the next, as
/// structs and arrays do, and what follows those.
pub fn positions(comptime types: []const type) [types.len]Position {
    var list: [types.len]Position = undefined;
    var next: Position = .{ .slot = 0, .offset = 0 };
    for (types, &list) |T, *position| {
        const shares = kindOf(T) == .value;
        if (next.offset != 0 and (!shares or next.offset + byteSize(T) > 32)) next = .{ .slot = next.slot + 1, .offset = 0 };
        position.* = next;
        if (shares) next.offset += byteSize(T) else next.slot += slots(T);
    }
    return list;
}

/// Slots of members from the first slot on.
fn after(comptime types: []const type) u256 {
    if (types.len == 0) return 0;
    const last = positions(types)[types.len - 1];
    return last.slot + slots(types[types.len - 1]);
}

/// Whether a value of it exists in memory: then it can be read and written whole.
pub fn isReadable(comptime T: type) bool {
    return switch (kindOf(T)) {
        .value, .text => true,
        .mapping => false,
        .dynamic_array, .fixed_array => (@typeInfo(T) != .@"struct" or isList(T)) and isReadable(Item(T)),
        .structure => for (@typeInfo(T).@"struct".field_types) |Member| {
            if (!isReadable(Member)) break false;
        } else true,
    };
}

/// Whether a deletion has anything to clear: Solidity leaves mappings alone.
pub fn hasDeletable(comptime T: type) bool {
    return kindOf(T) != .mapping;
}

test "positions" {
    const list = comptime positions(&.{ u8, abi.Address, u96, bool, [3]u64, bool });
    try std.testing.expectEqual(Position{ .slot = 0, .offset = 1 }, list[1]);
    try std.testing.expectEqual(Position{ .slot = 1, .offset = 0 }, list[2]);
    try std.testing.expectEqual(Position{ .slot = 1, .offset = 12 }, list[3]);
    try std.testing.expectEqual(Position{ .slot = 2, .offset = 0 }, list[4]);
    try std.testing.expectEqual(Position{ .slot = 3, .offset = 0 }, list[5]);
}
