"""The removal of trie nodes that are not needed, in steps. Nodes are derived data, and may be many.

Nodes under their hashes that have begun to go cannot be trusted: a root may be there without what is below it. A mark
says so until the last one has gone.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from zevm.storage.schema import NODE, SLOT_NODE, STATE_NODE, Family, MetaName, meta_key, range_of
from zevm.storage.store import Batch, Reader

NODES_KEY = meta_key(MetaName.NODES)
MARK_KEY = meta_key(MetaName.MIGRATED)
DROPPING = b"dropping"
"""Under MARK_KEY while nodes under their hashes go."""
STEP_NODES = 2_000
RECLAIMED_PARTS = 64
"""Ranges of keys whose disk space is given back one after another: a stop waits for one of them."""


class Step(NamedTuple):
    """A batch that removes some nodes, and the bytes that they have."""

    batch: Batch
    size_bytes: int


def path_nodes(reader: Reader) -> Iterator[Step]:
    """The removal of the nodes under their paths, and first of the record that they are there."""
    if reader.get(NODES_KEY) is not None:
        yield Step(_deletion(NODES_KEY), 0)
    for family in (STATE_NODE, SLOT_NODE):
        yield from _steps(reader, family)


def hashed_nodes(reader: Reader) -> Iterator[Step]:
    """The removal of the nodes under their hashes, and first the mark; `unmarked` follows the last of them."""
    if reader.get(MARK_KEY) != DROPPING:
        batch = Batch()
        batch.put(MARK_KEY, DROPPING)
        yield Step(batch, 0)
    yield from _steps(reader, NODE)


def unmarked() -> Batch:
    """The removal of the mark, and of that of a migration."""
    return _deletion(MARK_KEY)


def has_hashed_nodes(reader: Reader) -> bool:
    """Whether there are nodes under their hashes, or their removal has not ended."""
    return is_marked(reader) or next(reader.iterate(*range_of(NODE)), None) is not None


def is_marked(reader: Reader) -> bool:
    """Whether nodes under their hashes have begun to go."""
    return reader.get(MARK_KEY) == DROPPING


def reclaimable() -> Iterator[tuple[bytes, bytes]]:
    """Parts of the range of the nodes under their hashes."""
    bounds = [NODE.prefix + bytes((256 // RECLAIMED_PARTS * part,)) for part in range(RECLAIMED_PARTS)]
    yield from zip(bounds, [*bounds[1:], range_of(NODE)[1]], strict=True)


def _steps(reader: Reader, family: Family) -> Iterator[Step]:
    start, stop = range_of(family)
    while True:
        batch, size_bytes, last = Batch(), 0, b""
        for last, raw in islice(reader.iterate(start, stop, fill_cache=False), STEP_NODES):
            batch.delete(last)
            size_bytes += len(last) + len(raw)
        if not last:
            return
        yield Step(batch, size_bytes)
        # what is removed need not be passed again
        start = last + b"\x00"


def _deletion(key: bytes) -> Batch:
    batch = Batch()
    batch.delete(key)
    return batch
