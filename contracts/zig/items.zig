//! An ERC-1155 that its owner mints: the twin of examples/twins/Items.sol.

const covenant = @import("covenant");

const Address = covenant.Address;
const Bytes = covenant.Bytes;
const Numbers = []const u256;

const erc1155 = covenant.bases.ERC1155(Items);
const ownable = covenant.bases.Ownable(Items);

pub const Items = struct {
    pub const bases = .{ erc1155, ownable };
    pub const storage = covenant.layout(.{ erc1155.Fields, ownable.Fields });
    pub const reentrant = .all;

    pub fn constructor(uri: covenant.String, owner: Address) void {
        ownable.start(owner);
        erc1155.setURI(uri.data);
    }

    pub fn mint(to: Address, id: u256, value: u256, data: Bytes) void {
        ownable.requireOwner();
        erc1155.mint(to, id, value, data);
    }

    pub fn mintBatch(to: Address, ids: Numbers, values: Numbers, data: Bytes) void {
        ownable.requireOwner();
        erc1155.mintBatch(to, ids, values, data);
    }

    pub fn burn(account: Address, id: u256, value: u256) void {
        erc1155.requireAuthority(account);
        erc1155.burn(account, id, value);
    }

    pub fn burnBatch(account: Address, ids: Numbers, values: Numbers) void {
        erc1155.requireAuthority(account);
        erc1155.burnBatch(account, ids, values);
    }

    pub fn setURI(uri: covenant.String) void {
        ownable.requireOwner();
        erc1155.setURI(uri.data);
    }
};

comptime {
    covenant.define(Items);
}
