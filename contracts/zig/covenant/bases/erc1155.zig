//! Many kinds of tokens in one contract: OpenZeppelin's ERC1155, with its storage, events and errors.

const covenant = @import("../covenant.zig");
const acceptance = @import("acceptance.zig");
const introspection = @import("introspection.zig");

const Address = covenant.Address;
const Numbers = []const u256;

pub const TransferSingle = struct {
    operator: Address,
    from: Address,
    to: Address,
    id: u256,
    value: u256,
    pub const indexed = .{ "operator", "from", "to" };
};

pub const TransferBatch = struct {
    operator: Address,
    from: Address,
    to: Address,
    ids: Numbers,
    values: Numbers,
    pub const indexed = .{ "operator", "from", "to" };
};

pub const ApprovalForAll = struct {
    account: Address,
    operator: Address,
    approved: bool,
    pub const indexed = .{ "account", "operator" };
};

/// Part of the interface; the base does not emit it.
pub const URI = struct {
    value: covenant.String,
    id: u256,
    pub const indexed = .{"id"};
};

pub const ERC1155InsufficientBalance = struct { sender: Address, balance: u256, needed: u256, tokenId: u256 };
pub const ERC1155InvalidSender = struct { sender: Address };
pub const ERC1155InvalidReceiver = struct { receiver: Address };
pub const ERC1155MissingApprovalForAll = struct { operator: Address, owner: Address };
pub const ERC1155InvalidApprover = struct { approver: Address };
pub const ERC1155InvalidOperator = struct { operator: Address };
pub const ERC1155InvalidArrayLength = struct { idsLength: u256, valuesLength: u256 };

const Receiver = covenant.interface(struct {
    onERC1155Received: fn (Address, Address, u256, u256, covenant.Bytes) [4]u8,
    onERC1155BatchReceived: fn (Address, Address, Numbers, Numbers, covenant.Bytes) [4]u8,
});

pub const interface_id = introspection.interfaceId(&.{
    "balanceOf(address,uint256)",
    "balanceOfBatch(address[],uint256[])",
    "setApprovalForAll(address,bool)",
    "isApprovedForAll(address,address)",
    "safeTransferFrom(address,address,uint256,uint256,bytes)",
    "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
});

pub const metadata_interface_id = introspection.interfaceId(&.{"uri(uint256)"});

const single_answer = covenant.abi.selector("onERC1155Received(address,address,uint256,uint256,bytes)");
const batch_answer = covenant.abi.selector("onERC1155BatchReceived(address,address,uint256[],uint256[],bytes)");

