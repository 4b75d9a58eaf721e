"""The database of one chain: store, ledger and state in one data directory, and the care for its soundness.

<directory>/FORMAT       whose it is, and its schema version
            zevm.lock    the process that has it open
            SEQUENCE     number of the last acknowledged write      (storage.sequence)
            CHECKSUMS    sums of LevelDB's files                     (storage.checksums)
            leveldb/     the data                                    (storage.schema)
            torn/        unfinished records cut off after a crash    (storage.log_tail)
"""

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage import checksums, directory, integrity, log_tail, schema
from storage.checksums import Checksums, FileSum
from storage.errors import CorruptionError, StorageError
from storage.ledger import Ledger
from storage.leveldb import REPAIR_HINT, LevelStore, repair
from storage.log_tail import SEQUENCE_KEY
from storage.memory import MemoryStore
from storage.sequence import SEQUENCE_NAME, SequenceFile
from storage.state import StateStore
from storage.store import Batch

logger = logging.getLogger(__name__)

_TORN_NAME = "torn"


@dataclass(frozen=True, slots=True)
class FamilyStats:
    """One kind of key: how many, when they were counted, and roughly how many bytes on disk."""

    name: str
    keys: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """Figures of a database. `files` maps names of LevelDB's files to bytes; empty in memory."""

    blocks: int
    sequence: int
    families: tuple[FamilyStats, ...]
    files: dict[str, int]

    @property
    def size_bytes(self) -> int:
        """All of LevelDB's files together."""
        return sum(self.files.values())


