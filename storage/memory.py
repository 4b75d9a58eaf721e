"""The store in memory: what `--memory` runs on and most tests too. Behaves as LevelStore does, except on disk."""

import threading
import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from functools import partial

from zevm.storage.errors import StorageError
from zevm.storage.key_order import KeyOrder
from zevm.storage.store import CHUNK_PAIRS, Batch


class MemoryStore:
    """A dictionary with atomic batches and snapshots that stay frozen.

    A write first hands the old value of each key it changes to every living snapshot.
    """

    def __init__(self) -> None:
        self._data: dict[bytes, bytes] = {}
        self._order = KeyOrder(self._data)
        self._lock = threading.RLock()
        self._snapshots: dict[int, weakref.ref[MemorySnapshot]] = {}
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        with self._lock:
            self._check_open()
            value: bytes | None = self._data.get(key)
            return value

    def iterate(
        self,
        start: bytes,
        stop: bytes,
        *,
        reverse: bool = False,
        fill_cache: bool = True,  # noqa: ARG002  there is no cache
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop as they are now; later writes are not seen."""
        return self.snapshot().iterate(start, stop, reverse=reverse)

    def write(self, batch: Batch, *, sync: bool = True) -> None:  # noqa: ARG002  nothing outlives the process
        """Apply `batch` atomically."""
        with self._lock:
            self._check_open()
            data, order = self._data, self._order
            # read in one step: a snapshot that nobody holds leaves the dictionary at any moment
            views = [view() for view in list(self._snapshots.values())]
            overlays = [view._overlay for view in views if view is not None]
            added: list[bytes] = []
            for key, value in batch.operations:
                before = data.get(key)
                for overlay in overlays:
                    if key not in overlay:
                        overlay[key] = before
                if value is not None:
                    data[key] = value
                    if before is None:
                        added.append(key)
                elif before is not None:
                    del data[key]
                    # it may be one of those
                    order.add(added)
                    added = []
                    order.remove(key)
            order.add(added)

    def snapshot(self) -> "MemorySnapshot":
        """A frozen view of the store as it is now."""
        with self._lock:
            self._check_open()
            snapshot = MemorySnapshot(self)
            number = id(snapshot)
            self._snapshots[number] = weakref.ref(snapshot, partial(_forget, self._snapshots, number))
            return snapshot

    def reopen(self, between: Callable[[], None]) -> None:
        """Nothing to do: memory takes every write."""

    def close(self) -> None:
        """Refuse further use; idempotent."""
        with self._lock:
            self._closed = True

    def approximate_sizes(self, ranges: list[tuple[bytes, bytes]]) -> list[int]:
        """Bytes of keys and values in each range."""
        return [sum(len(key) + len(value) for key, value in self.iterate(start, stop)) for start, stop in ranges]

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the database is closed")


class MemorySnapshot:
    """A frozen view: the store's present data under an overlay of the values that were changed since."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._overlay: dict[bytes, bytes | None] = {}
        self._sorted_overlay: list[bytes] = []
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """The value when the view was taken, or None."""
        self._check_open()
        # The data first: a writer fills the overlay before it changes the data, so this order needs no lock.
        value: bytes | None = self._store._data.get(key)
        return self._overlay.get(key, value)

    def iterate(
        self,
        start: bytes,
        stop: bytes,
        *,
        reverse: bool = False,
        fill_cache: bool = True,  # noqa: ARG002  there is no cache
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop of the view."""
        self._check_open()
        return self._pairs(start, stop, reverse)

    def close(self) -> None:
        """Free the view; later reads raise StorageError."""
        with self._store._lock:
            self._closed = True
            self._store._snapshots.pop(id(self), None)

    def _pairs(self, start: bytes, stop: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        limit = 1
        while start < stop:
            with self._store._lock:
                self._check_open()
                pairs, bound = self._chunk(start, stop, limit, reverse)
            yield from pairs
            if bound is None:
                return
            if reverse:
                stop = bound
            else:
                start = bound + b"\x00"
            limit = min(limit * 2, CHUNK_PAIRS)

    def _chunk(
        self, start: bytes, stop: bytes, limit: int, reverse: bool
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """The view's pairs up to the `limit`-th key of the present data, and that key; None when that is all."""
        data, overlay = self._store._data, self._overlay
        keys = self._store._order.first(start, stop, limit, reverse=reverse)
        bound = keys[-1] if len(keys) == limit else None
        low = bound if bound is not None and reverse else start
        merged = set(keys)
        merged.update(self._overlaid(low, stop if reverse else bound, stop))
        pairs = []
        for key in sorted(merged, reverse=reverse):
            value = overlay[key] if key in overlay else data[key]
            if value is not None:
                pairs.append((key, value))
        return pairs, bound

    def _overlaid(self, low: bytes, high: bytes | None, stop: bytes) -> list[bytes]:
        """Overlay keys from `low` through `high`, all before `stop`; `high` None means up to `stop`."""
        if len(self._sorted_overlay) != len(self._overlay):
            self._sorted_overlay = sorted(self._overlay)
        keys = self._sorted_overlay
        end = bisect_left(keys, stop) if high is None or high >= stop else bisect_right(keys, high)
        return keys[bisect_left(keys, low) : end]

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the snapshot is closed")
        self._store._check_open()


def _forget(snapshots: dict[int, weakref.ref[MemorySnapshot]], number: int, _: weakref.ref[MemorySnapshot]) -> None:
    snapshots.pop(number, None)
