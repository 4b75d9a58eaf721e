"""Headers as they are stored: an item that most blocks have is kept as its place in a table.

A header's items are strings. One of the table stands as a list of one byte, its place there; so a header that was
stored whole, as databases of schema 3 have them, is read alike. An empty block's header takes a quarter of its bytes,
each of which LevelDB compresses several times over.
"""

from hashlib import sha256

from zevm.core import replaced_by
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.keccak import keccak256
from zevm.storage.rlp import RlpError, encode_bytes, split_list, wrap_list

_COMMON = tuple(
    encode_bytes(item)
    for item in (
        keccak256(b"\xc0"),  # no uncles
        EMPTY_ROOT,  # of transactions, receipts, withdrawals
        bytes(256),  # the bloom filter of no logs
        bytes(32),
        sha256().digest(),  # no requests (EIP-7685)
        bytes(20),
        bytes(8),
    )
)
"""Encoded. New ones go to the end: databases have the places."""

_SHORT = {item: wrap_list(bytes((place,))) for place, item in enumerate(_COMMON)}
_WHOLE = {shortened: item for item, shortened in _SHORT.items()}


def short(header: bytes) -> bytes:
    """A header's RLP as it is stored; what is no list stays as it is."""
    return _replaced(header, _SHORT)


def whole(stored: bytes) -> bytes:
    """The header's RLP of what is stored; damaged bytes stay as they are, for the decoder to name the fault."""
    return _replaced(stored, _WHOLE)


@replaced_by("items_replaced")
def _replaced(data: bytes, table: dict[bytes, bytes]) -> bytes:
    """A list's RLP with items of a table, encoded, by what it has for them; what is no list stays as it is."""
    try:
        items = split_list(data)
    except RlpError:
        return data
    return wrap_list(b"".join([table.get(item, item) for item in items]))
