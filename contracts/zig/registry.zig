//! Names and who holds them, behind an upgradeable proxy (UUPS, ERC-1967), in a namespace of its own (ERC-7201): the twin
//! of examples/twins/Registry.sol.

const std = @import("std");
const covenant = @import("covenant");

const Address = covenant.Address;
const Bytes = covenant.Bytes;
const String = covenant.String;

const s = Registry.storage;
const initializable = covenant.bases.initializable;
const uups = covenant.bases.UUPSUpgradeable(Registry);

const Entry = struct {
    holder: Address,
    since: u64,
    locked: bool,
    data: Bytes,
};

const Registered = struct {
    digest: String,
    holder: Address,
    name: String,
    data: Bytes,
    pub const indexed = .{ "digest", "holder" };
};
const Released = struct { name: String };
const OwnerChanged = struct {
    previous: Address,
    current: Address,
    pub const indexed = .{ "previous", "current" };
};

const NotOwner = struct { caller: Address };
const NotHolder = struct { name: String, caller: Address };
const Locked = struct { name: String };

pub const Registry = struct {
    pub const bases = .{uups};
    pub const storage = covenant.namespace("zevm.storage.Registry", struct {
        owner: Address,
        changes: u64,
        title: String,
        entries: covenant.Mapping(String, Entry),
        names: covenant.Array(String),
        marks: covenant.Mapping(Address, covenant.Array(u8)),
    });
    pub const view = .{ "owner", "title", "changes", "entry", "names", "marks", "version" };
    pub const pure = .{"NAMESPACE"};
    pub const internal = .{"authorizeUpgrade"};
    pub const events = .{ Registered, Released, OwnerChanged, initializable.Initialized };
    pub const errors = .{
        NotOwner, NotHolder, Locked, initializable.InvalidInitialization, initializable.NotInitializing,
    };

    pub fn constructor() void {
        initializable.disable();
    }

    pub fn NAMESPACE() [32]u8 {
        return covenant.abi.toWord(comptime covenant.storage.namespaceSlot("zevm.storage.Registry"));
    }

    pub fn initialize(first: Address, text: String) void {
        const run = initializable.initializer();
        defer run.finish();
        s.owner.set(first);
        s.title.set(text.data);
        covenant.emit(OwnerChanged{ .previous = .zero, .current = first });
    }

    /// What an upgrade to the second version runs.
    pub fn migrate(text: String) void {
        const run = initializable.reinitializer(2);
        defer run.finish();
        s.title.set(text.data);
    }

    pub fn register(name: String, data: Bytes) void {
        const caller = covenant.sender();
        const found = s.entries.of(name);
        const holder = found.at(.holder).get();
        if (holder.eql(.zero)) {
            s.names.push(name);
        } else if (!holder.eql(caller)) {
            covenant.revertWith(NotHolder{ .name = name, .caller = holder });
        }
        if (found.at(.locked).get()) covenant.revertWith(Locked{ .name = name });
        found.at(.holder).set(caller);
        found.at(.since).set(covenant.timestamp());
        found.at(.data).set(data.data);
        s.changes.set(s.changes.get() + 1);
        covenant.emit(Registered{ .digest = name, .holder = caller, .name = name, .data = data });
    }

    pub fn lock(name: String) void {
        requireOwner();
        s.entries.of(name).at(.locked).set(true);
    }

    pub fn release(name: String) void {
        const place = s.entries.of(name);
        const found = place.get();
        if (!found.holder.eql(covenant.sender())) covenant.revertWith(NotHolder{ .name = name, .caller = found.holder });
        if (found.locked) covenant.revertWith(Locked{ .name = name });
        place.delete();
        var index: u256 = 0;
        while (!std.mem.eql(u8, s.names.at(index).get().data, name.data)) index += 1;
        s.names.at(index).set(s.names.at(s.names.len() - 1).get().data);
        s.names.pop();
        s.changes.set(s.changes.get() + 1);
        covenant.emit(Released{ .name = name });
    }

    pub fn mark(value: u8) void {
        s.marks.of(covenant.sender()).push(value);
    }

    pub fn unmark() void {
        s.marks.of(covenant.sender()).pop();
    }

    pub fn transferOwnership(next: Address) void {
        requireOwner();
        covenant.emit(OwnerChanged{ .previous = s.owner.get(), .current = next });
        s.owner.set(next);
    }

    pub fn owner() Address {
        return s.owner.get();
    }

    pub fn title() String {
        return s.title.get();
    }

    pub fn changes() u64 {
        return s.changes.get();
    }

    pub fn entry(name: String) Entry {
        return s.entries.of(name).get();
    }

    pub fn names() []const String {
        return s.names.get();
    }

    pub fn marks(holder: Address) covenant.List(u8, null) {
        return .{ .items = s.marks.of(holder).get() };
    }

    pub fn version() u64 {
        return initializable.version();
    }

    pub fn authorizeUpgrade(_: Address) void {
        requireOwner();
    }
};

fn requireOwner() void {
    const caller = covenant.sender();
    if (!caller.eql(s.owner.get())) covenant.revertWith(NotOwner{ .caller = caller });
}

comptime {
    covenant.define(Registry);
}
