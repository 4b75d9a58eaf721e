"""What hashed trie keys stand for: every address and slot that the flat state has, or had at some version.

The trie holds hashes alone. The flat records hold the keys of what exists now, the reverse differences those of what
was changed or removed since. Both may be long: `check` is called all along, and stops a search by raising.
"""

from collections.abc import Callable, Iterator

from storage.flat_state import Version, undone_keys
from storage.schema import ACCOUNT, ADDRESS_SIZE, SLOT, end_of, slots_prefix
from storage.store import Reader

Check = Callable[[], None]
_SLOT_START = 1 + ADDRESS_SIZE
_KEYS_BETWEEN_CHECKS = 1_024


def addresses(reader: Reader, check: Check) -> Iterator[bytes]:
    """Addresses that have, or have had, an account; some more than once."""
    for key in _keys(reader, ACCOUNT.prefix, check):
        yield key[1:]


def slots(reader: Reader, check: Check, address: bytes | None = None) -> Iterator[bytes]:
    """Slots (32 bytes) that are, or have been, set: of one account, or of any; some more than once."""
    for key in _keys(reader, SLOT.prefix if address is None else slots_prefix(address), check):
        yield key[_SLOT_START:]


def changed_addresses(reader: Reader, check: Check, first: Version, last: Version) -> set[bytes]:
    """Addresses whose account record a version from `first` to `last`, both included, changed."""
    changed: set[bytes] = set()
    for keys in undone_keys(reader, first, last):
        check()
        changed.update(key[1:] for key in keys if key[:1] == ACCOUNT.prefix)
    return changed


def _keys(reader: Reader, prefix: bytes, check: Check) -> Iterator[bytes]:
    for index, (key, _) in enumerate(reader.iterate(prefix, end_of(prefix), fill_cache=False)):
        if not index % _KEYS_BETWEEN_CHECKS:
            check()
        yield key
    for keys in undone_keys(reader):
        check()
        yield from (key for key in keys if key.startswith(prefix))
