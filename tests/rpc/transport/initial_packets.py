"""Initial packets of QUIC version 1 (RFC 9000, RFC 9001), decrypted without a QUIC library, and the hellos in them."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
CLIENT_HELLO, SERVER_HELLO = 1, 2
_KEY_SHARE = 51


def key_shares(datagrams: list[bytes], kind: int, destination: bytes) -> list[tuple[int, int]]:
    """(group, bytes) of each key share in these datagrams' hello. destination: the client's first ID for the server."""
    label = b"client in" if kind == CLIENT_HELLO else b"server in"
    keys = _Keys.of(destination, label)
    parts: dict[int, bytes] = {}
    for datagram in datagrams:
        for payload in _initial_payloads(datagram, keys):
            parts.update(_crypto_frames(payload))
    hello = b"".join(parts[offset] for offset in sorted(parts))
    assert hello[0] == kind
    return _shares(hello, kind)


def destination_of(datagram: bytes) -> bytes:
    """The destination's connection ID of a packet with a long header."""
    return datagram[6 : 6 + datagram[5]]


@dataclass(frozen=True)
class _Keys:
    key: bytes
    iv: bytes
    mask: bytes

    @classmethod
    def of(cls, destination: bytes, label: bytes) -> "_Keys":
        extract = HMAC(SALT, SHA256())
        extract.update(destination)
        secret = _expand(extract.finalize(), label, 32)
        return cls(_expand(secret, b"quic key", 16), _expand(secret, b"quic iv", 12), _expand(secret, b"quic hp", 16))


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    full = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0"
    return HKDFExpand(SHA256(), size, info).derive(secret)


def _initial_payloads(datagram: bytes, keys: _Keys) -> list[bytes]:
    """The frames of the Initial packets in a datagram; packets of other keys are left out."""
    found = []
    position = 0
    while position < len(datagram) and datagram[position] & 0x80:
        start = position
        is_initial = datagram[position] & 0x30 == 0
        position += 5
        for _ in range(2):  # the two connection IDs
            position += 1 + datagram[position]
        if is_initial:
            length, position = _varint(datagram, position)
            position += length
        size, position = _varint(datagram, position)
        end = position + size
        if is_initial:
            found.append(_decrypt(datagram[start:end], position - start, keys))
        position = end
    return found


def _decrypt(packet: bytes, number_at: int, keys: _Keys) -> bytes:
    sample = packet[number_at + 4 : number_at + 20]
    encryptor = Cipher(algorithms.AES(keys.mask), modes.ECB()).encryptor()
    mask = encryptor.update(sample)
    first = packet[0] ^ (mask[0] & 0x0F)
    width = (first & 3) + 1
    number = bytes(packet[number_at + index] ^ mask[1 + index] for index in range(width))
    header = bytes((first,)) + packet[1:number_at] + number
    nonce = bytes(a ^ b for a, b in zip(keys.iv, number.rjust(12, b"\0"), strict=True))
    return AESGCM(keys.key).decrypt(nonce, packet[number_at + width :], header)


def _crypto_frames(payload: bytes) -> dict[int, bytes]:
    """Offset -> data of the CRYPTO frames; beside them an Initial packet has PADDING, PING and ACK frames."""
    found, position = {}, 0
    while position < len(payload):
        kind = payload[position]
        position += 1
        if kind == 6:
            offset, position = _varint(payload, position)
            size, position = _varint(payload, position)
            found[offset] = payload[position : position + size]
            position += size
        elif kind == 2:
            for _ in range(2):
                _, position = _varint(payload, position)
            ranges, position = _varint(payload, position)
            for _ in range(1 + 2 * ranges):
                _, position = _varint(payload, position)
        else:
            assert kind in (0, 1), f"frame {kind}"
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    size = 1 << (data[position] >> 6)
    value = int.from_bytes(data[position : position + size], "big") & ((1 << (8 * size - 2)) - 1)
    return value, position + size


def _shares(hello: bytes, kind: int) -> list[tuple[int, int]]:
    position = 4 + 2 + 32
    position += 1 + hello[position]  # session id
    if kind == CLIENT_HELLO:
        position += 2 + int.from_bytes(hello[position : position + 2], "big")  # cipher suites
        position += 1 + hello[position]  # compression methods
    else:
        position += 3
    end = position + 2 + int.from_bytes(hello[position : position + 2], "big")
    position += 2
    while position < end:
        name, size = (int.from_bytes(hello[position + at : position + at + 2], "big") for at in (0, 2))
        content = hello[position + 4 : position + 4 + size]
        if name == _KEY_SHARE:
            return _entries(content[2:] if kind == CLIENT_HELLO else content)
        position += 4 + size
    return []


def _entries(content: bytes) -> list[tuple[int, int]]:
    found, position = [], 0
    while position < len(content):
        group, size = (int.from_bytes(content[position + at : position + at + 2], "big") for at in (0, 2))
        found.append((group, size))
        position += 4 + size
    return found
