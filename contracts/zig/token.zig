//! An ERC-20 token: the twin of examples/src/TwinToken.sol (OpenZeppelin's ERC20), with its storage layout,
//! its events and its errors. The deployer receives the whole supply.

const covenant = @import("covenant");

const Address = covenant.Address;

const erc20 = covenant.bases.ERC20(Token);

/// A contract that wants to hear of tokens that come (ERC-1363).
const Receiver = covenant.interface(struct {
    onTransferReceived: fn (Address, Address, u256, covenant.Bytes) [4]u8,
});

const ERC1363InvalidReceiver = struct { receiver: Address };

pub const Token = struct {
    pub const bases = .{erc20};
    pub const storage = covenant.layout(erc20.Fields);
    pub const errors = .{ERC1363InvalidReceiver};
    /// A receiver that is told of a transfer may ask and transfer in turn: nothing is half done then.
    pub const reentrant = .all;

    pub fn constructor(supply: u256) void {
        erc20.start("Twin Token", "TWIN");
        erc20.mint(covenant.sender(), supply);
    }

    /// ERC-1363: transfer, then tell the receiver, who must answer with the selector.
    pub fn transferAndCall(to: Address, value: u256, data: covenant.Bytes) bool {
        const from = covenant.sender();
        erc20.move(from, to, value);
        const answer = Receiver.at(to).call(.onTransferReceived, .{ from, from, value, data });
        if (@as(u32, @bitCast(answer)) != @as(u32, @bitCast(comptime Receiver.selector(.onTransferReceived)))) {
            covenant.revertWith(ERC1363InvalidReceiver{ .receiver = to });
        }
        return true;
    }
};

comptime {
    covenant.define(Token);
}
