//! The tests that stand in the core's files: `zig test units.zig`. tests/core/test_core_units.py runs them.

test {
    _ = @import("code.zig");
    _ = @import("precompile_ripemd160.zig");
    _ = @import("word.zig");
}
