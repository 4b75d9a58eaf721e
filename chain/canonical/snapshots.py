"""Snapshots of the whole development node: state, pool, clock, mining mode, impersonations, sticky overrides."""

from dataclasses import dataclass, field, replace

from zevm.chain.blocks.clock import ClockState
from zevm.chain.blocks.mining import MiningMode
from zevm.chain.canonical.chain import Version
from zevm.chain.pool.pool import PoolSnapshot
from zevm.chain.rules.bounds import BASE_FEE, GAS_LIMIT, GAS_PRICE


@dataclass(frozen=True, slots=True)
class BlockSettings:
    """Values of coming blocks that development requests set.

    coinbase, gas_limit, minimum_gas_price stay until changed; base_fee_per_gas and prev_randao hold for
    the next block only. None leaves a field to the rules. recoveries: see BlockEnvironment. Raises InvalidRequestError
    for numbers out of Ethereum's range.
    """

    coinbase: bytes = bytes(20)
    gas_limit: int | None = None
    minimum_gas_price: int = 0
    base_fee_per_gas: int | None = None
    prev_randao: bytes | None = None
    recoveries: tuple[tuple[bytes, bytes], ...] = ()

    def __post_init__(self) -> None:
        GAS_LIMIT.check(self.gas_limit or 0)
        BASE_FEE.check(self.base_fee_per_gas or 0)
        GAS_PRICE.check(self.minimum_gas_price)

    def after_block(self) -> "BlockSettings":
        """The settings once a block has used up what held for it alone."""
        if self.base_fee_per_gas is None and self.prev_randao is None:
            return self
        return replace(self, base_fee_per_gas=None, prev_randao=None)


@dataclass(frozen=True, slots=True)
class NodeState:
    """State that a revert restores besides blocks and accounts."""

    pool: PoolSnapshot
    clock: ClockState
    mining: MiningMode
    settings: BlockSettings
    impersonated: frozenset[bytes]
    auto_impersonate: bool


@dataclass(frozen=True, slots=True)
class ChainSnapshot:
    """A point to return to."""

    version: Version
    block_hash: bytes
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

    def take_back(self, number: int) -> ChainSnapshot | None:
        """Remove a snapshot and all later ones; None where it is unknown."""
        snapshot = self.taken.get(number)
        if snapshot is not None:
            self.taken = {key: value for key, value in self.taken.items() if key < number}
        return snapshot

    def drop_after(self, version: Version) -> None:
        """Forget snapshots of states that a rewind to `version` has undone."""
        self.taken = {key: value for key, value in self.taken.items() if value.version <= version}

    def listing(self) -> dict[int, ChainSnapshot]:
        """The snapshots that can be reverted to."""
        return dict(self.taken)
