"""Headers as they are stored: an item that most blocks have is kept as its place in a table.

A header's items are strings. One of the table stands as a list of one byte, its place there; so a header that was
stored whole, as databases of schema 3 have them, is read alike. An empty block's header takes a quarter of its bytes,
each of which LevelDB compresses several times over.
"""

from hashlib import sha256
from typing import NamedTuple

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

SHORT = {item: wrap_list(bytes((place,))) for place, item in enumerate(_COMMON)}
"""The stored forms of those items, encoded too."""
_WHOLE = {shortened: item for item, shortened in SHORT.items()}

_EMPTY = encode_bytes(EMPTY_ROOT)
_LONG_LIST, _LIST, _STRING = 0xF7, 0xC0, 0x80
_HASH_BYTES = 33
_ITEMS_BEFORE_TRANSACTIONS = 4


def short(header: bytes) -> bytes:
    """A header's RLP as it is stored; what is no list stays as it is."""
    return _replaced(header, SHORT)


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


class HeaderLink(NamedTuple):
    """A header's first item, and whether its fifth is the root of no transactions."""

    parent_hash: bytes
    is_empty: bool


def link_in(stored: bytes) -> HeaderLink:
    """The link of a stored header, read without the rest of it. Raises RlpError."""
    try:
        start = position = 1 + max(0, stored[0] - _LONG_LIST)
        for _ in range(_ITEMS_BEFORE_TRANSACTIONS):
            # no item there is longer than a hash
            position += 1 + stored[position] - (_LIST if stored[position] >= _LIST else _STRING)
    except IndexError:
        raise RlpError("rlp: the header ends before its transactions root") from None
    parent_hash, root = stored[start : start + _HASH_BYTES], stored[position : position + _HASH_BYTES]
    is_empty = root.startswith(SHORT[_EMPTY]) or root == _EMPTY
    if len(parent_hash) != _HASH_BYTES or not (is_empty or len(root) == _HASH_BYTES):
        raise RlpError("rlp: the header's hashes are incomplete")
    return HeaderLink(parent_hash[1:], is_empty)
