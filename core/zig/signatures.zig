//! The address whose key signed a digest, for Python: chain/types/signatures.py. The curve is libsecp256k1's, by the
//! addresses of its functions that Python found.

const std = @import("std");
const Error = @import("errors.zig").Error;
const keccak = @import("keccak.zig");
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

/// recover_address(digest, y_parity, r, s). Refused where no key fits.
pub fn recover_address(arguments: []const *Object) Error!*Object {
    const library = api orelse return error.Refused;
    const digest = try python.contents(arguments[0]);
    const parity = try python.size_of(arguments[1]);
    if (digest.len != 32 or parity > 1) return error.Refused;
    var compact: [64]u8 = undefined;
    for (arguments[2..4], [_]*[32]u8{ compact[0..32], compact[32..64] }) |object, place| {
        const number = try python.word_of(object);
        if (number == 0 or number >= order) return error.Refused;
        place.* = word.to_bytes(number);
    }
    const signed: [32]u8 = digest[0..32].*;
    const hash = try recovered(&library, &signed, @intCast(parity), &compact);
    return python.bytes(hash[12..]);
}

/// Keccak of the key's coordinates. Other threads run meanwhile: it takes as long as some hundreds of their steps.
fn recovered(library: *const Api, digest: *const [32]u8, parity: c_int, compact: *const [64]u8) Error![32]u8 {
    const thread = python.PyEval_SaveThread();
    defer python.PyEval_RestoreThread(thread);
    var signature: Signature = undefined;
    var key: PublicKey = undefined;
    if (library.parse(library.context, &signature, compact, parity) == 0) return error.Refused;
    if (library.recover(library.context, &key, &signature, digest) == 0) return error.Refused;
    var data: [key_size]u8 = undefined;
    var size: usize = key_size;
    if (library.serialize(library.context, &data, &size, &key, uncompressed) == 0) return error.Refused;
    return keccak.hash(data[1..]);
}
