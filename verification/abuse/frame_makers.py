"""Frames of every protocol of the QUIC port, right and wrong: fields that lie, bytes cut, changed, doubled, put in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import H3Connection
from coincurve import PrivateKey

from testing.wasm_modules import maths
from verification.abuse.memory_quic import MemoryQuic
from zevm.covenant.wasm import WasmExecutionRequest
from zevm.node.replication import messages as sync
from zevm.node.replication.messages import Kind
from zevm.rpc.transport.quic.zvm import authentication
from zevm.rpc.transport.quic.zvm.messages import encode_request
from zevm.storage.account import AccountChange, StateDiff
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address, Hash32, Wei

KEY = PrivateKey(b"\x07" * 32)
CALLER: bytes = keccak256(KEY.public_key.format(compressed=False)[1:])[12:]
EDGES = (0, 1, 2, 3, 4, 31, 35, 36, 37, 105, 255, 256, 2**15, 2**16 - 1, 2**16, 2**21, 2**21 + 1, 2**31, 2**32 - 1)
_TEXTS = (b"", b"gcd", b"_constructor", b"_statistics", b"\xff\xfe", b"\x00", "ä€😀".encode(), b"get()", b"a" * 300)
_CALLERS = (b"", CALLER, b"\x11" * 19, b"\x11" * 21, b"0x" + CALLER.hex().encode(), b"0xzz", b"\xff" * 42)


def damaged(chance: random.Random, data: bytes, most: int = 4) -> bytes:
    """Bytes with a few changes."""
    found = bytearray(data)
    for _ in range(chance.randrange(1, most + 1)):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            found[at : at + 1] = bytes((chance.randrange(256),))
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            found[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 3:
            found += found[at : at + 50]
        else:
            found[at : at + 4] = chance.choice(EDGES).to_bytes(4, "big")
    return bytes(found)


def _lying(chance: random.Random, size: int, length: int) -> bytes:
    """A length of `size` bytes: right for the most part."""
    if chance.random() < 0.06:
        length = chance.choice((*EDGES, length - 1, length + 1, 2**63))
    return (length % (1 << 8 * size)).to_bytes(size, "big")


def zvm_request(chance: random.Random) -> bytes:
    """A request of zvm/1 that is right, or each of whose fields may be wrong."""
    if chance.random() < 0.2:
        return encode_request(WasmExecutionRequest(7, maths(), "gcd", [54, 24], 10**7, 2**26, 10_000, CALLER))
    module = chance.choice((maths(), maths(), b"", b"\x00asm", CALLER, chance.randbytes(chance.randrange(60))))
    parts = [chance.randbytes(8), _lying(chance, 4, len(module)), module]
    for size, content in (
        (2, chance.choice(_TEXTS)),
        (4, chance.choice((b"", bytes(16), chance.randbytes(chance.randrange(80))))),
    ):
        parts += (_lying(chance, size, len(content)), content)
    for size, usual in ((8, 10**6), (4, 2**26), (4, 1_000)):
        parts.append(_lying(chance, size, usual))
    caller = chance.choice(_CALLERS)
    parts += (_lying(chance, 2, len(caller)), caller)
    return b"".join(parts)


def zvm_result(chance: random.Random) -> bytes:
    """A result of zvm/1, each of whose fields may be wrong."""
    parts = [chance.randbytes(8), bytes((chance.choice((0, 1, 5, 7, 8, 255)),))]
    for size, content in ((4, chance.randbytes(chance.randrange(40))), (0, chance.randbytes(16))):
        parts += (_lying(chance, size, len(content)) if size else b"", content)
    for content in (chance.choice(_TEXTS), chance.randbytes(chance.randrange(40))):
        parts += (_lying(chance, 4, len(content)), content)
    return b"".join(parts)


def zvm_stream(chance: random.Random, server_key_hash: bytes) -> bytes:
    """The bytes of a client's stream: a frame, and perhaps a signature's, with lengths that may lie."""
    message = zvm_request(chance)
    data = _lying(chance, 4, len(message)) + message
    if chance.random() < 0.2:
        expiry = int(time.time()) + chance.choice((30, 30, -1, 0, 10**6))
        proof = authentication.sign(KEY, 31_337, server_key_hash, message, expiry=expiry).encode()
        if chance.random() < 0.5:
            proof = damaged(chance, proof)
        data += _lying(chance, 4, len(proof)) + proof
    return damaged(chance, data) if chance.random() < 0.5 else data


def _sync_messages() -> dict[Kind, Sequence[bytes]]:
    block_hash, address = Hash32(b"\x22" * 32), Address(b"\x33" * 20)
    changed = AccountChange(1, Wei(2**200), Hash32(keccak256(b"code")))
    accounts: dict[Address, AccountChange | None] = {address: changed, Address(bytes(20)): None}
    code: dict[bytes, bytes] = {keccak256(b"code"): b"code"}
    patch = sync.Patch(block_hash, StateDiff(accounts=accounts, storage={address: {1: 2}}, code=code))
    entries = (sync.Entry(b"\xc3\x01\x02\x03", patch.encode()), sync.Entry(b"", patch.encode()))
    place = sync.Position(5, block_hash, block_hash)
    return {
        Kind.HELLO: [sync.Hello(None, "client").encode(), sync.Hello(block_hash, "client", 2).encode()],
        Kind.WELCOME: [sync.Welcome(block_hash, b"{}", {"a": "b"}, "client", 7, (b"\x01" * 16,)).encode()],
        Kind.WANT: [sync.Want(place, 4, 10).encode(), sync.Want(place, 2**64 - 1, 2**64 - 1).encode()],
        Kind.BATCH: [sync.Batch(7, entries).encode(), sync.Batch(7, (), "block").encode()],
        Kind.LOCATE: [sync.encode_locate(range(64)), sync.encode_locate([])],
        Kind.HASHES: [sync.encode_hashes([block_hash, None, block_hash])],
        Kind.CALL: [b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}', b"[", b'{"method":"eth_sign"}'],
        Kind.RESULT: [sync.encode_result(b"{}", 5, block_hash)],
        Kind.REFUSAL: [sync.encode_text("no")],
    }  # fmt: skip


SYNC_MESSAGES = _sync_messages()
SYNC_DECODERS: dict[Kind, Callable[[bytes], object]] = {
    Kind.HELLO: sync.Hello.decode,
    Kind.WELCOME: sync.Welcome.decode,
    Kind.WANT: sync.Want.decode,
    Kind.BATCH: lambda data: [
        sync.Patch.decode(entry.patch) for entry in sync.Batch.decode(data, 100).entries if entry.patch
    ],
    Kind.LOCATE: sync.decode_locate,
    Kind.HASHES: lambda data: sync.decode_hashes(data, 3),
    Kind.RESULT: sync.decode_result,
    Kind.REFUSAL: sync.decode_text,
}


def sync_message(chance: random.Random, kind: Kind) -> bytes:
    """A message of zvm-sync/1 that may be wrong."""
    data = chance.choice(SYNC_MESSAGES[kind])
    return damaged(chance, data) if chance.random() < 0.8 else data


def sync_stream(chance: random.Random) -> bytes:
    """The bytes of a follower's stream: a few frames."""
    kinds = [chance.choice((Kind.HELLO, Kind.HELLO, Kind.CALL)), *chance.choices(list(Kind), k=chance.randrange(4))]
    data = b""
    for kind in kinds:
        content = sync_message(chance, kind) if chance.random() < 0.5 else chance.choice(SYNC_MESSAGES[kind])
        number = kind if chance.random() < 0.95 else chance.randrange(256)
        data += _lying(chance, 4, len(content) + 1) + bytes((number,)) + content
    return damaged(chance, data) if chance.random() < 0.3 else data


