//! The tree of names (EIP-137), with expiry: the twin of contracts/zns/ZnsRegistry.sol.

const covenant = @import("covenant");
const names = @import("zns_names.zig");

const Address = covenant.Address;
const Node = names.Node;
const ApprovalForAll = names.ApprovalForAll;
const below = names.below;
const isRoot = names.isRoot;

const s = ZnsRegistry.storage;

const Record = struct {
    owner: Address,
    ttl: u64,
    resolver: Address,
    expires: u64,
    parent: Node,
    incarnation: u64,
    parentIncarnation: u64,
};

const NewOwner = struct {
    node: Node,
    label: Node,
    owner: Address,
    pub const indexed = .{ "node", "label" };
};
const Transfer = struct {
    node: Node,
    owner: Address,
    pub const indexed = .{"node"};
};
const NewResolver = struct {
    node: Node,
    resolver: Address,
    pub const indexed = .{"node"};
};
const NewTTL = struct {
    node: Node,
    ttl: u64,
    pub const indexed = .{"node"};
};
const NewExpiry = struct {
    node: Node,
    expires: u64,
    pub const indexed = .{"node"};
};

const NotOwner = struct { node: Node, caller: Address };
const NoSuchNode = struct { node: Node };

pub const ZnsRegistry = struct {
    pub const storage = covenant.layout(struct {
        records: covenant.Mapping(Node, Record),
        operators: covenant.Mapping(Address, covenant.Mapping(Address, bool)),
        created: u64,
    });
    pub const view = .{
        "owner", "resolver", "ttl", "expires", "recordExists", "incarnation", "isApprovedForAll",
    };
    pub const events = .{ NewOwner, Transfer, NewResolver, NewTTL, NewExpiry, ApprovalForAll };
    pub const errors = .{ NotOwner, NoSuchNode };

    pub fn constructor() void {
        s.records.of(names.root).at(.owner).set(covenant.sender());
    }

    pub fn owner(node: Node) Address {
        return if (alive(node)) s.records.of(node).at(.owner).get() else .zero;
    }

    pub fn resolver(node: Node) Address {
        return if (alive(node)) s.records.of(node).at(.resolver).get() else .zero;
    }

    pub fn ttl(node: Node) u64 {
        return if (alive(node)) s.records.of(node).at(.ttl).get() else 0;
    }

    pub fn expires(node: Node) u64 {
        return s.records.of(node).at(.expires).get();
    }

    pub fn recordExists(node: Node) bool {
        return !owner(node).isZero();
    }

    pub fn incarnation(node: Node) u64 {
        return if (alive(node)) s.records.of(node).at(.incarnation).get() else 0;
    }

    pub fn isApprovedForAll(holder: Address, operator: Address) bool {
        return s.operators.of(holder).of(operator).get();
    }

    pub fn setOwner(node: Node, holder: Address) void {
        authorise(node);
        s.records.of(node).at(.owner).set(holder);
        covenant.emit(Transfer{ .node = node, .owner = holder });
    }

    pub fn setResolver(node: Node, answering: Address) void {
        authorise(node);
        writeResolver(node, answering);
    }

    pub fn setTTL(node: Node, duration: u64) void {
        authorise(node);
        writeTTL(node, duration);
    }

    pub fn setRecord(node: Node, holder: Address, answering: Address, duration: u64) void {
        setOwner(node, holder);
        writeResolver(node, answering);
        writeTTL(node, duration);
    }

    pub fn setSubnodeOwner(node: Node, label: Node, holder: Address) Node {
        authorise(node);
        const child = below(node, label);
        if (!recordExists(child)) create(node, child);
        s.records.of(child).at(.owner).set(holder);
        covenant.emit(NewOwner{ .node = node, .label = label, .owner = holder });
        return child;
    }

    pub fn setSubnodeRecord(node: Node, label: Node, holder: Address, answering: Address, duration: u64) void {
        const child = setSubnodeOwner(node, label, holder);
        writeResolver(child, answering);
        writeTTL(child, duration);
    }

    pub fn setSubnodeExpiry(node: Node, label: Node, time: u64) void {
        authorise(node);
        const child = below(node, label);
        const record = s.records.of(child);
        const current = s.records.of(node).at(.incarnation).get();
        // a node that has expired may live on: that is what a renewal is
        if (record.at(.incarnation).get() == 0 or record.at(.parentIncarnation).get() != current) {
            covenant.revertWith(NoSuchNode{ .node = child });
        }
        record.at(.expires).set(time);
        covenant.emit(NewExpiry{ .node = child, .expires = time });
    }

    pub fn forgetSubnode(node: Node, label: Node) void {
        authorise(node);
        s.records.of(below(node, label)).delete();
        covenant.emit(NewOwner{ .node = node, .label = label, .owner = .zero });
    }

    pub fn setApprovalForAll(operator: Address, approved: bool) void {
        s.operators.of(covenant.sender()).of(operator).set(approved);
        covenant.emit(ApprovalForAll{ .owner = covenant.sender(), .operator = operator, .approved = approved });
    }
};

fn authorise(node: Node) void {
    const holder = ZnsRegistry.owner(node);
    const caller = covenant.sender();
    if (!holder.eql(caller) and !s.operators.of(holder).of(caller).get()) {
        covenant.revertWith(NotOwner{ .node = node, .caller = caller });
    }
}

/// Whether no node from here to the top has expired or was made anew since the one below it was made.
fn alive(start: Node) bool {
    var node = start;
    while (!isRoot(node)) {
        const record = s.records.of(node);
        const time = record.at(.expires).get();
        if (time != 0 and time <= covenant.timestamp()) return false;
        const parent = record.at(.parent).get();
        if (record.at(.parentIncarnation).get() != s.records.of(parent).at(.incarnation).get()) return false;
        node = parent;
    }
    return true;
}

fn create(node: Node, child: Node) void {
    s.created.add(1);
    const record = s.records.of(child);
    record.at(.ttl).set(0);
    record.at(.resolver).set(.zero);
    record.at(.expires).set(0);
    record.at(.parent).set(node);
    record.at(.incarnation).set(s.created.get());
    record.at(.parentIncarnation).set(s.records.of(node).at(.incarnation).get());
}

fn writeResolver(node: Node, answering: Address) void {
    s.records.of(node).at(.resolver).set(answering);
    covenant.emit(NewResolver{ .node = node, .resolver = answering });
}

fn writeTTL(node: Node, duration: u64) void {
    s.records.of(node).at(.ttl).set(duration);
    covenant.emit(NewTTL{ .node = node, .ttl = duration });
}

comptime {
    covenant.define(ZnsRegistry);
}
