"""Snapshots of the whole development node: state, pool, clock, mining mode, impersonations, sticky overrides."""

from dataclasses import dataclass, field
from typing import Protocol

from zevm.chain.blocks.clock import Clock, ClockState
from zevm.chain.blocks.context import BlockSettings
from zevm.chain.blocks.mining import Mining, MiningMode
from zevm.chain.pool.pool import Pool, PoolSnapshot
from zevm.storage.primitives import Hash32
from zevm.storage.schema import Version


@dataclass(frozen=True, slots=True)
class NodeState:
    """State that a revert restores besides blocks and accounts."""

    pool: PoolSnapshot
    clock: ClockState
    mining: MiningMode
    settings: BlockSettings
    impersonated: frozenset[bytes]
    auto_impersonate: bool


class Developed(Protocol):
    """The parts of a chain (chain.blockchain.Chain) that development requests change in memory alone."""

    pool: Pool
    clock: Clock
    mining: Mining
    settings: BlockSettings
    impersonated: set[bytes]
    auto_impersonate: bool


def node_state(chain: Developed) -> NodeState:
    """The state of a node as it is now."""
    return NodeState(
        chain.pool.snapshot(),
        chain.clock.state,
        chain.mining.mode,
        chain.settings,
        frozenset(chain.impersonated),
        chain.auto_impersonate,
    )


def restore_all_but_pool(chain: Developed, node: NodeState) -> None:
    """Go back to an earlier state of the node; the pool follows the disk."""
    chain.clock.state, chain.settings = node.clock, node.settings
    chain.impersonated, chain.auto_impersonate = set(node.impersonated), node.auto_impersonate
    chain.mining.set_mode(node.mining)


@dataclass(frozen=True, slots=True)
class ChainSnapshot:
    """A point to return to. root: of the latest state, which patches may have moved past the block's."""

    version: Version
    block_hash: Hash32
    root: Hash32
    node: NodeState


@dataclass(slots=True)
class Snapshots:
    """Snapshots by number, in the order taken. Reverting to one uses up it and every later one.

    taken: replaced, never changed, where a command of the database goes with it.
    """

    taken: dict[int, ChainSnapshot] = field(default_factory=dict)
    _next: int = 0

    def add(self, snapshot: ChainSnapshot) -> int:
        """Keep a snapshot; its number is never used again in this run."""
        number = self._next
        self.taken[number] = snapshot
        self._next += 1
        return number

    def use_up(self, number: int) -> None:
        """Remove a snapshot and all later ones."""
        self.taken = {key: value for key, value in self.taken.items() if key < number}

    def clear(self) -> None:
        """Forget all of them; their numbers stay used."""
        self.taken = {}

    def drop_after(self, version: Version) -> None:
        """Forget snapshots of states that a rewind to `version` has undone."""
        self.taken = {key: value for key, value in self.taken.items() if value.version <= version}

    def listing(self) -> dict[int, ChainSnapshot]:
        """The snapshots that can be reverted to."""
        return dict(self.taken)
