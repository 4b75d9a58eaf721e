//! Transfers of tokens that answer `true`, and of those that answer nothing: OpenZeppelin's SafeERC20.

const covenant = @import("../covenant.zig");

const Address = covenant.Address;

pub const SafeERC20FailedOperation = struct { token: Address };

const transfer_selector = covenant.abi.selector("transfer(address,uint256)");
const transfer_from_selector = covenant.abi.selector("transferFrom(address,address,uint256)");

/// Send `value` of the contract's own tokens. Reverts as the token does, and with SafeERC20FailedOperation if the token
/// answers anything but `true` or nothing, or is no contract.
pub fn transfer(token: Address, to: Address, value: u256) void {
    require(token, covenant.abi.encode(&transfer_selector, .{ to, value }));
}

/// Send `value` of `from`'s tokens, as far as the contract may.
pub fn transferFrom(token: Address, from: Address, to: Address, value: u256) void {
    require(token, covenant.abi.encode(&transfer_from_selector, .{ from, to, value }));
}

fn require(token: Address, data: []const u8) void {
    const answer = covenant.rawCall(token, data, .{});
    const accepted = if (answer.len == 0) covenant.codeSize(token) > 0 else isTrue(answer);
    if (!accepted) covenant.revertWith(SafeERC20FailedOperation{ .token = token });
}

fn isTrue(answer: []const u8) bool {
    return answer.len >= 32 and covenant.abi.readNumber(answer[0..32]) == 1;
}
