//! The twin of examples/src/Counter.sol, with its storage layout.

const covenant = @import("covenant");

const Address = covenant.Address;

const limit: u256 = 1_000_000;

const NumberChanged = struct {
    by: Address,
    previous: u256,
    current: u256,
    pub const indexed = .{ "by", "previous" };
};

const NumberTooLarge = struct { given: u256, limit: u256 };

const Counter = struct {
    pub const payable = .{"constructor"};
    pub const view = .{ "number", "changes" };
    pub const pure = .{ "LIMIT", "refuse", "divide" };
    pub const events = .{NumberChanged};
    pub const errors = .{NumberTooLarge};

    pub const storage = covenant.layout(struct {
        number: u256,
        changes: covenant.Mapping(Address, u256),
    });

    pub fn constructor(start: u256) void {
        Counter.storage.number.set(start);
    }

    pub fn receive() void {}

    pub fn LIMIT() u256 {
        return limit;
    }

    pub fn number() u256 {
        return Counter.storage.number.get();
    }

    pub fn changes(by: Address) u256 {
        return Counter.storage.changes.of(by).get();
    }

    pub fn setNumber(current: u256) void {
        change(current);
    }

    pub fn increment() void {
        change(covenant.add(Counter.storage.number.get(), 1));
    }

    pub fn refuse() void {
        covenant.revert("Counter: refused");
    }

    pub fn divide(dividend: u256, divisor: u256) u256 {
        return covenant.divide(dividend, divisor);
    }
};

fn change(current: u256) void {
    if (current > limit) covenant.revertWith(NumberTooLarge{ .given = current, .limit = limit });
    const by = covenant.sender();
    covenant.emit(NumberChanged{ .by = by, .previous = Counter.storage.number.get(), .current = current });
    Counter.storage.number.set(current);
    const count = Counter.storage.changes.of(by);
    count.set(covenant.add(count.get(), 1));
}

comptime {
    covenant.define(Counter);
}
