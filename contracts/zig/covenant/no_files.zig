//! The module `files` of a description whose contract is one file.

pub const files = .{};
