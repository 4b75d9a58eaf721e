//! From a declared type to its handle, and the handles of mappings and structs.

const std = @import("std");
const abi = @import("../abi.zig");
const array = @import("array.zig");
const kinds = @import("kinds.zig");
const text = @import("text.zig");
const value = @import("value.zig");
const words = @import("words.zig");

const Region = words.Region;
const Word = words.Word;

pub fn Handle(comptime region: Region, comptime T: type) type {
    return switch (kinds.kindOf(T)) {
        .value => value.Value(region, T),
        .text => text.Text(region, T),
        .mapping => Mapping(region, T),
        .dynamic_array => array.DynamicArray(region, T),
        .fixed_array => array.FixedArray(region, T),
        .structure => Structure(region, T),
    };
}

/// A handle of type H for what lies at a slot, from byte `offset` on.
pub fn make(comptime H: type, slot: Word, offset: u8) H {
    if (!@hasField(H, "offset")) return .{ .slot = slot };
    return .{ .slot = slot, .offset = if (@FieldType(H, "offset") == u0) 0 else offset };
}

/// The handle of a `mapping(K => V)`: an item lies at keccak256(key ++ slot).
pub fn Mapping(comptime region: Region, comptime T: type) type {
    return switch (kinds.kindOf(T.Key)) {
        .value => WordMapping(region, T),
        .text => BytesMapping(region, T),
        else => @compileError("a mapping's key is a value, String or Bytes, not " ++ @typeName(T.Key)),
    };
}

fn WordMapping(comptime region: Region, comptime T: type) type {
    return struct {
        slot: Word,

        const Self = @This();

        pub const Declared = T;
        pub const covenant_region = region;

        /// The handle of the item under a key.
        pub noinline fn of(self: *const Self, key: T.Key) Handle(region, T.Item) {
            return make(Handle(region, T.Item), words.itemSlot(&self.slot, &keyWord(key)), 0);
        }
    };
}

fn BytesMapping(comptime region: Region, comptime T: type) type {
    return struct {
        slot: Word,

        const Self = @This();

        pub const Declared = T;
        pub const covenant_region = region;

        /// The handle of the item under a key: a String, Bytes, slice or literal.
        pub fn of(self: *const Self, key: anytype) Handle(region, T.Item) {
            return make(Handle(region, T.Item), words.bytesItemSlot(&self.slot, text.bytesOf(key)), 0);
        }
    };
}

/// The handle of a struct: its members are packed as the fields of a contract are.
pub fn Structure(comptime region: Region, comptime T: type) type {
    const information = @typeInfo(T).@"struct";
    const places = comptime kinds.positions(information.field_types);
    return struct {
        slot: Word,

        const Self = @This();

        pub const Declared = T;
        pub const covenant_region = region;

        /// The handle of a member: `.at(.price)`.
        pub fn at(self: *const Self, comptime member: std.meta.FieldEnum(T)) Handle(region, @FieldType(T, @tagName(member))) {
            const place = places[@backingInt(member)];
            const slot = if (place.slot == 0) self.slot else words.advance(&self.slot, place.slot);
            return make(Handle(region, @FieldType(T, @tagName(member))), slot, place.offset);
        }

        /// A copy in memory.
        pub noinline fn get(self: *const Self) T {
            comptime checkReadable(T);
            var whole: T = undefined;
            inline for (information.field_names) |name| {
                @field(whole, name) = self.at(@field(std.meta.FieldEnum(T), name)).get();
            }
            return whole;
        }

        pub noinline fn set(self: *const Self, whole: T) void {
            comptime checkReadable(T);
            inline for (information.field_names) |name| {
                self.at(@field(std.meta.FieldEnum(T), name)).set(@field(whole, name));
            }
        }

        /// Set all members to zero but mappings, which stay as in Solidity.
        pub noinline fn delete(self: *const Self) void {
            inline for (information.field_names, information.field_types) |name, Member| {
                if (comptime kinds.hasDeletable(Member)) self.at(@field(std.meta.FieldEnum(T), name)).delete();
            }
        }
    };
}

fn checkReadable(comptime T: type) void {
    const information = @typeInfo(T).@"struct";
    for (information.field_names, information.field_types) |name, Member| if (!kinds.isReadable(Member)) {
        @compileError(@typeName(T) ++ " cannot be read or written whole, as its member " ++ name ++ " is " ++ @typeName(Member) ++
            "; use .at(." ++ name ++ "), or a slice []const T where the member is an array");
    };
}

/// As the ABI has it.
fn keyWord(key: anytype) Word {
    return switch (@typeInfo(@TypeOf(key))) {
        .@"enum" => abi.toWord(@as(u256, @backingInt(key))),
        else => abi.toWord(key),
    };
}
