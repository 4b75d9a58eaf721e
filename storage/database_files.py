"""The files of a data directory around LevelDB, and what a start makes of them: whole, torn by a crash, or damaged."""

import contextlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from zevm.storage import checksums, directory, integrity, log_tail, node_removal, schema
from zevm.storage.checksums import Checksums, FileSum
from zevm.storage.errors import CorruptionError, StorageError, StorageProblem
from zevm.storage.leveldb import LevelStore, repair
from zevm.storage.log_tail import SEQUENCE_KEY
from zevm.storage.manifest import check_manifest, live_logs, read_manifest
from zevm.storage.memory import MemoryStore
from zevm.storage.sequence import SECOND_FOLDER, SEQUENCE_NAME, SequenceMarks
from zevm.storage.store import Reader

LOGGER = logging.getLogger("zevm.storage")

TORN_NAME = "torn"
_CURRENT_NAME = "CURRENT"
_TABLES, _LOGS = ("*.ldb", "*.sst"), "*.log"
_UNFINISHED = "an unfinished, never acknowledged write"


class DatabaseFiles:
    """The files of a data directory around LevelDB: lock, format, sequence marks, checksums."""

    def __init__(
        self,
        path: Path,
        *,
        create: bool,
        salvage: bool = False,
        accept: bool = False,
        schema_version: int = schema.SCHEMA_VERSION,
    ) -> None:
        self._path = path
        self._accept = accept
        self._schema_version = schema_version
        self._leveldb = path / directory.LEVELDB_NAME
        self._tables: dict[str, FileSum] = {}
        self.unclean_stop = False
        self.created = False
        self.warnings: list[str] = []
        self.damages: list[str] = []
        exists = salvage or directory.check_ownership(path, schema_version)
        if not exists and not create:
            raise StorageError(f"there is no database at {path}", StorageProblem.NO_DATABASE)
        if salvage and not self._leveldb.is_dir():
            raise StorageError(f"there is no database at {path} to repair")
        self._made_folders = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {path}: {error.strerror}") from error
        self._marks: SequenceMarks | None = None
        self._lock = directory.DirectoryLock(path)
        try:
            if not salvage and not directory.check_ownership(path, schema_version):
                self.created = True
                self._prepare()
        except BaseException:
            self.abandon()
            raise

    def _prepare(self) -> None:
        """Lay a new database's side files."""
        directory.write_format(self._path)
        self._marks = SequenceMarks(self._path)
        self._marks.begin(0)
        directory.sync_directory(self._path)

    def open_store(self) -> LevelStore:
        """Verify the files, open LevelDB, compare the sequence numbers."""
        recorded = checksums.read_checksums(self._path)
        if self._marks is None:
            self._marks = SequenceMarks(self._path)
        if recorded.sequence is None:
            self._erase_unborn()
        had_data = (self._leveldb / _CURRENT_NAME).exists()
        self._refuse_orphans()
        self.unclean_stop = had_data and recorded.sequence is None
        if recorded.damaged:
            self._warn(f"the file {self._path / checksums.CHECKSUMS_NAME} is damaged and will be rewritten")
        acknowledged = self._acknowledged(recorded, had_data=had_data)
        self._tables = checksums.verify_files(self._leveldb, recorded)
        checksums.write_checksums(self._path, self._tables)
        store, acknowledged = self._open_leveldb(acknowledged)
        try:
            self._compare_sequence(store, acknowledged)
            self._tables = checksums.surviving(self._leveldb, self._tables)
            checksums.write_checksums(self._path, self._tables)
            if self._schema_version == schema.SCHEMA_VERSION:
                directory.renew_format(self._path)
        except BaseException:
            store.close()
            raise
        return store

    def salvage_store(self) -> LevelStore:
        """Open LevelDB whatever its state, and make the side files agree with it."""
        self.unclean_stop = True
        (self._path / checksums.CHECKSUMS_NAME).unlink(missing_ok=True)
        try:
            self._refuse_orphans()
            read_manifest(self._leveldb)
            store = LevelStore(self._leveldb, create=False)
            if not integrity.readable(store):
                store.close()
                raise CorruptionError("unreadable blocks")
        except CorruptionError as error:
            self._warn(f"LevelDB's files are rebuilt from their readable parts ({error})")
            repair(self._leveldb)
            store = LevelStore(self._leveldb, create=False)
        directory.write_format(self._path, _schema_of(store))
        self._marks = SequenceMarks(self._path)
        self._marks.begin(stored_sequence(store))
        return store

    def write_format(self) -> None:
        """Mark the database as one of this schema version."""
        directory.write_format(self._path)

    def acknowledge(self, sequence: int, *, synced: bool) -> None:
        """Record the number of a write that has returned."""
        assert self._marks is not None
        self._marks.write(sequence, synced=synced)

    def discard_refused(self, acknowledged: int) -> None:
        """Remove a write that failed from LevelDB's log, which then ends with the last acknowledged one.

        A failed fsync may leave it there whole, and the next start would take it in. Raises StorageError.
        """
        log = log_tail.newest_log(self._leveldb)
        if log is not None:
            log_tail.cut_after(log, acknowledged)

    def resume(self, store: LevelStore | MemoryStore, acknowledged: int) -> None:
        """Reopen a failed store in the state of the last acknowledged write. Raises StorageError."""
        store.reopen(lambda: self.discard_refused(acknowledged))
        stored = stored_sequence(store)
        if stored != acknowledged:
            raise StorageError(f"the database at {self._path} ends at write {stored}, want {acknowledged}")
        assert self._marks is not None
        self._marks.begin(stored)

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
            if not clean:
                self.discard_refused(sequence)
            else:
                sums = checksums.sum_directory(self._leveldb, self._tables, live)
                checksums.sync_files(self._leveldb, sums)
                checksums.write_checksums(self._path, sums, sequence)
        finally:
            self.release()

    def abandon(self, beside: Sequence[str] = ()) -> None:
        """Give back the directory; of a database made by this opening nothing stays, nor of the names `beside` it."""
        if self.created:
            # why the database is given up is what the user is to read, not what hinders its removal
            with contextlib.suppress(OSError):
                erase_files(self._path, *beside)
                (self._path / directory.LOCK_NAME).unlink(missing_ok=True)
                for folder in self._made_folders:
                    folder.rmdir()
        self.release()

    def release(self) -> None:
        """Give back what the directory is held by."""
        if self._marks is not None:
            self._marks.close()
        self._lock.release()

    def _refuse_orphans(self) -> None:
        """Raise CorruptionError if CURRENT is missing but data exists: LevelDB would start over and delete tables."""
        if (self._leveldb / _CURRENT_NAME).exists():
            return
        if any(any(self._leveldb.glob(pattern)) for pattern in (*_TABLES, _LOGS)):
            raise CorruptionError(
                f"the file {self._leveldb / _CURRENT_NAME} is missing, without which LevelDB forgets its tables",
                StorageProblem.FILES_DAMAGED,
            )

    def _open_leveldb(self, acknowledged: int) -> tuple[LevelStore, int]:
        """LevelDB, and the number of the last write that it must hold."""
        if not self.unclean_stop:
            return LevelStore(self._leveldb), acknowledged
        self._warn_of_cut(check_manifest(self._leveldb, self._path / TORN_NAME))
        logs, is_cut = live_logs(self._leveldb), False
        if not log_tail.are_whole(logs):
            acknowledged = self._cut(logs, acknowledged)
            is_cut = True
        try:
            return LevelStore(self._leveldb), acknowledged
        except CorruptionError:
            if is_cut:
                raise
            acknowledged = self._cut(logs, acknowledged)
            return LevelStore(self._leveldb), acknowledged

    def _cut(self, logs: Sequence[Path], acknowledged: int) -> int:
        """Cut what is torn; the number of the last write that must be there still."""
        tail = log_tail.find_torn_tail(logs, acknowledged)
        if tail is None:
            return acknowledged
        synced = 0 if self._accept else tail.synced
        if synced > acknowledged:
            # what tells of it is cut: a later start is to miss it too
            assert self._marks is not None
            self._marks.begin(synced)
        tail.cut(self._path / TORN_NAME)
        self._warn_of_cut(tail.path)
        return max(acknowledged, synced)

    def _warn_of_cut(self, path: Path | None) -> None:
        if path is not None:
            what = "an unreadable end, which may have been acknowledged," if self._accept else _UNFINISHED
            # the end of a process leaves an unfinished write on a sound disk
            text = f"cut {what} off {path}; a copy is in {self._path / TORN_NAME}"
            self._warn(text, is_damage=self._accept)

    def _erase_unborn(self) -> None:
        """Erase LevelDB's files where they hold no write and none was acknowledged: a crash may leave them unfinished.

        Raises StorageError.
        """
        assert self._marks is not None
        mark, _ = self._marks.read()
        if mark != (0, 0) or not self._leveldb.is_dir() or _holds_data(self._leveldb):
            return
        try:
            shutil.rmtree(self._leveldb)
        except OSError as error:
            raise StorageError(f"cannot erase the empty database in {self._leveldb}: {error.strerror}") from error

    def _acknowledged(self, recorded: Checksums, *, had_data: bool) -> int:
        """The number of the last acknowledged write, by the marks or by the record of a clean stop.

        Unsynced writes count while the machine has not restarted, for until then the kernel holds them; and where
        nothing tells whether it has. Raises CorruptionError where no mark is readable.
        """
        assert self._marks is not None
        mark, damaged = self._marks.read()
        for path in damaged:
            self._warn(f"the file {path} was damaged or missing; it is rewritten")
        if self._accept:
            return 0
        if recorded.sequence is not None:
            return recorded.sequence
        if mark is not None:
            unknown = recorded.damaged or not (self._path / checksums.CHECKSUMS_NAME).exists()
            same_boot = recorded.boot != "" and recorded.boot == checksums.boot_id()
            return mark.last if same_boot or unknown else mark.synced
        if had_data:
            raise CorruptionError(
                f"the files {' and '.join(map(str, self._marks.paths))}, either of which names the last acknowledged "
                "write, are damaged or missing, so it cannot be told whether acknowledged blocks are missing too",
                StorageProblem.LAST_WRITE_UNKNOWN,
            )
        return 0

    def _compare_sequence(self, store: LevelStore, acknowledged: int) -> None:
        stored = stored_sequence(store)
        if stored < acknowledged:
            raise CorruptionError(
                f"the database at {self._path} ends at write {stored}, but write {acknowledged} was acknowledged: "
                "blocks are lost",
                StorageProblem.WRITES_LOST,
            )
        assert self._marks is not None
        self._marks.begin(stored)

    def _warn(self, text: str, *, is_damage: bool = True) -> None:
        LOGGER.warning(text)
        self.warnings.append(text)
        if is_damage:
            self.damages.append(text)


