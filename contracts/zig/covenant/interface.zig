//! Other contracts' functions, declared once and called with types.
//!
//!     const Token = covenant.interface(struct {
//!         balanceOf: fn (Address) u256,
//!         transfer: fn (Address, u256) bool,
//!         deposit: fn () void,
//!         pub const view = .{"balanceOf"};
//!         pub const payable = .{"deposit"};
//!     });
//!     const held = Token.at(address).call(.balanceOf, .{covenant.this()});

const std = @import("std");
const calls = @import("call.zig");
const encode = @import("encode.zig");
const failure = @import("failure.zig");
const types = @import("types.zig");

/// What a call of a function in `payable` carries beside its arguments: wei, and at most this much gas.
pub const Payable = struct { value: u256 = 0, gas: u64 = calls.all_gas };

/// What a call of any other function carries: at most this much gas. Wei need `pub const payable` in the interface.
pub const NotPayable = struct { gas: u64 = calls.all_gas };

const lists = [_][]const u8{ "view", "pure", "payable", "overloads" };

/// A contract's functions: fields whose types are function types. Those in `view` and `pure` are called statically,
/// those in `payable` may be sent wei. An optional result is null where the callee returns nothing at all.
pub fn interface(comptime Functions: type) type {
    comptime check(Functions);
    return struct {
        address: types.Address,

        const Self = @This();

        pub fn at(address: types.Address) Self {
            return .{ .address = address };
        }

        /// Call a function. A callee that fails makes the caller revert with the same data.
        pub fn call(self: Self, comptime name: @EnumLiteral(), arguments: anytype) ResultOf(Functions, name) {
            return self.callWith(name, arguments, .{});
        }

        /// The same with wei or limited gas.
        pub fn callWith(self: Self, comptime name: @EnumLiteral(), arguments: anytype, with: With(Functions, name)) ResultOf(Functions, name) {
            const answer = calls.raw(self.address, dataOf(Functions, name, arguments), optionsOf(Functions, name, with));
            return calls.decodeResult(ResultOf(Functions, name), self.address, answer);
        }

        /// Call a function whose failure is an answer: `.ok` with its result, or `.failed`. An account without code has
        /// failed, and gets no wei. What a callee returns must have the declared type, as in Solidity: otherwise the caller reverts.
        pub fn tryCall(self: Self, comptime name: @EnumLiteral(), arguments: anytype) calls.Result(ResultOf(Functions, name)) {
            return self.tryCallWith(name, arguments, .{});
        }

        pub fn tryCallWith(
            self: Self,
            comptime name: @EnumLiteral(),
            arguments: anytype,
            with: With(Functions, name),
        ) calls.Result(ResultOf(Functions, name)) {
            const options = optionsOf(Functions, name, with);
            // wei that an account without code has taken would be gone, whatever the answer says
            if (options.value != 0 and !calls.hasCode(self.address)) return .{ .failed = .{ .data = &.{}, .no_code = true } };
            switch (calls.tryRaw(self.address, dataOf(Functions, name, arguments), options)) {
                .failed => |how| return .{ .failed = how },
                .ok => |answer| {
                    if (answer.len == 0 and !calls.hasCode(self.address)) return .{ .failed = .{ .data = answer, .no_code = true } };
                    return .{ .ok = calls.decodeResult(ResultOf(Functions, name), self.address, answer) };
                },
            }
        }

        /// Run the function's code on this contract's own storage and balance.
        pub fn delegate(self: Self, comptime name: @EnumLiteral(), arguments: anytype) ResultOf(Functions, name) {
            const answer = calls.raw(self.address, dataOf(Functions, name, arguments), .{ .kind = .delegate });
            return calls.decodeResult(ResultOf(Functions, name), self.address, answer);
        }

        /// The call data, for calls by other means.
        pub fn encodeCall(comptime name: @EnumLiteral(), arguments: anytype) []const u8 {
            return dataOf(Functions, name, arguments);
        }

        /// The selector of a function.
        pub fn selector(comptime name: @EnumLiteral()) [4]u8 {
            return types.selector(signatureOf(Functions, @tagName(name)));
        }
    };
}

