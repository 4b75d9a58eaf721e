//! The root of `zig build test` for contracts: it runs each test, and says of one that fails what the last transaction
//! ended with. Its panics are Solidity's where a contract runs.

const std = @import("std");
const builtin = @import("builtin");
const covenant = @import("covenant");

pub const panic = covenant.testing.panics;

pub fn main(init: std.process.Init.Minimal) void {
    var failed: usize = 0;
    var skipped: usize = 0;
    for (builtin.test_functions) |each| {
        if (run(init, each)) |_| {} else |failure| switch (failure) {
            error.SkipZigTest => skipped += 1,
            else => failed += 1,
        }
    }
    const count = builtin.test_functions.len;
    std.debug.print("{d} of {d} tests passed, {d} skipped\n", .{ count - failed - skipped, count, skipped });
    std.process.exit(@intFromBool(failed != 0));
}

fn run(init: std.process.Init.Minimal, each: std.lang.TestFn) !void {
    std.testing.environ = init.environ;
    std.testing.allocator_instance = .init(std.heap.page_allocator, .{});
    std.testing.io_instance = .init(std.testing.allocator, .{ .argv0 = .init(init.args), .environ = init.environ });
    const result = each.func();
    std.testing.io_instance.deinit();
    const leaks = std.testing.allocator_instance.deinit();
    if (result) |_| {
        if (leaks == 0) return std.debug.print("ok    {s}\n", .{each.name});
        std.debug.print("LEAK  {s}: memory of std.testing.allocator was not freed\n", .{each.name});
        return error.Leak;
    } else |failure| {
        if (failure == error.SkipZigTest) std.debug.print("skip  {s}\n", .{each.name}) else report(each.name, failure);
        return failure;
    }
}

fn report(name: []const u8, failure: anyerror) void {
    std.debug.print("FAIL  {s}: {t}\n", .{ name, failure });
    covenant.testing.printLastFailure();
    if (@errorReturnTrace()) |trace| std.debug.dumpErrorReturnTrace(trace);
}
