"""The block that would be made now: executed from the pool when someone asks, kept until something changes."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from zevm.chain.types import Block, Header, Receipt
from zevm.chain.vm.environment import BlockEnvironment
from zevm.storage.state import StateBase


@dataclass(frozen=True, slots=True)
class PendingBlock:
    """The pending block with its state. Its header's hash is not that of the block that will come."""

    block: Block
    receipts: tuple[Receipt, ...]
    state: StateBase
    environment: BlockEnvironment

    @property
    def header(self) -> Header:
        """The header as far as it is known."""
        return self.block.header


class PendingCache:
    """Builds the pending block at most once for each key, under a lock, on the caller's thread."""

    def __init__(self, key: Callable[[], Hashable], build: Callable[[], PendingBlock]) -> None:
        self._key = key
        self._build = build
        self._lock = threading.Lock()
        self._cached: tuple[Hashable, PendingBlock] | None = None

    def drop(self) -> None:
        """Forget the block, which would keep the state that it stands on: the chain has gone on."""
        self._cached = None

    def get(self) -> PendingBlock:
        """The pending block for what the head, the pool and the clock are now."""
        key = self._key()
        cached = self._cached
        if cached is not None and cached[0] == key:
            return cached[1]
        with self._lock:
            cached = self._cached
            if cached is None or cached[0] != key:
                self._cached = cached = (key, self._build())
            return cached[1]
