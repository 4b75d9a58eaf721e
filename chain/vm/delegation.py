"""EIP-7702: code that names the account whose code runs instead."""

from zevm.storage.primitives import Address

DELEGATION_PREFIX = b"\xef\x01\x00"
DELEGATION_SIZE = 23


def delegation_of(code: bytes) -> Address | None:
    """The address that a delegation designation points to, or None for other code (EIP-7702)."""
    if len(code) == DELEGATION_SIZE and code.startswith(DELEGATION_PREFIX):
        return Address(code[3:])
    return None
