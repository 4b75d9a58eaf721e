//! Zig's panics in a test: Solidity's where a contract runs, Zig's own elsewhere.

const std = @import("std");
const host = @import("host.zig");
const safety = @import("../safety.zig");

const outside = std.debug.FullPanic(std.debug.defaultPanic);

fn either(comptime name: []const u8, arguments: anytype) noreturn {
    if (host.inCall()) @call(.auto, @field(safety, name), arguments);
    @call(.auto, @field(outside, name), arguments);
}

pub fn call(message: []const u8, at: ?usize) noreturn {
    either("call", .{ message, at });
}
pub fn sentinelMismatch(expected: anytype, found: @TypeOf(expected)) noreturn {
    either("sentinelMismatch", .{ expected, found });
}
pub fn unwrapError(failure: anyerror) noreturn {
    either("unwrapError", .{failure});
}
pub fn outOfBounds(index: usize, length: usize) noreturn {
    either("outOfBounds", .{ index, length });
}
pub fn startGreaterThanEnd(start: usize, end: usize) noreturn {
    either("startGreaterThanEnd", .{ start, end });
}
pub fn inactiveUnionField(active: anytype, accessed: @TypeOf(active)) noreturn {
    either("inactiveUnionField", .{ active, accessed });
}
pub fn sliceCastLenRemainder(length: usize) noreturn {
    either("sliceCastLenRemainder", .{length});
}
pub fn unexpectedErrorCode(failure: anyerror) noreturn {
    either("unexpectedErrorCode", .{failure});
}

fn plain(comptime name: []const u8) fn () noreturn {
    return struct {
        fn end() noreturn {
            either(name, .{});
        }
    }.end;
}

pub const reachedUnreachable = plain("reachedUnreachable");
pub const unwrapNull = plain("unwrapNull");
pub const castToNull = plain("castToNull");
pub const incorrectAlignment = plain("incorrectAlignment");
pub const invalidErrorCode = plain("invalidErrorCode");
pub const integerOutOfBounds = plain("integerOutOfBounds");
pub const integerOverflow = plain("integerOverflow");
pub const shlOverflow = plain("shlOverflow");
pub const shrOverflow = plain("shrOverflow");
pub const divideByZero = plain("divideByZero");
pub const exactDivisionRemainder = plain("exactDivisionRemainder");
pub const integerPartOutOfBounds = plain("integerPartOutOfBounds");
pub const corruptSwitch = plain("corruptSwitch");
pub const shiftRhsTooBig = plain("shiftRhsTooBig");
pub const invalidEnumValue = plain("invalidEnumValue");
pub const forLenMismatch = plain("forLenMismatch");
pub const copyLenMismatch = plain("copyLenMismatch");
pub const memcpyAlias = plain("memcpyAlias");
pub const noreturnReturned = plain("noreturnReturned");
pub const loadUninstantiableType = plain("loadUninstantiableType");
