//! An ERC-20 token: the twin of examples/src/TwinToken.sol (OpenZeppelin's ERC20), with its storage layout,
//! its events and its errors. The deployer receives the whole supply.

const covenant = @import("covenant");

const Address = covenant.Address;
const Mapping = covenant.Mapping;

const balances = &Token.storage._balances;
const allowances = &Token.storage._allowances;

const unlimited: u256 = ~@as(u256, 0);

const Transfer = struct {
    from: Address,
    to: Address,
    value: u256,
    pub const indexed = .{ "from", "to" };
};

const Approval = struct {
    owner: Address,
    spender: Address,
    value: u256,
    pub const indexed = .{ "owner", "spender" };
};

const ERC20InsufficientBalance = struct { sender: Address, balance: u256, needed: u256 };
const ERC20InsufficientAllowance = struct { spender: Address, allowance: u256, needed: u256 };
const ERC20InvalidSender = struct { sender: Address };
const ERC20InvalidReceiver = struct { receiver: Address };
const ERC20InvalidApprover = struct { approver: Address };
const ERC20InvalidSpender = struct { spender: Address };
const ERC1363InvalidReceiver = struct { receiver: Address };

const Token = struct {
    pub const storage = covenant.layout(struct {
        _balances: Mapping(Address, u256),
        _allowances: Mapping(Address, Mapping(Address, u256)),
        _totalSupply: u256,
        _name: covenant.String,
        _symbol: covenant.String,
    });

    pub const view = .{ "name", "symbol", "totalSupply", "balanceOf", "allowance" };
    pub const pure = .{"decimals"};
    pub const events = .{ Transfer, Approval };
    pub const errors = .{
        ERC20InsufficientBalance, ERC20InsufficientAllowance, ERC20InvalidSender,     ERC20InvalidReceiver,
        ERC20InvalidApprover,     ERC20InvalidSpender,        ERC1363InvalidReceiver,
    };
    /// A receiver that is told of a transfer may ask and transfer in turn: nothing is half done then.
    pub const reentrant = .all;

    pub fn constructor(whole: u256) void {
        storage._name.set("Twin Token");
        storage._symbol.set("TWIN");
        const owner = covenant.sender();
        storage._totalSupply.set(whole);
        balances.of(owner).set(whole);
        covenant.emit(Transfer{ .from = .zero, .to = owner, .value = whole });
    }

    pub fn name() covenant.String {
        return storage._name.get();
    }

    pub fn symbol() covenant.String {
        return storage._symbol.get();
    }

    pub fn decimals() u8 {
        return 18;
    }

    pub fn totalSupply() u256 {
        return storage._totalSupply.get();
    }

    pub fn balanceOf(account: Address) u256 {
        return balances.of(account).get();
    }

    pub fn allowance(owner: Address, spender: Address) u256 {
        return allowances.of(owner).of(spender).get();
    }

    pub fn transfer(to: Address, value: u256) bool {
        move(covenant.sender(), to, value);
        return true;
    }

    pub fn approve(spender: Address, value: u256) bool {
        const owner = covenant.sender();
        allow(owner, spender, value);
        covenant.emit(Approval{ .owner = owner, .spender = spender, .value = value });
        return true;
    }

    pub fn transferFrom(from: Address, to: Address, value: u256) bool {
        spend(from, covenant.sender(), value);
        move(from, to, value);
        return true;
    }

    /// ERC-1363: transfer, then tell the receiver, who must answer with its selector.
    pub fn transferAndCall(to: Address, value: u256, data: covenant.Bytes) bool {
        const from = covenant.sender();
        move(from, to, value);
        const expected = comptime covenant.abi.selector("onTransferReceived(address,address,uint256,bytes)");
        const answer = covenant.call([4]u8, to, "onTransferReceived", .{ from, from, value, data }, .{});
        if (@as(u32, @bitCast(answer)) != @as(u32, @bitCast(expected))) {
            covenant.revertWith(ERC1363InvalidReceiver{ .receiver = to });
        }
        return true;
    }
};

fn move(from: Address, to: Address, value: u256) void {
    if (from.eql(.zero)) covenant.revertWith(ERC20InvalidSender{ .sender = from });
    if (to.eql(.zero)) covenant.revertWith(ERC20InvalidReceiver{ .receiver = to });
    const source = balances.of(from);
    const held = source.get();
    if (held < value) covenant.revertWith(ERC20InsufficientBalance{ .sender = from, .balance = held, .needed = value });
    source.set(held - value);
    const target = balances.of(to);
    target.set(target.get() +% value);
    covenant.emit(Transfer{ .from = from, .to = to, .value = value });
}

fn allow(owner: Address, spender: Address, value: u256) void {
    if (owner.eql(.zero)) covenant.revertWith(ERC20InvalidApprover{ .approver = owner });
    if (spender.eql(.zero)) covenant.revertWith(ERC20InvalidSpender{ .spender = spender });
    allowances.of(owner).of(spender).set(value);
}

fn spend(owner: Address, spender: Address, value: u256) void {
    const allowed = allowances.of(owner).of(spender).get();
    if (allowed == unlimited) return;
    if (allowed < value) {
        covenant.revertWith(ERC20InsufficientAllowance{ .spender = spender, .allowance = allowed, .needed = value });
    }
    allow(owner, spender, allowed - value);
}

comptime {
    covenant.define(Token);
}
