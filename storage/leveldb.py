"""The store on disk: LevelDB through plyvel, with every read checksummed.

What plyvel leaves to its user, and this module does:

- Its `Iterator` ends without a word at a damaged block; `RawIterator` reports it, so that one is used.
- Using a database, a snapshot or an iterator while another thread closes it is a crash of the process; `_Gate`
  makes closing wait for the operations under way.
- After a failed write LevelDB accepts more, behind a record that may be torn; here the first failure is the last write.
- LevelDB does not fsync a log that it leaves for the next one, so that a power failure could take writes out of the
  middle; `_UnsyncedLogs` does it.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plyvel

from storage.errors import CorruptionError, DatabaseLockedError, StorageError
from storage.store import Batch

REPAIR_HINT = "run `zevm db check --deep` to see what is affected and `zevm db rewind N` to go back to a sound block N"

LOOK_BYTES = 256 * 1024
"""Unsynced bytes after which LevelDB may have begun another log."""

CHUNK_PAIRS = 512
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class LevelOptions:
    """LevelDB's memory and file bounds.

    max_open_files: LevelDB maps each open table into memory and keeps ten of these for itself, so that at most
    (max_open_files - 10) * file_bytes of tables count as resident.
    """

    cache_bytes: int = 32 * 1024 * 1024
    write_buffer_bytes: int = 8 * 1024 * 1024
    file_bytes: int = 4 * 1024 * 1024
    max_open_files: int = 26
    bloom_bits_per_key: int = 10


class _Gate:
    """Lets operations pass until it is closed; runs `release` once, after the last of them has left.

    Built on operations that the interpreter makes atomic, since every read passes here.
    """

    __slots__ = ("_closed", "_release", "active")

    def __init__(self, release: Callable[[], None]) -> None:
        self.active: deque[None] = deque()
        self._closed = False
        self._release = [release]

    def __enter__(self) -> None:
        self.active.append(None)
        try:
            self.check_open()
        except StorageError:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.active.pop()
        if self._closed:
            self._finish()

    def check_open(self) -> None:
        """Raise StorageError once closed."""
        if self._closed:
            raise StorageError("the database is closed")

    def close(self) -> None:
        """Let nobody in any more, and release as soon as nobody is inside."""
        self._closed = True
        self._finish()

    def _finish(self) -> None:
        if self.active:
            return
        try:
            release = self._release.pop()
        except IndexError:
            return
        release()


class _UnsyncedLogs:
    """Keeps unsynced writes from being lost before later ones: what a power failure takes is a tail, never a middle."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = 0
        self._newest = 0

    def before_synced(self) -> None:
        """Make durable what was written unsynced, in whatever log it lies."""
        if self._bytes:
            self._sync(self._numbers())
            self._bytes = 0

    def after_unsynced(self, size: int) -> None:
        """Count a write; every now and then, make logs durable that LevelDB has left."""
        looked = self._bytes // LOOK_BYTES
        self._bytes += size
        if self._bytes // LOOK_BYTES == looked:
            return
        numbers = self._numbers()
        newest = max(numbers, default=0)
        if newest != self._newest:
            self._sync(number for number in numbers if number != newest)
            self._newest = newest

    def _numbers(self) -> list[int]:
        names = (name.partition(".") for name in os.listdir(self._path))
        return [int(stem) for stem, _, kind in names if kind == "log" and stem.isdigit()]

    def _sync(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                descriptor = os.open(self._path / f"{number:06d}.log", os.O_RDONLY)
            except FileNotFoundError:
                continue  # its content is in a table by now
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class LevelStore:
    """A LevelDB database in one directory, which this process must hold alone.

    Raises DatabaseLockedError when another process has it open, CorruptionError when LevelDB refuses its files,
    StorageError on any other fault of the medium.
    """

    def __init__(self, path: Path, *, create: bool = True, options: LevelOptions | None = None) -> None:
        options = options or LevelOptions()
        self.path = path
        self._write_lock = threading.Lock()
        self._fault: str | None = None
        self._leftovers: list[Any] = []
        self._released = threading.Event()
        try:
            self._db = plyvel.DB(
                str(path),
                create_if_missing=create,
                paranoid_checks=True,
                write_buffer_size=options.write_buffer_bytes,
                max_open_files=options.max_open_files,
                lru_cache_size=options.cache_bytes,
                max_file_size=options.file_bytes,
                compression="snappy",
                bloom_filter_bits=options.bloom_bits_per_key,
            )
        except plyvel.Error as error:
            raise _translate(error, path) from error
        self._gate = _Gate(self._close_database)
        self._unsynced = _UnsyncedLogs(path)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises CorruptionError when the stored bytes fail their checksum."""
        return _get(self._gate, self._db, key, self.path)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop as they are now. `fill_cache=False` spares the block cache in long scans."""
        with self._gate:
            raw = self._db.raw_iterator(verify_checksums=True, fill_cache=fill_cache)
        return self._pairs(raw, start, stop, reverse)

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        """Apply `batch` atomically. After the first failure every further write is refused until reopened."""
        with self._write_lock, self._gate:
            if self._fault is not None:
                raise StorageError(f"writes are stopped since one failed ({self._fault}); restart the node")
            native = self._db.write_batch(sync=sync)
            for key, value in batch.operations:
                if value is None:
                    native.delete(key)
                else:
                    native.put(key, value)
            try:
                if sync:
                    self._unsynced.before_synced()
                native.write()
                if not sync:
                    self._unsynced.after_unsynced(native.approximate_size())
            except (plyvel.Error, OSError) as error:
                translated = _translate(error, self.path)
                self._fault = str(translated)
                raise translated from error

    def snapshot(self) -> "LevelSnapshot":
        """A frozen view of the store as it is now."""
        with self._gate:
            return LevelSnapshot(self, self._db.snapshot())

    def close(self) -> None:
        """Wait for the operations under way, then release files and lock; idempotent."""
        self._gate.close()
        self._released.wait()

    def approximate_sizes(self, ranges: list[tuple[bytes, bytes]]) -> list[int]:
        """Bytes on disk of each range, compressed; what is still in the write buffer is not counted."""
        with self._gate:
            sizes: list[int] = self._db.approximate_sizes(*ranges)
            return sizes

    def get_property(self, name: str) -> str:
        """LevelDB's own report, such as "leveldb.stats"; "" for an unknown name."""
        with self._gate:
            value: bytes | None = self._db.get_property(name.encode())
            return (value or b"").decode("utf-8", "replace")

    def compact(self) -> None:
        """Rewrite all tables without what was overwritten or deleted."""
        with self._gate:
            self._db.compact_range(start=b"", stop=b"\xff" * 64)

    def _pairs(self, raw: Any, start: bytes, stop: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        """Read in chunks that double, so that a short look is cheap and a long scan too."""
        read = _read_backward if reverse else _read_forward
        limit, done, positioned = 1, False, False
        while not done:
            with self._gate:
                try:
                    if not positioned:
                        _position(raw, start, stop, reverse)
                        positioned = True
                    pairs, done = read(raw, start, stop, limit)
                except plyvel.Error as error:
                    raise _translate(error, self.path) from error
            yield from pairs
            limit = min(limit * 2, CHUNK_PAIRS)

    def _close_database(self) -> None:
        self._db.close()
        self._leftovers.clear()
        self._released.set()

    def _release_snapshot(self, native: Any) -> None:
        try:
            with self._gate:
                native.close()
        except StorageError:
            # The database is about to close: plyvel frees the snapshot safely once that is done, and not before.
            self._leftovers.append(native)
            if self._released.is_set():
                self._leftovers.clear()


class LevelSnapshot:
    """A frozen view of a LevelStore."""

    def __init__(self, store: LevelStore, native: Any) -> None:
        self._store = store
        self._handle: _SnapshotHandle | None = _SnapshotHandle(store, native)

    def get(self, key: bytes) -> bytes | None:
        """The value when the view was taken, or None."""
        handle = self._open_handle()
        return _get(self._store._gate, handle.native, key, self._store.path)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop of the view."""
        handle = self._open_handle()
        with self._store._gate:
            raw = handle.native.raw_iterator(verify_checksums=True, fill_cache=fill_cache)
        return self._store._pairs(raw, start, stop, reverse)

    def close(self) -> None:
        """Free the view; later reads raise StorageError."""
        self._handle = None

    def _open_handle(self) -> "_SnapshotHandle":
        handle = self._handle
        if handle is None:
            raise StorageError("the snapshot is closed")
        return handle


class _SnapshotHandle:
    """Owns LevelDB's snapshot, and frees it when the last read that uses it is over."""

    __slots__ = ("native", "store")

    def __init__(self, store: LevelStore, native: Any) -> None:
        self.store = store
        self.native = native

    def __del__(self) -> None:
        self.store._release_snapshot(self.native)


def repair(path: Path, options: LevelOptions | None = None) -> None:
    """Rebuild a LevelDB directory from whatever of its files is readable. Damaged records are lost.

    A last resort, for files that LevelDB refuses to open; what comes out must be verified. Raises StorageError.
    """
    options = options or LevelOptions()
    try:
        plyvel.repair_db(
            str(path),
            paranoid_checks=True,
            max_file_size=options.file_bytes,
            compression="snappy",
            bloom_filter_bits=options.bloom_bits_per_key,
        )
    except plyvel.Error as error:
        raise _translate(error, path) from error


def _get(gate: _Gate, source: Any, key: bytes, path: Path) -> bytes | None:
    """A checksummed read inside the gate, which is entered by hand here: this is the hottest call of the package."""
    active = gate.active
    active.append(None)
    try:
        gate.check_open()
        value: bytes | None = source.get(key, verify_checksums=True)
    except plyvel.Error as error:
        raise _translate(error, path) from error
    finally:
        gate.__exit__()
    return value


def _position(raw: Any, start: bytes, stop: bytes, reverse: bool) -> None:
    if not reverse:
        raw.seek(start)
        return
    raw.seek(stop)
    if raw.valid():
        raw.prev()
    else:
        raw.seek_to_last()


def _read_forward(raw: Any, _start: bytes, stop: bytes, limit: int) -> tuple[list[tuple[bytes, bytes]], bool]:
    """Up to `limit` pairs, and whether the range is exhausted."""
    pairs: list[tuple[bytes, bytes]] = []
    size = 0
    while raw.valid():
        if len(pairs) >= limit or size >= CHUNK_BYTES:
            return pairs, False
        key = raw.key()
        if key >= stop:
            break
        value = raw.value()
        pairs.append((key, value))
        size += len(value)
        raw.next()
    return pairs, True


def _read_backward(raw: Any, start: bytes, stop: bytes, limit: int) -> tuple[list[tuple[bytes, bytes]], bool]:
    pairs: list[tuple[bytes, bytes]] = []
    size = 0
    while raw.valid():
        if len(pairs) >= limit or size >= CHUNK_BYTES:
            return pairs, False
        key = raw.key()
        if key < start:
            break
        if key < stop:
            value = raw.value()
            pairs.append((key, value))
            size += len(value)
        raw.prev()
    return pairs, True


def _translate(error: Exception, path: Path) -> StorageError:
    """The error of this package for one of plyvel's."""
    detail = error.args[0] if error.args else b""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(error)
    if isinstance(error, plyvel.CorruptionError):
        return CorruptionError(f"the database at {path} is damaged: {text}; {REPAIR_HINT}")
    if isinstance(error, OSError):  # plyvel.IOError is one
        if "LOCK" in text or "lock" in text:
            return DatabaseLockedError(f"the database at {path} is open in another process")
        return StorageError(f"the database at {path} cannot be read or written: {text}")
    return StorageError(f"the database at {path} failed: {text}")
