//! Two tokens, traded so that the product of the reserves does not fall: the twin of examples/twins/Exchange.sol.
//! Its own ERC-20 token is a share of the reserves.

const std = @import("std");
const covenant = @import("covenant");

const Address = covenant.Address;

const s = Exchange.storage;
const erc20 = covenant.bases.ERC20(Exchange);
const safe = covenant.bases.safe_erc20;

const Token = covenant.interface(struct {
    name: fn () covenant.String,
    balanceOf: fn (Address) u256,
    pub const view = .{ "name", "balanceOf" };
});

const Added = struct {
    from: Address,
    amount0: u256,
    amount1: u256,
    shares: u256,
    pub const indexed = .{"from"};
};
const Removed = struct {
    to: Address,
    amount0: u256,
    amount1: u256,
    shares: u256,
    pub const indexed = .{"to"};
};
const Swapped = struct {
    from: Address,
    tokenIn: Address,
    amountIn: u256,
    amountOut: u256,
    to: Address,
    pub const indexed = .{ "from", "tokenIn", "to" };
};
const Synchronised = struct { reserve0: u112, reserve1: u112 };

const UnknownToken = struct { token: Address };
const TooLittle = struct { amount: u256, minimum: u256 };
const ReserveTooLarge = struct { reserve: u256 };
const NoReserves = struct {};

const whole_basis_points = 10_000;
const fee_basis_points = 30;

pub const Exchange = struct {
    pub const bases = .{erc20};
    pub const storage = covenant.layout(.{ erc20.Fields, struct {
        token0: Address,
        token1: Address,
        _reserve0: u112,
        _reserve1: u112,
        _updated: u32,
    } });
    pub const view = .{ "token0", "token1", "reserves", "describe" };
    pub const pure = .{ "quote", "FEE_BASIS_POINTS" };
    /// All but what moves tokens of the reserves: add, remove and swap are not entered again while they wait for a token.
    pub const reentrant = .{
        "token0",    "token1",   "reserves",     "describe", "name", "symbol", "totalSupply", "balanceOf",
        "allowance", "transfer", "transferFrom", "approve",
    };
    pub const events = .{ Added, Removed, Swapped, Synchronised };
    pub const errors = .{ UnknownToken, TooLittle, ReserveTooLarge, NoReserves, safe.SafeERC20FailedOperation };

    pub fn constructor(first: Address, second: Address) void {
        erc20.start("Exchange Share", "XSH");
        if (first.eql(second)) covenant.revertWith(UnknownToken{ .token = second });
        s.token0.set(first);
        s.token1.set(second);
    }

    pub fn FEE_BASIS_POINTS() u256 {
        return fee_basis_points;
    }

    pub fn token0() Address {
        return s.token0.get();
    }

    pub fn token1() Address {
        return s.token1.get();
    }

    pub fn reserves() struct { u112, u112, u32 } {
        return .{ s._reserve0.get(), s._reserve1.get(), s._updated.get() };
    }

    /// What `amountIn` of one token buys of the other, after the fee.
    pub fn quote(amountIn: u256, reserveIn: u256, reserveOut: u256) u256 {
        if (reserveIn == 0 or reserveOut == 0) covenant.revertWith(NoReserves{});
        const afterFee = amountIn * (whole_basis_points - fee_basis_points);
        return afterFee * reserveOut / (reserveIn * whole_basis_points + afterFee);
    }

    pub fn add(amount0: u256, amount1: u256, minimumShares: u256, to: Address) u256 {
        const supply = erc20.totalSupply();
        const shares = if (supply == 0)
            squareRoot(amount0 * amount1)
        else
            @min(amount0 * supply / s._reserve0.get(), amount1 * supply / s._reserve1.get());
        if (shares < minimumShares or shares == 0) covenant.revertWith(TooLittle{ .amount = shares, .minimum = minimumShares });
        const from = covenant.sender();
        safe.transferFrom(s.token0.get(), from, covenant.this(), amount0);
        safe.transferFrom(s.token1.get(), from, covenant.this(), amount1);
        erc20.mint(to, shares);
        covenant.emit(Added{ .from = from, .amount0 = amount0, .amount1 = amount1, .shares = shares });
        synchronise();
        return shares;
    }

    pub fn remove(shares: u256, minimum0: u256, minimum1: u256, to: Address) struct { u256, u256 } {
        const supply = erc20.totalSupply();
        const amount0 = shares * s._reserve0.get() / supply;
        const amount1 = shares * s._reserve1.get() / supply;
        if (amount0 < minimum0) covenant.revertWith(TooLittle{ .amount = amount0, .minimum = minimum0 });
        if (amount1 < minimum1) covenant.revertWith(TooLittle{ .amount = amount1, .minimum = minimum1 });
        erc20.burn(covenant.sender(), shares);
        safe.transfer(s.token0.get(), to, amount0);
        safe.transfer(s.token1.get(), to, amount1);
        covenant.emit(Removed{ .to = to, .amount0 = amount0, .amount1 = amount1, .shares = shares });
        synchronise();
        return .{ amount0, amount1 };
    }

    pub fn swap(tokenIn: Address, amountIn: u256, minimumOut: u256, to: Address) u256 {
        const first = s.token0.get();
        const second = s.token1.get();
        const isFirst = tokenIn.eql(first);
        if (!isFirst and !tokenIn.eql(second)) covenant.revertWith(UnknownToken{ .token = tokenIn });
        const held0 = s._reserve0.get();
        const held1 = s._reserve1.get();
        const amountOut = if (isFirst) quote(amountIn, held0, held1) else quote(amountIn, held1, held0);
        if (amountOut < minimumOut) covenant.revertWith(TooLittle{ .amount = amountOut, .minimum = minimumOut });
        const from = covenant.sender();
        safe.transferFrom(tokenIn, from, covenant.this(), amountIn);
        safe.transfer(if (isFirst) second else first, to, amountOut);
        covenant.emit(Swapped{ .from = from, .tokenIn = tokenIn, .amountIn = amountIn, .amountOut = amountOut, .to = to });
        synchronise();
        return amountOut;
    }

    /// The name of one of the tokens, or why it has none.
    pub fn describe(token: Address) struct { bool, covenant.String, u256 } {
        switch (Token.at(token).tryCall(.name, .{})) {
            .ok => |text| return .{ true, text, 0 },
            .failed => |failure| {
                if (failure.no_code) failure.bubble();
                if (failure.reason()) |text| return .{ false, .{ .data = text }, 1 };
                if (failure.panicCode()) |code| return .{ false, .{ .data = "panic" }, code };
                return .{ false, .{ .data = "" }, failure.data.len };
            },
        }
    }
};

