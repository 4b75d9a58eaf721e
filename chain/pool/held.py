"""Transactions that left the pool for blocks that are not on the medium yet: for other threads they wait until then."""

from collections.abc import Iterable
from threading import get_ident

from zevm.chain.pool.account import PooledTransaction
from zevm.chain.types import Transaction
from zevm.storage.primitives import Address, Hash32


class HeldTransactions:
    """Shown by the pool to all threads but the one that made it, the chain's writer."""

    def __init__(self) -> None:
        self._maker = get_ident()
        self._by_hash: dict[Hash32, PooledTransaction] = {}

    @property
    def is_shown(self) -> bool:
        """Whether this thread is to see them."""
        return self._maker != get_ident()

    def __len__(self) -> int:
        return len(self._by_hash)

    def keep(self, entries: Iterable[PooledTransaction]) -> None:
        """Keep those that go into a block."""
        self._by_hash.update((entry.transaction.hash, entry) for entry in entries)

    def get(self, transaction_hash: Hash32) -> PooledTransaction | None:
        """One by its hash."""
        return self._by_hash.get(transaction_hash)

    def of_sender(self, address: Address) -> tuple[Transaction, ...]:
        """Those of an account, in the order of their blocks, which is that of their nonces."""
        return tuple(entry.transaction for entry in self._by_hash.values() if entry.sender == address)

    def before(self, listed: dict[Address, tuple[Transaction, ...]]) -> dict[Address, tuple[Transaction, ...]]:
        """A listing of executable transactions with these before them."""
        senders: Iterable[Address] = {entry.sender: None for entry in self._by_hash.values()}
        return listed | {sender: self.of_sender(sender) + listed.get(sender, ()) for sender in senders}
