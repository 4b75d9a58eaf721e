"""In which order waiting transactions are offered to a block: by fee or by arrival, nonces ascending."""

import heapq
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.ready import RankItem, ReadyOrder, TransactionOrder
from zevm.chain.types import Transaction
from zevm.storage.primitives import Address

Executable = Callable[[Address, int], PooledTransaction | None]
"""The executable transaction of a sender with a nonce."""

_Place = tuple[int, int, int, list[Any] | None, Any]
"""Rank, arrival, a number that is unique; a heap of the order and an index there, or None and a transaction."""


class Selection(Iterator[PooledTransaction]):
    """Executable transactions, best first, as they were when the selection was made.

    A sender's next one is offered after its previous one; a transaction that cannot pay the block's fees
    ends its sender's turn. Not for use by two threads. It reads the pool's order as far as it is asked, and changes
    nothing there; before the pool changes it has to `detach`, under the lock.
    """

    def __init__(
        self,
        ready: ReadyOrder,
        executable: Executable,
        lock: AbstractContextManager[object],
        base_fee: int | None,
        blob_base_fee: int | None,
        minimum_price: int = 0,
    ) -> None:
        self._ready = ready
        self._executable = executable
        self._lock = lock
        self._base_fee = base_fee
        self._blob_base_fee = blob_base_fee or 0
        self._least_cap = max(base_fee or 0, minimum_price)
        self._numbers = 0
        self._places: list[_Place] = []
        self._begun: set[Address] = set()
        self._skipped: set[Address] = set()
        self._last: PooledTransaction | None = None
        self._rest: Iterator[PooledTransaction] | None = None
        for heap in (ready.by_tip, ready.by_cap):
            self._go_to_level(heap, 0)

    def __next__(self) -> PooledTransaction:
        """The best transaction left. Raises StopIteration."""
        with self._lock:
            entry = self._take() if self._rest is None else next(self._rest, None)
        while entry is not None and entry.sender in self._skipped:
            entry = None if self._rest is None else next(self._rest, None)
        if entry is None:
            raise StopIteration
        return entry

    def skip_sender(self, sender: Address) -> None:
        """Offer no more transactions of the sender of the transaction just returned."""
        self._skipped.add(sender)

    def detach(self) -> None:
        """Take out of the pool what is left to offer: it is going to change."""
        self._rest = iter(list(iter(self._take, None)))

    def _take(self) -> PooledTransaction | None:
        if self._last is not None:
            self._offer_next_of(self._last)
            self._last = None
        while self._places:
            rank, _arrival, _number, heap, place = heapq.heappop(self._places)
            if heap is None:
                self._last = place
                break
            if heap is self._ready.by_tip or heap is self._ready.by_cap:
                self._open_level(heap, place)
                continue
            entry = heap[place][1]
            self._go_to_heads(rank, heap, 2 * place + 1, 2 * place + 2)
            if self._ready.is_head(entry) and entry.sender not in self._begun:
                self._begun.add(entry.sender)
                self._last = entry
                break
        return self._last

    def _offer_next_of(self, entry: PooledTransaction) -> None:
        following = None if entry.sender in self._skipped else self._executable(entry.sender, entry.nonce + 1)
        if following is None:
            return
        transaction = following.transaction
        blob_cap = transaction.max_fee_per_blob_gas if transaction.blob_versioned_hashes else None
        if self._can_pay(transaction.max_fee_per_gas, blob_cap):
            self._push(self._rank(transaction), following.arrival, None, following)

    def _open_level(self, heap: list[RankItem], index: int) -> None:
        """Go on to the first transaction at a price, and to the next prices."""
        ready, item = self._ready, heap[index]
        level, is_by_tip = item[3], heap is ready.by_tip
        if not is_by_tip and -item[0] < self._least_cap:
            # and the prices behind it are no higher
            return
        self._go_to_level(heap, 2 * index + 1)
        self._go_to_level(heap, 2 * index + 2)
        is_here = ready.is_current(item) and level.pays_whole_tip is is_by_tip
        if is_here and self._can_pay(level.price.cap, level.price.blob_cap):
            self._go_to_heads(self._rank_of(heap, item), level.heads, 0)

    def _go_to_level(self, heap: list[RankItem], index: int) -> None:
        if index < len(heap):
            self._push(self._rank_of(heap, heap[index]), heap[index][1], heap, index)

    def _go_to_heads(self, rank: int, heads: list[tuple[int, PooledTransaction]], *indices: int) -> None:
        for index in indices:
            if index < len(heads):
                self._push(rank, heads[index][0], heads, index)

    def _push(self, rank: int, arrival: int, heap: list[Any] | None, place: object) -> None:
        self._numbers += 1
        heapq.heappush(self._places, (rank, arrival, self._numbers, heap, place))

    def _can_pay(self, cap: int, blob_cap: int | None) -> bool:
        return cap >= self._least_cap and (blob_cap is None or blob_cap >= self._blob_base_fee)

    def _rank_of(self, heap: list[RankItem], item: RankItem) -> int:
        return item[0] if heap is self._ready.by_tip else item[0] + (self._base_fee or 0)

    def _rank(self, transaction: Transaction) -> int:
        """Least for the transaction that is wanted first."""
        if self._ready.order is TransactionOrder.FIFO:
            return 0
        return (self._base_fee or 0) - transaction.effective_gas_price(self._base_fee)
