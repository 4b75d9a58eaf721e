//! Zig's panics as Solidity's: each ends the call with Panic(uint256). The root of a build says
//! `pub const panic = covenant.safety;`, as entry.zig does.

const failure = @import("failure.zig");

const panic = failure.panic;

/// `@panic("text")` reverts with the text, as `revert("text")` does.
pub fn call(message: []const u8, _: ?usize) noreturn {
    failure.revert(message);
}

pub fn integerOverflow() noreturn {
    panic(failure.overflow);
}

pub fn integerOutOfBounds() noreturn {
    panic(failure.overflow);
}

pub fn integerPartOutOfBounds() noreturn {
    panic(failure.overflow);
}

pub fn shlOverflow() noreturn {
    panic(failure.overflow);
}

pub fn shrOverflow() noreturn {
    panic(failure.overflow);
}

pub fn shiftRhsTooBig() noreturn {
    panic(failure.overflow);
}

pub fn divideByZero() noreturn {
    panic(failure.division_by_zero);
}

pub fn exactDivisionRemainder() noreturn {
    panic(failure.failed_assertion);
}

pub fn invalidEnumValue() noreturn {
    panic(failure.invalid_enum);
}

pub fn corruptSwitch() noreturn {
    panic(failure.invalid_enum);
}

pub fn outOfBounds(_: usize, _: usize) noreturn {
    panic(failure.out_of_bounds);
}

pub fn startGreaterThanEnd(_: usize, _: usize) noreturn {
    panic(failure.out_of_bounds);
}

pub fn sentinelMismatch(_: anytype, _: anytype) noreturn {
    panic(failure.out_of_bounds);
}

pub fn forLenMismatch() noreturn {
    panic(failure.out_of_bounds);
}

pub fn copyLenMismatch() noreturn {
    panic(failure.out_of_bounds);
}

pub fn sliceCastLenRemainder(_: usize) noreturn {
    panic(failure.out_of_bounds);
}

pub fn reachedUnreachable() noreturn {
    panic(failure.failed_assertion);
}

pub fn unwrapNull() noreturn {
    panic(failure.failed_assertion);
}

pub fn castToNull() noreturn {
    panic(failure.failed_assertion);
}

pub fn unwrapError(_: anyerror) noreturn {
    panic(failure.failed_assertion);
}

pub fn invalidErrorCode() noreturn {
    panic(failure.failed_assertion);
}

pub fn unexpectedErrorCode(_: anyerror) noreturn {
    panic(failure.failed_assertion);
}

pub fn inactiveUnionField(_: anytype, _: anytype) noreturn {
    panic(failure.failed_assertion);
}

pub fn incorrectAlignment() noreturn {
    panic(failure.failed_assertion);
}

pub fn memcpyAlias() noreturn {
    panic(failure.failed_assertion);
}

pub fn noreturnReturned() noreturn {
    panic(failure.failed_assertion);
}

pub fn loadUninstantiableType() noreturn {
    panic(failure.failed_assertion);
}
