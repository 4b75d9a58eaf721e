"""Ids of filters and subscriptions."""

import secrets


def new_identifier() -> str:
    """A random 16-byte id as hex; no leading zero, since some clients read it as a quantity."""
    return f"0x{(1 + secrets.randbelow(15)) << 124 | secrets.randbits(124):032x}"
