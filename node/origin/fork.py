"""A chain to be begun on a block of another one."""

from collections.abc import Callable
from dataclasses import dataclass

from zevm.chain.rules.genesis import Genesis
from zevm.storage.origin import Origin


@dataclass(frozen=True, slots=True)
class Fork:
    """origin: the other chain up to the block. genesis: of the new chain, without accounts.

    described: the block and where it is from, for people. close: gives the connections up.
    """

    origin: Origin
    genesis: Genesis
    described: str
    close: Callable[[], None]
