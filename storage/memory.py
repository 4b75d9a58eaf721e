"""The store in memory. It behaves as LevelStore does, except on disk."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence

from zevm.core import replaced_by
from zevm.storage.errors import StorageError
from zevm.storage.key_order import KeyOrder
from zevm.storage.store import CHUNK_PAIRS, Batch, Change

_ZEROS = bytes(256)
"""The bloom of a block without logs: almost half of its header."""
_PACKED_SIZE = 2
SHORT_BYTES = len(_ZEROS)
"""A value that is no longer is kept as it is."""


class _Packed(bytes):
    """A value without its first 256 zero bytes in a row, behind their place (2 bytes)."""

    __slots__ = ()

    @classmethod
    def of(cls, value: bytes) -> bytes:
        """The form in which a value takes least memory."""
        place = value.find(_ZEROS, 0, 1 << 8 * _PACKED_SIZE)
        if place < 0:
            return value
        return cls(place.to_bytes(_PACKED_SIZE, "big") + value[:place] + value[place + len(_ZEROS) :])

    def whole(self) -> bytes:
        """The value."""
        end = int.from_bytes(self[:_PACKED_SIZE], "big") + _PACKED_SIZE
        return self[_PACKED_SIZE:end] + _ZEROS + self[end:]


@replaced_by("memory_changes")
def memory_changes(
    data: Mapping[bytes, bytes | None], operations: Sequence[Change], packed: type[_Packed]
) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes | None], list[bytes], list[bytes]]:
    """The changes of a batch in `data`: by key, values as kept and before; keys that come; those that go.

    packed: the class of values without their zeros.
    """
    written = dict(operations)
    for key, value in written.items():
        if value is not None and len(value) > len(_ZEROS):
            written[key] = packed.of(value)
    replaced = dict(zip(written, map(data.get, written), strict=True))
    added = [key for key, value in written.items() if value is not None and replaced[key] is None]
    return written, replaced, added, [key for key, value in written.items() if value is None]


class _Change:
    """A write in the chain of all later ones: what it replaced, by key, and the write after it."""

    __slots__ = ("next", "replaced")

    def __init__(self) -> None:
        self.replaced: dict[bytes, bytes | None] = {}
        self.next: _Change | None = None


class MemoryStore:
    """A dictionary with atomic batches and snapshots that stay frozen.

    A write leaves the old values of the keys it changes at the end of a chain, for the snapshots before it, and does so
    before it changes the data. What no snapshot can reach is forgotten.
    """

    def __init__(self) -> None:
        self._data: dict[bytes, bytes | None] = {}
        self._order = KeyOrder(self._data)
        self._lock = threading.RLock()
        self._newest = _Change()
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        if self._closed:
            self._check_open()
        value = self._data.get(key)
        return value.whole() if value.__class__ is _Packed else value

    @property
    def get_short(self) -> Callable[[bytes], bytes | None]:
        """As `get`, of values within SHORT_BYTES, and without a look at whether the store is open."""
        return self._data.get

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
            data, change = self._data, self._newest
            written, replaced, added, gone = memory_changes(data, batch.operations, _Packed)
            change.replaced = replaced
            change.next = self._newest = _Change()
            # in one step of the interpreter, so that no reader sees a part of it
            data.update(written)
            if gone:
                self._remove(gone, replaced)
            self._order.add(added)

    def _remove(self, keys: list[bytes], replaced: dict[bytes, bytes | None]) -> None:
        """Take keys without a value out of the data, those that had one out of the order too."""
        for key in keys:
            del self._data[key]
            if replaced[key] is not None:
                self._order.remove(key)

    def snapshot(self) -> "MemorySnapshot":
        """A frozen view of the store as it is now."""
        with self._lock:
            self._check_open()
            return MemorySnapshot(self)

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
        self._next_change = store._newest
        self._overlay: dict[bytes, bytes | None] = {}
        self._sorted_overlay: list[bytes] = []
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """The value when the view was taken, or None."""
        if self._closed or self._store._closed:
            self._check_open()
        # The data first: a writer leaves the old values before it changes the data, so this order needs no lock.
        value: bytes | None = self._store._data.get(key)
        if self._next_change.next is not None:
            self._catch_up()
        if self._overlay:
            value = self._overlay.get(key, value)
        return value.whole() if value.__class__ is _Packed else value

    def _catch_up(self) -> None:
        """Take in the changes since, in turn: the earliest value stays, also where several threads do so at once."""
        overlay, change = self._overlay, self._next_change
        while change.next is not None:
            for key, value in change.replaced.items():
                overlay.setdefault(key, value)
            change = change.next
        self._next_change = change

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
        self._closed = True
        self._next_change = _Change()

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
        self._catch_up()
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
                pairs.append((key, value.whole() if value.__class__ is _Packed else value))
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
