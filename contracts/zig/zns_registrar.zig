//! Names below the top-level names, registered by whoever comes first, for a time: the twin of
//! contracts/zns/ZnsRegistrar.sol.

const covenant = @import("covenant");
const names = @import("zns_names.zig");

const Address = covenant.Address;
const Bytes = covenant.Bytes;
const Node = names.Node;
const String = covenant.String;
const registry = names.registry;

const s = ZnsRegistrar.storage;

const RecordResolver = covenant.interface(struct {
    multicallWithNodeCheck: fn (Node, []const Bytes) []const Bytes,
});

const Registration = struct { name: String, owner: Address, expires: u64 };

const NameRegistered = struct {
    node: Node,
    owner: Address,
    name: String,
    expires: u64,
    pub const indexed = .{ "node", "owner" };
};
const NameRenewed = struct {
    node: Node,
    name: String,
    expires: u64,
    pub const indexed = .{"node"};
};
const NameTransferred = struct {
    node: Node,
    owner: Address,
    name: String,
    pub const indexed = .{ "node", "owner" };
};

const InvalidName = struct { name: String };
const UnknownTopLevelName = struct { name: String };
const NameNotAvailable = struct { name: String };
const NameNotRegistered = struct { name: String };
const NotOwner = struct { name: String, caller: Address };
const InvalidOwner = struct { owner: Address };
const InvalidDuration = struct { duration: u64 };

const day_seconds = 86_400;
const minimum_seconds: u64 = day_seconds;
const maximum_seconds: u64 = 100 * 365 * day_seconds;
const grace_seconds: u64 = 90 * day_seconds;

const most_label_bytes = 63;

/// A name's place: the node of its top-level name, the hash of the label before it, and the node of both.
const Place = struct { top: Node, label: Node, node: Node };

pub const ZnsRegistrar = struct {
    pub const storage = covenant.layout(struct {
        registrations: covenant.Mapping(Node, Registration),
        nodes: covenant.Array(Node),
    });
    pub const view = .{ "available", "registration", "count", "page" };
    pub const pure = .{ "MINIMUM_DURATION", "MAXIMUM_DURATION", "GRACE_PERIOD" };
    pub const events = .{ NameRegistered, NameRenewed, NameTransferred };
    pub const errors = .{
        InvalidName, UnknownTopLevelName, NameNotAvailable, NameNotRegistered, NotOwner, InvalidOwner, InvalidDuration,
    };

    pub fn MINIMUM_DURATION() u64 {
        return minimum_seconds;
    }

    pub fn MAXIMUM_DURATION() u64 {
        return maximum_seconds;
    }

    pub fn GRACE_PERIOD() u64 {
        return grace_seconds;
    }

    pub fn register(name: String, owner: Address, duration: u64, records: []const Bytes) Node {
        if (owner.isZero()) covenant.revertWith(InvalidOwner{ .owner = owner });
        const place = placeOf(name);
        const found = s.registrations.of(place.node);
        if (!isFree(place.node)) covenant.revertWith(NameNotAvailable{ .name = name });
        if (found.at(.name).len() == 0) {
            found.at(.name).set(name);
            s.nodes.push(place.node);
        }
        const expires = extended(covenant.timestamp(), duration);
        found.at(.owner).set(owner);
        found.at(.expires).set(expires);
        // whatever an earlier owner has left ends here
        registry.call(.forgetSubnode, .{ place.top, place.label });
        registry.call(.setSubnodeRecord, .{ place.top, place.label, covenant.this(), names.public_resolver, 0 });
        registry.call(.setSubnodeExpiry, .{ place.top, place.label, expires });
        if (records.len != 0) {
            _ = RecordResolver.at(names.public_resolver).call(.multicallWithNodeCheck, .{ place.node, records });
        }
        registry.call(.setOwner, .{ place.node, owner });
        covenant.emit(NameRegistered{ .node = place.node, .owner = owner, .name = name, .expires = expires });
        return place.node;
    }

    pub fn renew(name: String, duration: u64) void {
        const place = owned(name);
        const time = s.registrations.of(place.node).at(.expires);
        time.set(extended(time.get(), duration));
        registry.call(.setSubnodeExpiry, .{ place.top, place.label, time.get() });
        covenant.emit(NameRenewed{ .node = place.node, .name = name, .expires = time.get() });
    }

    pub fn transfer(name: String, owner: Address) void {
        if (owner.isZero()) covenant.revertWith(InvalidOwner{ .owner = owner });
        const place = owned(name);
        requireUnexpired(name, place.node);
        s.registrations.of(place.node).at(.owner).set(owner);
        give(place, owner);
        covenant.emit(NameTransferred{ .node = place.node, .owner = owner, .name = name });
    }

    pub fn reclaim(name: String, manager: Address) void {
        const place = owned(name);
        requireUnexpired(name, place.node);
        give(place, manager);
    }

    pub fn available(name: String) bool {
        return isFree(placeOf(name).node);
    }

    pub fn registration(name: String) Registration {
        return s.registrations.of(placeOf(name).node).get();
    }

    pub fn count() u256 {
        return s.nodes.len();
    }

    pub fn page(start: u256, size: u256) []const Registration {
        const all: u256 = s.nodes.len();
        const end = if (start >= all or size > all - start) all else start + size;
        const found = covenant.list(Registration, if (start < end) end - start else 0);
        for (found, 0..) |*each, index| each.* = s.registrations.of(s.nodes.at(start + index).get()).get();
        return found;
    }
};

