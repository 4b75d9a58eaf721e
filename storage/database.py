"""The database of one chain: store, ledger and state in one data directory, and the care for its soundness.

<directory>/FORMAT       whose it is, and its schema version
            zevm.lock    the process that has it open
            SEQUENCE     number of the last acknowledged write      (storage.sequence)
            marks/       the same once more
            CHECKSUMS    sums of LevelDB's files                     (storage.checksums)
            leveldb/     the data                                    (storage.schema)
            torn/        unfinished records cut off after a crash    (storage.log_tail)
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zevm.storage import integrity, preimage_fill, schema
from zevm.storage.database_files import DatabaseFiles, stored_sequence
from zevm.storage.errors import StorageError
from zevm.storage.ledger import Ledger
from zevm.storage.leveldb import LevelStore
from zevm.storage.log_tail import SEQUENCE_KEY, SYNCED_KEY
from zevm.storage.memory import MemoryStore
from zevm.storage.origin import Origin, OriginStore
from zevm.storage.overlay import GroupedStore
from zevm.storage.schema import MetaName
from zevm.storage.state import StateStore
from zevm.storage.state_nodes import NodeLimits
from zevm.storage.store import Batch, Snapshot, Store

LOGGER = logging.getLogger("zevm.storage")


@dataclass(frozen=True, slots=True)
class FamilyStats:
    """One kind of key: how many, when they were counted, and roughly how many bytes on disk."""

    name: str
    keys: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """Figures of a database. `files` maps names of LevelDB's files to bytes; empty in memory.

    pruned_before: the first block that has not been pruned; 0 where none was.
    """

    blocks: int
    pruned_before: int
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
    `warnings` names what was made good while opening, `damages` what of it was damaged: a process that ends in the
    midst of a write leaves an unfinished one, which is none.
    `origin` is the chain that this one is a fork of, None for a chain of its own.
    `failed_writes` counts writes that the medium refused, since it was opened.
    """

    def __init__(
        self,
        store: LevelStore | MemoryStore,
        files: DatabaseFiles | None,
        *,
        sync: bool,
        node_limits: NodeLimits | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.store = store
        self.origin = origin
        self._writable: Store = store if origin is None else OriginStore(store, origin)
        self._group = GroupedStore(self._writable) if sync else None
        self._readable = self._group or self._writable
        self.ledger = Ledger(self._readable)
        self.state = StateStore(self._readable, limits=node_limits, origin=origin)
        self.unclean_stop = files is not None and files.unclean_stop
        self.created = files is not None and files.created
        self.warnings: tuple[str, ...] = () if files is None else tuple(files.warnings)
        self.damages: tuple[str, ...] = () if files is None else tuple(files.damages)
        self._files = files
        self._sync = sync
        self._write_lock = threading.Lock()
        self._fault: StorageError | None = None
        self._closed = False
        self._sequence = self._last_synced = stored_sequence(store)
        self.failed_writes = 0

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        create: bool = True,
        sync: bool = True,
        accept: bool = False,
        node_limits: NodeLimits | None = None,
        origin: Origin | None = None,
    ) -> "Database":
        """Open the database in the directory `path`, or a new one in memory for None.

        With `sync` an acknowledged write survives a power failure, without only the end of the process.
        node_limits: of the trie nodes in memory, and whether all are kept.
        accept: take it as it is where it cannot be told whether its newest acknowledged writes are there.
        origin: the chain that a new one in memory is a fork of.
        Raises DatabaseLockedError, ForeignDatabaseError, CorruptionError (naming the file), or StorageError.
        """
        if path is None:
            return cls(MemoryStore(), None, sync=False, node_limits=node_limits, origin=origin)
        files = DatabaseFiles(path, create=create, accept=accept)
        try:
            return cls(files.open_store(), files, sync=sync, node_limits=node_limits)
        except BaseException:
            files.abandon()
            raise

    @classmethod
    def open_older(cls, path: Path, schema_version: int) -> "Database":
        """Open a database of an older schema, to make it one of this one. Raises as `open`."""
        files = DatabaseFiles(path, create=False, schema_version=schema_version)
        try:
            return cls(files.open_store(), files, sync=True, node_limits=NodeLimits(states=None))
        except BaseException:
            files.abandon()
            raise

    def reclaim(self, start: bytes, stop: bytes) -> None:
        """Give the disk back what removed keys of a range take."""
        if isinstance(self.store, LevelStore):
            self.store.compact(start, stop)

    def compact(self, progress: integrity.Progress) -> None:
        """Rewrite every table without what was overwritten or deleted. progress: bytes of kinds of keys, before it."""
        ranges = [schema.range_of(family) for family in schema.FAMILIES]
        sizes = self.store.approximate_sizes(ranges)
        for index, between in enumerate(ranges):
            progress("tables", sum(sizes[:index]), sum(sizes))
            self.reclaim(*between)

    def mark_migrated(self) -> None:
        """From here on it is a database of this schema version."""
        assert self._files is not None
        self._files.write_format()

    @property
    def on_disk(self) -> bool:
        """Whether anything outlives the process."""
        return self._files is not None

    @classmethod
    def salvage(cls, path: Path) -> "Database":
        """Open a damaged database with whatever is readable in it, for `db check` and `db rewind`.

        Skips every comparison, rebuilds LevelDB's files if it refuses them or some block of them, and trusts the rest:
        blocks may be missing or stale, so the chain must be verified and rewound to a sound block.
        """
        files = DatabaseFiles(path, create=False, salvage=True)
        try:
            return cls(files.salvage_store(), files, sync=True)
        except BaseException:
            files.release()
            raise

    @property
    def sequence(self) -> int:
        """Number of the last write."""
        return self._sequence

    @property
    def fault(self) -> StorageError | None:
        """Why no write is taken at present; None while they are."""
        return self._fault

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        """Apply `batch` atomically, synced unless opened otherwise; when this returns, the write is acknowledged.

        sync=False: for what a later synced write seals, as the blocks of an import before its last. A power failure
        may take the newest of such writes, never older ones alone.

        If it fails (a full disk, say), it has no effect, and reads continue. The next write first reopens LevelDB,
        whose log may end in half a record, and fails too until that is possible. Raises StorageError.

        Between `begin_group` and `write_group` the thread of the group acknowledges nothing by this.
        """
        if self._group is not None and self._group.is_open_here:
            self._group.add(batch, sync=sync)
            return
        self._write(batch, sync=sync)

    @property
    def takes_groups(self) -> bool:
        """Whether several writes can share one sync: where there is one."""
        return self._group is not None

    @property
    def is_in_memory(self) -> bool:
        """Whether no write waits for a medium."""
        return self._files is None and self._group is None

    @property
    def group_bytes(self) -> int | None:
        """Keys and values in this thread's group of writes; None where it has begun none."""
        return self._group.size_bytes if self._group is not None and self._group.is_open_here else None

    def begin_group(self) -> None:
        """Hold back what this thread writes from now on: it reads that itself, and no other thread does."""
        assert self._group is not None
        self._group.begin()

    def write_group(self) -> None:
        """Write what the group holds as one batch, which is then acknowledged; otherwise as `write`.

        The group ends only with `end_group`: what failed is still there to be read until then. Raises StorageError.
        """
        assert self._group is not None
        batch, sync = self._group.taken()
        if batch.operations:
            self._write(batch, sync=sync)

    def end_group(self) -> None:
        """Forget the group of writes, whether it was written or not; idempotent."""
        if self._group is not None:
            self._group.end()

    def snapshot(self) -> Snapshot:
        """A frozen view of what this thread reads now."""
        return self._readable.snapshot()

    def _write(self, batch: Batch, *, sync: bool) -> None:
        with self._write_lock:
            self._make_ready()
            sequence, synced = self._sequence + 1, self._sync and sync
            if self._files is not None and self._last_synced != self._sequence:
                batch.put(SYNCED_KEY, schema.encode_number(self._last_synced))
            batch.put(SEQUENCE_KEY, schema.encode_number(sequence))
            try:
                self._writable.write(batch, sync=synced)
            except StorageError as error:
                self._fail(error)
                if self._files is not None:
                    with suppress(StorageError):
                        self._files.discard_refused(self._sequence)
                raise self._refusal() from error
            self._sequence = sequence
            if synced:
                self._last_synced = sequence
            try:
                if self._files is not None:
                    self._files.acknowledge(sequence, synced=synced)
            except StorageError as error:
                # this write is durable; without its mark the next one must not be
                self._fail(error)

    def resume(self) -> None:
        """Take writes again after one failed, where the medium allows it by now. Raises StorageError."""
        with self._write_lock:
            self._make_ready()

    def fill_preimages(self) -> None:
        """Give a database that an older program has written the preimages of its tries' keys, once."""
        if preimage_fill.is_complete(self.store):
            return
        LOGGER.info("an older program has written the database: the preimages of its state's keys are added, once")
        count = preimage_fill.fill_preimages(self.store, lambda batch, sync: self.write(batch, sync=sync))
        LOGGER.info("the preimages of %d keys were added", count)

    def close(self) -> None:
        """Wait for reads under way, record checksums, release the directory; idempotent."""
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            if isinstance(self.store, LevelStore) and self._files is not None:
                self._files.close(self.store, self._sequence, clean=self._fault is None)
            else:
                self.store.close()

    def keep(self) -> None:
        """From here on somebody was told of what it holds: a failure leaves it on disk."""
        self.created = False

    def discard(self, beside: Sequence[str] = ()) -> None:
        """Close; a database that this opening created without any acknowledgement is deleted.

        beside: names in its folder that belong to the chain too. Other files stay.
        """
        if not self.created or self._files is None:
            self.close()
            return
        with self._write_lock:
            if self._closed:
                return
            self._closed = True
            self.store.close()
            self._files.abandon(beside)

    def _make_ready(self) -> None:
        """Mend what a failed write left, under the lock."""
        if self._closed:
            raise StorageError("the database is closed")
        if self._fault is None:
            return
        try:
            if self._files is not None:
                self._files.resume(self.store, self._sequence)
        except StorageError as error:
            self._fault = error
            raise self._refusal() from error
        LOGGER.warning("the database takes writes again, from write %d on", self._sequence + 1)
        self._fault = None

    def _fail(self, error: StorageError) -> None:
        self.failed_writes += 1
        self._fault = error
        LOGGER.error("%s", self._refusal())

    def _refusal(self) -> StorageError:
        return StorageError(
            f"{self._fault}; nothing of what was acknowledged is lost, and writing goes on by itself "
            "once there is space or the medium is mended",
            None if self._fault is None else self._fault.problem,
        )

    def recent_check(self, count: int = 128) -> list[str]:
        """Problems among the newest `count` blocks: presence, header hashes, parent chain. Empty when sound."""
        return integrity.recent_check(self.store, count)

    def scrub(self, progress: integrity.Progress | None = None) -> list[str]:
        """Read everything and report each problem: checksums, hashes, the chain's continuity, indexes.

        `progress` is called with each part and its progress. Empty if sound.
        """
        return integrity.scrub(self.store, progress)

    def stats(
        self, *, count_keys: bool = False, progress: integrity.Progress = lambda _, __, ___: None
    ) -> DatabaseStats:
        """Figures per kind of key. `count_keys` reads the whole database; `progress` is called while it does."""
        sizes = self.store.approximate_sizes([schema.range_of(family) for family in schema.FAMILIES])
        families = []
        for family, size in zip(schema.FAMILIES, sizes, strict=True):
            keys = integrity.count_keys(self.store, family, size, progress) if count_keys else None
            families.append(FamilyStats(family.name, keys, size))
        head = self.ledger.head()
        files = {} if self._files is None else self._files.sizes()
        blocks, pruned = 0 if head is None else head[0] + 1, self.ledger.meta(MetaName.PRUNED)
        pruned_before = 0 if pruned is None else schema.decode_number(pruned)
        return DatabaseStats(blocks, pruned_before, self._sequence, tuple(families), files)

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
