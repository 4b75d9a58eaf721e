"""Preimages of the hashed trie keys: every address and slot that the state has, or ever had.

The trie holds hashes alone. A flat record that comes into being brings its key along, under its hash and in the same
batch. A mark names the latest state's root as long as no key is missing: a database that an older program has written
lacks some, and `storage.preimage_fill` puts them there once.
"""

from zevm.storage.account import EMPTY_ROOT
from zevm.storage.schema import ACCOUNT, ADDRESS_SIZE, MetaName, meta_key, preimage_key
from zevm.storage.state_update import hashed
from zevm.storage.store import Batch, Reader

ROOT_KEY = meta_key(MetaName.PREIMAGES_ROOT)
_SLOT_START = 1 + ADDRESS_SIZE


def find(reader: Reader, trie_key: bytes) -> bytes | None:
    """The address (20 bytes) or slot (32 bytes) with this hash, None where no state ever had it."""
    return reader.get(preimage_key(trie_key))


def put(batch: Batch, flat_key: bytes) -> None:
    """Put into `batch` the preimage of the trie's key of an account or slot record."""
    batch.operations.append(operation(flat_key))


def operation(flat_key: bytes) -> tuple[bytes, bytes]:
    """Key and value of that preimage."""
    plain = flat_key[1:] if flat_key[:1] == ACCOUNT.prefix else flat_key[_SLOT_START:]
    return preimage_key(hashed(plain)), plain


def known_root(reader: Reader) -> bytes:
    """The root of the latest state whose keys, and those of all before it, are there."""
    root = reader.get(ROOT_KEY)
    return EMPTY_ROOT if root is None else root


def put_known_root(batch: Batch, root: bytes) -> None:
    """Put into `batch` that no key is missing up to the latest state, of this root."""
    batch.put(ROOT_KEY, root)


def forget_known_root(batch: Batch) -> None:
    """Put into `batch` that the latest state is the empty one."""
    batch.delete(ROOT_KEY)
