//! The contract of `covenant.zigContract`: the guide's SimpleToken on a chain.

const environment = @import("environment.zig");
const event = @import("event.zig");
const storage_module = @import("storage.zig");
const types = @import("types.zig");

/// One million tokens of 18 decimals.
pub const whole_supply: u256 = 1_000_000 * 1_000_000_000_000_000_000;

const Transfer = struct {
    from: types.Address,
    to: types.Address,
    value: u256,
    pub const indexed = .{ "from", "to" };
};

pub fn SimpleToken(comptime name: []const u8) type {
    return struct {
        pub const abi_name = name;
        pub const view = .{ "balanceOf", "getInfo" };
        pub const events = .{Transfer};

        pub const storage = storage_module.layout(struct {
            balances: storage_module.Mapping(types.Address, u256),
            supply: u256,
        });

        pub fn constructor() void {
            const deployer = environment.sender();
            storage.supply.set(whole_supply);
            storage.balances.of(deployer).set(whole_supply);
            event.emit(Transfer{ .from = .zero, .to = deployer, .value = whole_supply });
        }

        /// The balance of an account; of the sender where the call names none, as the guide's tests do.
        pub fn balanceOf(account: ?types.Address) u256 {
            return storage.balances.of(account orelse environment.sender()).get();
        }

        /// InvalidParameters where the sender has too little.
        pub fn transfer(to: types.Address, amount: u256) error{InvalidParameters}!bool {
            const from = environment.sender();
            const source = storage.balances.of(from);
            const held = source.get();
            if (held < amount) return error.InvalidParameters;
            source.set(held - amount);
            const target = storage.balances.of(to);
            target.set(target.get() + amount);
            event.emit(Transfer{ .from = from, .to = to, .value = amount });
            return true;
        }

        /// Its name, its decimals and its whole supply.
        pub fn getInfo() struct { types.String, u8, u256 } {
            return .{ .{ .data = name }, 18, storage.supply.get() };
        }
    };
}
