//! `zig build test` runs the tests in the sources; `zevm contract build` makes the contracts.

const std = @import("std");

/// The contracts in src/, whose tests run.
const contracts = .{"{{file}}"};

pub fn build(b: *std.Build) void {
    const test_step = b.step("test", "Run the tests of the contracts");
    const covenant = b.createModule(.{ .root_source_file = b.path("lib/covenant/covenant.zig"), .target = b.graph.host });
    inline for (contracts) |name| {
        const tests = b.addTest(.{
            .name = name,
            .root_module = b.createModule(.{
                .root_source_file = b.path("src/" ++ name ++ ".zig"),
                .target = b.graph.host,
                .imports = &.{.{ .name = "covenant", .module = covenant }},
            }),
            .test_runner = .{ .path = b.path("lib/covenant/testing/runner.zig"), .mode = .simple },
        });
        test_step.dependOn(&b.addRunArtifact(tests).step);
    }
}
