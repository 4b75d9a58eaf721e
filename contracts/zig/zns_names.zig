//! The common ground of the name service's twins: where its contracts are, and names in DNS wire format.

const covenant = @import("covenant");

const Address = covenant.Address;
const Bytes = covenant.Bytes;
const String = covenant.String;

/// The hash of a name (EIP-137).
pub const Node = [32]u8;

/// Where the contracts are from the first block on: the addresses that clients know for ENS on Ethereum's main network.
pub const public_resolver: Address = .from("0x4976fb03C32e5B8cfe2b6cCB31c09Ba78EBaBa41");
pub const registry_address: Address = .from("0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e");
pub const registry: Registry = .at(registry_address);

const Registry = covenant.interface(struct {
    owner: fn (Node) Address,
    resolver: fn (Node) Address,
    recordExists: fn (Node) bool,
    incarnation: fn (Node) u64,
    isApprovedForAll: fn (Address, Address) bool,
    setOwner: fn (Node, Address) void,
    setSubnodeOwner: fn (Node, Node, Address) Node,
    setSubnodeRecord: fn (Node, Node, Address, Address, u64) void,
    setSubnodeExpiry: fn (Node, Node, u64) void,
    forgetSubnode: fn (Node, Node) void,
    pub const view = .{ "owner", "resolver", "recordExists", "incarnation", "isApprovedForAll" };
});

pub const ApprovalForAll = struct {
    owner: Address,
    operator: Address,
    approved: bool,
    pub const indexed = .{ "owner", "operator" };
};

pub const DNSDecodingFailed = struct { dns: Bytes };
pub const DNSEncodingFailed = struct { ens: String };

pub const root: Node = @splat(0);

pub fn isRoot(node: Node) bool {
    return @as(u256, @bitCast(node)) == 0;
}

/// The node of the name with a label, given by its hash, before the name of a node.
pub fn below(node: Node, label: Node) Node {
    const both: [64]u8 = node ++ label;
    return covenant.hash(&both);
}

/// The node of a name in DNS wire format.
pub fn nodeOf(dns: []const u8) Node {
    const names = namesOf(dns);
    return if (names.len == 0) root else names[0].node;
}

/// A name above another, or the name itself: its node, and where in the other's wire format it begins.
pub const Above = struct { node: Node, start: u32 };

/// A name in DNS wire format (RFC 1035, 3.1), and each name above it but the root.
pub fn namesOf(dns: []const u8) []const Above {
    const all = covenant.list(Above, dns.len);
    var count: usize = 0;
    var offset: usize = 0;
    while (true) {
        if (offset >= dns.len) covenant.revertWith(DNSDecodingFailed{ .dns = .{ .data = dns } });
        const size: usize = dns[offset];
        if (size == 0) break;
        all[count].start = @intCast(offset);
        count += 1;
        offset += 1 + size;
    }
    if (offset + 1 != dns.len) covenant.revertWith(DNSDecodingFailed{ .dns = .{ .data = dns } });
    var node = root;
    var index = count;
    while (index != 0) {
        index -= 1;
        const start: usize = all[index].start;
        node = below(node, covenant.hash(dns[start + 1 ..][0..dns[start]]));
        all[index].node = node;
    }
    return all[0..count];
}

/// The wire format of a name in text; an empty text is the root. Reverts for empty labels and ones of over 255 bytes.
pub fn encode(name: []const u8) []const u8 {
    if (name.len == 0) return &.{0};
    const dns = covenant.list(u8, name.len + 2);
    @memcpy(dns[1..][0..name.len], name);
    var size: usize = 0;
    var place = name.len;
    while (place != 0) : (place -= 1) {
        if (name[place - 1] != '.') {
            size += 1;
            continue;
        }
        dns[place] = sizeOf(name, size);
        size = 0;
    }
    dns[0] = sizeOf(name, size);
    return dns;
}

fn sizeOf(name: []const u8, size: usize) u8 {
    if (size == 0 or size > 255) covenant.revertWith(DNSEncodingFailed{ .ens = .{ .data = name } });
    return @intCast(size);
}

/// The digits of bytes in lower-case hex.
pub fn hex(value: []const u8) []u8 {
    const digits = covenant.list(u8, 2 * value.len);
    for (value, 0..) |byte, index| {
        digits[2 * index] = "0123456789abcdef"[byte >> 4];
        digits[2 * index + 1] = "0123456789abcdef"[byte & 15];
    }
    return digits;
}
