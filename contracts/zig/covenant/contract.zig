//! From call data to a function and back: the entrypoint of a contract.

const std = @import("std");
const abi = @import("abi.zig");
const call = @import("call.zig");
const environment = @import("environment.zig");
const hooks = @import("hooks.zig");
const memory = @import("memory.zig");
const record = @import("record.zig");
const storage = @import("storage.zig");

/// The selector that runs `constructor`: keccak256("stylus_constructor()"), as the Stylus SDK has it.
pub const constructor_selector = [4]u8{ 0x55, 0x85, 0x25, 0x8d };

/// Make `Definition` the module's contract: each public function is one that anyone may call, with the signature that
/// its name and types spell. Three names differ:
///   constructor  runs in the creation, by the arguments that were appended to the module, and never again
///   receive      takes plain transfers (no call data)
///   payable      is no function but the list of those that accept wei: `pub const payable = .{"deposit"};`
/// A function returns a value, or nothing; it refuses by `revert`, `revertWith` or `panic`.
pub fn define(comptime Definition: type) void {
    checkPayable(Definition);
    const Entry = struct {
        fn entry(length: usize) callconv(.c) u32 {
            return dispatch(Definition, length);
        }
        /// Never called: it keeps the import without which a module whose memory can grow is refused.
        fn markUsed() callconv(.c) void {
            hooks.pay_for_memory_grow(0);
        }
    };
    @export(&Entry.entry, .{ .name = "user_entrypoint" });
    @export(&Entry.markUsed, .{ .name = "mark_used" });
}

fn dispatch(comptime Definition: type, length: usize) u32 {
    const data = memory.take(length);
    hooks.read_args(data.ptr);
    // the import tells tools that there is a constructor, so a contract without one does not have it
    if (@hasDecl(Definition, "constructor")) if (hooks.is_constructing() != 0) return construct(Definition, data);
    if (@hasDecl(Definition, "receive") and data.len == 0) return run(Definition, "receive", &.{});
    if (data.len < 4) return record.status_no_such_function;
    const selector = std.mem.readInt(u32, data[0..4], .little);
    inline for (@typeInfo(Definition).@"struct".decl_names) |name| {
        if (comptime isFunction(Definition, name)) {
            const own = comptime std.mem.readInt(u32, &selectorOf(Definition, name), .little);
            if (selector == own) return run(Definition, name, data[4..]);
        }
    }
    return record.status_no_such_function;
}

fn construct(comptime Definition: type, data: []const u8) u32 {
    if (data.len < 4 or !std.mem.eql(u8, data[0..4], &constructor_selector)) return record.status_no_such_function;
    return run(Definition, "constructor", data[4..]);
}

fn run(comptime Definition: type, comptime name: []const u8, data: []const u8) u32 {
    if (!comptime isPayable(Definition, name)) {
        refuseValue();
    }
    const function = @field(Definition, name);
    const information = @typeInfo(@TypeOf(function)).@"fn";
    var arguments: std.meta.ArgsTuple(@TypeOf(function)) = undefined;
    inline for (information.param_types, 0..) |T, index| {
        arguments[index] = argument(T.?, data, index);
    }
    const result = @call(.auto, function, arguments);
    storage.flush();
    if (@TypeOf(result) != void) answer(result);
    return 0;
}

// What follows is not inlined, as every function of a contract has it: a byte of code costs 200 gas.

noinline fn refuseValue() void {
    if (environment.value() != 0) record.revertBytes(&.{});
}

noinline fn argument(comptime T: type, data: []const u8, index: usize) T {
    return abi.decode(T, data, index) orelse record.revertBytes(&.{});
}

noinline fn answer(result: anytype) void {
    const T = @TypeOf(result);
    if (comptime abi.isDynamic(T)) {
        const data = abi.encode(&.{}, .{result});
        hooks.write_result(data.ptr, data.len);
    } else hooks.write_result(&abi.toWord(result), 32);
}

fn isFunction(comptime Definition: type, comptime name: []const u8) bool {
    if (@typeInfo(@TypeOf(@field(Definition, name))) != .@"fn") return false;
    return !std.mem.eql(u8, name, "constructor") and !std.mem.eql(u8, name, "receive");
}

fn isPayable(comptime Definition: type, comptime name: []const u8) bool {
    if (!@hasDecl(Definition, "payable")) return false;
    inline for (Definition.payable) |other| if (std.mem.eql(u8, other, name)) return true;
    return false;
}

/// Every name in `payable` is a public function.
fn checkPayable(comptime Definition: type) void {
    if (!@hasDecl(Definition, "payable")) return;
    inline for (Definition.payable) |name| {
        if (!@hasDecl(Definition, name) or @typeInfo(@TypeOf(@field(Definition, name))) != .@"fn") {
            @compileError(@typeName(Definition) ++ ": payable names " ++ name ++ ", which is no public function; there are " ++
                abi.listed(functionNames(Definition)));
        }
    }
}

fn functionNames(comptime Definition: type) []const []const u8 {
    comptime var names: []const []const u8 = &.{};
    inline for (@typeInfo(Definition).@"struct".decl_names) |name| {
        if (@typeInfo(@TypeOf(@field(Definition, name))) == .@"fn") names = names ++ .{name};
    }
    return names;
}

fn selectorOf(comptime Definition: type, comptime name: []const u8) [4]u8 {
    const parameters = @typeInfo(@TypeOf(@field(Definition, name))).@"fn".param_types;
    comptime var types: [parameters.len]type = undefined;
    inline for (parameters, 0..) |T, index| types[index] = T.?;
    return abi.selector(abi.signature(name, &types));
}
