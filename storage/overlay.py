"""A store as unwritten changes will make it, and several batches that are written as one.

thread that began the group:  written <- batch 1 <- batch 2 ...
all other threads:            written
"""

import heapq
from collections.abc import Iterator, Mapping
from itertools import chain
from operator import itemgetter
from threading import get_ident
from typing import Any

from zevm.storage.errors import StorageError
from zevm.storage.store import Batch, Change, ReadableStore, Reader, Snapshot


class Overlay:
    """A reader under changes, which stay as they are: key -> value, None for a removed one."""

    __slots__ = ("_changes", "_reader")

    def __init__(self, reader: Reader, changes: Mapping[bytes, bytes | None]) -> None:
        self._reader = reader
        self._changes = changes

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        changes = self._changes
        return changes[key] if key in changes else self._reader.get(key)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop."""
        stored = self._reader.iterate(start, stop, reverse=reverse, fill_cache=fill_cache)
        changed = sorted((key for key in self._changes if start <= key < stop), reverse=reverse)
        return self._merged(stored, changed, reverse) if changed else stored

    def _merged(
        self, stored: Iterator[tuple[bytes, bytes]], changed: list[bytes], reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        changes = self._changes
        kept: Iterator[Change] = (pair for pair in stored if pair[0] not in changes)
        new: Iterator[Change] = ((key, changes[key]) for key in changed)
        for key, value in heapq.merge(kept, new, key=itemgetter(0), reverse=reverse):
            if value is not None:
                yield key, value


class OverlaySnapshot(Overlay):
    """A snapshot under changes. Others may stand on the same snapshot, which is freed with the last of them."""

    __slots__ = ()

    def close(self) -> None:
        """Free the view; later reads raise StorageError."""
        self._reader, self._changes = _CLOSED, {}


class _Closed:
    """Under a view that was closed."""

    def get(self, *_: Any) -> bytes | None:
        raise StorageError("the snapshot is closed")

    def iterate(self, *_: Any, **__: Any) -> Iterator[tuple[bytes, bytes]]:
        raise StorageError("the snapshot is closed")


_CLOSED = _Closed()


class GroupedStore:
    """A store that can hold batches back, to be written as one: the thread that began the group alone reads them then.

    So a group is on the medium whole or not at all, and no client learns of one that is not.
    """

    def __init__(self, store: ReadableStore) -> None:
        self._store = store
        self._owner = 0
        self._changes: dict[bytes, bytes | None] | None = None
        self._below: Snapshot | None = None
        """The store as the group found it, once a view is wanted: no other thread writes meanwhile."""
        self._sync = False
        self.size_bytes = 0

    @property
    def is_open_here(self) -> bool:
        """Whether this thread has begun a group."""
        return self._changes is not None and self._owner == get_ident()

    def begin(self) -> None:
        """Hold this thread's batches back from now on."""
        if self._changes is not None:
            raise StorageError("a group of writes is under way already")
        self._owner, self._changes, self._sync, self.size_bytes = get_ident(), {}, False, 0

    def add(self, batch: Batch, *, sync: bool) -> None:
        """Take in a batch, which this thread's reads see from now on. sync: whether the group is to be synced."""
        assert self._changes is not None
        self._changes.update(batch.operations)
        self.size_bytes += sum(map(len, filter(None, chain.from_iterable(batch.operations))))
        self._sync = self._sync or sync

    def taken(self) -> tuple[Batch, bool]:
        """All batches as one, and whether it is to be synced."""
        assert self._changes is not None
        batch = Batch()
        batch.operations = list(self._changes.items())
        return batch, self._sync

    def end(self) -> None:
        """Hold nothing back any more, and forget what was; idempotent."""
        self._changes = self._below = None

    # The interface of a store, but for writing: Database does that.

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        changes = self._changes
        if changes is not None and self._owner == get_ident() and key in changes:
            return changes[key]
        return self._store.get(key)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop as they are now."""
        reader: Reader = Overlay(self._store, dict(self._changes or {})) if self.is_open_here else self._store
        return reader.iterate(start, stop, reverse=reverse, fill_cache=fill_cache)

    def snapshot(self) -> Snapshot:
        """A frozen view of the store as it is now."""
        if not self.is_open_here:
            return self._store.snapshot()
        below = self._below
        if below is None:
            below = self._below = self._store.snapshot()
        return OverlaySnapshot(below, dict(self._changes or {}))
