//! Contracts in tests: `zig build test` runs them natively, over a machine in memory. docs/zig.md shows how.

const std = @import("std");
const addresses = @import("testing/addresses.zig");
const vm = @import("testing/vm.zig");

pub const Vm = vm.Vm;
pub const Instance = vm.Instance;
pub const Options = vm.Options;
pub const Outcome = vm.Outcome;
pub const Log = vm.Log;

/// An address for a name, the same in every test: `const alice = covenant.testing.named("alice");`
pub const named = addresses.named;

/// For a test runner's root.
pub const panics = @import("testing/panics.zig");

/// Say what the last transaction that failed ended with.
pub fn printLastFailure() void {
    const last = vm.last_failure orelse return;
    std.debug.print("      {s} failed with 0x{x}", .{ last.what, last.outcome.data });
    if (textOf(last.outcome.data)) |text| std.debug.print(" = \"{s}\"", .{text});
    if (last.refusal) |reason| std.debug.print(" ({s})", .{reason});
    std.debug.print("\n", .{});
}

/// The text of Error(string).
fn textOf(data: []const u8) ?[]const u8 {
    if (data.len < 68 or !std.mem.eql(u8, data[0..4], &.{ 0x08, 0xc3, 0x79, 0xa0 })) return null;
    const length = std.mem.readInt(u32, data[64..68], .big);
    return if (length <= data.len - 68) data[68..][0..length] else null;
}
