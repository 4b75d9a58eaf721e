"""X25519MLKEM768 (group 0x11EC of TLS 1.3) for aioquic, which has no post-quantum key exchange of its own.

Formats: RFC 10024 and draft-ietf-tls-ecdhe-mlkem: ML-KEM-768 first, X25519 second, in the shares and in the secret.
aioquic.tls treats X448 as an opaque group: it finds the group's number and its key types through names of its module.
`install` puts the hybrid there, for every connection of this process, which then offers no X448. This uses parts of
aioquic 1.7 that are not its public interface; the module goes as soon as aioquic has the group itself.
"""

from enum import IntEnum
from types import SimpleNamespace
from typing import Any, cast

from aioquic import tls
from aioquic.quic.connection import QuicConnection
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

X25519MLKEM768 = 0x11EC
X25519 = 0x1D
CLASSICAL_GROUPS = (X25519, 0x17, 0x18)
ENCAPSULATION_KEY_BYTES, CIPHERTEXT_BYTES, POINT_BYTES = 1_184, 1_088, 32

GROUP_NAMES = {X25519MLKEM768: "X25519MLKEM768", X25519: "x25519", 0x17: "secp256r1", 0x18: "secp384r1"}


class HybridPublicKey:
    """A peer's share: a client's encapsulation key or a server's ciphertext, then an X25519 point."""

    def __init__(self, post_quantum: bytes, point: bytes) -> None:
        self.post_quantum = post_quantum
        self.point = point

    @classmethod
    def from_public_bytes(cls, data: bytes) -> "HybridPublicKey":
        """Read a share. Raises ValueError for a length that neither side's share has."""
        if len(data) - POINT_BYTES not in (ENCAPSULATION_KEY_BYTES, CIPHERTEXT_BYTES):
            raise ValueError(f"a key share of X25519MLKEM768 has 1216 or 1120 bytes, not {len(data)}")
        return cls(data[:-POINT_BYTES], data[-POINT_BYTES:])

    def public_bytes(self, *_encoding: object) -> bytes:
        """The share as it is sent."""
        return self.post_quantum + self.point


class HybridPrivateKey:
    """One side's secrets. The side that asks for its share before an exchange is the client, as TLS 1.3 has it."""

    def __init__(self) -> None:
        self._point = X25519PrivateKey.generate()
        self._decapsulation: MLKEM768PrivateKey | None = None
        self._ciphertext: bytes | None = None
        self.exchanged = False
        """Whether the connection's secret comes from this key."""

    @classmethod
    def generate(cls) -> "HybridPrivateKey":
        """A new key."""
        return cls()

    def public_key(self) -> "_OwnShare":
        """The share to send; its bytes are made when they are asked for."""
        return _OwnShare(self)

    def share(self) -> bytes:
        """The bytes of the share: the server's after its exchange, else the client's."""
        post_quantum = self._ciphertext
        if post_quantum is None:
            if self._decapsulation is None:
                self._decapsulation = MLKEM768PrivateKey.generate()
            post_quantum = self._decapsulation.public_key().public_bytes_raw()
        return post_quantum + self._point.public_key().public_bytes_raw()

    def exchange(self, peer: HybridPublicKey) -> bytes:
        """The secret of 64 bytes. Raises ValueError for a wrong length, an unreduced ML-KEM key and a zero point."""
        if self._decapsulation is None:
            _require_length(peer.post_quantum, ENCAPSULATION_KEY_BYTES)
            key = MLKEM768PublicKey.from_public_bytes(peer.post_quantum)
            secret, self._ciphertext = key.encapsulate()
        else:
            _require_length(peer.post_quantum, CIPHERTEXT_BYTES)
            secret = self._decapsulation.decapsulate(peer.post_quantum)
        secret += self._point.exchange(X25519PublicKey.from_public_bytes(peer.point))
        self.exchanged = True
        return secret


class _OwnShare(HybridPublicKey):
    """The own share, which a server has only after its exchange."""

    def __init__(self, key: HybridPrivateKey) -> None:
        super().__init__(b"", b"")
        self._key = key

    def public_bytes(self, *_encoding: object) -> bytes:
        return self._key.share()


def _require_length(post_quantum: bytes, size: int) -> None:
    if len(post_quantum) != size:
        raise ValueError(f"the ML-KEM part of this key share has {size} bytes, not {len(post_quantum)}")


def install() -> None:
    """Give aioquic the group. Idempotent."""
    if tls.Group.X448.value != X25519MLKEM768:
        members = {name: member.value for name, member in tls.Group.__members__.items()} | {"X448": X25519MLKEM768}
        module = cast(Any, tls)
        module.Group = IntEnum("Group", members)  # type: ignore[misc]
        module.x448 = SimpleNamespace(X448PrivateKey=HybridPrivateKey, X448PublicKey=HybridPublicKey)


def offer_groups(connection: QuicConnection, *, allow_classical: bool) -> None:
    """Let a connection that has not begun offer, or accept, the hybrid group alone, or the classical ones after it."""
    install()
    begin = cast(Any, connection)._initialize
    groups = [X25519MLKEM768, *(CLASSICAL_GROUPS if allow_classical else ())]

    def initialize(peer_cid: bytes) -> None:
        begin(peer_cid)
        cast(Any, connection).tls._supported_groups = [tls.Group(group) for group in groups]

    cast(Any, connection)._initialize = initialize


def negotiated_group(connection: QuicConnection) -> int | None:
    """The group of a connection's secret; None before the handshake got so far."""
    context = cast(Any, getattr(connection, "tls", None))
    if context is None:
        return None
    hybrid = context._x448_private_key
    if isinstance(hybrid, HybridPrivateKey) and hybrid.exchanged:
        return X25519MLKEM768
    if context._x25519_private_key is not None:
        return X25519
    curves = [key.curve.key_size for key in context._ec_private_keys]
    return {256: 0x17, 384: 0x18}.get(curves[0]) if curves else None
