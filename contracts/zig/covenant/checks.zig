//! What a contract may get wrong in its declarations, told when it is compiled.

const std = @import("std");
const declaration = @import("declaration.zig");
const event = @import("event.zig");
const failure = @import("failure.zig");
const types = @import("types.zig");

const Function = declaration.Function;

/// The lists of functions' names that a contract may have.
const lists = [_][]const u8{ "payable", "view", "pure", "reentrant" };

/// Refuse a contract that names what is not there, or has what the ABI lacks.
pub fn check(comptime Definition: type) void {
    @setEvalBranchQuota(1_000_000);
    const functions = declaration.functionsOf(Definition);
    inline for (lists) |list| checkList(Definition, list, functions);
    checkInternal(Definition);
    checkUnknownLists(Definition);
    checkOverloads(Definition, functions);
    inline for (functions) |function| {
        checkFunction(Definition, function);
        checkMutability(Definition, function);
    }
    checkSelectors(Definition, functions);
    inline for (declaration.recordsOf(Definition, "events")) |Event| event.check(Event);
    inline for (declaration.recordsOf(Definition, "errors")) |Failure| _ = failure.signatureOf(Failure);
}

fn checkList(comptime Definition: type, comptime list: []const u8, comptime functions: []const Function) void {
    if (!@hasDecl(Definition, list)) return;
    const names = @field(Definition, list);
    if (@TypeOf(names) == @EnumLiteral()) {
        if (names == .all and std.mem.eql(u8, list, "reentrant")) return;
        @compileError(@typeName(Definition) ++ ": " ++ list ++ " is a list of names, as .{\"deposit\"}; only reentrant may be .all");
    }
    inline for (names) |name| {
        if (!types.contains(namesOf(functions), name)) {
            @compileError(@typeName(Definition) ++ ": " ++ list ++ " names " ++ name ++ ", which is no public function; there are " ++
                types.listed(namesOf(functions)));
        }
    }
}

fn namesOf(comptime functions: []const Function) []const []const u8 {
    comptime var names: []const []const u8 = &.{};
    inline for (functions) |function| names = names ++ .{@as([]const u8, function.name)};
    return names;
}

fn checkInternal(comptime Definition: type) void {
    if (!declaration.hasList(Definition, "internal")) return;
    inline for (Definition.internal) |name| {
        if (!@hasDecl(Definition, name) or @typeInfo(@TypeOf(@field(Definition, name))) != .@"fn") {
            @compileError(@typeName(Definition) ++ ": internal names " ++ name ++ ", which is no public function of the contract");
        }
    }
}

/// A public list of texts that has the name of no list: `pub const payabel = .{"deposit"}`.
fn checkUnknownLists(comptime Definition: type) void {
    inline for (@typeInfo(Definition).@"struct".decl_names) |name| {
        if (!types.contains(lists ++ .{"internal"}, name) and isListOfTexts(@field(Definition, name))) {
            @compileError(@typeName(Definition) ++ ": no list is called " ++ name ++ "; there are " ++ types.listed(lists) ++
                ", internal, overloads, errors, events and bases");
        }
    }
}

fn isListOfTexts(comptime value: anytype) bool {
    const T = @TypeOf(value);
    if (!declaration.isTuple(T) or @typeInfo(T).@"struct".field_types.len == 0) return false;
    for (@typeInfo(T).@"struct".field_types) |Item| {
        const information = @typeInfo(Item);
        if (information != .pointer or @typeInfo(information.pointer.child) != .array) return false;
        if (@typeInfo(information.pointer.child).array.child != u8) return false;
    }
    return true;
}

fn checkOverloads(comptime Definition: type, comptime functions: []const Function) void {
    if (!@hasDecl(Definition, "overloads")) return;
    inline for (@typeInfo(@TypeOf(Definition.overloads)).@"struct".field_names) |name| {
        if (!types.contains(namesOf(functions), name)) {
            @compileError(@typeName(Definition) ++ ": overloads has " ++ name ++ ", which is no public function; there are " ++
                types.listed(namesOf(functions)));
        }
    }
}

fn checkFunction(comptime Definition: type, comptime function: Function) void {
    const where = @typeName(Definition) ++ "." ++ function.name;
    const information = @typeInfo(function.Type()).@"fn";
    if (information.is_generic or information.return_type == null) {
        @compileError(where ++ ": a public function has parameters of ABI types, not anytype or comptime ones; " ++
            "a function for the contract's own use is not pub");
    }
    inline for (function.parameters()) |T| _ = types.kindOf(T);
    checkOptional(where, information.param_types);
    if (function.Errors()) |Errors| _ = failure.membersOf(Errors);
    if (std.mem.eql(u8, function.name, "fallback")) return checkFallback(where, function);
    if (std.mem.eql(u8, function.name, "receive") and function.parameters().len != 0) {
        @compileError(where ++ ": receive has no parameters, as a plain transfer has no data; fallback takes data");
    }
    if (declaration.isSpecial(function.name) and function.results().len != 0) {
        @compileError(where ++ ": " ++ function.name ++ " returns nothing, void or !void");
    }
    inline for (function.results()) |T| _ = types.kindOf(T);
}

fn checkOptional(comptime where: []const u8, comptime list: []const ?type) void {
    comptime var optional = false;
    for (list) |T| {
        const is_optional = @typeInfo(T.?) == .optional;
        if (optional and !is_optional) @compileError(where ++ ": a parameter after an optional one is optional too, as ?u256");
        optional = is_optional;
    }
}

fn checkFallback(comptime where: []const u8, comptime function: Function) void {
    const takes = function.parameters();
    const gives = function.results();
    const takes_bytes = takes.len == 0 or (takes.len == 1 and types.kindOf(takes[0]) == .bytes);
    const gives_bytes = gives.len == 0 or (gives.len == 1 and types.kindOf(gives[0]) == .bytes);
    if (!takes_bytes or !gives_bytes) {
        @compileError(where ++ ": fallback takes nothing or the call data as []const u8, and returns nothing or []const u8");
    }
}

fn checkMutability(comptime Definition: type, comptime function: Function) void {
    comptime var found: []const []const u8 = &.{};
    inline for (.{ "payable", "view", "pure" }) |list| {
        if (declaration.isListed(Definition, list, function)) found = found ++ .{list};
    }
    if (found.len > 1) @compileError(@typeName(Definition) ++ "." ++ function.name ++ " is in the lists " ++ types.listed(found) ++
        "; a function is in one of them at most");
}

const Selected = struct { selector: u32, name: []const u8 };

fn checkSelectors(comptime Definition: type, comptime functions: []const Function) void {
    // by a byte of theirs: to compare each with each takes a third of a large contract's compilation
    comptime var seen: [256][]const Selected = @splat(&.{});
    inline for (functions) |function| {
        if (comptime declaration.isSpecial(function.name)) continue;
        const own = comptime std.mem.readInt(u32, &types.selector(function.signature()), .little);
        const place = own & 0xff;
        for (seen[place]) |other| if (other.selector == own) {
            @compileError(@typeName(Definition) ++ ": " ++ function.name ++ " and " ++ other.name ++
                " have the same selector, that of " ++ function.signature() ++ "; one of them needs another name");
        };
        seen[place] = seen[place] ++ .{Selected{ .selector = own, .name = function.name }};
    }
}
