//! The addresses whose keys signed digests, for Python: chain/types/signatures.py. The curve is libsecp256k1's, by the
//! addresses of its functions that Python found.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
const memory = &@import("memory.zig").core;
const python = @import("python.zig");
const word = @import("word.zig");

const Object = python.Object;

const Context = opaque {};
/// secp256k1_ecdsa_recoverable_signature and secp256k1_pubkey, whose contents are the library's.
const Signature = extern struct { data: [65]u8 };
const PublicKey = extern struct { data: [64]u8 };

const Api = extern struct {
    context: *const Context,
    parse: *const fn (*const Context, *Signature, *const [64]u8, c_int) callconv(.c) c_int,
    recover: *const fn (*const Context, *PublicKey, *const Signature, *const [32]u8) callconv(.c) c_int,
    serialize: *const fn (*const Context, [*]u8, *usize, *const PublicKey, c_uint) callconv(.c) c_int,
};

var api: ?Api = null;

/// SECP256K1_EC_UNCOMPRESSED: a byte before both coordinates.
const uncompressed = 1 << 1;
const key_size = 1 + 2 * 32;

/// The order of the curve's group.
const order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

/// secp256k1_start(addresses): of the context and the functions, in the order of `Api`
pub fn use(arguments: []const *Object) Error!*Object {
    const addresses = try python.sequence(arguments[0]);
    const fields = @typeInfo(Api).@"struct".field_names;
    if (addresses.size != fields.len) return error.Refused;
    var found: Api = undefined;
    inline for (fields, 0..) |name, index| {
        const address = try python.size_of(try addresses.at(index));
        if (address == 0) return error.Refused;
        @field(found, name) = @ptrFromInt(address);
    }
    api = found;
    return python.none();
}

/// A digest with its signature, and what it gives.
const Signed = struct {
    digest: [32]u8,
    parity: c_int,
    /// r and s.
    compact: [64]u8,
    /// Null where no key fits.
    address: ?[20]u8 = null,

    /// Of digest, y_parity, r, s.
    fn of(parts: [4]*Object) Error!Signed {
        const digest = try python.contents(parts[0]);
        const parity = try python.size_of(parts[1]);
        if (digest.len != 32 or parity > 1) return error.Refused;
        var signed: Signed = .{ .digest = digest[0..32].*, .parity = @intCast(parity), .compact = undefined };
        for (parts[2..4], [_]*[32]u8{ signed.compact[0..32], signed.compact[32..64] }) |object, place| {
            const number = try python.word_of(object);
            if (number == 0 or number >= order) return error.Refused;
            place.* = word.to_bytes(number);
        }
        return signed;
    }

    /// Without the interpreter's lock: it takes as long as some hundreds of its steps.
    fn recover(self: *Signed, library: *const Api) void {
        var signature: Signature = undefined;
        var key: PublicKey = undefined;
        if (library.parse(library.context, &signature, &self.compact, self.parity) == 0) return;
        if (library.recover(library.context, &key, &signature, &self.digest) == 0) return;
        var data: [key_size]u8 = undefined;
        var size: usize = key_size;
        if (library.serialize(library.context, &data, &size, &key, uncompressed) == 0) return;
        self.address = keccak.hash(data[1..])[12..].*;
    }
};

/// recover_address(digest, y_parity, r, s). Refused where no key fits.
pub fn recover_address(arguments: []const *Object) Error!*Object {
    const library = api orelse return error.Refused;
    var signed: Signed = try .of(arguments[0..4].*);
    {
        const thread = python.PyEval_SaveThread();
        defer python.PyEval_RestoreThread(thread);
        signed.recover(&library);
    }
    return python.bytes(&(signed.address orelse return error.Refused));
}

/// Of one call: more do not help it much, and the rest of the machine has work too.
const most_threads = 4;
/// Signatures that are worth a thread, whose begin takes as long as one.
const least_each = 8;

/// recover_addresses(signatures): digest, y_parity, r and s each, to a list of addresses, None where no key fits. Refused
/// of numbers that are no signature's.
pub fn recover_addresses(arguments: []const *Object) Error!*Object {
    const library = api orelse return error.Refused;
    const items = try python.sequence(arguments[0]);
    const allocator = memory.allocator();
    const signed = try allocator.alloc(Signed, items.size);
    defer allocator.free(signed);
    for (signed, 0..) |*each, index| {
        const parts = try python.sequence(try items.at(index));
        if (parts.size != 4) return error.Refused;
        each.* = try .of(.{ try parts.at(0), try parts.at(1), try parts.at(2), try parts.at(3) });
    }
    recover_all(&library, signed);
    const list = try python.made(python.PyList_New(0));
    errdefer python.drop(list);
    for (signed) |*each| {
        const address = if (each.address) |*bytes| try python.bytes(bytes) else python.none();
        defer python.drop(address);
        try python.done(python.PyList_Append(list, address));
    }
    return list;
}

/// On as many cores as there are and as it is worth, without the interpreter's lock.
fn recover_all(library: *const Api, signed: []Signed) void {
    const lock = python.PyEval_SaveThread();
    defer python.PyEval_RestoreThread(lock);
    var work: Work = .{ .library = library, .signed = signed };
    const cores = std.Thread.getCpuCount() catch 1;
    const wanted = @min(most_threads, cores, signed.len / least_each);
    var threads: [most_threads]std.Thread = undefined;
    var count: usize = 0;
    // the caller's own is one of them; where no other can begin, it does all
    while (count + 1 < wanted) : (count += 1) {
        threads[count] = std.Thread.spawn(.{ .stack_size = stack_size }, Work.run, .{&work}) catch break;
    }
    work.run();
    for (threads[0..count]) |thread| thread.join();
}

const stack_size = 1024 * 1024;

/// What the threads of a call share.
const Work = struct {
    library: *const Api,
    signed: []Signed,
    next: std.atomic.Value(usize) = .init(0),

    fn run(self: *Work) void {
        while (true) {
            const index = self.next.fetchAdd(1, .monotonic);
            if (index >= self.signed.len) return;
            self.signed[index].recover(self.library);
        }
    }
};
