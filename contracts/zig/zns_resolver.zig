//! The records of names, set by the owners of their nodes: the twin of contracts/zns/ZnsResolver.sol.

const std = @import("std");
const covenant = @import("covenant");
const names = @import("zns_names.zig");

const Address = covenant.Address;
const Bytes = covenant.Bytes;
const Node = names.Node;
const String = covenant.String;
const ApprovalForAll = names.ApprovalForAll;
const DNSDecodingFailed = names.DNSDecodingFailed;
const below = names.below;
const isRoot = names.isRoot;
const registry = names.registry;

const s = ZnsResolver.storage;

const ether: u256 = 60;
const evm: u256 = 0x80000000;

const AddrChanged = struct {
    node: Node,
    a: Address,
    pub const indexed = .{"node"};
};
const AddressChanged = struct {
    node: Node,
    coinType: u256,
    newAddress: Bytes,
    pub const indexed = .{"node"};
};
const ContractChanged = struct {
    node: Node,
    implementation: Address,
    pub const indexed = .{"node"};
};
const TextChanged = struct {
    node: Node,
    indexedKey: String,
    key: String,
    value: String,
    pub const indexed = .{ "node", "indexedKey" };
};
const ContenthashChanged = struct {
    node: Node,
    hash: Bytes,
    pub const indexed = .{"node"};
};
const NameChanged = struct {
    node: Node,
    name: String,
    pub const indexed = .{"node"};
};
const InterfaceChanged = struct {
    node: Node,
    interfaceID: [4]u8,
    implementer: Address,
    pub const indexed = .{ "node", "interfaceID" };
};
const VersionChanged = struct {
    node: Node,
    newVersion: u64,
    pub const indexed = .{"node"};
};
const Approved = struct {
    owner: Address,
    node: Node,
    delegate: Address,
    approved: bool,
    pub const indexed = .{ "node", "delegate", "approved" };
};

const NotAuthorised = struct { node: Node, caller: Address };
const InvalidAddress = struct { coinType: u256, value: Bytes };
const OtherNode = struct { node: Node, data: Bytes };
const UnsupportedQuery = struct { data: Bytes };

