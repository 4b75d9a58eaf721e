"""Undo of a writer command's changes in memory if the database fails.

The database keeps nothing of a failed batch. The state in memory (the clock, the settings, the mining mode, snapshots,
impersonations, the chain id) returns to its value after the last successful batch, and the pool to the ledger's
content.
"""

from typing import NamedTuple, Protocol

from zevm.chain.blocks.clock import Clock, ClockState
from zevm.chain.blocks.context import BlockSettings, ChainSpec
from zevm.chain.blocks.mining import Mining, MiningMode
from zevm.chain.canonical.snapshots import ChainSnapshot, Snapshots
from zevm.chain.rules.schedule import ForkSchedule
from zevm.storage.database import Database


class Remembered(NamedTuple):
    """State in memory that a command may change, as it was."""

    clock: ClockState
    settings: BlockSettings
    mining: MiningMode
    snapshots: Snapshots
    taken: dict[int, ChainSnapshot]
    impersonated: set[bytes]
    auto_impersonate: bool
    chain_id: int
    schedule: ForkSchedule


class GuardedChain(Protocol):
    """The parts of a chain (chain.blockchain.Chain) that a command can change in addition to the database."""

    clock: Clock
    settings: BlockSettings
    mining: Mining
    snapshots: Snapshots
    impersonated: set[bytes]
    auto_impersonate: bool
    chain_id: int
    spec: ChainSpec
    database: Database

    def follow_disk(self) -> None:
        """Let the pool hold what the ledger keeps of it."""
        ...


class MemoryGuard:
    """Of one chain; used on its writer's thread alone."""

    def __init__(self, chain: GuardedChain) -> None:
        self._chain = chain
        self._remembered: Remembered | None = None
        self._is_behind = False

    @property
    def is_behind(self) -> bool:
        """Whether memory could not be brought in line with the database after it failed."""
        return self._is_behind

    def remembered(self) -> Remembered:
        """The present state, for `undo_to`."""
        self.remember()
        assert self._remembered is not None
        return self._remembered

    def undo_to(self, before: Remembered) -> None:
        """Go back further than to what was remembered last; as `undo`."""
        self._remembered = before
        self.undo()

    def remember(self) -> None:
        """Accept the present state, which matches the database. Raises StorageError if the database failed lately."""
        if self._is_behind:
            self._follow()
        chain = self._chain
        self._remembered = Remembered(
            chain.clock.state,
            chain.settings,
            chain.mining.mode,
            chain.snapshots,
            chain.snapshots.taken,
            chain.impersonated,
            chain.auto_impersonate,
            chain.chain_id,
            chain.spec.schedule,
        )

    def undo(self) -> None:
        """Go back to what was remembered. Raises StorageError, to be tried again before the next command."""
        chain, before = self._chain, self._remembered
        assert before is not None
        chain.clock.state, chain.settings = before.clock, before.settings
        chain.snapshots, chain.snapshots.taken = before.snapshots, before.taken
        chain.impersonated, chain.auto_impersonate = before.impersonated, before.auto_impersonate
        chain.chain_id, chain.spec.schedule = before.chain_id, before.schedule
        if chain.mining.mode != before.mining:
            chain.mining.set_mode(before.mining)
        self._is_behind = True
        self._follow()

    def _follow(self) -> None:
        self._chain.database.state.forget_cached()
        self._chain.follow_disk()
        self._is_behind = False