/// Remember what the exchange has now.
fn synchronise() void {
    const reserve0 = heldOf(s.token0.get());
    const reserve1 = heldOf(s.token1.get());
    s._reserve0.set(reserve0);
    s._reserve1.set(reserve1);
    s._updated.set(@truncate(covenant.timestamp()));
    covenant.emit(Synchronised{ .reserve0 = reserve0, .reserve1 = reserve1 });
}

fn heldOf(token: Address) u112 {
    const held = Token.at(token).call(.balanceOf, .{covenant.this()});
    return std.math.cast(u112, held) orelse covenant.revertWith(ReserveTooLarge{ .reserve = held });
}

/// The largest number whose square is not above `number`, by Newton's method from above.
fn squareRoot(number: u256) u256 {
    if (number < 2) return number;
    var root = @as(u256, 1) << @intCast((257 - @clz(number)) / 2);
    while (true) {
        const next = (root + number / root) / 2;
        if (next >= root) return root;
        root = next;
    }
}

comptime {
    covenant.define(Exchange);
}

const testing = covenant.testing;
const expectEqual = std.testing.expectEqual;
const unlimited = covenant.bases.erc20.unlimited;

/// A token of one who deploys it.
const Coin = struct {
    const token = covenant.bases.ERC20(Coin);

    pub const bases = .{token};
    pub const storage = covenant.layout(token.Fields);
    pub const reentrant = .all;

    pub fn constructor(supply: u256) void {
        token.mint(covenant.sender(), supply);
    }
};

test "a swap pays by the product of the reserves" {
    var vm: testing.Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const alice = testing.named("alice");
    const bob = testing.named("bob");
    const first = try vm.deploy(Coin, .{1_000_000}, .{ .from = alice });
    const second = try vm.deploy(Coin, .{4_000_000}, .{ .from = alice });
    const exchange = try vm.deploy(Exchange, .{ first.address, second.address }, .{});
    for ([_]@TypeOf(first){ first, second }) |coin| {
        _ = try coin.call(.approve, .{ exchange.address, unlimited }, .{ .from = alice });
    }
    try expectEqual(200_000, try exchange.call(.add, .{ 100_000, 400_000, 0, alice }, .{ .from = alice }));
    try expectEqual(3_948, try exchange.call(.swap, .{ first.address, 1_000, 0, bob }, .{ .from = alice }));
    try expectEqual(3_948, try second.call(.balanceOf, .{bob}, .{}));
    const little = covenant.errorData(TooLittle{ .amount = 3_871, .minimum = 4_000 });
    try exchange.expectRevert(.swap, .{ first.address, 1_000, 4_000, bob }, .{ .from = alice }, little);
    try exchange.expectPanic(.quote, .{ unlimited, 1, 1 }, .{}, 0x11);
}
