"""A chain to be begun on a block of another one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zevm.chain.rules.genesis import Genesis
from zevm.storage.origin import Origin
from zevm.storage.primitives import Address


@dataclass(frozen=True, slots=True)
class Fork:
    """origin: the other chain up to the block. genesis: of the new chain, without accounts.

    described: the block and where it is from, for people. provide: has several accounts at once. close: gives the
    connections up.
    """

    origin: Origin
    genesis: Genesis
    described: str
    provide: Callable[[Sequence[Address]], None]
    close: Callable[[], None]
