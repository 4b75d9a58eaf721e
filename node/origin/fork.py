"""A chain to be begun on a block of another one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from zevm.chain.rules.genesis import Genesis
from zevm.chain.types import Header, Transaction
from zevm.rpc.services import ForkReport
from zevm.storage.origin import Origin
from zevm.storage.primitives import Address


class Verified(Enum):
    """The checks of the answers: each level checks what the next one does, and more (docs/forking.md).

    PROOFS: accounts and slots against the state root. HEADERS: transactions and receipts against their roots. NONE:
    headers against their hashes, by which blocks are known.
    """

    PROOFS = "proofs"
    HEADERS = "headers"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which block of which chain. block: a number, a negative number or a tag; a
    transaction's hash for the block before its own. headers: of the requests, by name.

    urls: none for the nodes of the fork so far.
    """

    urls: tuple[str, ...]
    block: str
    headers: Mapping[str, str] = field(default_factory=dict)
    chain_id: int | None = None


class Replayed(NamedTuple):
    """The transactions with which a block begins, and its header."""

    header: Header
    transactions: tuple[Transaction, ...]


class Fork(Protocol):
    """A block of another chain that was found (node.origin.start)."""

    @property
    def origin(self) -> Origin:
        """The other chain up to the block."""
        ...

    @property
    def genesis(self) -> Genesis:
        """Of the new chain, without accounts."""
        ...

    @property
    def described(self) -> str:
        """The block and where it is from, for people."""
        ...

    @property
    def report(self) -> ForkReport:
        """The same for programs."""
        ...

    @property
    def replayed(self) -> "Replayed | None":
        """The beginning of the block after it, which is to be made again, if that was asked for."""
        ...

    def provide(self, addresses: Sequence[Address]) -> None:
        """Have several accounts of the block at once. Raises OriginError."""
        ...

    def ask_instead(self, url: str) -> None:
        """Read from another node. Raises ValueError for what is no URL."""
        ...

    def again(self, wanted: Wanted) -> "Fork":
        """Another fork, open at the same time as this one. Raises NodeError, OriginError."""
        ...

    def close(self) -> None:
        """Give the connections up."""
        ...
