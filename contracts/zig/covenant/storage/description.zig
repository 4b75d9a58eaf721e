//! The layout of a contract in the form of solc's outputs `storageLayout` and `transientStorageLayout`, made at compile
//! time. Namespaces stand beside them in the form of OpenZeppelin's upgrade tools.

const std = @import("std");
const kinds = @import("kinds.zig");
const layouts = @import("layout.zig");
const strings = @import("../strings.zig");
const types = @import("../types.zig");
const words = @import("words.zig");

const decimal = strings.decimal;

/// A contract as messages and labels name it.
const Contract = struct { Definition: type, name: []const u8 };

/// The members of a JSON object for what the public layouts of `Definition` say: `"storageLayout":{...}`, and
/// `"transientStorageLayout":{...}` where it has transient state.
pub fn describe(comptime Definition: type, comptime name: []const u8) []const u8 {
    @setEvalBranchQuota(10_000_000);
    const contract: Contract = .{ .Definition = Definition, .name = name };
    comptime {
        const persistent = select(Definition, .persistent);
        const transient = select(Definition, .transient);
        const text = "\"storageLayout\":" ++ section(contract, persistent);
        return if (transient.len == 0) text else text ++ ",\"transientStorageLayout\":" ++ section(contract, transient);
    }
}

/// Names of the public constants that are layouts of a region.
fn select(comptime Definition: type, comptime region: words.Region) []const []const u8 {
    var names: []const []const u8 = &.{};
    for (@typeInfo(Definition).@"struct".decl_names) |name| {
        const T = @TypeOf(@field(Definition, name));
        if (@typeInfo(T) != .@"struct" or !@hasField(T, layouts.marker)) continue;
        if (@FieldType(T, layouts.marker).region == region) names = names ++ .{name};
    }
    return names;
}

fn section(comptime contract: Contract, comptime names: []const []const u8) []const u8 {
    var known: []const type = &.{};
    for (names) |name| for (fieldsOf(contract, name).field_types) |T| {
        known = collect(known, T);
    };
    var storage: []const []const u8 = &.{};
    var namespaces: []const []const u8 = &.{};
    for (names) |name| {
        const list = entries(contract, known, fieldsOf(contract, name));
        if (markerOf(contract, name).namespace_id) |id| {
            namespaces = namespaces ++ .{strings.joined("", &.{ "\"erc7201:", id, "\":[", strings.joined(",", list), "]" })};
        } else storage = storage ++ list;
    }
    return strings.joined("", &.{
        "{\"storage\":[",
        strings.joined(",", storage),
        "],\"types\":",
        typesOf(contract, known),
        if (namespaces.len == 0) "" else ",\"namespaces\":{" ++ strings.joined(",", namespaces) ++ "}",
        "}",
    });
}

fn markerOf(comptime contract: Contract, comptime name: []const u8) type {
    return @FieldType(@TypeOf(@field(contract.Definition, name)), layouts.marker);
}

fn fieldsOf(comptime contract: Contract, comptime name: []const u8) std.lang.Type.Struct {
    return @typeInfo(markerOf(contract, name).Fields).@"struct";
}

/// T and the types that it is made of, each once, in the order of their appearance.
fn collect(comptime known: []const type, comptime T: type) []const type {
    for (known) |other| if (other == T) return known;
    var list: []const type = known ++ .{T};
    switch (kinds.kindOf(T)) {
        .value, .text => {},
        .mapping => list = collect(collectKey(list, T.Key), T.Item),
        .dynamic_array, .fixed_array => list = collect(list, kinds.Item(T)),
        .structure => for (@typeInfo(T).@"struct".field_types) |Member| {
            list = collect(list, Member);
        },
    }
    return list;
}

/// A key of bytes lies in memory, which makes it another type in solc's eyes.
fn InMemory(comptime T: type) type {
    return struct {
        pub const Text = T;
    };
}

fn collectKey(comptime known: []const type, comptime K: type) []const type {
    if (kinds.kindOf(K) != .text) return collect(known, K);
    for (known) |other| if (other == InMemory(K)) return known;
    return known ++ .{InMemory(K)};
}

/// An entry for each field. Positions count from 0: the first slot of a struct, a namespace or a contract.
fn entries(comptime contract: Contract, comptime known: []const type, comptime fields: std.lang.Type.Struct) []const []const u8 {
    var list: [fields.field_names.len][]const u8 = undefined;
    for (&list, fields.field_names, fields.field_types, kinds.positions(fields.field_types), 1..) |*entry, label, T, place, id| {
        entry.* = strings.joined("", &.{
            "{\"astId\":",      decimal(id),
            ",\"contract\":\"", contract.name,
            "\",\"label\":\"",  types.checkedName(label),
            "\",\"offset\":",   decimal(place.offset),
            ",\"slot\":\"",     decimal(place.slot),
            "\",\"type\":\"",   identifier(known, T),
            "\"}",
        });
    }
    const out = list;
    return &out;
}

