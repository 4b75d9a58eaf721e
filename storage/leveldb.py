"""The store on disk: LevelDB through plyvel, with every read checksummed.

What plyvel leaves to its user, and this module does:

- Its `Iterator` ends without a word at a damaged block; `RawIterator` reports it, so that one is used.
- Using a database, a snapshot or an iterator while another thread closes it is a crash of the process; `_Gate`
  makes closing wait for the operations under way.
- After a failed write LevelDB accepts more, behind a record that may be torn; here the first failure is the last write
  until `reopen`, and the snapshots that readers hold then live on.
- LevelDB does not fsync a log that it leaves for the next one, so that a power failure could take writes out of the
  middle; `UnsyncedLogs` does it.
- LevelDB leaves the name of its MANIFEST in CURRENT without a sync of the folder; an opening here ends with one.
- LevelDB rewrites files that reads have looked into in vain; `RecentValues` spares it those reads.
"""

import os
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import starmap
from operator import itemgetter
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 13):  # plyvel-ci has no wheels for it, another fork has
    import plyvel_next as plyvel
else:
    import plyvel

from zevm.storage.directory import sync_directory
from zevm.storage.errors import CorruptionError, DatabaseLockedError, StorageError, StorageProblem
from zevm.storage.recent import RecentValues
from zevm.storage.schema import ACCOUNT, META, SIDE, SLOT, UNDO
from zevm.storage.store import CHUNK_PAIRS, Batch
from zevm.storage.unsynced_logs import UnsyncedLogs

ROOM_BYTES = 1024 * 1024
"""Free space, beyond the size of its log, that a database needs before it is reopened."""

CHUNK_BYTES = 256 * 1024
_NO_LOCK = "IO error: lock "


@dataclass(frozen=True, slots=True)
class LevelOptions:
    """LevelDB's memory and file bounds.

    max_open_files: LevelDB maps each open table into memory and keeps ten of these for itself, so that at most
    (max_open_files - 10) * file_bytes of tables count as resident. recent_bytes, recent_prefixes: see RecentValues.
    sought_prefixes: of keys that every block looks for and seldom finds. Looking through an iterator takes longer, but
    does not count towards rewriting a file (storage/recent.py).
    """

    cache_bytes: int = 32 * 1024 * 1024
    write_buffer_bytes: int = 16 * 1024 * 1024
    file_bytes: int = 4 * 1024 * 1024
    max_open_files: int = 26
    bloom_bits_per_key: int = 10
    recent_bytes: int = 16 * 1024 * 1024
    recent_prefixes: frozenset[bytes] = frozenset((ACCOUNT.prefix, SLOT.prefix, META.prefix))
    sought_prefixes: frozenset[bytes] = frozenset((UNDO.prefix, SIDE.prefix))


class _GateClosedError(StorageError):
    """A gate has been closed, for good or while the database is reopened."""


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
        except _GateClosedError:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self.active.pop()
        if self._closed:
            self._finish()

    def check_open(self) -> None:
        """Raise StorageError once closed."""
        if self._closed:
            raise _GateClosedError("the database is closed")

    def close(self) -> None:
        """Admit no further operation, and release once the last one has left."""
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