/// A base: the constructor calls `setURI`. Receivers may call back.
pub fn ERC1155(comptime Contract: type) type {
    return struct {
        pub const Fields = struct {
            _balances: covenant.Mapping(u256, covenant.Mapping(Address, u256)),
            _operatorApprovals: covenant.Mapping(Address, covenant.Mapping(Address, bool)),
            _uri: covenant.String,
        };
        pub const view = .{ "uri", "balanceOf", "balanceOfBatch", "isApprovedForAll" };
        pub const pure = .{"supportsInterface"};
        pub const internal = .{ "setURI", "requireAuthority", "mint", "mintBatch", "burn", "burnBatch" };
        pub const events = .{ ApprovalForAll, TransferBatch, TransferSingle, URI };
        pub const errors = .{
            ERC1155InsufficientBalance,
            ERC1155InvalidApprover,
            ERC1155InvalidArrayLength,
            ERC1155InvalidOperator,
            ERC1155InvalidReceiver,
            ERC1155InvalidSender,
            ERC1155MissingApprovalForAll,
        };

        pub fn supportsInterface(interfaceId: [4]u8) bool {
            return introspection.supports(interfaceId, &.{ interface_id, metadata_interface_id });
        }

        /// One URI for all kinds; clients put the kind's number in the place of `{id}`.
        pub fn uri(id: u256) covenant.String {
            _ = id;
            return Contract.storage._uri.get();
        }

        pub fn balanceOf(account: Address, id: u256) u256 {
            return Contract.storage._balances.of(id).of(account).get();
        }

        pub fn balanceOfBatch(accounts: []const Address, ids: Numbers) Numbers {
            requireEven(ids.len, accounts.len);
            const balances = covenant.list(u256, accounts.len);
            for (balances, accounts, ids) |*balance, account, id| balance.* = balanceOf(account, id);
            return balances;
        }

        pub fn setApprovalForAll(operator: Address, approved: bool) void {
            if (operator.eql(.zero)) covenant.revertWith(ERC1155InvalidOperator{ .operator = .zero });
            const account = covenant.sender();
            Contract.storage._operatorApprovals.of(account).of(operator).set(approved);
            covenant.emit(ApprovalForAll{ .account = account, .operator = operator, .approved = approved });
        }

        pub fn isApprovedForAll(account: Address, operator: Address) bool {
            return Contract.storage._operatorApprovals.of(account).of(operator).get();
        }

        pub fn safeTransferFrom(from: Address, to: Address, id: u256, value: u256, data: covenant.Bytes) void {
            requireAuthority(from);
            requireParties(from, to);
            updateAndAsk(from, to, &.{id}, &.{value}, data, .single);
        }

        pub fn safeBatchTransferFrom(from: Address, to: Address, ids: Numbers, values: Numbers, data: covenant.Bytes) void {
            requireAuthority(from);
            requireParties(from, to);
            updateAndAsk(from, to, ids, values, data, .batch);
        }

        pub fn setURI(new: []const u8) void {
            Contract.storage._uri.set(new);
        }

        /// The caller owns what is `owner`'s, or may move it.
        pub fn requireAuthority(owner: Address) void {
            const caller = covenant.sender();
            if (owner.eql(caller) or isApprovedForAll(owner, caller)) return;
            covenant.revertWith(ERC1155MissingApprovalForAll{ .operator = caller, .owner = owner });
        }

        pub fn mint(to: Address, id: u256, value: u256, data: covenant.Bytes) void {
            if (to.eql(.zero)) covenant.revertWith(ERC1155InvalidReceiver{ .receiver = .zero });
            updateAndAsk(.zero, to, &.{id}, &.{value}, data, .single);
        }

        pub fn mintBatch(to: Address, ids: Numbers, values: Numbers, data: covenant.Bytes) void {
            if (to.eql(.zero)) covenant.revertWith(ERC1155InvalidReceiver{ .receiver = .zero });
            updateAndAsk(.zero, to, ids, values, data, .batch);
        }

        pub fn burn(from: Address, id: u256, value: u256) void {
            burnBatch(from, &.{id}, &.{value});
        }

        pub fn burnBatch(from: Address, ids: Numbers, values: Numbers) void {
            if (from.eql(.zero)) covenant.revertWith(ERC1155InvalidSender{ .sender = .zero });
            update(from, .zero, ids, values);
        }

        fn requireParties(from: Address, to: Address) void {
            if (to.eql(.zero)) covenant.revertWith(ERC1155InvalidReceiver{ .receiver = .zero });
            if (from.eql(.zero)) covenant.revertWith(ERC1155InvalidSender{ .sender = .zero });
        }

        fn requireEven(ids: usize, values: usize) void {
            if (ids != values) covenant.revertWith(ERC1155InvalidArrayLength{ .idsLength = ids, .valuesLength = values });
        }

        fn update(from: Address, to: Address, ids: Numbers, values: Numbers) void {
            requireEven(ids.len, values.len);
            for (ids, values) |id, value| updateOne(from, to, id, value);
            const operator = covenant.sender();
            if (ids.len == 1) {
                covenant.emit(TransferSingle{ .operator = operator, .from = from, .to = to, .id = ids[0], .value = values[0] });
            } else {
                covenant.emit(TransferBatch{ .operator = operator, .from = from, .to = to, .ids = ids, .values = values });
            }
        }

        fn updateOne(from: Address, to: Address, id: u256, value: u256) void {
            const balances = Contract.storage._balances.of(id);
            if (!from.eql(.zero)) {
                const source = balances.of(from);
                const held = source.get();
                if (held < value) covenant.revertWith(ERC1155InsufficientBalance{
                    .sender = from,
                    .balance = held,
                    .needed = value,
                    .tokenId = id,
                });
                source.set(held - value);
            }
            if (to.eql(.zero)) return;
            const target = balances.of(to);
            target.set(covenant.add(target.get(), value));
        }

        const Question = enum { single, batch };

        fn updateAndAsk(from: Address, to: Address, ids: Numbers, values: Numbers, data: covenant.Bytes, question: Question) void {
            update(from, to, ids, values);
            if (covenant.codeSize(to) == 0) return;
            const receiver = Receiver.at(to);
            const operator = covenant.sender();
            const refusal = ERC1155InvalidReceiver{ .receiver = to };
            switch (question) {
                .single => {
                    const answer = receiver.tryCall(.onERC1155Received, .{ operator, from, ids[0], values[0], data });
                    acceptance.require(answer, single_answer, refusal);
                },
                .batch => {
                    const answer = receiver.tryCall(.onERC1155BatchReceived, .{ operator, from, ids, values, data });
                    acceptance.require(answer, batch_answer, refusal);
                },
            }
        }
    };
}
