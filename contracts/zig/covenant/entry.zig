//! The root of a contract's build: the contract is the module `contract`, and its panics are Solidity's.

pub const panic = @import("covenant").safety;

comptime {
    _ = @import("contract");
}
