//! What a contract answers that is asked whether it takes tokens.

const std = @import("std");
const covenant = @import("../covenant.zig");

/// Go on if the answer is `expected`. Otherwise revert as the contract did, or with `refusal` if it did without data or
/// answered another selector.
pub fn require(answer: anytype, expected: [4]u8, refusal: anytype) void {
    switch (answer) {
        .ok => |selector| if (!std.mem.eql(u8, &selector, &expected)) covenant.revertWith(refusal),
        .failed => |failure| {
            if (failure.data.len == 0) covenant.revertWith(refusal);
            failure.bubble();
        },
    }
}
