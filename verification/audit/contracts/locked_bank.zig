//! The same bank under the library's lock.

const covenant = @import("covenant");

pub const LockedBank = struct {
    pub const payable = .{"deposit"};
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
    covenant.define(LockedBank);
}