fn typesOf(comptime contract: Contract, comptime known: []const type) []const u8 {
    if (known.len == 0) return "null";
    var list: [known.len][]const u8 = undefined;
    for (&list, known) |*entry, T| {
        entry.* = strings.joined("", &.{ "\"", identifier(known, T), "\":{", typeMembers(contract, known, T), "}" });
    }
    return "{" ++ strings.joined(",", &list) ++ "}";
}

fn typeMembers(comptime contract: Contract, comptime known: []const type, comptime T: type) []const u8 {
    if (isKey(T)) return typeText("bytes", textName(T.Text), 32, "");
    const name = labelOf(contract, T);
    const bytes = if (kinds.kindOf(T) == .value) kinds.byteSize(T) else 32 * kinds.slots(T);
    return switch (kinds.kindOf(T)) {
        .value => typeText("inplace", name, bytes, ""),
        .text => typeText("bytes", name, bytes, ""),
        .mapping => typeText("mapping", name, bytes, strings.joined("", &.{
            ",\"key\":\"", keyIdentifier(known, T.Key), "\",\"value\":\"", identifier(known, T.Item), "\"",
        })),
        .dynamic_array => typeText("dynamic_array", name, bytes, baseText(known, T)),
        .fixed_array => typeText("inplace", name, bytes, baseText(known, T)),
        .structure => typeText("inplace", name, bytes, strings.joined("", &.{
            ",\"members\":[", strings.joined(",", entries(contract, known, @typeInfo(T).@"struct")), "]",
        })),
    };
}

/// The members of a type: those that all have, and more.
fn typeText(comptime encoding: []const u8, comptime label: []const u8, comptime bytes: comptime_int, comptime more: []const u8) []const u8 {
    return strings.joined("", &.{
        "\"encoding\":\"", encoding, "\",\"label\":\"", label, "\",\"numberOfBytes\":\"", decimal(bytes), "\"", more,
    });
}

fn baseText(comptime known: []const type, comptime T: type) []const u8 {
    return ",\"base\":\"" ++ identifier(known, kinds.Item(T)) ++ "\"";
}

fn isKey(comptime T: type) bool {
    return @typeInfo(T) == .@"struct" and @hasDecl(T, "Text") and T == InMemory(T.Text);
}

/// solc's name of a type, as `t_mapping(t_address,t_uint256)`. Those that a contract declares have a number, here their
/// place among all types.
fn identifier(comptime known: []const type, comptime T: type) []const u8 {
    if (isKey(T)) return "t_" ++ textName(T.Text) ++ "_memory_ptr";
    return switch (kinds.kindOf(T)) {
        .value => switch (@typeInfo(T)) {
            .@"enum" => "t_enum(" ++ types.ownName(T) ++ ")" ++ decimal(placeOf(known, T)),
            else => "t_" ++ types.typeName(T),
        },
        .text => "t_" ++ textName(T) ++ "_storage",
        .mapping => "t_mapping(" ++ keyIdentifier(known, T.Key) ++ "," ++ identifier(known, T.Item) ++ ")",
        .dynamic_array => "t_array(" ++ identifier(known, kinds.Item(T)) ++ ")dyn_storage",
        .fixed_array => "t_array(" ++ identifier(known, kinds.Item(T)) ++ ")" ++ decimal(kinds.length(T)) ++ "_storage",
        .structure => "t_struct(" ++ types.ownName(T) ++ ")" ++ decimal(placeOf(known, T)) ++ "_storage",
    };
}

fn keyIdentifier(comptime known: []const type, comptime K: type) []const u8 {
    return if (kinds.kindOf(K) == .text) identifier(known, InMemory(K)) else identifier(known, K);
}

fn placeOf(comptime known: []const type, comptime T: type) usize {
    for (known, 1..) |other, place| if (other == T) return place;
    unreachable;
}

/// How solc would print a type, as `mapping(address => uint256)`.
fn labelOf(comptime contract: Contract, comptime T: type) []const u8 {
    return switch (kinds.kindOf(T)) {
        .value => switch (@typeInfo(T)) {
            .@"enum" => "enum " ++ declaredName(contract, T),
            else => types.typeName(T),
        },
        .text => textName(T),
        .mapping => "mapping(" ++ keyLabel(contract, T.Key) ++ " => " ++ labelOf(contract, T.Item) ++ ")",
        .dynamic_array => labelOf(contract, kinds.Item(T)) ++ "[]",
        .fixed_array => labelOf(contract, kinds.Item(T)) ++ "[" ++ decimal(kinds.length(T)) ++ "]",
        .structure => "struct " ++ declaredName(contract, T),
    };
}

fn keyLabel(comptime contract: Contract, comptime K: type) []const u8 {
    return if (kinds.kindOf(K) == .text) textName(K) else labelOf(contract, K);
}

fn textName(comptime T: type) []const u8 {
    return if (T == types.String) "string" else "bytes";
}

/// With the contract's name in front where it is declared inside.
fn declaredName(comptime contract: Contract, comptime T: type) []const u8 {
    const inside = std.mem.startsWith(u8, @typeName(T), @typeName(contract.Definition) ++ ".");
    return if (inside) contract.name ++ "." ++ types.ownName(T) else types.ownName(T);
}