fn ResultOf(comptime Functions: type, comptime name: @EnumLiteral()) type {
    return @typeInfo(FunctionOf(Functions, @tagName(name))).@"fn".return_type.?;
}

fn FunctionOf(comptime Functions: type, comptime name: []const u8) type {
    if (!@hasField(Functions, name)) @compileError("the interface has no function " ++ name ++ "; there are " ++
        types.listed(@typeInfo(Functions).@"struct".field_names));
    return @FieldType(Functions, name);
}

fn signatureOf(comptime Functions: type, comptime name: []const u8) []const u8 {
    comptime var parameters: []const type = &.{};
    for (@typeInfo(FunctionOf(Functions, name)).@"fn".param_types) |T| parameters = parameters ++ .{T.?};
    const renamed = @hasDecl(Functions, "overloads") and @hasField(@TypeOf(Functions.overloads), name);
    return types.signature(if (renamed) @field(Functions.overloads, name) else name, parameters);
}

fn dataOf(comptime Functions: type, comptime name: @EnumLiteral(), arguments: anytype) []const u8 {
    const Typed = std.meta.ArgsTuple(FunctionOf(Functions, @tagName(name)));
    const wanted = @typeInfo(Typed).@"struct".field_types.len;
    if (arguments.len != wanted) @compileError(std.fmt.comptimePrint("{s} takes {d} arguments, not {d}: {s}", .{
        @tagName(name), wanted, arguments.len, signatureOf(Functions, @tagName(name)),
    }));
    var typed: Typed = undefined;
    inline for (0..wanted) |index| typed[index] = types.given(@TypeOf(typed[index]), arguments[index]);
    return encode.encode(&comptime types.selector(signatureOf(Functions, @tagName(name))), typed);
}

fn With(comptime Functions: type, comptime name: @EnumLiteral()) type {
    return if (isListed(Functions, "payable", @tagName(name))) Payable else NotPayable;
}

fn optionsOf(comptime Functions: type, comptime name: @EnumLiteral(), with: With(Functions, name)) calls.Options {
    const text = @tagName(name);
    if (comptime isListed(Functions, "payable", text)) return .{ .value = with.value, .gas = with.gas };
    const static = comptime isListed(Functions, "view", text) or isListed(Functions, "pure", text);
    return .{ .kind = if (static) .static else .call, .gas = with.gas };
}

fn isListed(comptime Functions: type, comptime list: []const u8, comptime name: []const u8) bool {
    return @hasDecl(Functions, list) and types.contains(@field(Functions, list), name);
}

fn check(comptime Functions: type) void {
    const fields = @typeInfo(Functions).@"struct";
    for (fields.field_names, fields.field_types) |name, T| {
        if (@typeInfo(T) != .@"fn") @compileError("the interface's " ++ name ++ " is no function type, as fn (Address, u256) bool");
        for (@typeInfo(T).@"fn".param_types) |Parameter| _ = types.kindOf(Parameter.?);
        checkResult(name, @typeInfo(T).@"fn".return_type.?);
    }
    for (fields.decl_names) |list| {
        if (!types.contains(lists, list)) @compileError("an interface has no list " ++ list ++ "; there are " ++ types.listed(lists));
        const names = if (std.mem.eql(u8, list, "overloads")) @typeInfo(@TypeOf(Functions.overloads)).@"struct".field_names else @field(Functions, list);
        inline for (names) |name| {
            if (!types.contains(fields.field_names, name)) @compileError("the interface's " ++ list ++ " names " ++ name ++
                ", which is no function of it; there are " ++ types.listed(fields.field_names));
        }
    }
}

fn checkResult(comptime name: []const u8, comptime T: type) void {
    switch (@typeInfo(T)) {
        .void => {},
        .optional => |optional| checkResult(name, optional.child),
        .error_union => @compileError("the interface's " ++ name ++ " returns no error union; tryCall tells how a callee failed"),
        else => _ = types.kindOf(T),
    }
}
