//! Tokens that are one of a kind: OpenZeppelin's ERC721, with its storage, events and errors.

const covenant = @import("../covenant.zig");
const acceptance = @import("acceptance.zig");
const decimal = @import("decimal.zig");
const introspection = @import("introspection.zig");

const Address = covenant.Address;

pub const Transfer = struct {
    from: Address,
    to: Address,
    tokenId: u256,
    pub const indexed = .{ "from", "to", "tokenId" };
};

pub const Approval = struct {
    owner: Address,
    approved: Address,
    tokenId: u256,
    pub const indexed = .{ "owner", "approved", "tokenId" };
};

pub const ApprovalForAll = struct {
    owner: Address,
    operator: Address,
    approved: bool,
    pub const indexed = .{ "owner", "operator" };
};

pub const ERC721InvalidOwner = struct { owner: Address };
pub const ERC721NonexistentToken = struct { tokenId: u256 };
pub const ERC721IncorrectOwner = struct { sender: Address, tokenId: u256, owner: Address };
pub const ERC721InvalidSender = struct { sender: Address };
pub const ERC721InvalidReceiver = struct { receiver: Address };
pub const ERC721InsufficientApproval = struct { operator: Address, tokenId: u256 };
pub const ERC721InvalidApprover = struct { approver: Address };
pub const ERC721InvalidOperator = struct { operator: Address };

const Receiver = covenant.interface(struct {
    onERC721Received: fn (Address, Address, u256, covenant.Bytes) [4]u8,
});

pub const interface_id = introspection.interfaceId(&.{
    "balanceOf(address)",
    "ownerOf(uint256)",
    "safeTransferFrom(address,address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "setApprovalForAll(address,bool)",
    "getApproved(uint256)",
    "isApprovedForAll(address,address)",
});

pub const metadata_interface_id = introspection.interfaceId(&.{ "name()", "symbol()", "tokenURI(uint256)" });

