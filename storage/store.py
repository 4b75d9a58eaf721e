"""The key-value interface that LevelDB and the in-memory store share.

Keys are ordered bytewise. A batch is atomic. A snapshot sees the store as it was when taken.
All methods may be called from any thread; writes are made by one thread, the chain writer.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

CHUNK_PAIRS = 512
"""The most pairs that an iterator reads ahead."""

Change = tuple[bytes, bytes | None]
"""A key and its new value; None removes it."""


class Batch:
    """An ordered list of puts and deletes, applied all at once or not at all."""

    __slots__ = ("operations",)

    def __init__(self) -> None:
        self.operations: list[Change] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` to `value`."""
        self.operations.append((key, value))

    def put_all(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Set each key to its value."""
        self.operations += pairs

    def delete(self, key: bytes) -> None:
        """Remove `key`; absent keys are no error."""
        self.operations.append((key, None))


class Reader(Protocol):
    """Point and range reads."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises CorruptionError when the stored bytes fail their checksum."""
        ...

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, ascending, or descending when `reverse`.

        What later writes change is not seen. `fill_cache=False` spares the cache in long scans.
        """
        ...


class Snapshot(Reader, Protocol):
    """A frozen view. Freed when garbage-collected, or at once by `close`."""

    def close(self) -> None:
        """Free the view; later reads raise StorageError."""
        ...


class ReadableStore(Reader, Protocol):
    """A database to read: as it is, and frozen."""

    def snapshot(self) -> Snapshot:
        """A frozen view of the store as it is now."""
        ...


class Store(ReadableStore, Protocol):
    """A database: reads, atomic writes, snapshots."""

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        """Apply `batch` atomically.

        With `sync` the bytes are on the medium when this returns (fsync). Without, a process
        crash loses nothing, a machine crash may lose the newest batches.
        """
        ...

    def approximate_sizes(self, ranges: list[tuple[bytes, bytes]]) -> list[int]:
        """About how many bytes each range of keys takes."""
        ...

    def reopen(self, between: Callable[[], None]) -> None:
        """Make a store that refuses writes since one failed take them again; `between` runs while it is closed.

        Snapshots taken since the last write that held go on, older ones end. Raises StorageError where the medium
        does not allow it yet.
        """
        ...

    def close(self) -> None:
        """Release files and locks; idempotent."""
        ...
