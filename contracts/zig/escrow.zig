//! A buyer's wei, held until it goes to the seller or back: the twin of examples/twins/Escrow.sol.

const covenant = @import("covenant");

const Address = covenant.Address;
const String = covenant.String;

const s = Escrow.storage;

const State = enum(u8) { created, funded, disputed, settled };

const Settlement = struct {
    toSeller: u256,
    toBuyer: u256,
    fee: u256,
};

const Funded = struct {
    buyer: Address,
    amount: u256,
    deadline: u64,
    pub const indexed = .{"buyer"};
};
const Disputed = struct {
    by: Address,
    digest: String,
    reason: String,
    pub const indexed = .{ "by", "digest" };
};
const Settled = struct { settlement: Settlement };
const Withdrawn = struct {
    account: Address,
    amount: u256,
    pub const indexed = .{"account"};
};

const NotAllowed = struct { caller: Address };
const WrongState = struct { state: State, wanted: State };
const TooEarly = struct { time: u64, deadline: u64 };
const SplitTooLarge = struct { basisPoints: u256 };

/// All of it.
const whole_basis_points = 10_000;

pub const Escrow = struct {
    pub const storage = covenant.layout(struct {
        buyer: Address,
        state: State,
        deadline: u64,
        seller: Address,
        feeBasisPoints: u16,
        patience: i64,
        arbiter: Address,
        amount: u256,
        title: String,
        _reasons: covenant.Array(String),
        withdrawable: covenant.Mapping(Address, u256),
    });
    pub const payable = .{"fund"};
    pub const view = .{
        "buyer", "state",        "deadline", "seller", "feeBasisPoints", "patience", "arbiter", "amount",
        "title", "withdrawable", "reasons",  "reason", "isIn",           "split",
    };
    pub const pure = .{ "stateOf", "share" };
    pub const events = .{ Funded, Disputed, Settled, Withdrawn };
    pub const errors = .{ NotAllowed, WrongState, TooEarly, SplitTooLarge };

    pub fn constructor(other: Address, judge: Address, fee: u16, seconds: i64, text: String) void {
        if (fee > whole_basis_points) covenant.revertWith(SplitTooLarge{ .basisPoints = fee });
        if (seconds <= 0) covenant.revert("Escrow: no patience");
        s.buyer.set(covenant.sender());
        s.seller.set(other);
        s.arbiter.set(judge);
        s.feeBasisPoints.set(fee);
        s.patience.set(seconds);
        s.title.set(text.data);
    }

    pub fn fund() void {
        requireSender(s.buyer.get());
        requireState(.created);
        const sent = covenant.value();
        if (sent == 0) covenant.revert("Escrow: nothing sent");
        const end = covenant.timestamp() + @as(u64, @intCast(s.patience.get()));
        s.amount.set(sent);
        s.deadline.set(end);
        s.state.set(.funded);
        covenant.emit(Funded{ .buyer = covenant.sender(), .amount = sent, .deadline = end });
    }

    pub fn release() void {
        requireSender(s.buyer.get());
        requireState(.funded);
        settle(whole_basis_points);
    }

    /// The seller gives up, or the deadline has passed.
    pub fn refund() void {
        requireState(.funded);
        const now = covenant.timestamp();
        const end = s.deadline.get();
        if (!covenant.sender().eql(s.seller.get()) and now < end) {
            covenant.revertWith(TooEarly{ .time = now, .deadline = end });
        }
        settle(0);
    }

    pub fn dispute(text: String) void {
        const by = covenant.sender();
        if (!by.eql(s.buyer.get()) and !by.eql(s.seller.get())) covenant.revertWith(NotAllowed{ .caller = by });
        if (s.state.get() != .disputed) requireState(.funded);
        s.state.set(.disputed);
        s._reasons.push(text);
        covenant.emit(Disputed{ .by = by, .digest = text, .reason = text });
    }

    pub fn resolve(sellerBasisPoints: u256) void {
        requireSender(s.arbiter.get());
        requireState(.disputed);
        settle(sellerBasisPoints);
    }

    pub fn withdraw() void {
        const account = covenant.sender();
        const place = s.withdrawable.of(account);
        const owed = place.get();
        place.set(0);
        if (covenant.trySend(account, owed) == .failed) covenant.revert("Escrow: not sent");
        covenant.emit(Withdrawn{ .account = account, .amount = owed });
    }

    pub fn reasons() []const String {
        return s._reasons.get();
    }

    pub fn reason(index: u256) String {
        return s._reasons.at(index).get();
    }

    pub fn isIn(wanted: State) bool {
        return s.state.get() == wanted;
    }

    /// The number as a state; Panic(0x21) if there is none.
    pub fn stateOf(number: u8) State {
        return @fromBackingInt(@intCast(number));
    }

    /// The share in basis points, rounded down. Overflow is Panic(0x11).
    pub fn share(whole: u256, basisPoints: u256) u256 {
        return whole * basisPoints / whole_basis_points;
    }

    pub fn split(sellerBasisPoints: u256) Settlement {
        const held = s.amount.get();
        const fee = share(held, s.feeBasisPoints.get());
        const toSeller = share(held - fee, sellerBasisPoints);
        return .{ .toSeller = toSeller, .toBuyer = held - fee - toSeller, .fee = fee };
    }

    pub fn buyer() Address {
        return s.buyer.get();
    }

    pub fn state() State {
        return s.state.get();
    }

    pub fn deadline() u64 {
        return s.deadline.get();
    }

    pub fn seller() Address {
        return s.seller.get();
    }

    pub fn feeBasisPoints() u16 {
        return s.feeBasisPoints.get();
    }

    pub fn patience() i64 {
        return s.patience.get();
    }

    pub fn arbiter() Address {
        return s.arbiter.get();
    }

    pub fn amount() u256 {
        return s.amount.get();
    }

    pub fn title() String {
        return s.title.get();
    }

    pub fn withdrawable(account: Address) u256 {
        return s.withdrawable.of(account).get();
    }
};

