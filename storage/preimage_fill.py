"""The preimages of a database that an older program has written: found once, among all records and ways back."""

from collections.abc import Callable, Iterator
from itertools import islice

from zevm.storage import preimages
from zevm.storage.flat_state import flat_root, undone_keys
from zevm.storage.schema import ACCOUNT, SLOT, range_of
from zevm.storage.store import Batch, Reader

_KEYS_IN_STEP = 16_384


def is_complete(reader: Reader) -> bool:
    """Whether every key of the state, latest and past, has its preimage."""
    return preimages.known_root(reader) == flat_root(reader)


def fill_preimages(reader: Reader, write: Callable[[Batch, bool], None]) -> int:
    """Write the preimages of all keys, in steps, and then that none is missing; how many keys were met.

    write: takes a batch, and whether it is to be synced. An interrupted fill starts over the next time.
    """
    count = 0
    flat_keys = _flat_keys(reader)
    while keys := list(islice(flat_keys, _KEYS_IN_STEP)):
        batch = Batch()
        for key in keys:
            preimages.put(batch, key)
        write(batch, False)
        count += len(keys)
    batch = Batch()
    preimages.put_known_root(batch, flat_root(reader))
    write(batch, True)
    return count


def _flat_keys(reader: Reader) -> Iterator[bytes]:
    """Keys of records that are, or have been; some more than once."""
    for family in (ACCOUNT, SLOT):
        for key, _ in reader.iterate(*range_of(family), fill_cache=False):
            yield key
    for keys in undone_keys(reader):
        yield from keys
