//! What the benchmark measures in WebAssembly; Measure.sol is its twin, with the same functions and the same storage.

const covenant = @import("covenant");

const Address = covenant.Address;

const Measure = struct {
    pub const storage = covenant.layout(struct {
        numbers: covenant.Mapping(u256, u256),
    });

    /// A step is a multiplication and an addition of 64 bits.
    pub fn loop(steps: u64) u64 {
        var state: u64 = 1;
        var step: u64 = 0;
        while (step < steps) : (step += 1) state = state *% 6364136223846793005 +% 1442695040888963407;
        return state;
    }

    pub fn balanceThrough(token: Address, account: Address) u256 {
        return covenant.call(u256, token, "balanceOf", .{account}, .{ .kind = .static });
    }

    /// The balance after this number of calls that read it.
    pub fn balancesThrough(token: Address, account: Address, rounds: u64) u256 {
        var last: u256 = 0;
        var round: u64 = 0;
        while (round < rounds) : (round += 1) last = balanceThrough(token, account);
        return last;
    }

    pub fn write(count: u256, value: u256) void {
        var index: u256 = 0;
        while (index < count) : (index += 1) Measure.storage.numbers.of(index).set(value);
    }

    pub fn read(count: u256) u256 {
        var sum: u256 = 0;
        var index: u256 = 0;
        while (index < count) : (index += 1) sum +%= Measure.storage.numbers.of(index).get();
        return sum;
    }

    /// Calls that run no code.
    pub fn poke(target: Address, rounds: u64) void {
        const no_wei: [32]u8 = @splat(0);
        var returned: usize = 0;
        var round: u64 = 0;
        while (round < rounds) : (round += 1) {
            _ = covenant.hooks.call_contract(&target.bytes, &no_wei, 0, &no_wei, 1 << 62, &returned);
        }
    }

    /// Host calls that do little but cross over: as hard as they can work the node for their gas.
    pub fn ask(rounds: u64) u256 {
        var last = Address.zero;
        var round: u64 = 0;
        while (round < rounds) : (round += 1) last = covenant.sender();
        return @intFromBool(last.eql(covenant.sender()));
    }
};

comptime {
    covenant.define(Measure);
}
