//! A token that anybody may mint.

const covenant = @import("covenant");

pub const OpenMint = struct {
    pub const storage = covenant.layout(struct { balances: covenant.Mapping(covenant.Address, u256), total: u256 });
    pub const view = .{"balanceOf"};

    pub fn balanceOf(account: covenant.Address) u256 {
        return storage.balances.of(account).get();
    }

    pub fn mint(to: covenant.Address, amount: u256) void {
        const theirs = storage.balances.of(to);
        theirs.set(theirs.get() + amount);
        storage.total.set(storage.total.get() + amount);
    }

    pub fn transfer(to: covenant.Address, amount: u256) void {
        const mine = storage.balances.of(covenant.sender());
        mine.set(mine.get() - amount);
        const theirs = storage.balances.of(to);
        theirs.set(theirs.get() + amount);
    }
};

comptime {
    covenant.define(OpenMint);
}
