//! A large module: a contract that answers with digests and ciphers of Zig's standard library.

const std = @import("std");
const covenant = @import("covenant");

const crypto = std.crypto;
const Word = [32]u8;

fn hashed(comptime Hash: type, data: []const u8) u256 {
    var digest: [Hash.digest_length]u8 = undefined;
    Hash.hash(data, &digest, .{});
    return std.mem.readInt(u256, digest[0..32], .big);
}

const Large = struct {
    pub fn sha256(data: covenant.Bytes) u256 {
        return hashed(crypto.hash.sha2.Sha256, data.data);
    }

    pub fn sha512(data: covenant.Bytes) u256 {
        return hashed(crypto.hash.sha2.Sha512, data.data);
    }

    pub fn sha3(data: covenant.Bytes) u256 {
        return hashed(crypto.hash.sha3.Sha3_256, data.data);
    }

    pub fn blake2b(data: covenant.Bytes) u256 {
        return hashed(crypto.hash.blake2.Blake2b256, data.data);
    }

    pub fn blake3(data: covenant.Bytes) u256 {
        return hashed(crypto.hash.Blake3, data.data);
    }

    pub fn chacha(key: u256, data: covenant.Bytes) u256 {
        const Cipher = crypto.aead.chacha_poly.ChaCha20Poly1305;
        var text: [256]u8 = undefined;
        var tag: [Cipher.tag_length]u8 = undefined;
        var secret: Word = undefined;
        std.mem.writeInt(u256, &secret, key, .big);
        const length = @min(data.data.len, text.len);
        Cipher.encrypt(text[0..length], &tag, data.data[0..length], "", @splat(7), secret);
        return std.mem.readInt(u128, &tag, .big);
    }

    pub fn shared(secret: u256, public: u256) u256 {
        var key: Word = undefined;
        var other: Word = undefined;
        std.mem.writeInt(u256, &key, secret, .big);
        std.mem.writeInt(u256, &other, public, .big);
        const product = crypto.dh.X25519.scalarmult(key, other) catch return 0;
        return std.mem.readInt(u256, &product, .big);
    }
};

comptime {
    covenant.define(Large);
}
