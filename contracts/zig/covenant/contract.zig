//! From call data to a function and back: the entrypoint of a contract.

const std = @import("std");
const checks = @import("checks.zig");
const decode = @import("decode.zig");
const declaration = @import("declaration.zig");
const description = @import("description.zig");
const encode = @import("encode.zig");
const failure = @import("failure.zig");
const hooks = @import("hooks.zig");
const memory = @import("memory.zig");
const types = @import("types.zig");

const Function = declaration.Function;

/// The selector that runs `constructor`: keccak256("stylus_constructor()"), as the Stylus SDK has it.
pub const constructor_selector = [4]u8{ 0x55, 0x85, 0x25, 0x8d };

/// The error of a call that comes back while the contract runs, as OpenZeppelin's ReentrancyGuard has it.
const ReentrancyGuardReentrantCall = "ReentrancyGuardReentrantCall()";

/// Make `Definition` the module's contract: each public function is one that anyone may call, with the signature that
/// its name and types spell. docs/zig.md has the names and lists that differ: constructor, receive, fallback, payable,
/// view, pure, reentrant, internal, overloads, errors, events, bases.
pub fn define(comptime Given: type) void {
    const Definition = declaration.ContractOf(Given);
    // the description follows the build of the contract, which has checked it
    if (hooks.on_chain and @hasDecl(@import("root"), "describes_contract")) return exportDescription(Definition);
    checks.check(Definition);
    if (!hooks.on_chain) return;
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

fn exportDescription(comptime Definition: type) void {
    const Description = struct {
        const json = description.describe(Definition);
        const text: [json.len]u8 = json[0..json.len].*;
        const length: u32 = json.len;
    };
    @export(&Description.text, .{ .name = "zvm_description" });
    @export(&Description.length, .{ .name = "zvm_description_length" });
}

/// Run the call whose data has this length; the entrypoint's status.
pub fn dispatch(comptime Given: type, length: usize) u32 {
    @setEvalBranchQuota(1_000_000);
    const Definition = declaration.ContractOf(Given);
    const data = memory.take(length);
    hooks.read_args(data.ptr);
    // the import tells tools that there is a constructor, so a contract without one does not have it
    if (comptime declaration.find(Definition, "constructor")) |function| {
        if (hooks.is_constructing() != 0) return construct(Definition, function, data);
    }
    if (comptime declaration.find(Definition, "receive")) |function| {
        if (data.len == 0) return run(Definition, function, data);
    }
    if (data.len >= 4) {
        const selector = std.mem.readInt(u32, data[0..4], .little);
        inline for (comptime declaration.functionsOf(Definition)) |function| {
            if (comptime !declaration.isSpecial(function.name)) {
                const own = comptime std.mem.readInt(u32, &types.selector(function.signature()), .little);
                if (selector == own) return run(Definition, function, data[4..]);
            }
        }
    }
    if (comptime declaration.find(Definition, "fallback")) |function| return runFallback(Definition, function, data);
    return failure.status_no_such_function;
}

fn construct(comptime Definition: type, comptime function: Function, data: []const u8) u32 {
    if (data.len < 4 or !std.mem.eql(u8, data[0..4], &constructor_selector)) return failure.status_no_such_function;
    return run(Definition, function, data[4..]);
}

fn run(comptime Definition: type, comptime function: Function, data: []const u8) u32 {
    guard(Definition, function);
    var arguments: std.meta.ArgsTuple(function.Type()) = undefined;
    comptime var head = 0;
    inline for (comptime function.parameters(), 0..) |T, index| {
        argument(@TypeOf(arguments[index]), &arguments[index], data, head);
        head += comptime types.headSize(T);
    }
    const result = invoke(function, arguments);
    hooks.storage_flush_cache(0);
    if (@TypeOf(result) != void) answer(@TypeOf(result), &result);
    return 0;
}

fn runFallback(comptime Definition: type, comptime function: Function, data: []const u8) u32 {
    guard(Definition, function);
    const T = comptime if (function.parameters().len == 0) void else function.parameters()[0];
    const result = invoke(function, switch (T) {
        void => .{},
        types.Bytes => .{types.Bytes{ .data = data }},
        else => .{data},
    });
    hooks.storage_flush_cache(0);
    if (@TypeOf(result) != void) {
        const out = encode.bytesOf(@TypeOf(result), &result);
        hooks.write_result(out.ptr, out.len);
    }
    return 0;
}

/// Refuse wei that the function does not take, and a call that comes back.
fn guard(comptime Definition: type, comptime function: Function) void {
    if (!comptime declaration.isPayable(Definition, function)) refuseValue();
    if (!comptime mayReenter(Definition, function)) refuseReentry();
}

/// A constructor runs once, and a pure function sees nothing that a half-done call could have left.
fn mayReenter(comptime Definition: type, comptime function: Function) bool {
    return std.mem.eql(u8, function.name, "constructor") or
        declaration.isListed(Definition, "pure", function) or declaration.isListed(Definition, "reentrant", function);
}

fn invoke(comptime function: Function, arguments: anytype) function.Result() {
    const result = @call(.auto, @field(function.owner, function.name), arguments);
    if (comptime function.Errors() == null) return result;
    return result catch |member| failure.revertWithMember(member);
}

// What follows is not inlined, as every function of a contract has it: a byte of code costs 200 gas.

noinline fn refuseValue() void {
    var wei: u256 = undefined; // its bytes are in the wrong order, which does not matter here
    hooks.msg_value(@ptrCast(&wei));
    if (wei != 0) failure.refuse();
}

noinline fn refuseReentry() void {
    if (hooks.msg_reentrant() != 0) failure.revertBytes(&comptime types.selector(ReentrancyGuardReentrantCall));
}

noinline fn argument(comptime T: type, out: *T, data: []const u8, head: usize) void {
    if (@typeInfo(T) == .optional) {
        if (data.len <= head) {
            out.* = null;
        } else {
            var present: declaration.Present(T) = undefined;
            argument(declaration.Present(T), &present, data, head);
            out.* = present;
        }
    } else if (!decode.read(T, out, data, head)) failure.refuse();
}

noinline fn answer(comptime T: type, result: *const T) void {
    const data = if (comptime declaration.isTuple(T)) encode.encode(&.{}, result.*) else encode.encode(&.{}, .{result.*});
    hooks.write_result(data.ptr, data.len);
}
