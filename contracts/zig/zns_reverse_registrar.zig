//! Names of addresses (EIP-181): the twin of contracts/zns/ZnsReverseRegistrar.sol.

const covenant = @import("covenant");
const names = @import("zns_names.zig");

const Address = covenant.Address;
const Node = names.Node;
const String = covenant.String;

const NameResolver = covenant.interface(struct { setName: fn (Node, String) void });

const ReverseClaimed = struct {
    addr: Address,
    node: Node,
    pub const indexed = .{ "addr", "node" };
};

const NotAuthorised = struct { addr: Address, caller: Address };

/// The node of `addr.reverse`.
const addr_reverse: Node = @bitCast(@byteSwap(@as(u256, 0x91d1777781884d03a6757a803996e38de2a42967fb37eeaca72729271025a9e2)));

pub const ZnsReverseRegistrar = struct {
    pub const pure = .{ "ens", "defaultResolver", "node" };
    /// A resolver that is called is anybody's, and may call back, as in Solidity: there is no storage to be in doubt.
    pub const reentrant = .all;
    pub const events = .{ReverseClaimed};
    pub const errors = .{NotAuthorised};

    pub fn ens() Address {
        return names.registry_address;
    }

    pub fn defaultResolver() Address {
        return names.public_resolver;
    }

    pub fn node(addr: Address) Node {
        return names.below(addr_reverse, labelOf(addr));
    }

    pub fn claim(owner: Address) Node {
        return claimForAddr(covenant.sender(), owner, names.public_resolver);
    }

    pub fn claimWithResolver(owner: Address, resolver: Address) Node {
        return claimForAddr(covenant.sender(), owner, resolver);
    }

    pub fn claimForAddr(addr: Address, owner: Address, resolver: Address) Node {
        authorise(addr);
        covenant.emit(ReverseClaimed{ .addr = addr, .node = node(addr) });
        names.registry.call(.setSubnodeRecord, .{ addr_reverse, labelOf(addr), owner, resolver, 0 });
        return node(addr);
    }

    pub fn setName(name: String) Node {
        return setNameForAddr(covenant.sender(), covenant.sender(), names.public_resolver, name);
    }

    pub fn setNameForAddr(addr: Address, owner: Address, resolver: Address, name: String) Node {
        // the resolver takes names from the node's owner, which this contract is until the name is set
        const named = claimForAddr(addr, covenant.this(), resolver);
        NameResolver.at(resolver).call(.setName, .{ named, name });
        _ = names.registry.call(.setSubnodeOwner, .{ addr_reverse, labelOf(addr), owner });
        return named;
    }
};

/// Whoever an address has approved in the registry may act for it, and the owner of a contract for the contract.
fn authorise(addr: Address) void {
    const caller = covenant.sender();
    if (addr.eql(caller) or names.registry.call(.isApprovedForAll, .{ addr, caller }) or owns(caller, addr)) return;
    covenant.revertWith(NotAuthorised{ .addr = addr, .caller = caller });
}

fn owns(caller: Address, contract: Address) bool {
    if (covenant.codeSize(contract) == 0) return false;
    const answer = switch (covenant.tryRawCall(contract, &comptime covenant.abi.selector("owner()"), .{ .kind = .static })) {
        .ok => |answer| answer,
        .failed => return false,
    };
    const owner = covenant.abi.decode(Address, answer, 0) orelse return false;
    return answer.len == 32 and owner.eql(caller);
}

/// The hash of the address in lower-case hex.
fn labelOf(addr: Address) Node {
    return covenant.hash(names.hex(&addr.bytes));
}

comptime {
    covenant.define(ZnsReverseRegistrar);
}
