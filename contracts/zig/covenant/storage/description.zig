//! The layout of a contract in the form of solc's outputs `storageLayout` and `transientStorageLayout`, made at compile
//! time. Namespaces stand beside them in the form of OpenZeppelin's upgrade tools.

const std = @import("std");
const kinds = @import("kinds.zig");
const layouts = @import("layout.zig");
const types = @import("../types.zig");
const words = @import("words.zig");

const print = std.fmt.comptimePrint;

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
    var storage: []const u8 = "";
    var namespaces: []const u8 = "";
    for (names) |name| {
        const list = entries(contract, known, fieldsOf(contract, name));
        if (markerOf(contract, name).namespace_id) |id| {
            namespaces = namespaces ++ comma(namespaces) ++ print("\"erc7201:{s}\":[{s}]", .{ id, list });
        } else storage = storage ++ comma(storage) ++ list;
    }
    const known_types = typesOf(contract, known);
    const tail = if (namespaces.len == 0) "" else print(",\"namespaces\":{{{s}}}", .{namespaces});
    return print("{{\"storage\":[{s}],\"types\":{s}{s}}}", .{ storage, known_types, tail });
}

fn markerOf(comptime contract: Contract, comptime name: []const u8) type {
    return @FieldType(@TypeOf(@field(contract.Definition, name)), layouts.marker);
}

fn fieldsOf(comptime contract: Contract, comptime name: []const u8) std.lang.Type.Struct {
    return @typeInfo(markerOf(contract, name).Fields).@"struct";
}

fn comma(comptime text: []const u8) []const u8 {
    return if (text.len == 0) "" else ",";
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

/// Positions count from 0: the first slot of a struct, a namespace or a contract.
fn entries(comptime contract: Contract, comptime known: []const type, comptime fields: std.lang.Type.Struct) []const u8 {
    var text: []const u8 = "";
    for (fields.field_names, fields.field_types, kinds.positions(fields.field_types), 1..) |label, T, place, id| {
        text = text ++ comma(text) ++ print(
            "{{\"astId\":{d},\"contract\":\"{s}\",\"label\":\"{s}\",\"offset\":{d},\"slot\":\"{d}\",\"type\":\"{s}\"}}",
            .{ id, contract.name, types.checkedName(label), place.offset, place.slot, identifier(known, T) },
        );
    }
    return text;
}

fn typesOf(comptime contract: Contract, comptime known: []const type) []const u8 {
    var text: []const u8 = "";
    for (known) |T| text = text ++ comma(text) ++ print("\"{s}\":{{{s}}}", .{ identifier(known, T), typeMembers(contract, known, T) });
    return if (text.len == 0) "null" else "{" ++ text ++ "}";
}

fn typeMembers(comptime contract: Contract, comptime known: []const type, comptime T: type) []const u8 {
    const text = "\"encoding\":\"{s}\",\"label\":\"{s}\",\"numberOfBytes\":\"{d}\"";
    if (isKey(T)) return print(text, .{ "bytes", textName(T.Text), 32 });
    const name = labelOf(contract, T);
    const bytes = if (kinds.kindOf(T) == .value) kinds.byteSize(T) else 32 * kinds.slots(T);
    return switch (kinds.kindOf(T)) {
        .value => print(text, .{ "inplace", name, bytes }),
        .text => print(text, .{ "bytes", name, bytes }),
        .mapping => print(text ++ ",\"key\":\"{s}\",\"value\":\"{s}\"", .{
            "mapping", name, bytes, keyIdentifier(known, T.Key), identifier(known, T.Item),
        }),
        .dynamic_array => print(text ++ ",\"base\":\"{s}\"", .{ "dynamic_array", name, bytes, identifier(known, kinds.Item(T)) }),
        .fixed_array => print(text ++ ",\"base\":\"{s}\"", .{ "inplace", name, bytes, identifier(known, kinds.Item(T)) }),
        .structure => print(text ++ ",\"members\":[{s}]", .{ "inplace", name, bytes, entries(contract, known, @typeInfo(T).@"struct") }),
    };
}

fn isKey(comptime T: type) bool {
    return @typeInfo(T) == .@"struct" and @hasDecl(T, "Text") and T == InMemory(T.Text);
}

/// solc's name of a type, as `t_mapping(t_address,t_uint256)`. Those that a contract declares have a number, here their
/// place among all types.
fn identifier(comptime known: []const type, comptime T: type) []const u8 {
    if (isKey(T)) return print("t_{s}_memory_ptr", .{textName(T.Text)});
    return switch (kinds.kindOf(T)) {
        .value => switch (@typeInfo(T)) {
            .@"enum" => print("t_enum({s}){d}", .{ types.ownName(T), placeOf(known, T) }),
            else => "t_" ++ types.typeName(T),
        },
        .text => print("t_{s}_storage", .{textName(T)}),
        .mapping => print("t_mapping({s},{s})", .{ keyIdentifier(known, T.Key), identifier(known, T.Item) }),
        .dynamic_array => print("t_array({s})dyn_storage", .{identifier(known, kinds.Item(T))}),
        .fixed_array => print("t_array({s}){d}_storage", .{ identifier(known, kinds.Item(T)), kinds.length(T) }),
        .structure => print("t_struct({s}){d}_storage", .{ types.ownName(T), placeOf(known, T) }),
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
        .mapping => print("mapping({s} => {s})", .{ if (kinds.kindOf(T.Key) == .text) textName(T.Key) else labelOf(contract, T.Key), labelOf(contract, T.Item) }),
        .dynamic_array => labelOf(contract, kinds.Item(T)) ++ "[]",
        .fixed_array => print("{s}[{d}]", .{ labelOf(contract, kinds.Item(T)), kinds.length(T) }),
        .structure => "struct " ++ declaredName(contract, T),
    };
}

fn textName(comptime T: type) []const u8 {
    return if (T == types.String) "string" else "bytes";
}

/// With the contract's name in front where it is declared inside.
fn declaredName(comptime contract: Contract, comptime T: type) []const u8 {
    const inside = std.mem.startsWith(u8, @typeName(T), @typeName(contract.Definition) ++ ".");
    return if (inside) contract.name ++ "." ++ types.ownName(T) else types.ownName(T);
}
