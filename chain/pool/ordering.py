"""In which order waiting transactions are offered to a block: by fee or by arrival, nonces ascending."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from zevm.chain.pool.account import PooledTransaction
from zevm.chain.types import Transaction
from zevm.storage.primitives import Address


class TransactionOrder(StrEnum):
    """The order of the senders: by effective tip (then arrival), or by arrival alone."""

    FEES = "fees"
    FIFO = "fifo"


class Selection(Iterator[PooledTransaction]):
    """Executable transactions, best first, as they were when the selection was made.

    A sender's next one is offered after its previous one; a transaction that cannot pay the block's fees
    ends its sender's turn. Not for use by two threads.
    """

    def __init__(
        self,
        accounts: Iterable[Sequence[PooledTransaction]],
        order: TransactionOrder,
        base_fee: int | None,
        blob_base_fee: int | None,
        minimum_price: int = 0,
    ) -> None:
        self._order = order
        self._base_fee = base_fee
        self._blob_base_fee = blob_base_fee
        self._least_cap = max(base_fee or 0, minimum_price)
        self._waiting: dict[Address, Iterator[PooledTransaction]] = {}
        self._heap: list[tuple[int, int, PooledTransaction]] = []
        self._last_sender: Address | None = None
        for entries in accounts:
            if entries:
                self._waiting[entries[0].sender] = iter(entries)
                self._offer_next_of(entries[0].sender)

    def __next__(self) -> PooledTransaction:
        """The best transaction left. Raises StopIteration."""
        if self._last_sender is not None:
            self._offer_next_of(self._last_sender)
            self._last_sender = None
        if not self._heap:
            raise StopIteration
        entry = heapq.heappop(self._heap)[2]
        self._last_sender = entry.sender
        return entry

    def skip_sender(self, sender: Address) -> None:
        """Offer no more transactions of the sender of the transaction just returned."""
        self._waiting.pop(sender, None)

    def _offer_next_of(self, sender: Address) -> None:
        entry = next(self._waiting.get(sender, iter(())), None)
        if entry is None or not self._can_pay(entry.transaction):
            self._waiting.pop(sender, None)
            return
        heapq.heappush(self._heap, (self._rank(entry), entry.arrival, entry))

    def _can_pay(self, transaction: Transaction) -> bool:
        if transaction.max_fee_per_gas < self._least_cap:
            return False
        return not transaction.blob_versioned_hashes or transaction.max_fee_per_blob_gas >= (self._blob_base_fee or 0)

    def _rank(self, entry: PooledTransaction) -> int:
        if self._order is TransactionOrder.FIFO:
            return entry.arrival
        return (self._base_fee or 0) - entry.transaction.effective_gas_price(self._base_fee)
