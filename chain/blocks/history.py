"""The interface of the chain that new blocks extend."""

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
    """The canonical chain as seen by new blocks (chain.canonical.chain.CanonicalChain)."""

    @property
    def genesis(self) -> Genesis:
        """The chain's genesis."""
        ...

    @property
    def records(self) -> BlockRecords:
        """The blocks."""
        ...

    def state_of(self, header: Header) -> StateBase:
        """The state after a block. Raises UnknownBlockError where it is not kept."""
        ...