class HttpMaker:
    """Bytes of HTTP/3 clients: (stream id, bytes, whether it ends), of one connection."""

    BODIES = (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}', b"[]", b"", b"{", b"x" * 3_000)
    HEADERS: tuple[dict[str, str], ...] = (  # of bytes as Latin-1 has them
        {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": "/"},
        {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": "/health"},
        {":method": "OPTIONS", ":scheme": "https", ":authority": "evil.example", ":path": "*"},
        {":method": "CONNECT", ":authority": "localhost"},
        {":method": "", ":scheme": "", ":authority": "", ":path": ""},
        {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": "/%ff%00?q=%e4"},
        {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": "/nothing?q=\u00e4"},
    )

    def __init__(self, chance: random.Random, requests: int) -> None:
        self._chance = chance
        quic = MemoryQuic(is_client=True)
        http = H3Connection(cast(Any, quic))
        for _ in range(requests):
            self._request(quic, http)
        self._streams = {number: bytes(data) for number, data in quic.sent.items()}

    def _request(self, quic: MemoryQuic, http: H3Connection) -> None:
        chance = self._chance
        stream_id, body = quic.get_next_available_stream_id(), chance.choice(self.BODIES)
        fields = {"content-type": "application/json", "content-length": str(chance.choice((len(body), 0, 10**12)))}
        headers = chance.choice(self.HEADERS) | (fields if chance.random() < 0.7 else {})
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        http.send_headers(stream_id, encoded)
        http.send_data(stream_id, body, end_stream=True)

    def parts(self) -> list[tuple[int, bytes, bool]]:
        """Some streams right, some damaged, some of made-up frames."""
        chance = self._chance
        found = []
        for stream_id, data in self._streams.items():
            draw = chance.random()
            if draw < 0.15:
                data = damaged(chance, data)
            elif draw < 0.2:
                data = b"".join(self._frame() for _ in range(chance.randrange(1, 6)))
            # a unidirectional stream that ends closes the connection
            found.append((stream_id, data, chance.random() < (0.02 if stream_id & 2 else 0.8)))
        return found

    def _frame(self) -> bytes:
        """A frame of any type, with a length that may lie."""
        chance = self._chance
        content = chance.randbytes(chance.randrange(40))
        length = len(content) if chance.random() < 0.7 else chance.choice((0, 1, 63, 64, 16_383, 2**30, 2**62 - 1))
        return (
            encode_uint_var(chance.choice((0, 1, 3, 4, 5, 7, 13, 0x21, 0x41, 2**40)))
            + encode_uint_var(length)
            + content
        )


_LETTERS = (
    "abcxyz09-_.*'\u2019\u00df\u0130\u200d\u200c\ufe0f\u0301\u05d0\u0661\u4e2d\u00ad\ud800\U0001f600\U0001f468\u200d"
    "\U0001f469\U0001f1e9\U0001f1ea\x00\x7f \t\u3002\uff0e"
)


def name(chance: random.Random) -> str:
    """A name that may be none."""
    if chance.random() < 0.05:
        return "".join(chr(chance.randrange(0x11_0000)) for _ in range(chance.randrange(1, 12)))
    letters = _LETTERS if chance.random() < 0.5 else _LETTERS[:11]
    labels = ["".join(chance.choices(letters, k=chance.randrange(0, 9))) for _ in range(chance.randrange(1, 4))]
    return ".".join((*labels, chance.choice(("ghost", "gcc", "eth", "", "GHOST"))))