class Database:
    """An open database. Reads from any thread; `write` from one at a time.

    `unclean_stop` is True when the last process that had it open did not close it.
    `created` is True when this opening made it, until `keep` is called.
    `warnings` names what was found damaged and made good while opening.
    """

    def __init__(self, store: LevelStore | MemoryStore, files: "_Files | None", *, sync: bool) -> None:
        self.store = store
        self.ledger = Ledger(store)
        self.state = StateStore(store)
        self.unclean_stop = files is not None and files.unclean_stop
        self.created = files is not None and files.created
        self.warnings: tuple[str, ...] = () if files is None else tuple(files.warnings)
        self._files = files
        self._sync = sync
        self._write_lock = threading.Lock()
        self._fault: str | None = None
        self._closed = False
        self._sequence = _stored_sequence(store)

    @classmethod
    def open(cls, path: Path | None, *, create: bool = True, sync: bool = True) -> "Database":
        """Open the database in the directory `path`, or a new one in memory for None.

        With `sync` an acknowledged write survives a power failure, without only the end of the process.
        Raises DatabaseLockedError, ForeignDatabaseError, CorruptionError (naming the file), or StorageError.
        """
        if path is None:
            return cls(MemoryStore(), None, sync=False)
        files = _Files(path, create=create)
        try:
            return cls(files.open_store(), files, sync=sync)
        except BaseException:
            files.abandon()
            raise

    @classmethod
    def salvage(cls, path: Path) -> "Database":
        """Open a damaged database with whatever is readable in it, for `db check` and `db rewind`.

        Skips every comparison, rebuilds LevelDB's files when it refuses them or some block of them, and takes what is
        left for the truth: blocks may be missing or stale, so the chain must be verified and rewound to a sound block.
        """
        files = _Files(path, create=False, salvage=True)
        try:
            return cls(files.salvage_store(), files, sync=True)
        except BaseException:
            files.release()
            raise

    @staticmethod
    def erase(path: Path) -> None:
        """Remove the database in the directory `path` and leave what lies beside it, as the keystore. Absent: no error.

        Raises DatabaseLockedError while a process has it open, ForeignDatabaseError where it is not ours.
        """
        if not directory.is_ours(path):
            return
        lock = directory.DirectoryLock(path)
        try:
            _erase_files(path)
            directory.sync_directory(path)
        except OSError as error:
            raise StorageError(f"cannot erase the database at {path}: {error.strerror}") from error
        finally:
            lock.release()

    @property
    def sequence(self) -> int:
        """Number of the last write."""
        return self._sequence

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        """Apply `batch` atomically, synced unless opened otherwise; when this returns, the write is acknowledged.

        sync=False: for what a later synced write seals, as the blocks of an import before its last. A power failure
        may take the newest of such writes, never older ones alone.

        After a failure (a full disk, say) every further write is refused until the database is opened anew: LevelDB's
        log may end in half a record. Reads go on. Raises StorageError.
        """
        with self._write_lock:
            if self._fault is not None:
                raise StorageError(f"the database takes no more writes since one failed: {self._fault}")
            sequence = self._sequence + 1
            batch.put(SEQUENCE_KEY, schema.encode_number(sequence))
            try:
                self.store.write(batch, sync=self._sync and sync)
                if self._files is not None:
                    self._files.acknowledge(sequence, synced=self._sync and sync)
            except StorageError as error:
                self._fault = f"{error}; free space or mend the medium, then restart the node"
                raise StorageError(self._fault) from error
            self._sequence = sequence

    def close(self) -> None:
        """Wait for reads under way, record checksums, release the directory; idempotent."""
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            self._fault = self._fault or "the database is closed"
            if isinstance(self.store, LevelStore) and self._files is not None:
                self._files.close(self.store, self._sequence, clean=self._fault == "the database is closed")
            else:
                self.store.close()

    def keep(self) -> None:
        """From here on somebody was told of what it holds: a failure leaves it on disk."""
        self.created = False

    def discard(self, beside: Sequence[str] = ()) -> None:
        """Close; a database that this opening made, and nobody was told of, leaves nothing behind.

        beside: names in its folder that belong to the chain too. What else lies there stays.
        """
        if not self.created or self._files is None:
            self.close()
            return
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            self._fault = "the database is closed"
            self.store.close()
            self._files.abandon(beside)

    def recent_check(self, count: int = 128) -> list[str]:
        """Problems among the newest `count` blocks: presence, header hashes, parent chain. Empty when sound."""
        return integrity.recent_check(self.store, count)

    def scrub(self, progress: Callable[[str], None] | None = None) -> list[str]:
        """Read everything and report each problem: checksums, hashes, the chain's continuity, indexes.

        `progress` is called with the name of each part as it begins. Empty when sound.
        """
        return integrity.scrub(self.store, progress)

    def stats(self, *, count_keys: bool = False) -> DatabaseStats:
        """Figures per kind of key. `count_keys` reads the whole database."""
        sizes = self.store.approximate_sizes([schema.range_of(family) for family in schema.FAMILIES])
        families = []
        for family, size in zip(schema.FAMILIES, sizes, strict=True):
            pairs = self.store.iterate(*schema.range_of(family), fill_cache=False) if count_keys else ()
            families.append(FamilyStats(family.name, sum(1 for _ in pairs) if count_keys else None, size))
        head = self.ledger.head()
        files = {} if self._files is None else self._files.sizes()
        return DatabaseStats(0 if head is None else head[0] + 1, self._sequence, tuple(families), files)

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Files:
    """What lies in the data directory around LevelDB: lock, format, sequence mark, checksums."""

    def __init__(self, path: Path, *, create: bool, salvage: bool = False) -> None:
        self._path = path
        self._leveldb = path / directory.LEVELDB_NAME
        self._tables: dict[str, FileSum] = {}
        self.unclean_stop = False
        self.created = False
        self.warnings: list[str] = []
        exists = salvage or directory.check_ownership(path)
        if not exists and not create:
            raise StorageError(f"there is no database at {path}; `zevm run` makes one")
        if salvage and not self._leveldb.is_dir():
            raise StorageError(f"there is no database at {path} to repair")
        self._made_folders = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {path}: {error.strerror}") from error
        self._sequence_file: SequenceFile | None = None
        self._lock = directory.DirectoryLock(path)
        try:
            if not salvage and not directory.check_ownership(path):
                self.created = True
                self._prepare()
        except BaseException:
            self.abandon()
            raise

    def _prepare(self) -> None:
        """Lay a new database's side files."""
        directory.write_format(self._path)
        self._sequence_file = SequenceFile(self._path)
        self._sequence_file.begin(0)
        directory.sync_directory(self._path)

    def open_store(self) -> LevelStore:
        """Verify the files, open LevelDB, compare the sequence numbers."""
        recorded = checksums.read_checksums(self._path)
        had_data = (self._leveldb / "CURRENT").exists()
        self.unclean_stop = had_data and recorded.sequence is None
        if recorded.damaged:
            self._warn(f"the file {self._path / checksums.CHECKSUMS_NAME} is damaged; it is written anew")
        acknowledged = self._acknowledged(recorded)
        self._tables = checksums.verify_files(self._leveldb, recorded)
        checksums.write_checksums(self._path, self._tables)
        store = self._open_leveldb(acknowledged)
        try:
            self._compare_sequence(store, acknowledged)
            self._tables = checksums.surviving(self._leveldb, self._tables)
            checksums.write_checksums(self._path, self._tables)
        except BaseException:
            store.close()
            raise
        return store

    def salvage_store(self) -> LevelStore:
        """Open LevelDB whatever its state, and make the side files agree with it."""
        self.unclean_stop = True
        (self._path / checksums.CHECKSUMS_NAME).unlink(missing_ok=True)
        try:
            store = LevelStore(self._leveldb, create=False)
            if not integrity.readable(store):
                store.close()
                raise CorruptionError("unreadable blocks")
        except CorruptionError as error:
            self._warn(f"LevelDB's files are rebuilt from what is readable ({error})")
            repair(self._leveldb)
            store = LevelStore(self._leveldb, create=False)
        directory.write_format(self._path)
        (self._path / SEQUENCE_NAME).unlink(missing_ok=True)
        self._sequence_file = SequenceFile(self._path)
        self._sequence_file.begin(_stored_sequence(store))
        return store

    def acknowledge(self, sequence: int, *, synced: bool) -> None:
        """Record the number of a write that has returned."""
        assert self._sequence_file is not None
        self._sequence_file.write(sequence, synced=synced)

    def sizes(self) -> dict[str, int]:
        """Bytes of each of LevelDB's files."""
        sizes = {}
        for path in sorted(self._leveldb.iterdir()):
            # a compaction may delete tables meanwhile
            with contextlib.suppress(FileNotFoundError):
                sizes[path.name] = path.stat().st_size
        return sizes

    def close(self, store: LevelStore, sequence: int, *, clean: bool) -> None:
        """Close LevelDB; after a clean run, record the sums of its files."""
        try:
            live = checksums.live_tables(store.get_property("leveldb.sstables"))
            store.close()
            if clean:
                sums = checksums.sum_directory(self._leveldb, self._tables, live)
                checksums.write_checksums(self._path, sums, sequence)
        finally:
            self.release()

    def abandon(self, beside: Sequence[str] = ()) -> None:
        """Give back the directory; of a database made by this opening nothing stays, nor of the names `beside` it."""
        if self.created:
            # why the database is given up is what the user is to read, not what hinders its removal
            with contextlib.suppress(OSError):
                _erase_files(self._path, *beside)
                (self._path / directory.LOCK_NAME).unlink(missing_ok=True)
                for folder in self._made_folders:
                    folder.rmdir()
        self.release()

    def release(self) -> None:
        """Give back what the directory is held by."""
        if self._sequence_file is not None:
            self._sequence_file.close()
        self._lock.release()

    def _open_leveldb(self, acknowledged: int) -> LevelStore:
        if not self.unclean_stop:
            return LevelStore(self._leveldb)
        log_tail.check_manifest(self._leveldb)
        log = log_tail.newest_log(self._leveldb)
        if log is not None and not log_tail.ends_whole(log.read_bytes()):
            self._cut(log, acknowledged)
        try:
            return LevelStore(self._leveldb)
        except CorruptionError:
            if log is None or not self._cut(log, acknowledged):
                raise
            return LevelStore(self._leveldb)

    def _cut(self, log: Path, acknowledged: int) -> bool:
        cut = log_tail.cut_torn_tail(log, acknowledged, self._path / _TORN_NAME)
        if cut:
            self._warn(f"cut an unfinished, never acknowledged write off {log}; a copy is in {self._path / _TORN_NAME}")
        return cut

    def _acknowledged(self, recorded: Checksums) -> int:
        """The number of the last acknowledged write, by SEQUENCE or by the record of a clean stop.

        Unsynced writes count while the machine has not restarted, for until then the kernel holds them.
        """
        if self._sequence_file is None:
            self._sequence_file = SequenceFile(self._path)
        try:
            mark, whole = self._sequence_file.read()
        except CorruptionError:
            if recorded.sequence is None:
                raise
            mark, whole = None, False
        if not whole:
            self._warn(f"the file {self._path / SEQUENCE_NAME} was damaged or missing; it is written anew")
        if recorded.sequence is not None:
            return recorded.sequence
        if mark is None:
            return 0
        same_boot = recorded.boot != "" and recorded.boot == checksums.boot_id()
        return mark.last if same_boot else mark.synced

    def _compare_sequence(self, store: LevelStore, acknowledged: int) -> None:
        stored = _stored_sequence(store)
        if stored < acknowledged:
            raise CorruptionError(
                f"the database at {self._path} ends at write {stored}, but write {acknowledged} was acknowledged: "
                f"blocks are lost; {REPAIR_HINT}"
            )
        assert self._sequence_file is not None
        self._sequence_file.begin(stored)

    def _warn(self, text: str) -> None:
        logger.warning(text)
        self.warnings.append(text)


def _erase_files(path: Path, *beside: str) -> None:
    """Delete a database's files and folders, and the names `beside` them. Raises OSError."""
    # the mark of ownership goes last: what a crash leaves can be erased again
    marks = (SEQUENCE_NAME, checksums.CHECKSUMS_NAME, directory.FORMAT_NAME)
    for part in (path / name for name in (directory.LEVELDB_NAME, _TORN_NAME, *beside, *marks)):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def _stored_sequence(store: LevelStore | MemoryStore) -> int:
    value = store.get(SEQUENCE_KEY)
    return 0 if value is None else schema.decode_number(value)