def _holds_data(leveldb: Path) -> bool:
    """Whether there is a table, or anything in a log."""
    has_tables = any(any(leveldb.glob(pattern)) for pattern in _TABLES)
    return has_tables or any(log.stat().st_size for log in leveldb.glob(_LOGS))


def erase_files(path: Path, *beside: str) -> None:
    """Delete a database's files and folders, and the names `beside` them. Raises OSError."""
    # the mark of ownership goes last: what a crash leaves can be erased again
    marks = (SEQUENCE_NAME, checksums.CHECKSUMS_NAME, directory.FORMAT_NAME)
    for part in (path / name for name in (directory.LEVELDB_NAME, TORN_NAME, SECOND_FOLDER, *beside, *marks)):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def stored_sequence(store: Reader) -> int:
    """The number of the newest write that a store holds."""
    value = store.get(SEQUENCE_KEY)
    return 0 if value is None else schema.decode_number(value)


def _schema_of(store: Reader) -> int:
    """The schema version of what a store holds: one without a history index is older, unless nothing has changed.

    So is one whose migration has been interrupted before the index was whole.
    """
    older = schema.OLDEST_OPENED_VERSION - 1
    mark = store.get(node_removal.MARK_KEY)
    if mark is not None:
        return schema.SCHEMA_VERSION if mark == node_removal.DROPPING else older
    has_changes = next(store.iterate(*schema.range_of(schema.UNDO)), None) is not None
    has_index = next(store.iterate(*schema.range_of(schema.HISTORY)), None) is not None
    return schema.SCHEMA_VERSION if has_index or not has_changes else older
