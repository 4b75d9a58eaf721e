"""Keccak-256, the hash of every key, node and header."""

from sha3 import keccak_256

from zevm.core import replaced_by
from zevm.storage.primitives import Hash32

EMPTY_KECCAK = Hash32(bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"))
"""keccak256 of no bytes: the code hash of an account without code."""


@replaced_by("keccak256")
def keccak256(data: bytes) -> Hash32:
    """The 32-byte Keccak-256 digest (the original padding, not SHA3-256's)."""
    digest: Hash32 = keccak_256(data).digest()
    return digest
