"""What blocks ask of the chain that they continue."""

from typing import Protocol

from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Block, Header
from zevm.storage.primitives import Hash32
from zevm.storage.state import StateBase


class BlockRecords(Protocol):
    """Canonical blocks by number (chain.canonical.records.Records)."""

    def block_by_number(self, number: int) -> Block | None:
        """The canonical block at a height."""
        ...

    def canonical_hash(self, number: int) -> Hash32 | None:
        """The hash of the canonical block at a height."""
        ...


class History(Protocol):
    """The canonical chain as blocks upon it see it (chain.canonical.chain.CanonicalChain)."""

    @property
    def genesis(self) -> Genesis:
        """What the chain began with."""
        ...

    @property
    def records(self) -> BlockRecords:
        """The blocks."""
        ...

    def state_of(self, header: Header) -> StateBase:
        """The state after a block. Raises UnknownBlockError where it is not kept."""
        ...
