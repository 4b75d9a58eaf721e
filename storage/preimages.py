"""Preimages of the hashed trie keys: every address and slot that the state has, or ever had.

The trie holds hashes alone. A flat record that comes into being brings its key along, under its hash and in the same
batch. A mark names the latest state's root as long as no key is missing: a database that an older program has written
lacks some, and `storage.preimage_fill` puts them there once.

A wide state has as many of them as records, so each is as short as can be: the key holds the preimage itself, behind
as much of its hash as finds it.
"""

from zevm.storage.account import EMPTY_ROOT
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Hash32, TrieKey
from zevm.storage.schema import (
    ACCOUNT,
    ADDRESS_SIZE,
    PREIMAGE,
    PREIMAGE_START_SIZE,
    MetaName,
    meta_key,
    preimage_key,
    preimage_range,
)
from zevm.storage.state_update import hashed
from zevm.storage.store import Batch, Reader

ROOT_KEY = meta_key(MetaName.PREIMAGES_ROOT)
_SLOT_START = 1 + ADDRESS_SIZE
_PLAIN_START = 1 + PREIMAGE_START_SIZE


def find(reader: Reader, trie_key: TrieKey) -> bytes | None:
    """The address (20 bytes) or slot (32 bytes) with this hash, None where no state ever had it."""
    for key, value in reader.iterate(*preimage_range(trie_key)):
        plain = _plain_key(key, value)
        if TrieKey(keccak256(plain)) == trie_key:
            return plain
    return None


def is_sound(key: bytes, value: bytes) -> bool:
    """Whether a stored record names a preimage of the hash that it lies under."""
    plain = _plain_key(key, value)
    trie_key = TrieKey(keccak256(plain))
    return key == (PREIMAGE.prefix + trie_key if value else preimage_key(trie_key, plain))


def _plain_key(key: bytes, value: bytes) -> bytes:
    """The preimage in a record; schema 2 kept it as the value, under the whole hash."""
    return value or key[_PLAIN_START:]


def put(batch: Batch, flat_key: bytes) -> None:
    """Put into `batch` the preimage of the trie's key of an account or slot record."""
    batch.operations.append(operation(flat_key))


def operation(flat_key: bytes) -> tuple[bytes, bytes]:
    """Key and value of that preimage."""
    plain = flat_key[1:] if flat_key[:1] == ACCOUNT.prefix else flat_key[_SLOT_START:]
    return preimage_key(hashed(plain), plain), b""


def known_root(reader: Reader) -> Hash32:
    """The root of the latest state whose keys, and those of all before it, are there."""
    root = reader.get(ROOT_KEY)
    return EMPTY_ROOT if root is None else Hash32(root)


def put_known_root(batch: Batch, root: Hash32) -> None:
    """Put into `batch` that no key is missing up to the latest state, of this root."""
    batch.put(ROOT_KEY, root)


def forget_known_root(batch: Batch) -> None:
    """Put into `batch` that the latest state is the empty one."""
    batch.delete(ROOT_KEY)
