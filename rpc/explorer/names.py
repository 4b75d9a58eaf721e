"""Hashes and addresses in paths."""

import re

from zevm.rpc.explorer.page import NotFoundError
from zevm.storage.primitives import Address, Hash32

HASH = re.compile(r"0x[0-9a-fA-F]{64}")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def hash_named(text: str) -> Hash32:
    """The 32 bytes of 0x and 64 digits. Raises NotFoundError."""
    if HASH.fullmatch(text) is None:
        raise NotFoundError(f"{text[:80]} is no hash: it has 0x and 64 hexadecimal digits.")
    return Hash32(bytes.fromhex(text[2:]))


def address_named(text: str) -> Address:
    """The 20 bytes of 0x and 40 digits. Raises NotFoundError."""
    if ADDRESS.fullmatch(text) is None:
        raise NotFoundError(f"{text[:80]} is no address: it has 0x and 40 hexadecimal digits.")
    return Address(bytes.fromhex(text[2:]))
