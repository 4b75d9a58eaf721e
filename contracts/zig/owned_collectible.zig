//! An ERC-721 that its owner mints: the twin of examples/twins/OwnedCollectible.sol.

const covenant = @import("covenant");

const Address = covenant.Address;

const erc721 = covenant.bases.ERC721(OwnedCollectible);
const ownable = covenant.bases.Ownable(OwnedCollectible);

pub const OwnedCollectible = struct {
    pub const bases = .{ erc721, ownable };
    pub const storage = covenant.layout(.{ erc721.Fields, ownable.Fields, struct {
        _base: covenant.String,
        minted: u256,
    } });
    pub const view = .{"minted"};
    pub const internal = .{"baseURI"};
    pub const reentrant = .all;

    pub fn constructor(name: covenant.String, symbol: covenant.String, base: covenant.String, owner: Address) void {
        ownable.start(owner);
        erc721.start(name.data, symbol.data);
        storage._base.set(base.data);
    }

    pub fn minted() u256 {
        return storage.minted.get();
    }

    pub fn mint(to: Address) u256 {
        ownable.requireOwner();
        const id = next();
        erc721.mint(to, id);
        return id;
    }

    pub fn safeMint(to: Address, data: covenant.Bytes) u256 {
        ownable.requireOwner();
        const id = next();
        erc721.safeMint(to, id, data);
        return id;
    }

    pub fn burn(tokenId: u256) void {
        _ = erc721.update(.zero, tokenId, covenant.sender());
    }

    pub fn setBaseURI(base: covenant.String) void {
        ownable.requireOwner();
        storage._base.set(base.data);
    }

    pub fn baseURI() covenant.String {
        return storage._base.get();
    }
};

fn next() u256 {
    const id = OwnedCollectible.storage.minted.get() + 1;
    OwnedCollectible.storage.minted.set(id);
    return id;
}

comptime {
    covenant.define(OwnedCollectible);
}
