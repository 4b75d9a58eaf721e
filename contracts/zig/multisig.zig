//! A wallet whose transactions need the confirmations of several owners: the twin of examples/twins/Multisig.sol.

const covenant = @import("covenant");

const Address = covenant.Address;
const Bytes = covenant.Bytes;

const s = Multisig.storage;

const Transaction = struct {
    to: Address,
    executed: bool,
    confirmations: u32,
    value: u256,
    data: Bytes,
};

const Deposited = struct {
    from: Address,
    value: u256,
    pub const indexed = .{"from"};
};
const Submitted = struct {
    id: u256,
    owner: Address,
    to: Address,
    value: u256,
    data: Bytes,
    pub const indexed = .{ "id", "owner", "to" };
};
const Confirmed = struct {
    id: u256,
    owner: Address,
    pub const indexed = .{ "id", "owner" };
};
const Revoked = struct {
    id: u256,
    owner: Address,
    pub const indexed = .{ "id", "owner" };
};
const Executed = struct {
    id: u256,
    result: Bytes,
    pub const indexed = .{"id"};
};
const OwnersChanged = struct { owners: []const Address, required: u256 };

const NotOwner = struct { caller: Address };
const NotWallet = struct { caller: Address };
const InvalidOwners = struct { owners: []const Address, required: u256 };
const AlreadyExecuted = struct { id: u256 };
const AlreadyConfirmed = struct { id: u256, owner: Address };
const NotConfirmed = struct { id: u256, owner: Address };
const TooFewConfirmations = struct { id: u256, confirmations: u32, required: u256 };
const CallFailed = struct { id: u256, reason: Bytes };

