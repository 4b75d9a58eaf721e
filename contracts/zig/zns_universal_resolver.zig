//! One call for a whole look-up (ENSIP-23): the twin of contracts/zns/ZnsUniversalResolver.sol.

const std = @import("std");
const covenant = @import("covenant");
const names = @import("zns_names.zig");

const Address = covenant.Address;
const Bytes = covenant.Bytes;
const Node = names.Node;
const String = covenant.String;

const Resolver = covenant.interface(struct {
    addr: fn (Node) Address,
    coinAddr: fn (Node, u256) Bytes,
    name: fn (Node) String,
    resolve: fn (Bytes, Bytes) Bytes,
    supportsInterface: fn ([4]u8) bool,
    pub const view = .{ "addr", "coinAddr", "name", "resolve", "supportsInterface" };
    pub const overloads = .{ .coinAddr = "addr" };
});

const ResolverInfo = struct {
    name: Bytes,
    offset: u256,
    node: Node,
    resolver: Address,
    extended: bool,
};

/// A look-up that goes on with a gateway's response.
const Lookup = struct {
    resolver: Address,
    extended: bool,
    selector: [4]u8,
    callback: [4]u8 = @splat(0),
    extraData: Bytes = .{ .data = "" },
};

const EmptyAddress = struct {};
const ResolverNotFound = struct { name: Bytes };
const ResolverNotContract = struct { name: Bytes, resolver: Address };
const ResolverError = struct { errorData: Bytes };
const UnsupportedResolverProfile = struct { selector: [4]u8 };
const ReverseAddressMismatch = struct { primary: String, primaryAddress: Bytes };

const OffchainLookup = struct {
    sender: Address,
    urls: []const String,
    callData: Bytes,
    callbackFunction: [4]u8,
    extraData: Bytes,
};

const ether: u256 = 60;
const resolve_callback = covenant.abi.selector("resolveCallback(bytes,bytes)");

const Answer = struct { Bytes, Address };
const Primary = struct { String, Address, Address };

pub const ZnsUniversalResolver = struct {
    pub const view = .{
        "findResolver",    "requireResolver", "resolve",             "resolveWithGateways",
        "resolveCallback", "reverse",         "reverseWithGateways",
    };
    pub const pure = .{"supportsInterface"};
    pub const errors = .{
        EmptyAddress,               ResolverNotFound,       ResolverNotContract,     ResolverError,
        UnsupportedResolverProfile, ReverseAddressMismatch, names.DNSDecodingFailed, names.DNSEncodingFailed,
        OffchainLookup,
    };
    /// A resolver may look other names up. There is no storage to be in doubt.
    pub const reentrant = .all;

    pub fn findResolver(name: Bytes) struct { Address, Node, u256 } {
        const dns = name.data;
        const all = names.namesOf(dns);
        var resolver: Address = .zero;
        var offset = dns.len - 1;
        var index = all.len;
        while (index != 0) : (index -= 1) {
            const node = all[index - 1].node;
            // below a node that does not exist there is none; a top-level name may have been left out
            if (index != all.len and names.registry.call(.incarnation, .{node}) == 0) break;
            const found = names.registry.call(.resolver, .{node});
            if (found.isZero()) continue;
            resolver = found;
            offset = all[index - 1].start;
        }
        return .{ resolver, if (all.len == 0) names.root else all[0].node, offset };
    }

    pub fn requireResolver(name: Bytes) ResolverInfo {
        const resolver, const node, const offset = findResolver(name);
        if (resolver.isZero()) covenant.revertWith(ResolverNotFound{ .name = name });
        if (covenant.codeSize(resolver) == 0) {
            covenant.revertWith(ResolverNotContract{ .name = name, .resolver = resolver });
        }
        const extended = supportsNamesBelow(resolver);
        if (offset != 0 and !extended) covenant.revertWith(ResolverNotFound{ .name = name });
        return .{ .name = name, .offset = offset, .node = node, .resolver = resolver, .extended = extended };
    }

    pub fn resolve(name: Bytes, data: Bytes) Answer {
        return lookUp(name, data, true);
    }

    pub fn resolveCallback(response: Bytes, extraData: Bytes) Answer {
        const lookup = decoded(Lookup, extraData.data);
        return ask(lookup, covenant.abi.encode(&lookup.callback, .{ response, lookup.extraData }), true);
    }

    pub fn resolveWithGateways(name: Bytes, data: Bytes, _: []const String) Answer {
        return resolve(name, data);
    }

    pub fn reverse(lookupAddress: Bytes, coinType: u256) Primary {
        if (lookupAddress.data.len == 0) covenant.revertWith(EmptyAddress{});
        const dns = names.encode(reverseName(lookupAddress.data, coinType));
        const asked = Resolver.encodeCall(.name, .{names.nodeOf(dns)});
        const answer, const reverse_resolver = lookUp(.{ .data = dns }, .{ .data = asked }, false);
        const primary = decoded(String, answer.data);
        if (primary.data.len == 0) return .{ .{ .data = "" }, .zero, reverse_resolver };
        const found, const resolver = forward(primary.data, coinType);
        if (!std.mem.eql(u8, found.data, lookupAddress.data)) {
            covenant.revertWith(ReverseAddressMismatch{ .primary = primary, .primaryAddress = found });
        }
        return .{ primary, resolver, reverse_resolver };
    }

    pub fn reverseWithGateways(lookupAddress: Bytes, coinType: u256, _: []const String) Primary {
        return reverse(lookupAddress, coinType);
    }

    pub fn supportsInterface(interfaceID: [4]u8) bool {
        return std.mem.eql(u8, &interfaceID, &.{ 0x01, 0xff, 0xc9, 0xa7 });
    }
};

