//! A contract's description as JSON, made at compile time: its name, its ABI and its storage layout in solc's forms.

const declaration = @import("declaration.zig");
const event = @import("event.zig");
const failure = @import("failure.zig");
const layouts = @import("storage/description.zig");
const parameter_names = @import("parameter_names.zig");
const strings = @import("strings.zig");
const types = @import("types.zig");

/// `{"name": ..., "constructor": ..., "abi": [...], "storageLayout": {...}}`.
pub fn describe(comptime Definition: type) []const u8 {
    @setEvalBranchQuota(10_000_000);
    const has_constructor = declaration.find(Definition, "constructor") != null;
    return strings.joined("", &.{
        "{\"name\":\"",
        types.ownName(Definition),
        "\",\"constructor\":",
        if (has_constructor) "true" else "false",
        ",\"abi\":[",
        strings.joined(",", entriesOf(Definition)),
        "],",
        layouts.describe(Definition, types.ownName(Definition)),
        "}",
    });
}

/// The entries of the ABI, in solc's order of kinds.
fn entriesOf(comptime Definition: type) []const []const u8 {
    comptime var entries: []const []const u8 = &.{};
    if (declaration.find(Definition, "constructor")) |function| {
        entries = entries ++ .{"{\"type\":\"constructor\",\"inputs\":" ++ inputs(function) ++ mutabilityOf(Definition, function)};
    }
    entries = entries ++ errorsOf(Definition);
    inline for (declaration.recordsOf(Definition, "events")) |Event| entries = entries ++ .{eventEntry(Event)};
    if (declaration.find(Definition, "fallback")) |function| {
        entries = entries ++ .{"{\"type\":\"fallback\"" ++ mutabilityOf(Definition, function)};
    }
    inline for (declaration.functionsOf(Definition)) |function| {
        if (!declaration.isSpecial(function.name)) entries = entries ++ .{functionEntry(Definition, function)};
    }
    if (declaration.find(Definition, "receive") != null) {
        entries = entries ++ .{"{\"type\":\"receive\",\"stateMutability\":\"payable\"}"};
    }
    return entries;
}

fn functionEntry(comptime Definition: type, comptime function: declaration.Function) []const u8 {
    return "{\"type\":\"function\",\"name\":\"" ++ function.abi_name ++ "\",\"inputs\":" ++ inputs(function) ++
        ",\"outputs\":" ++ parameters(function.results(), &.{}) ++ mutabilityOf(Definition, function);
}

fn mutabilityOf(comptime Definition: type, comptime function: declaration.Function) []const u8 {
    return ",\"stateMutability\":\"" ++ declaration.mutability(Definition, function) ++ "\"}";
}

/// The listed errors, and the members of the functions' error sets, each once.
fn errorsOf(comptime Definition: type) []const []const u8 {
    comptime var names: []const []const u8 = &.{};
    comptime var entries: []const []const u8 = &.{};
    inline for (declaration.recordsOf(Definition, "errors")) |Failure| {
        const information = @typeInfo(Failure).@"struct";
        names = names ++ .{types.ownName(Failure)};
        entries = entries ++ .{errorEntry(types.ownName(Failure), fieldsOf(information))};
    }
    inline for (declaration.functionsOf(Definition)) |function| {
        if (function.Errors()) |Errors| inline for (failure.membersOf(Errors)) |name| {
            if (!types.contains(names, name)) {
                names = names ++ .{@as([]const u8, name)};
                entries = entries ++ .{errorEntry(name, "[]")};
            }
        };
    }
    return entries;
}

fn errorEntry(comptime name: []const u8, comptime fields: []const u8) []const u8 {
    return "{\"type\":\"error\",\"name\":\"" ++ name ++ "\",\"inputs\":" ++ fields ++ "}";
}

fn eventEntry(comptime Event: type) []const u8 {
    comptime var fields: []const []const u8 = &.{};
    const information = @typeInfo(Event).@"struct";
    inline for (information.field_types, information.field_names) |T, name| {
        const indexed = if (event.isIndexed(Event, name)) "true" else "false";
        fields = fields ++ .{"{" ++ parameter(T, name) ++ ",\"indexed\":" ++ indexed ++ "}"};
    }
    const anonymous = if (event.isAnonymous(Event)) "true" else "false";
    return "{\"type\":\"event\",\"name\":\"" ++ types.ownName(Event) ++ "\",\"inputs\":[" ++ strings.joined(",", fields) ++ "],\"anonymous\":" ++ anonymous ++ "}";
}

fn inputs(comptime function: declaration.Function) []const u8 {
    const list = function.parameters();
    return parameters(list, parameter_names.namesOf(function.owner, function.name, list.len));
}

/// A list of parameters; without names where `names` is empty.
fn parameters(comptime list: []const type, comptime names: []const []const u8) []const u8 {
    comptime var entries: []const []const u8 = &.{};
    inline for (list, 0..) |T, index| entries = entries ++ .{"{" ++ parameter(T, if (names.len == 0) "" else names[index]) ++ "}"};
    return "[" ++ strings.joined(",", entries) ++ "]";
}

/// A struct's fields; Zig's `struct { u8, u16 }` gives them numbers for names, which an ABI has not.
fn fieldsOf(comptime information: @TypeOf(@typeInfo(struct {}).@"struct")) []const u8 {
    return parameters(information.field_types, if (information.is_tuple) &.{} else information.field_names);
}

/// The members of a parameter: its name, its type as an ABI has it, its type as the source has it, a struct's fields.
fn parameter(comptime T: type, comptime name: []const u8) []const u8 {
    const Innermost, const brackets = comptime innermost(T, "");
    const kind = types.kindOf(Innermost);
    const text = switch (kind) {
        .tuple => "tuple",
        else => types.typeName(Innermost),
    };
    const internal = switch (kind) {
        .tuple => if (@typeInfo(Innermost).@"struct".is_tuple) text else "struct " ++ types.ownName(Innermost),
        .enumeration => "enum " ++ types.ownName(Innermost),
        else => text,
    };
    const information = @typeInfo(Innermost);
    const components = if (kind != .tuple) "" else ",\"components\":" ++ fieldsOf(information.@"struct");
    return "\"name\":\"" ++ types.checkedName(name) ++ "\",\"type\":\"" ++ text ++ brackets ++ "\",\"internalType\":\"" ++ internal ++ brackets ++ "\"" ++ components;
}

/// The type of the items of nested lists, and the brackets behind it.
fn innermost(comptime T: type, comptime brackets: []const u8) struct { type, []const u8 } {
    return switch (types.kindOf(T)) {
        .list => innermost(types.ItemOf(T), "[]" ++ brackets),
        .array => innermost(types.ItemOf(T), "[" ++ strings.decimal(types.lengthOf(T)) ++ "]" ++ brackets),
        else => .{ T, brackets },
    };
}