pub const Multisig = struct {
    pub const storage = covenant.layout(struct {
        owners: covenant.Array(Address),
        isOwner: covenant.Mapping(Address, bool),
        required: u256,
        _transactions: covenant.Array(Transaction),
        confirmed: covenant.Mapping(u256, covenant.Mapping(Address, bool)),
    });
    pub const payable = .{ "constructor", "receive" };
    pub const view = .{
        "owners",         "isOwner",          "required",   "confirmed", "getOwners",
        "getTransaction", "transactionCount", "executable",
    };
    /// An executed transaction may call the wallet itself.
    pub const reentrant = .all;
    pub const events = .{ Deposited, Submitted, Confirmed, Revoked, Executed, OwnersChanged };
    pub const errors = .{
        NotOwner,            NotWallet,  InvalidOwners, AlreadyExecuted, AlreadyConfirmed, NotConfirmed,
        TooFewConfirmations, CallFailed,
    };

    pub fn constructor(first: []const Address, count: u256) void {
        fillOwners(first, count);
    }

    pub fn receive() void {
        covenant.emit(Deposited{ .from = covenant.sender(), .value = covenant.value() });
    }

    pub fn submit(to: Address, value: u256, data: Bytes) u256 {
        requireOwner();
        const id = s._transactions.len();
        s._transactions.push(.{ .to = to, .executed = false, .confirmations = 0, .value = value, .data = data });
        covenant.emit(Submitted{ .id = id, .owner = covenant.sender(), .to = to, .value = value, .data = data });
        addConfirmation(id);
        return id;
    }

    pub fn confirm(id: u256) void {
        requireOwner();
        addConfirmation(id);
    }

    pub fn revoke(id: u256) void {
        requireOwner();
        const owner = covenant.sender();
        const wanted = open(id);
        const place = s.confirmed.of(id).of(owner);
        if (!place.get()) covenant.revertWith(NotConfirmed{ .id = id, .owner = owner });
        place.set(false);
        const confirmations = wanted.at(.confirmations);
        confirmations.set(confirmations.get() - 1);
        covenant.emit(Revoked{ .id = id, .owner = owner });
    }

    pub fn execute(id: u256) Bytes {
        requireOwner();
        const wanted = open(id);
        const confirmations = wanted.at(.confirmations).get();
        const needed = s.required.get();
        if (confirmations < needed) {
            covenant.revertWith(TooFewConfirmations{ .id = id, .confirmations = confirmations, .required = needed });
        }
        wanted.at(.executed).set(true);
        const to = wanted.at(.to).get();
        const data = wanted.at(.data).get();
        switch (covenant.tryRawCall(to, data.data, .{ .value = wanted.at(.value).get() })) {
            .ok => |result| {
                covenant.emit(Executed{ .id = id, .result = .{ .data = result } });
                return .{ .data = result };
            },
            .failed => |failure| covenant.revertWith(CallFailed{ .id = id, .reason = .{ .data = failure.data } }),
        }
    }

    pub fn setOwners(next: []const Address, count: u256) void {
        const caller = covenant.sender();
        if (!caller.eql(covenant.this())) covenant.revertWith(NotWallet{ .caller = caller });
        while (s.owners.len() > 0) {
            const last = s.owners.at(s.owners.len() - 1).get();
            s.isOwner.of(last).set(false);
            s.owners.pop();
        }
        fillOwners(next, count);
    }

    pub fn owners(index: u256) Address {
        // the getter that Solidity makes of a public array reverts without data
        if (index >= s.owners.len()) covenant.revertBytes(&.{});
        return s.owners.at(index).get();
    }

    pub fn isOwner(account: Address) bool {
        return s.isOwner.of(account).get();
    }

    pub fn required() u256 {
        return s.required.get();
    }

    pub fn confirmed(id: u256, owner: Address) bool {
        return s.confirmed.of(id).of(owner).get();
    }

    pub fn getOwners() []const Address {
        return s.owners.get();
    }

    pub fn getTransaction(id: u256) Transaction {
        return s._transactions.at(id).get();
    }

    pub fn transactionCount() u256 {
        return s._transactions.len();
    }

    /// The ids from `from` to before `to` of the transactions that may be executed.
    pub fn executable(from: u256, to: u256) []const u256 {
        const ids = covenant.list(u256, to - from);
        const needed = s.required.get();
        var count: usize = 0;
        var id = from;
        while (id < to) : (id += 1) {
            const wanted = s._transactions.at(id);
            if (wanted.at(.executed).get() or wanted.at(.confirmations).get() < needed) continue;
            ids[count] = id;
            count += 1;
        }
        return ids[0..count];
    }
};

fn requireOwner() void {
    const caller = covenant.sender();
    if (!s.isOwner.of(caller).get()) covenant.revertWith(NotOwner{ .caller = caller });
}

/// A transaction that is not executed; Panic(0x32) if there is none of the number.
fn open(id: u256) @TypeOf(s._transactions.at(id)) {
    const wanted = s._transactions.at(id);
    if (wanted.at(.executed).get()) covenant.revertWith(AlreadyExecuted{ .id = id });
    return wanted;
}

fn addConfirmation(id: u256) void {
    const owner = covenant.sender();
    const wanted = open(id);
    const place = s.confirmed.of(id).of(owner);
    if (place.get()) covenant.revertWith(AlreadyConfirmed{ .id = id, .owner = owner });
    place.set(true);
    const confirmations = wanted.at(.confirmations);
    confirmations.set(confirmations.get() + 1);
    covenant.emit(Confirmed{ .id = id, .owner = owner });
}

fn fillOwners(next: []const Address, count: u256) void {
    const invalid = InvalidOwners{ .owners = next, .required = count };
    if (count == 0 or count > next.len) covenant.revertWith(invalid);
    for (next) |owner| {
        const place = s.isOwner.of(owner);
        if (owner.eql(.zero) or place.get()) covenant.revertWith(invalid);
        place.set(true);
        s.owners.push(owner);
    }
    s.required.set(count);
    covenant.emit(OwnersChanged{ .owners = next, .required = count });
}

comptime {
    covenant.define(Multisig);
}
