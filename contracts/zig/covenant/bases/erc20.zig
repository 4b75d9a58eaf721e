//! A token: OpenZeppelin's ERC20, with its storage, events and errors.

const covenant = @import("../covenant.zig");

const Address = covenant.Address;

pub const Transfer = struct {
    from: Address,
    to: Address,
    value: u256,
    pub const indexed = .{ "from", "to" };
};

pub const Approval = struct {
    owner: Address,
    spender: Address,
    value: u256,
    pub const indexed = .{ "owner", "spender" };
};

pub const ERC20InsufficientBalance = struct { sender: Address, balance: u256, needed: u256 };
pub const ERC20InsufficientAllowance = struct { spender: Address, allowance: u256, needed: u256 };
pub const ERC20InvalidSender = struct { sender: Address };
pub const ERC20InvalidReceiver = struct { receiver: Address };
pub const ERC20InvalidApprover = struct { approver: Address };
pub const ERC20InvalidSpender = struct { spender: Address };

/// An allowance that spending does not lower.
pub const unlimited: u256 = ~@as(u256, 0);

/// A base: the constructor calls `start` with the name and symbol, and `mint`. A contract that defines
/// `beforeUpdate(from, to, value)`, and lists it in `internal`, is asked before every movement, mint and burn.
pub fn ERC20(comptime Contract: type) type {
    return struct {
        pub const Fields = struct {
            _balances: covenant.Mapping(Address, u256),
            _allowances: covenant.Mapping(Address, covenant.Mapping(Address, u256)),
            _totalSupply: u256,
            _name: covenant.String,
            _symbol: covenant.String,
        };
        pub const view = .{ "name", "symbol", "totalSupply", "balanceOf", "allowance" };
        pub const pure = .{"decimals"};
        pub const internal = .{ "start", "move", "mint", "burn", "allow", "spendAllowance" };
        pub const events = .{ Approval, Transfer };
        pub const errors = .{
            ERC20InsufficientAllowance,
            ERC20InsufficientBalance,
            ERC20InvalidApprover,
            ERC20InvalidReceiver,
            ERC20InvalidSender,
            ERC20InvalidSpender,
        };

        pub fn name() covenant.String {
            return Contract.storage._name.get();
        }

        pub fn symbol() covenant.String {
            return Contract.storage._symbol.get();
        }

        pub fn decimals() u8 {
            return 18;
        }

        pub fn totalSupply() u256 {
            return Contract.storage._totalSupply.get();
        }

        pub fn balanceOf(account: Address) u256 {
            return Contract.storage._balances.of(account).get();
        }

        pub fn allowance(owner: Address, spender: Address) u256 {
            return Contract.storage._allowances.of(owner).of(spender).get();
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
            spendAllowance(from, covenant.sender(), value);
            move(from, to, value);
            return true;
        }

        /// Name the token.
        pub fn start(own_name: []const u8, own_symbol: []const u8) void {
            Contract.storage._name.set(own_name);
            Contract.storage._symbol.set(own_symbol);
        }

        /// Transfer, whoever calls.
        pub fn move(from: Address, to: Address, value: u256) void {
            if (from.eql(.zero)) covenant.revertWith(ERC20InvalidSender{ .sender = .zero });
            if (to.eql(.zero)) covenant.revertWith(ERC20InvalidReceiver{ .receiver = .zero });
            update(from, to, value);
        }

        /// New tokens; Panic(0x11) if the supply would be too large.
        pub fn mint(account: Address, value: u256) void {
            if (account.eql(.zero)) covenant.revertWith(ERC20InvalidReceiver{ .receiver = .zero });
            update(.zero, account, value);
        }

        pub fn burn(account: Address, value: u256) void {
            if (account.eql(.zero)) covenant.revertWith(ERC20InvalidSender{ .sender = .zero });
            update(account, .zero, value);
        }

        /// Set an allowance, without an event.
        pub fn allow(owner: Address, spender: Address, value: u256) void {
            if (owner.eql(.zero)) covenant.revertWith(ERC20InvalidApprover{ .approver = .zero });
            if (spender.eql(.zero)) covenant.revertWith(ERC20InvalidSpender{ .spender = .zero });
            Contract.storage._allowances.of(owner).of(spender).set(value);
        }

        pub fn spendAllowance(owner: Address, spender: Address, value: u256) void {
            const allowed = allowance(owner, spender);
            if (allowed == unlimited) return;
            if (allowed < value) {
                covenant.revertWith(ERC20InsufficientAllowance{ .spender = spender, .allowance = allowed, .needed = value });
            }
            allow(owner, spender, allowed - value);
        }

        // The sum of all balances is the supply, so that only the supply can overflow.
        fn update(from: Address, to: Address, value: u256) void {
            if (@hasDecl(Contract, "beforeUpdate")) Contract.beforeUpdate(from, to, value);
            const supply = Contract.storage._totalSupply;
            if (from.eql(.zero)) {
                supply.set(covenant.add(supply.get(), value));
            } else {
                const source = Contract.storage._balances.of(from);
                const held = source.get();
                if (held < value) {
                    covenant.revertWith(ERC20InsufficientBalance{ .sender = from, .balance = held, .needed = value });
                }
                source.set(held - value);
            }
            if (to.eql(.zero)) {
                supply.set(supply.get() -% value);
            } else {
                const target = Contract.storage._balances.of(to);
                target.set(target.get() +% value);
            }
            covenant.emit(Transfer{ .from = from, .to = to, .value = value });
        }
    };
}
