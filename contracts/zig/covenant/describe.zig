//! The root of a build that yields no code but the contract's description: two constants, `zvm_description` (JSON) and
//! `zvm_description_length`. `define` exports them when it finds this root.

pub const panic = @import("covenant").safety;

/// Read by `define`.
pub const describes_contract = true;

/// Read for the names of parameters.
pub const contract_source = @embedFile("contract");

/// The same of the contract's other files: how the names of types in each begin, and its text.
pub const contract_files = @import("files").files;

comptime {
    _ = @import("contract");
}