class LevelStore:
    """A LevelDB database in one directory, which this process must hold alone.

    Raises DatabaseLockedError when another process has it open, CorruptionError when LevelDB refuses its files,
    StorageError on any other fault of the medium.
    """

    def __init__(self, path: Path, *, create: bool = True, options: LevelOptions | None = None) -> None:
        self.path = path
        self._options = options or LevelOptions()
        self._write_lock = threading.Lock()
        self._fault: str | None = None
        self._leftovers: list[Any] = []
        self._released = threading.Event()
        self._closed = False
        self._opened = threading.Event()
        self._handles: weakref.WeakSet[_SnapshotHandle] = weakref.WeakSet()
        self._writes = 0
        self._recent = RecentValues(self._options.recent_bytes, self._options.recent_prefixes)
        self._publish(self._open(create=create))

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises CorruptionError when the stored bytes fail their checksum."""
        number, recent = self._writes, self._recent.find(key)
        if recent is not None and recent[0] <= number and not self._closed:
            return recent[1]
        if key[:1] in self._options.sought_prefixes:
            return next((value for _, value in self.iterate(key, key + b"\x00")), None)
        try:
            return _get(self._gate, self._db, key, self.path)
        except _GateClosedError:
            self._await_reopening()
            return _get(self._gate, self._db, key, self.path)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop as they are now. `fill_cache=False` spares the block cache in long scans."""
        with self.entered() as gate:
            raw = self._db.raw_iterator(verify_checksums=True, fill_cache=fill_cache)
        return self._pairs(gate, raw, start, stop, reverse)

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        """Apply `batch` atomically. After the first failure every further write is refused until `reopen`."""
        with self._write_lock, self._gate:
            if self._fault is not None:
                raise StorageError(f"writes are stopped since one failed ({self._fault})")
            native = self._native_batch(batch, sync=sync)
            try:
                self._recent.note(self._writes + 1, batch.operations)
                if sync:
                    self._unsynced.before_synced()
                native.write()
                if not sync:
                    self._unsynced.after_unsynced(native.approximate_size())
            except (plyvel.Error, OSError) as error:
                translated = _translate(error, self.path)
                self._fault = str(translated)
                self._recent.clear()
                raise translated from error
            except BaseException:
                # of an interruption: the next write has the same number
                self._recent.clear()
                raise
            self._writes += 1

    def _native_batch(self, batch: Batch, *, sync: bool) -> Any:
        native, operations = self._db.write_batch(sync=sync), batch.operations
        if None not in map(itemgetter(1), operations):
            # without a step of the interpreter for each
            deque(starmap(native.put, operations), maxlen=0)
            return native
        for key, value in operations:
            if value is None:
                native.delete(key)
            else:
                native.put(key, value)
        return native

    def reopen(self, between: Callable[[], None]) -> None:
        """Close LevelDB, run `between`, and open it again, once there is space for its writes.

        Reads that come meanwhile wait. Snapshots taken since the last successful write stay valid, older ones and
        iterators end with StorageError. Raises StorageError without any change if there is no space yet.
        """
        with self._write_lock:
            if self._closed:
                raise StorageError("the database is closed")
            _check_room(self.path)
            self._opened.clear()
            try:
                self._gate.close()
                self._released.wait()
                self._recent.clear()
                between()
                database = self._open(create=False)
                for handle in list(self._handles):
                    handle.native = database.snapshot() if handle.writes == self._writes else None
                self._publish(database)
                self._fault = None
            finally:
                self._opened.set()

    def snapshot(self) -> "LevelSnapshot":
        """A frozen view of the store as it is now."""
        with self.entered():
            number = self._writes
            return LevelSnapshot(self, self._db.snapshot(), number)

    def close(self) -> None:
        """Wait for the operations under way, then release files and lock; idempotent."""
        with self._write_lock:
            self._closed = True
            self._gate.close()
            self._released.wait()

    @contextmanager
    def entered(self) -> Iterator["_Gate"]:
        """Hold LevelDB open, after a reopening in progress. Raises StorageError once closed."""
        try:
            gate = self._gate
            gate.__enter__()
        except _GateClosedError:
            self._await_reopening()
            gate = self._gate
            gate.__enter__()
        try:
            yield gate
        finally:
            gate.__exit__()

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

    def compact(self, start: bytes = b"", stop: bytes = b"\xff" * 64) -> None:
        """Rewrite all tables of a range of keys without what was overwritten or deleted."""
        with self._gate:
            self._db.compact_range(start=start, stop=stop)

    def _open(self, *, create: bool) -> Any:
        options = self._options
        try:
            database = plyvel.DB(
                str(self.path),
                create_if_missing=create,
                paranoid_checks=True,
                write_buffer_size=options.write_buffer_bytes,
                max_open_files=options.max_open_files,
                lru_cache_size=options.cache_bytes,
                max_file_size=options.file_bytes,
                compression="snappy",
                bloom_filter_bits=options.bloom_bits_per_key,
            )
            sync_directory(self.path)
        except (plyvel.Error, OSError) as error:
            raise _translate(error, self.path) from error
        return database

    def _publish(self, database: Any) -> None:
        """Let operations pass to an open LevelDB."""
        self._released.clear()
        self._unsynced = UnsyncedLogs(self.path)
        # the gate last: who finds it open finds the database that is behind it
        self._db = database
        self._gate = _Gate(self._close_database)
        self._opened.set()

    def _await_reopening(self) -> None:
        """Wait until LevelDB has been reopened; raise StorageError if it is closed for good."""
        self._opened.wait()
        if self._closed:
            raise StorageError("the database is closed")

    def _pairs(self, gate: _Gate, raw: Any, start: bytes, stop: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        """Read in chunks that double, so that a short look is cheap and a long scan too."""
        read = _read_backward if reverse else _read_forward
        limit, done, positioned = 1, False, False
        while not done:
            with gate:
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
        if native is None:
            return
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

    def __init__(self, store: LevelStore, native: Any, writes: int) -> None:
        self._store = store
        self._handle: _SnapshotHandle | None = _SnapshotHandle(store, native, writes)

    def get(self, key: bytes) -> bytes | None:
        """The value when the view was taken, or None."""
        store, handle = self._store, self._open_handle()
        recent = store._recent.find(key)
        if recent is not None and recent[0] <= handle.writes and not store._closed:
            return recent[1]
        try:
            return _get(store._gate, handle.native, key, store.path)
        except _GateClosedError:
            store._await_reopening()
            return _get(store._gate, self._open_handle().native, key, store.path)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop of the view."""
        store = self._store
        with store.entered() as gate:
            raw = self._open_handle().native.raw_iterator(verify_checksums=True, fill_cache=fill_cache)
        return store._pairs(gate, raw, start, stop, reverse)

    def close(self) -> None:
        """Free the view; later reads raise StorageError."""
        self._handle = None

    def _open_handle(self) -> "_SnapshotHandle":
        handle = self._handle
        if handle is None:
            raise StorageError("the snapshot is closed")
        if handle.native is None:
            raise StorageError("this view of the database ended when it was reopened after a failed write; ask again")
        return handle


class _SnapshotHandle:
    """Owns LevelDB's snapshot, and frees it when the last read that uses it is over.

    writes: the store's writes that it has for certain; counted before it was taken.
    """

    __slots__ = ("__weakref__", "native", "store", "writes")

    def __init__(self, store: LevelStore, native: Any, writes: int) -> None:
        self.store = store
        self.native = native
        self.writes = writes
        store._handles.add(self)

    def __del__(self) -> None:
        self.store._release_snapshot(self.native)


def _check_room(leveldb: Path) -> None:
    """Raise StorageError where the medium does not take what LevelDB writes when it opens: its log as a table."""
    size = ROOM_BYTES + sum(log.stat().st_size for log in leveldb.glob("*.log"))
    try:
        with tempfile.TemporaryFile(dir=leveldb.parent) as probe:
            for _ in range(-(-size // ROOM_BYTES)):
                probe.write(bytes(ROOM_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise StorageError(f"the database at {leveldb} cannot be written: {error.strerror}") from error


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
        return CorruptionError(f"the database at {path} is damaged: {text}", StorageProblem.FILES_DAMAGED)
    if isinstance(error, OSError):  # plyvel.IOError is one
        if text.startswith(_NO_LOCK):
            return DatabaseLockedError(f"the database at {path} is open in another process")
        return StorageError(f"the database at {path} cannot be read or written: {text}")
    return StorageError(f"the database at {path} failed: {text}")
