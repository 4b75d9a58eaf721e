//! What a failed check of the safe mode does: one line, and the process ends. Nothing from outside may lead here; it is
//! a fault of the core (docs/core.md).

const std = @import("std");

fn stop(message: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    const begin = "zevm: internal fault of the core: ";
    _ = std.c.write(2, begin, begin.len);
    _ = std.c.write(2, message.ptr, message.len);
    _ = std.c.write(2, "\n", 1);
    std.c.abort();
}

pub const panic = std.debug.FullPanic(stop);