fn owned(name: String) Place {
    const place = placeOf(name);
    if (isFree(place.node)) covenant.revertWith(NameNotRegistered{ .name = name });
    const owner = s.registrations.of(place.node).at(.owner).get();
    const caller = covenant.sender();
    if (!owner.eql(caller) and !registry.call(.isApprovedForAll, .{ owner, caller })) {
        covenant.revertWith(NotOwner{ .name = name, .caller = caller });
    }
    return place;
}

fn requireUnexpired(name: String, node: Node) void {
    if (s.registrations.of(node).at(.expires).get() <= covenant.timestamp()) {
        covenant.revertWith(NameNotRegistered{ .name = name });
    }
}

/// A node whose owner has given it to nobody is made anew, and would never expire.
fn give(place: Place, holder: Address) void {
    _ = registry.call(.setSubnodeOwner, .{ place.top, place.label, holder });
    const time = s.registrations.of(place.node).at(.expires).get();
    registry.call(.setSubnodeExpiry, .{ place.top, place.label, time });
}

fn isFree(node: Node) bool {
    const found = s.registrations.of(node);
    if (found.at(.owner).get().isZero()) return true;
    return @as(u256, found.at(.expires).get()) + grace_seconds < covenant.timestamp();
}

fn extended(from: u64, duration: u64) u64 {
    const time = @as(u256, from) + duration;
    if (duration < minimum_seconds or time > @as(u256, covenant.timestamp()) + maximum_seconds) {
        covenant.revertWith(InvalidDuration{ .duration = duration });
    }
    return @intCast(time);
}

fn placeOf(name: String) Place {
    const text = name.data;
    var dot: usize = 0;
    while (dot < text.len and text[dot] != '.') : (dot += 1) {
        // clients normalise names (ENSIP-15); what no normal name has would be a name that nobody can ask for
        switch (text[dot]) {
            0...' ', 0x7f, '*', '/', 'A'...'Z' => covenant.revertWith(InvalidName{ .name = name }),
            else => {},
        }
    }
    if (dot == 0 or dot > most_label_bytes or dot + 1 >= text.len) covenant.revertWith(InvalidName{ .name = name });
    const label = covenant.hash(text[0..dot]);
    const top = names.below(names.root, covenant.hash(text[dot + 1 ..]));
    if (!registry.call(.owner, .{top}).eql(covenant.this())) covenant.revertWith(UnknownTopLevelName{ .name = name });
    return .{ .top = top, .label = label, .node = names.below(top, label) };
}

comptime {
    covenant.define(ZnsRegistrar);
}