fn lookUp(name: Bytes, data: Bytes, followed: bool) Answer {
    const info = ZnsUniversalResolver.requireResolver(name);
    const asked = if (info.extended) Resolver.encodeCall(.resolve, .{ name, data }) else data.data;
    const lookup: Lookup = .{ .resolver = info.resolver, .extended = info.extended, .selector = selectorOf(data.data) };
    return ask(lookup, asked, followed);
}

fn ask(lookup: Lookup, data: []const u8, followed: bool) Answer {
    const answer = switch (covenant.tryRawCall(lookup.resolver, data, .{ .kind = .static })) {
        .ok => |answer| answer,
        .failed => |failure| {
            if (followed and std.mem.startsWith(u8, failure.data, &offchain_lookup)) sendToGateway(lookup, failure);
            covenant.revertWith(ResolverError{ .errorData = .{ .data = failure.data } });
        },
    };
    if (answer.len == 0) covenant.revertWith(UnsupportedResolverProfile{ .selector = lookup.selector });
    return .{ if (lookup.extended) decoded(Bytes, answer) else .{ .data = answer }, lookup.resolver };
}

const offchain_lookup = covenant.abi.selector("OffchainLookup(address,string[],bytes,bytes4,bytes)");

/// Clients go to gateways for the contract alone that they have called (EIP-3668).
fn sendToGateway(lookup: Lookup, reason: covenant.Failure) noreturn {
    const asked = reason.as(OffchainLookup) orelse covenant.revertBytes(&.{});
    if (!asked.sender.eql(lookup.resolver)) covenant.revertWith(ResolverError{ .errorData = .{ .data = reason.data } });
    var on = lookup;
    on.callback = asked.callbackFunction;
    on.extraData = asked.extraData;
    covenant.revertWith(OffchainLookup{
        .sender = covenant.this(),
        .urls = asked.urls,
        .callData = asked.callData,
        .callbackFunction = resolve_callback,
        .extraData = .{ .data = covenant.abi.encode("", .{on}) },
    });
}

fn forward(primary: []const u8, coin_type: u256) Answer {
    const dns = names.encode(primary);
    const node = names.nodeOf(dns);
    if (coin_type != ether) {
        const asked = Resolver.encodeCall(.coinAddr, .{ node, coin_type });
        const answer, const resolver = lookUp(.{ .data = dns }, .{ .data = asked }, false);
        return .{ decoded(Bytes, answer.data), resolver };
    }
    const asked = Resolver.encodeCall(.addr, .{node});
    const answer, const resolver = lookUp(.{ .data = dns }, .{ .data = asked }, false);
    const held = covenant.list(u8, 20);
    @memcpy(held, &decoded(Address, answer.data).bytes);
    return .{ .{ .data = held }, resolver };
}

fn supportsNamesBelow(resolver: Address) bool {
    const asked = Resolver.encodeCall(.supportsInterface, .{comptime Resolver.selector(.resolve)});
    return switch (covenant.tryRawCall(resolver, asked, .{ .kind = .static })) {
        .ok => |answer| answer.len == 32 and covenant.abi.readNumber(answer[0..32]) == 1,
        .failed => false,
    };
}

/// `<address>.addr.reverse`, or `<address>.<coin type>.reverse` (ENSIP-19), in lower-case hex.
fn reverseName(address: []const u8, coin_type: u256) []const u8 {
    const word = covenant.abi.toWord(coin_type);
    const kind = if (coin_type == ether) "addr" else std.mem.trimStart(u8, names.hex(&word), "0");
    return joined(&.{ names.hex(address), ".", kind, ".reverse" });
}

fn joined(parts: []const []const u8) []const u8 {
    var size: usize = 0;
    for (parts) |part| size += part.len;
    const text = covenant.list(u8, size);
    size = 0;
    for (parts) |part| {
        @memcpy(text[size..][0..part.len], part);
        size += part.len;
    }
    return text;
}

/// The first four bytes, with zeros where there are fewer.
fn selectorOf(data: []const u8) [4]u8 {
    var out: [4]u8 = @splat(0);
    const size = @min(data.len, 4);
    @memcpy(out[0..size], data[0..size]);
    return out;
}

/// A value out of an answer, which reverts without data where it is none.
fn decoded(comptime T: type, data: []const u8) T {
    return covenant.abi.decode(T, data, 0) orelse covenant.revertBytes(&.{});
}

comptime {
    covenant.define(ZnsUniversalResolver);
}