pub const ZnsResolver = struct {
    pub const storage = covenant.layout(struct {
        versions: covenant.Mapping(Node, u64),
        addresses: covenant.Mapping(Node, covenant.Mapping(u256, Bytes)),
        contracts: covenant.Mapping(Node, Address),
        texts: covenant.Mapping(Node, covenant.Mapping(String, String)),
        hashes: covenant.Mapping(Node, Bytes),
        names: covenant.Mapping(Node, String),
        interfaces: covenant.Mapping(Node, covenant.Mapping([4]u8, Address)),
        operators: covenant.Mapping(Address, covenant.Mapping(Address, bool)),
        delegates: covenant.Mapping(Address, covenant.Mapping(Node, covenant.Mapping(Address, bool))),
    });
    pub const view = .{
        "isAuthorised", "isApprovedForAll",     "isApprovedFor", "recordVersions", "addr",
        "coinAddr",     "contractOf",           "text",          "contenthash",    "name",
        "resolve",      "interfaceImplementer",
    };
    pub const pure = .{"supportsInterface"};
    pub const overloads = .{ .coinAddr = "addr", .setCoinAddr = "setAddr" };
    /// A batch and a query of a name below another one are calls of this contract by itself.
    pub const reentrant = .all;
    pub const events = .{
        AddrChanged, AddressChanged,   ContractChanged, TextChanged,    ContenthashChanged,
        NameChanged, InterfaceChanged, VersionChanged,  ApprovalForAll, Approved,
    };
    pub const errors = .{ NotAuthorised, InvalidAddress, OtherNode, UnsupportedQuery, DNSDecodingFailed };

    pub fn isAuthorised(node: Node, account: Address) bool {
        const owner = registry.call(.owner, .{node});
        if (owner.isZero()) return false;
        return owner.eql(account) or s.operators.of(owner).of(account).get() or
            s.delegates.of(owner).of(node).of(account).get();
    }

    pub fn setApprovalForAll(operator: Address, approved: bool) void {
        s.operators.of(covenant.sender()).of(operator).set(approved);
        covenant.emit(ApprovalForAll{ .owner = covenant.sender(), .operator = operator, .approved = approved });
    }

    pub fn isApprovedForAll(owner: Address, operator: Address) bool {
        return s.operators.of(owner).of(operator).get();
    }

    pub fn approve(node: Node, delegate: Address, approved: bool) void {
        const owner = covenant.sender();
        s.delegates.of(owner).of(node).of(delegate).set(approved);
        covenant.emit(Approved{ .owner = owner, .node = node, .delegate = delegate, .approved = approved });
    }

    pub fn isApprovedFor(owner: Address, node: Node, delegate: Address) bool {
        return s.delegates.of(owner).of(node).of(delegate).get();
    }

    pub fn recordVersions(node: Node) u64 {
        return s.versions.of(node).get();
    }

    pub fn clearRecords(node: Node) void {
        authorise(node);
        s.versions.of(node).add(1);
        covenant.emit(VersionChanged{ .node = node, .newVersion = s.versions.of(node).get() });
    }

    pub fn addr(node: Node) Address {
        const value = s.addresses.of(key(node)).of(ether).get().data;
        return if (value.len == 20) .{ .bytes = value[0..20].* } else .zero;
    }

    pub fn coinAddr(node: Node, coinType: u256) Bytes {
        const found = s.addresses.of(key(node));
        const value = found.of(coinType).get();
        return if (value.data.len == 0 and isEvm(coinType)) found.of(evm).get() else value;
    }

    pub fn setAddr(node: Node, a: Address) void {
        authorise(node);
        writeAddress(node, ether, if (a.isZero()) &.{} else &a.bytes);
    }

    pub fn setCoinAddr(node: Node, coinType: u256, a: Bytes) void {
        authorise(node);
        if ((coinType == ether or isEvm(coinType)) and a.data.len != 0 and a.data.len != 20) {
            covenant.revertWith(InvalidAddress{ .coinType = coinType, .value = a });
        }
        writeAddress(node, coinType, a.data);
    }

    pub fn contractOf(node: Node) Address {
        return s.contracts.of(key(node)).get();
    }

    pub fn setContract(node: Node, implementation: Address) void {
        authorise(node);
        s.contracts.of(key(node)).set(implementation);
        covenant.emit(ContractChanged{ .node = node, .implementation = implementation });
    }

    pub fn text(node: Node, name_: String) String {
        return s.texts.of(key(node)).of(name_).get();
    }

    pub fn setText(node: Node, name_: String, value: String) void {
        authorise(node);
        s.texts.of(key(node)).of(name_).set(value);
        covenant.emit(TextChanged{ .node = node, .indexedKey = name_, .key = name_, .value = value });
    }

    pub fn contenthash(node: Node) Bytes {
        return s.hashes.of(key(node)).get();
    }

    pub fn setContenthash(node: Node, hash: Bytes) void {
        authorise(node);
        s.hashes.of(key(node)).set(hash);
        covenant.emit(ContenthashChanged{ .node = node, .hash = hash });
    }

    pub fn name(node: Node) String {
        return s.names.of(key(node)).get();
    }

    pub fn setName(node: Node, newName: String) void {
        authorise(node);
        s.names.of(key(node)).set(newName);
        covenant.emit(NameChanged{ .node = node, .name = newName });
    }

    pub fn interfaceImplementer(node: Node, interfaceID: [4]u8) Address {
        return s.interfaces.of(key(node)).of(interfaceID).get();
    }

    pub fn setInterface(node: Node, interfaceID: [4]u8, implementer: Address) void {
        authorise(node);
        s.interfaces.of(key(node)).of(interfaceID).set(implementer);
        covenant.emit(InterfaceChanged{ .node = node, .interfaceID = interfaceID, .implementer = implementer });
    }

    pub fn multicall(data: []const Bytes) []const Bytes {
        return batch(null, data);
    }

    pub fn multicallWithNodeCheck(node: Node, data: []const Bytes) []const Bytes {
        return batch(if (isRoot(node)) null else node, data);
    }

    pub fn resolve(dnsName: Bytes, data: Bytes) Bytes {
        if (data.data.len < 36) covenant.revertWith(UnsupportedQuery{ .data = data });
        const asked = covenant.list(u8, data.data.len);
        @memcpy(asked, data.data);
        const node = answering(dnsName.data);
        @memcpy(asked[4..36], &node);
        return .{ .data = covenant.rawCall(covenant.this(), asked, .{ .kind = .static }) };
    }

    pub fn supportsInterface(interfaceID: [4]u8) bool {
        for (interfaces) |supported| {
            if (std.mem.eql(u8, &supported, &interfaceID)) return true;
        }
        return false;
    }
};

