//! A bank that may be entered again while it pays, and forgets the debt afterwards.

const covenant = @import("covenant");

pub const OpenBank = struct {
    pub const payable = .{"deposit"};
    pub const reentrant = .all;
    pub const storage = covenant.layout(struct { balances: covenant.Mapping(covenant.Address, u256) });

    pub fn deposit() void {
        const mine = storage.balances.of(covenant.sender());
        mine.set(mine.get() + covenant.value());
    }

    pub fn withdraw() void {
        const mine = storage.balances.of(covenant.sender());
        const amount = mine.get();
        if (amount == 0) covenant.revert("nothing");
        _ = covenant.rawCall(covenant.sender(), "", .{ .value = amount });
        mine.set(0);
    }
};

comptime {
    covenant.define(OpenBank);
}
