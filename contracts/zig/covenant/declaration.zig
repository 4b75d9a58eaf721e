//! The functions that a contract offers, its own and those of its bases, and what its lists say of them.

const std = @import("std");
const types = @import("types.zig");

/// Functions that are called by no selector.
pub const special = [_][]const u8{ "constructor", "receive", "fallback" };

/// A public function: the struct that declares it, its name there, its name in the ABI.
pub const Function = struct {
    owner: type,
    name: [:0]const u8,
    abi_name: []const u8,

    pub fn Type(comptime self: Function) type {
        return @TypeOf(@field(self.owner, self.name));
    }

    /// The types that the ABI has; the last ones may be optional in Zig, where a call may leave them out.
    pub fn parameters(comptime self: Function) []const type {
        comptime var out: []const type = &.{};
        for (@typeInfo(self.Type()).@"fn".param_types) |T| out = out ++ .{Present(T.?)};
        return out;
    }

    /// The types of what it returns: none of void, several of a tuple.
    pub fn results(comptime self: Function) []const type {
        const T = self.Result();
        if (T == void or T == noreturn) return &.{};
        if (isTuple(T)) return @typeInfo(T).@"struct".field_types;
        return &.{T};
    }

    /// What it returns, without its errors.
    pub fn Result(comptime self: Function) type {
        const T = @typeInfo(self.Type()).@"fn".return_type.?;
        return if (@typeInfo(T) == .error_union) @typeInfo(T).error_union.payload else T;
    }

    /// Its error set, or null.
    pub fn Errors(comptime self: Function) ?type {
        const T = @typeInfo(self.Type()).@"fn".return_type.?;
        return if (@typeInfo(T) == .error_union) @typeInfo(T).error_union.error_set else null;
    }

    pub fn signature(comptime self: Function) []const u8 {
        return types.signature(self.abi_name, self.parameters());
    }
};

/// The type without `?`.
pub fn Present(comptime T: type) type {
    return if (@typeInfo(T) == .optional) @typeInfo(T).optional.child else T;
}

pub fn isTuple(comptime T: type) bool {
    return @typeInfo(T) == .@"struct" and @typeInfo(T).@"struct".is_tuple;
}

/// The contract itself, or the one within what `zigContract` yields.
pub fn ContractOf(comptime Given: type) type {
    return if (@hasDecl(Given, "contract") and @TypeOf(Given.contract) == type) Given.contract else Given;
}

/// All functions of a contract: its own, then those of its bases that it has not itself.
pub fn functionsOf(comptime Given: type) []const Function {
    @setEvalBranchQuota(1_000_000);
    const Definition = ContractOf(Given);
    comptime var found: []const Function = ownFunctions(Definition);
    const own = found.len;
    inline for (basesOf(Definition)) |Base| {
        inline for (functionsOf(Base)) |function| {
            if (isInternal(Definition, function.name)) {
                // its own, for itself
            } else if (indexOf(found, function.name)) |index| {
                if (index >= own and found[index].owner != function.owner) @compileError(@typeName(Definition) ++ ": two bases have " ++
                    function.name ++ ", " ++ @typeName(found[index].owner) ++ " and " ++ @typeName(function.owner) ++
                    "; the contract needs one of its own, which may call either");
            } else found = found ++ .{renamed(Definition, function)};
        }
    }
    return found;
}

fn ownFunctions(comptime Definition: type) []const Function {
    comptime var found: []const Function = &.{};
    inline for (@typeInfo(Definition).@"struct".decl_names) |name| {
        if (@typeInfo(@TypeOf(@field(Definition, name))) == .@"fn" and !isInternal(Definition, name)) {
            found = found ++ .{renamed(Definition, .{ .owner = Definition, .name = name, .abi_name = name })};
        }
    }
    return found;
}

/// Whether the contract's list `internal` names a public function: other files may call it, transactions may not.
fn isInternal(comptime Definition: type, comptime name: []const u8) bool {
    return hasList(Definition, "internal") and types.contains(Definition.internal, name);
}

/// Whether a struct has a list of this name; a type of the name (a namespace) is none.
pub fn hasList(comptime Owner: type, comptime list: []const u8) bool {
    return @hasDecl(Owner, list) and @TypeOf(@field(Owner, list)) != type;
}

/// The function under the ABI name that the contract's `overloads` gives it: Zig has one function of a name.
fn renamed(comptime Definition: type, comptime function: Function) Function {
    if (!@hasDecl(Definition, "overloads") or !@hasField(@TypeOf(Definition.overloads), function.name)) return function;
    return .{ .owner = function.owner, .name = function.name, .abi_name = @field(Definition.overloads, function.name) };
}

pub fn basesOf(comptime Definition: type) []const type {
    if (!@hasDecl(Definition, "bases")) return &.{};
    comptime var out: []const type = &.{};
    inline for (Definition.bases) |Base| out = out ++ .{Base};
    return out;
}

fn indexOf(comptime functions: []const Function, comptime name: []const u8) ?usize {
    for (functions, 0..) |function, index| if (std.mem.eql(u8, function.name, name)) return index;
    return null;
}

/// The function of this name, or null.
pub fn find(comptime Definition: type, comptime name: []const u8) ?Function {
    @setEvalBranchQuota(1_000_000);
    const functions = functionsOf(Definition);
    return if (indexOf(functions, name)) |index| functions[index] else null;
}

pub fn isSpecial(comptime name: []const u8) bool {
    return types.contains(special, name);
}

/// Whether a list (`payable`, `view`, `pure`, `reentrant`) of the contract, or of the base that declares the function,
/// names it. `.all` in place of a list names every function.
pub fn isListed(comptime Definition: type, comptime list: []const u8, comptime function: Function) bool {
    return names(Definition, list, function.name) or names(function.owner, list, function.name);
}

fn names(comptime Owner: type, comptime list: []const u8, comptime name: []const u8) bool {
    if (!@hasDecl(Owner, list)) return false;
    const listed = @field(Owner, list);
    return if (@TypeOf(listed) == @EnumLiteral()) true else types.contains(listed, name);
}

pub fn isPayable(comptime Definition: type, comptime function: Function) bool {
    return std.mem.eql(u8, function.name, "receive") or isListed(Definition, "payable", function);
}

/// Solidity's word for what a function may do.
pub fn mutability(comptime Definition: type, comptime function: Function) []const u8 {
    if (isPayable(Definition, function)) return "payable";
    if (isListed(Definition, "view", function)) return "view";
    return if (isListed(Definition, "pure", function)) "pure" else "nonpayable";
}

/// The types that `list` (`errors`, `events`) of the contract and of its bases names, each once.
pub fn recordsOf(comptime Definition: type, comptime list: []const u8) []const type {
    @setEvalBranchQuota(1_000_000);
    comptime var out: []const type = &.{};
    if (@hasDecl(Definition, list)) inline for (@field(Definition, list)) |Record| {
        out = with(out, Record);
    };
    inline for (basesOf(Definition)) |Base| {
        inline for (recordsOf(Base, list)) |Record| out = with(out, Record);
    }
    return out;
}

fn with(comptime records: []const type, comptime Record: type) []const type {
    for (records) |other| if (other == Record) return records;
    return records ++ .{Record};
}