const interfaces = [_][4]u8{
    .{ 0x01, 0xff, 0xc9, 0xa7 }, // EIP-165
    .{ 0x3b, 0x3b, 0x57, 0xde }, // addr(bytes32)
    .{ 0xf1, 0xcb, 0x7e, 0x06 }, // addr(bytes32,uint256)
    .{ 0x59, 0xd1, 0xd4, 0x3c }, // text
    .{ 0xbc, 0x1c, 0x58, 0xd1 }, // contenthash
    .{ 0x69, 0x1f, 0x34, 0x31 }, // name
    .{ 0x12, 0x4a, 0x31, 0x9c }, // interfaceImplementer
    .{ 0x90, 0x61, 0xb9, 0x23 }, // resolve
    .{ 0xac, 0x96, 0x50, 0xd8 }, // multicall
    .{ 0xd7, 0x00, 0xff, 0x33 }, // recordVersions
    .{ 0xc2, 0x27, 0x79, 0xd0 }, // contractOf
};

fn authorise(node: Node) void {
    const caller = covenant.sender();
    if (!ZnsResolver.isAuthorised(node, caller)) covenant.revertWith(NotAuthorised{ .node = node, .caller = caller });
}

fn writeAddress(node: Node, coinType: u256, value: []const u8) void {
    s.addresses.of(key(node)).of(coinType).set(value);
    covenant.emit(AddressChanged{ .node = node, .coinType = coinType, .newAddress = .{ .data = value } });
    if (coinType == ether) {
        const a: Address = if (value.len == 0) .zero else .{ .bytes = value[0..20].* };
        covenant.emit(AddrChanged{ .node = node, .a = a });
    }
}

/// Where the records of a node's present life are.
fn key(node: Node) Node {
    const incarnation = registry.call(.incarnation, .{node});
    const parts: [96]u8 = node ++ covenant.abi.toWord(incarnation) ++ covenant.abi.toWord(s.versions.of(node).get());
    return covenant.hash(&parts);
}

fn answering(dnsName: []const u8) Node {
    const all = names.namesOf(dnsName);
    const node = if (all.len == 0) names.root else all[0].node;
    if (registry.call(.recordExists, .{node})) return node;
    var nearest: ?Node = null;
    var index = all.len;
    while (index > 1) : (index -= 1) {
        const above = all[index - 1].node;
        // below a node that does not exist there is none; a top-level name may have been left out
        if (index != all.len and registry.call(.incarnation, .{above}) == 0) break;
        if (registry.call(.recordExists, .{above})) nearest = above;
    }
    return if (nearest) |above| below(above, covenant.hash("*")) else node;
}

fn isEvm(coinType: u256) bool {
    return coinType >= evm and coinType < 2 * evm;
}

fn batch(node: ?Node, data: []const Bytes) []const Bytes {
    const results = covenant.list(Bytes, data.len);
    for (data, results) |each, *result| {
        if (node) |wanted| {
            if (each.data.len < 36 or !std.mem.eql(u8, each.data[4..36], &wanted)) {
                covenant.revertWith(OtherNode{ .node = wanted, .data = each });
            }
        }
        result.* = .{ .data = covenant.rawCall(covenant.this(), each.data, .{ .kind = .delegate }) };
    }
    return results;
}

comptime {
    covenant.define(ZnsResolver);
}
