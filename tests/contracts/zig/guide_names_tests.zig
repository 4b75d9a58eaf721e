//! The names of the guide in the library: its token on the test machine and in memory, its context, its state.

const std = @import("std");
const covenant = @import("covenant");
const Token = covenant.zigContract("MyToken");
test "the guide's token" {
    var vm: covenant.testing.Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const alice = covenant.testing.named("alice");
    const token = try vm.deploy(Token, .{}, .{ .from = alice });
    try std.testing.expectEqual(1_000_000 * std.math.pow(u256, 10, 18), try token.call(.balanceOf, .{alice}, .{}));
}
test "the guide's methods" {
    var context = covenant.ExecutionContext.init(std.testing.allocator, @splat(7), 100_000);
    var token = try Token.init(std.testing.allocator, &context.sender);
    defer token.deinit();
    const info = try token.call("getInfo", "", &context);
    defer std.testing.allocator.free(info);
    try std.testing.expectEqualStrings("MyToken", info);
    const balance = try token.call("balanceOf", "", &context);
    defer std.testing.allocator.free(balance);
    try std.testing.expect(std.mem.readInt(u256, balance[0..32], .big) > 0);
    var params: [64]u8 = @splat(0);
    params[63] = 100;
    const moved = try token.call("transfer", &params, &context);
    defer std.testing.allocator.free(moved);
    try std.testing.expectEqual(1, moved[31]);
    try std.testing.expectError(error.InvalidParameters, token.call("mint", "", &context));
    try std.testing.expectEqual(100_000 - 3 * 700 - 800 - 800 - 11_600 - 700, context.gas_limit - context.gas_used);
    context.gas_limit = context.gas_used + 699;
    try std.testing.expectError(error.InsufficientGas, token.call("getInfo", "", &context));
    var state = covenant.ContractState.init(std.testing.allocator);
    defer state.deinit();
    try std.testing.expectEqual(null, state.get(@splat(1)));
    try state.set(@splat(1), @splat(2));
    try std.testing.expectEqual(@as([32]u8, @splat(2)), state.get(@splat(1)).?);
}

test "the guide's constants" {
    try std.testing.expectEqual(.{ 800, 5000, 700, 32000, 21000 }, .{
        covenant.GAS_COSTS.SLOAD,  covenant.GAS_COSTS.SSTORE,   covenant.GAS_COSTS.CALL,
        covenant.GAS_COSTS.CREATE, covenant.GAS_COSTS.TRANSFER,
    });
    const limits = covenant.MemoryLimits;
    try std.testing.expectEqual(.{ 67_108_864, 1024, 1_048_576 }, .{
        limits.MAX_MEMORY, limits.MAX_STACK_DEPTH, limits.MAX_CALLDATA_SIZE,
    });
    try std.testing.expectEqual(.{ [20]u8, [32]u8, u64 }, .{ covenant.ContractAddress, covenant.StateHash, covenant.GasLimit });
    try std.testing.expectEqual(11, @typeInfo(covenant.CovenantError).error_set.error_names.?.len);
}