fn settle(sellerBasisPoints: u256) void {
    if (sellerBasisPoints > whole_basis_points) covenant.revertWith(SplitTooLarge{ .basisPoints = sellerBasisPoints });
    const settlement = Escrow.split(sellerBasisPoints);
    credit(s.seller.get(), settlement.toSeller);
    credit(s.buyer.get(), settlement.toBuyer);
    credit(s.arbiter.get(), settlement.fee);
    s.state.set(.settled);
    s._reasons.delete();
    covenant.emit(Settled{ .settlement = settlement });
}

fn credit(account: Address, wei: u256) void {
    const place = s.withdrawable.of(account);
    place.set(place.get() + wei);
}

fn requireSender(account: Address) void {
    const caller = covenant.sender();
    if (!caller.eql(account)) covenant.revertWith(NotAllowed{ .caller = caller });
}

fn requireState(wanted: State) void {
    const now = s.state.get();
    if (now != wanted) covenant.revertWith(WrongState{ .state = now, .wanted = wanted });
}

comptime {
    covenant.define(Escrow);
}

const std = @import("std");
const testing = covenant.testing;
const expectEqual = std.testing.expectEqual;

test "a refund waits for the deadline" {
    var vm: testing.Vm = .init(std.testing.allocator);
    defer vm.deinit();
    const alice = testing.named("alice");
    const bob = testing.named("bob");
    vm.setBalance(alice, 1_000);
    vm.warp(5_000);
    const escrow = try vm.deploy(Escrow, .{ bob, testing.named("carol"), 250, 60, "a boat" }, .{ .from = alice });
    try escrow.expectMessage(.fund, .{}, .{ .from = alice }, "Escrow: nothing sent");
    try escrow.call(.fund, .{}, .{ .from = alice, .value = 1_000 });
    const early = covenant.errorData(TooEarly{ .time = 5_000, .deadline = 5_060 });
    try escrow.expectRevert(.refund, .{}, .{ .from = alice }, early);
    vm.warp(5_060);
    try escrow.call(.refund, .{}, .{ .from = alice });
    try escrow.call(.withdraw, .{}, .{ .from = alice });
    try expectEqual(975, vm.balance(alice));
    try escrow.expectPanic(.share, .{ ~@as(u256, 0), 2 }, .{}, 0x11);
    try escrow.expectPanic(.stateOf, .{4}, .{}, 0x21);
}
