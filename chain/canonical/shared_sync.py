"""One sync for several commands of the writer, whose changes are one batch, and which no other thread sees before it.

Each command finds what the ones before it did. All are answered after the sync; where it fails, all are undone, and all
are told so: none of them can be known to have failed for a reason of its own.
"""

from typing import Protocol

from zevm.chain.canonical.chain import CanonicalChain
from zevm.chain.canonical.group_limits import GroupLimits
from zevm.chain.canonical.memory_guard import MemoryGuard, Remembered
from zevm.chain.events import Events
from zevm.chain.pool.pool import Pool
from zevm.storage.database import Database
from zevm.storage.errors import StorageError


class SharingChain(Protocol):
    """The parts of a chain (chain.blockchain.Chain) that hold back what is not synced."""

    database: Database
    canonical: CanonicalChain
    pool: Pool
    events: Events


class SharedSync:
    """Of one chain; used on its writer's thread alone."""

    def __init__(self, chain: SharingChain, memory: MemoryGuard, limits: GroupLimits) -> None:
        self._chain = chain
        self._memory = memory
        self._before: Remembered | None = None
        self.limits = limits

    def is_possible(self) -> bool:
        """Whether there is a sync to share: none in memory, and commands go alone while the database is failing."""
        database = self._chain.database
        if not database.takes_groups or self._memory.is_behind:
            return False
        try:
            database.resume()
        except StorageError:
            return False
        return True

    @property
    def is_full(self) -> bool:
        """Whether the group holds as many bytes as it may."""
        return (self._chain.database.group_bytes or 0) >= self.limits.size_bytes

    def begin(self) -> None:
        """Hold back what the commands from now on do."""
        self._before = self._memory.remembered()
        self._chain.database.begin_group()
        self._chain.pool.hold()
        self._chain.events.hold()

    def commit(self) -> None:
        """Sync what the commands did, and show it. Raises StorageError; then none of them has had any effect."""
        chain, before = self._chain, self._before
        assert before is not None
        self._before = None
        try:
            chain.database.write_group()
        except BaseException:
            chain.database.end_group()
            chain.canonical.forget_group()
            chain.events.forget_held()
            try:
                self._memory.undo_to(before)
            finally:
                chain.pool.show()
            raise
        chain.database.end_group()
        chain.canonical.show_group()
        chain.pool.show(chain.canonical.head.state)
        chain.events.release()
