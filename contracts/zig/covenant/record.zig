//! Events and errors: a struct's name and fields are its signature.
//!
//!     const Transfer = struct {
//!         from: Address, to: Address, value: u256,
//!         pub const indexed = .{ "from", "to" };
//!     };
//!     emit(Transfer{ .from = a, .to = b, .value = 1 });

const std = @import("std");
const abi = @import("abi.zig");
const hooks = @import("hooks.zig");

const Error = struct { message: abi.String };
const Panic = struct { code: u256 };

/// Solidity's codes of Panic(uint256).
pub const overflow = 0x11;
pub const division_by_zero = 0x12;

/// The status of a call that reverts, and of one whose selector the contract does not have.
pub const status_reverted = 1;
pub const status_no_such_function = 2;

/// Write a log: topic 0 is the signature's hash, indexed fields follow, the others are data. Static types only.
pub fn emit(event: anytype) void {
    const Event = @TypeOf(event);
    comptime checkIndexed(Event);
    comptime checkStatic(Event);
    const fields = @typeInfo(Event).@"struct".field_names;
    var buffer: [32 * (fields.len + 1)]u8 = undefined;
    buffer[0..32].* = comptime abi.keccak(signatureOf(Event));
    comptime var count: usize = 1;
    inline for (.{ true, false }) |indexed| {
        inline for (fields) |name| {
            if (comptime isIndexed(Event, name) == indexed) {
                buffer[32 * count ..][0..32].* = abi.toWord(@field(event, name));
                count += 1;
            }
        }
    }
    hooks.emit_log(&buffer, buffer.len, 1 + (if (@hasDecl(Event, "indexed")) Event.indexed.len else 0));
}

/// Revert with an error's selector and fields.
pub fn revertWith(failure: anytype) noreturn {
    const Failure = @TypeOf(failure);
    const selector = comptime abi.selector(signatureOf(Failure));
    const fields = @typeInfo(Failure).@"struct".field_names;
    switch (fields.len) {
        0 => revertBytes(&selector),
        1 => revertBytes(abi.encode(&selector, .{@field(failure, fields[0])})),
        2 => revertBytes(abi.encode(&selector, .{ @field(failure, fields[0]), @field(failure, fields[1]) })),
        3 => revertBytes(abi.encode(&selector, .{ @field(failure, fields[0]), @field(failure, fields[1]), @field(failure, fields[2]) })),
        else => @compileError("an error has at most three fields"),
    }
}

/// `revert("message")`.
pub fn revert(message: []const u8) noreturn {
    revertWith(Error{ .message = .{ .data = message } });
}

/// Panic(uint256), as Solidity's checked arithmetic does.
pub fn panic(code: u256) noreturn {
    revertWith(Panic{ .code = code });
}

/// Revert with these bytes. What was cached for storage and not flushed is lost, as it must be.
pub fn revertBytes(data: []const u8) noreturn {
    hooks.write_result(data.ptr, data.len);
    hooks.exit_early(status_reverted);
}

/// a + b, or Panic(0x11).
pub fn add(a: u256, b: u256) u256 {
    const sum, const carry = @addWithOverflow(a, b);
    if (carry != 0) panic(overflow);
    return sum;
}

/// a - b, or Panic(0x11).
pub fn subtract(a: u256, b: u256) u256 {
    const difference, const borrow = @subWithOverflow(a, b);
    if (borrow != 0) panic(overflow);
    return difference;
}

/// a / b by the host's division, or Panic(0x12).
pub fn divide(a: u256, b: u256) u256 {
    if (b == 0) panic(division_by_zero);
    var quotient = abi.toWord(a);
    hooks.math_div(&quotient, &abi.toWord(b));
    return abi.readNumber(&quotient);
}

/// Every name in `indexed` is a field, once, and there are at most three beside the signature's topic.
fn checkIndexed(comptime Event: type) void {
    if (!@hasDecl(Event, "indexed")) return;
    const fields = @typeInfo(Event).@"struct".field_names;
    if (Event.indexed.len > 3) {
        @compileError(std.fmt.comptimePrint("{s}: {d} fields are indexed, an event has at most 3", .{ @typeName(Event), Event.indexed.len }));
    }
    inline for (Event.indexed, 0..) |name, index| {
        if (!has(fields, name)) {
            @compileError(@typeName(Event) ++ ": indexed names " ++ name ++ ", which is no field; the fields are " ++ abi.listed(fields));
        }
        inline for (Event.indexed, 0..) |other, place| if (place < index and std.mem.eql(u8, other, name)) {
            @compileError(@typeName(Event) ++ ": indexed names " ++ name ++ " twice");
        };
    }
}

fn checkStatic(comptime Event: type) void {
    const information = @typeInfo(Event).@"struct";
    inline for (information.field_types, information.field_names) |T, name| if (abi.isDynamic(T)) {
        @compileError(@typeName(Event) ++ ": field " ++ name ++ " is " ++ @typeName(T) ++ "; fields of events have static types, as " ++
            "integers, bool, Address and [32]u8");
    };
}

fn has(comptime names: anytype, comptime wanted: []const u8) bool {
    inline for (names) |name| if (std.mem.eql(u8, name, wanted)) return true;
    return false;
}

fn signatureOf(comptime Record: type) []const u8 {
    const full = @typeName(Record);
    const name = full[if (std.mem.lastIndexOfScalar(u8, full, '.')) |dot| dot + 1 else 0..];
    return abi.signature(name, @typeInfo(Record).@"struct".field_types);
}

fn isIndexed(comptime Event: type, comptime name: []const u8) bool {
    if (!@hasDecl(Event, "indexed")) return false;
    inline for (Event.indexed) |other| if (std.mem.eql(u8, other, name)) return true;
    return false;
}
