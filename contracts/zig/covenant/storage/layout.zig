//! The layout of a contract: one handle for each field of a struct, in Solidity's slots.

const std = @import("std");
const abi = @import("../abi.zig");
const handles = @import("handles.zig");
const kinds = @import("kinds.zig");
const words = @import("words.zig");

/// Steps of compile-time evaluation: enough for some thousand fields.
const branches = 1_000_000;

/// The contract's state variables: a struct type, or a tuple of them, whose fields follow one another as those of
/// Solidity's base contracts do. Each field of the result is a handle.
pub fn layout(comptime fields: anytype) Layout(.persistent, Joined(fields), null) {
    return comptime handlesOf(.persistent, Joined(fields), null, 0);
}

/// State that EIP-1153 forgets at the end of the transaction, in slots of its own from 0 on.
pub fn transient(comptime fields: anytype) Layout(.transient, Joined(fields), null) {
    return comptime handlesOf(.transient, Joined(fields), null, 0);
}

/// State at the slot that ERC-7201 derives from an id, as "example.main".
pub fn namespace(comptime id: []const u8, comptime Fields: type) Layout(.persistent, Fields, id) {
    return comptime handlesOf(.persistent, Fields, id, namespaceSlot(id));
}

/// A handle of something at a slot of its own, as ERC-1967 has it.
pub fn slotAt(comptime T: type, comptime slot: u256) handles.Handle(.persistent, T) {
    comptime var word: words.Word = undefined;
    comptime std.mem.writeInt(u256, &word, slot, .big);
    return handles.make(handles.Handle(.persistent, T), word, 0);
}

/// keccak256(keccak256(id) - 1) without its last byte.
pub fn namespaceSlot(comptime id: []const u8) u256 {
    const inner = std.mem.readInt(u256, &abi.keccak(id), .big);
    var word: words.Word = undefined;
    std.mem.writeInt(u256, &word, inner -% 1, .big);
    return std.mem.readInt(u256, &abi.keccak(&word), .big) & ~@as(u256, 0xff);
}

/// The field of a layout that tells what it is to `describe`.
pub const marker = "covenant.layout";

fn Marker(comptime in_region: words.Region, comptime T: type, comptime id: ?[]const u8) type {
    return struct {
        pub const region = in_region;
        pub const Fields = T;
        pub const namespace_id = id;
    };
}

fn Layout(comptime region: words.Region, comptime Fields: type, comptime id: ?[]const u8) type {
    @setEvalBranchQuota(branches);
    const information = @typeInfo(Fields).@"struct";
    const count = information.field_names.len;
    var names: [count + 1][]const u8 = undefined;
    var types: [count + 1]type = undefined;
    for (information.field_names, information.field_types, 0..) |name, T, index| {
        names[index] = name;
        types[index] = handles.Handle(region, T);
    }
    names[count] = marker;
    types[count] = Marker(region, Fields, id);
    return @Struct(.auto, null, &names, &types, &@splat(.{}));
}

fn handlesOf(comptime region: words.Region, comptime Fields: type, comptime id: ?[]const u8, comptime first: u256) Layout(region, Fields, id) {
    const information = @typeInfo(Fields).@"struct";
    var all: Layout(region, Fields, id) = undefined;
    for (information.field_names, kinds.positions(information.field_types)) |name, place| {
        var slot: words.Word = undefined;
        std.mem.writeInt(u256, &slot, first +% place.slot, .big);
        @field(all, name) = handles.make(@FieldType(Layout(region, Fields, id), name), slot, place.offset);
    }
    @field(all, marker) = .{};
    return all;
}

/// One struct type with the fields of all.
fn Joined(comptime fields: anytype) type {
    @setEvalBranchQuota(branches);
    if (@TypeOf(fields) == type) return fields;
    var names: []const []const u8 = &.{};
    var types: []const type = &.{};
    for (fields) |Fields| {
        const information = @typeInfo(Fields).@"struct";
        for (information.field_names) |name| for (names) |other| if (std.mem.eql(u8, name, other)) {
            @compileError("two fields of the layout are named " ++ name ++ ": rename the one of " ++ @typeName(Fields));
        };
        for (information.field_names, information.field_types) |name, T| {
            names = names ++ .{name};
            types = types ++ .{T};
        }
    }
    return @Struct(.auto, null, names, types[0..types.len], &@splat(.{}));
}
