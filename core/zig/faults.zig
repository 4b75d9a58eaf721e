//! How a frame fails, as errors of the instructions; host.zig has their names for outside.

const host = @import("host.zig");
const Error = @import("errors.zig").Error;

/// What ends a frame without success. All its gas is gone then, and it has no output; REVERT is none of these.
pub const Fault = error{
    OutOfGas,
    InvalidOpcode,
    InvalidJump,
    StackUnderflow,
    StackOverflow,
    WriteProtection,
    BalanceOverflow,
    CodeSize,
    InitcodeSize,
    CodeStoreOutOfGas,
    InvalidCode,
    ReturnDataOutOfBounds,
    /// The frame's memory would pass the execution's limit.
    MemoryLimit,
};

/// What ends a frame, or the whole run without an answer.
pub const Failure = Fault || Error;

/// A fault's name for outside; what ends the whole run goes on.
pub fn status_of(failure: Failure) Error!host.Status {
    return switch (failure) {
        error.Refused, error.OutOfMemory, error.Raised => |ending| ending,
        error.OutOfGas => .out_of_gas,
        error.InvalidOpcode => .invalid_opcode,
        error.InvalidJump => .invalid_jump,
        error.StackUnderflow => .stack_underflow,
        error.StackOverflow => .stack_overflow,
        error.WriteProtection => .write_protection,
        error.BalanceOverflow => .balance_overflow,
        error.CodeSize => .code_size,
        error.InitcodeSize => .initcode_size,
        error.CodeStoreOutOfGas => .code_store_out_of_gas,
        error.InvalidCode => .invalid_code,
        error.ReturnDataOutOfBounds => .return_data_out_of_bounds,
        error.MemoryLimit => .out_of_memory,
    };
}