/// A base: the constructor calls `start` with the name and symbol. A contract that defines `baseURI() covenant.String`,
/// and lists it in `internal`, has URIs: the base and the token's number. Receivers may call back.
pub fn ERC721(comptime Contract: type) type {
    return struct {
        pub const Fields = struct {
            _name: covenant.String,
            _symbol: covenant.String,
            _owners: covenant.Mapping(u256, Address),
            _balances: covenant.Mapping(Address, u256),
            _tokenApprovals: covenant.Mapping(u256, Address),
            _operatorApprovals: covenant.Mapping(Address, covenant.Mapping(Address, bool)),
        };
        pub const view = .{ "name", "symbol", "balanceOf", "ownerOf", "tokenURI", "getApproved", "isApprovedForAll" };
        pub const pure = .{"supportsInterface"};
        pub const internal = .{ "start", "mint", "safeMint", "burn", "update", "requireOwned" };
        pub const overloads = .{ .safeTransferFromWithData = "safeTransferFrom" };
        pub const events = .{ Approval, ApprovalForAll, Transfer };
        pub const errors = .{
            ERC721IncorrectOwner,
            ERC721InsufficientApproval,
            ERC721InvalidApprover,
            ERC721InvalidOperator,
            ERC721InvalidOwner,
            ERC721InvalidReceiver,
            ERC721InvalidSender,
            ERC721NonexistentToken,
        };

        pub fn name() covenant.String {
            return Contract.storage._name.get();
        }

        pub fn symbol() covenant.String {
            return Contract.storage._symbol.get();
        }

        pub fn supportsInterface(interfaceId: [4]u8) bool {
            return introspection.supports(interfaceId, &.{ interface_id, metadata_interface_id });
        }

        pub fn balanceOf(owner: Address) u256 {
            if (owner.eql(.zero)) covenant.revertWith(ERC721InvalidOwner{ .owner = .zero });
            return Contract.storage._balances.of(owner).get();
        }

        pub fn ownerOf(tokenId: u256) Address {
            return requireOwned(tokenId);
        }

        pub fn tokenURI(tokenId: u256) covenant.String {
            _ = requireOwned(tokenId);
            const base: covenant.String = if (@hasDecl(Contract, "baseURI")) Contract.baseURI() else .{ .data = "" };
            return if (base.data.len == 0) base else decimal.appended(base, tokenId);
        }

        pub fn approve(to: Address, tokenId: u256) void {
            const caller = covenant.sender();
            const owner = requireOwned(tokenId);
            if (!owner.eql(caller) and !isApprovedForAll(owner, caller)) {
                covenant.revertWith(ERC721InvalidApprover{ .approver = caller });
            }
            covenant.emit(Approval{ .owner = owner, .approved = to, .tokenId = tokenId });
            Contract.storage._tokenApprovals.of(tokenId).set(to);
        }

        pub fn getApproved(tokenId: u256) Address {
            _ = requireOwned(tokenId);
            return Contract.storage._tokenApprovals.of(tokenId).get();
        }

        pub fn setApprovalForAll(operator: Address, approved: bool) void {
            if (operator.eql(.zero)) covenant.revertWith(ERC721InvalidOperator{ .operator = .zero });
            const owner = covenant.sender();
            Contract.storage._operatorApprovals.of(owner).of(operator).set(approved);
            covenant.emit(ApprovalForAll{ .owner = owner, .operator = operator, .approved = approved });
        }

        pub fn isApprovedForAll(owner: Address, operator: Address) bool {
            return Contract.storage._operatorApprovals.of(owner).of(operator).get();
        }

        pub fn transferFrom(from: Address, to: Address, tokenId: u256) void {
            if (to.eql(.zero)) covenant.revertWith(ERC721InvalidReceiver{ .receiver = .zero });
            const previous = update(to, tokenId, covenant.sender());
            if (previous.eql(from)) return;
            covenant.revertWith(ERC721IncorrectOwner{ .sender = from, .tokenId = tokenId, .owner = previous });
        }

        pub fn safeTransferFrom(from: Address, to: Address, tokenId: u256) void {
            safeTransferFromWithData(from, to, tokenId, .{ .data = "" });
        }

        /// `safeTransferFrom(address,address,uint256,bytes)`.
        pub fn safeTransferFromWithData(from: Address, to: Address, tokenId: u256, data: covenant.Bytes) void {
            transferFrom(from, to, tokenId);
            requireAcceptance(from, to, tokenId, data);
        }

        pub fn start(own_name: []const u8, own_symbol: []const u8) void {
            Contract.storage._name.set(own_name);
            Contract.storage._symbol.set(own_symbol);
        }

        /// A new token, without asking its owner.
        pub fn mint(to: Address, tokenId: u256) void {
            if (to.eql(.zero)) covenant.revertWith(ERC721InvalidReceiver{ .receiver = .zero });
            if (!update(to, tokenId, .zero).eql(.zero)) covenant.revertWith(ERC721InvalidSender{ .sender = .zero });
        }

        /// A new token, which a contract that gets it must accept.
        pub fn safeMint(to: Address, tokenId: u256, data: covenant.Bytes) void {
            mint(to, tokenId);
            requireAcceptance(.zero, to, tokenId, data);
        }

        pub fn burn(tokenId: u256) void {
            if (update(.zero, tokenId, .zero).eql(.zero)) covenant.revertWith(ERC721NonexistentToken{ .tokenId = tokenId });
        }

        /// Give a token to `to`, or burn it for zero; its owner so far. `authority` is asked for its right, if not zero.
        pub fn update(to: Address, tokenId: u256, authority: Address) Address {
            const owner = Contract.storage._owners.of(tokenId);
            const from = owner.get();
            if (!authority.eql(.zero)) requireAuthority(from, authority, tokenId);
            if (!from.eql(.zero)) {
                Contract.storage._tokenApprovals.of(tokenId).set(.zero);
                count(from, ~@as(u256, 0));
            }
            if (!to.eql(.zero)) count(to, 1);
            owner.set(to);
            covenant.emit(Transfer{ .from = from, .to = to, .tokenId = tokenId });
            return from;
        }

        pub fn requireOwned(tokenId: u256) Address {
            const owner = Contract.storage._owners.of(tokenId).get();
            if (owner.eql(.zero)) covenant.revertWith(ERC721NonexistentToken{ .tokenId = tokenId });
            return owner;
        }

        fn requireAuthority(owner: Address, spender: Address, tokenId: u256) void {
            if (owner.eql(spender) or isApprovedForAll(owner, spender)) return;
            if (Contract.storage._tokenApprovals.of(tokenId).get().eql(spender)) return;
            if (owner.eql(.zero)) covenant.revertWith(ERC721NonexistentToken{ .tokenId = tokenId });
            covenant.revertWith(ERC721InsufficientApproval{ .operator = spender, .tokenId = tokenId });
        }

        /// Add to a balance modulo 2^256; an owner has fewer tokens than there are numbers for them.
        fn count(owner: Address, change: u256) void {
            const balance = Contract.storage._balances.of(owner);
            balance.set(balance.get() +% change);
        }

        fn requireAcceptance(from: Address, to: Address, tokenId: u256, data: covenant.Bytes) void {
            if (covenant.codeSize(to) == 0) return;
            const answer = Receiver.at(to).tryCall(.onERC721Received, .{ covenant.sender(), from, tokenId, data });
            const expected = comptime covenant.abi.selector("onERC721Received(address,address,uint256,bytes)");
            acceptance.require(answer, expected, ERC721InvalidReceiver{ .receiver = to });
        }
    };
}
