"""In which order waiting transactions are offered to a block: by fee or by arrival, nonces ascending."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from zevm.chain.pool.account import PooledTransaction
from zevm.chain.pool.ready import Level, Price, RankItem, ReadyOrder, TransactionOrder, is_current
from zevm.storage.primitives import Address

Executable = Callable[[Address, int], PooledTransaction | None]
"""The executable transaction of a sender with a nonce."""

_Place = tuple[int, int, int, list[tuple[int, PooledTransaction]] | None, Any]
"""Rank, arrival, a number that is unique; a level's heap and an index there, or None and a transaction."""


class _Reading:
    """One of the two orders, read from its beginning without being changed: a heap's children are at 2n + 1, 2n + 2."""

    def __init__(self, heap: list[RankItem], offset: int, *, is_by_cap: bool) -> None:
        self.is_by_cap = is_by_cap
        self._heap = heap
        self._offset = offset
        self._next: list[tuple[int, int, int]] = []
        self._go_to(0)

    @property
    def bound(self) -> tuple[int, int] | None:
        """The least rank and arrival that the unread can have; None where all was read."""
        return self._next[0][:2] if self._next else None

    def read(self) -> RankItem:
        """The next item, outdated ones too."""
        index = heapq.heappop(self._next)[2]
        self._go_to(2 * index + 1)
        self._go_to(2 * index + 2)
        return self._heap[index]

    def _go_to(self, index: int) -> None:
        if index < len(self._heap):
            item = self._heap[index]
            heapq.heappush(self._next, (item[0] + self._offset, item[1], index))


class Offers(Iterable[PooledTransaction], Protocol):
    """Transactions for a block, in the order in which it tries them."""

    def skip_sender(self, sender: Address) -> None:
        """Offer no more transactions of the sender of one that was offered."""
        ...


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
        self._seen: set[Level] = set()
        # without a base fee the cap alone decides
        by_cap_alone = base_fee is None and ready.order is TransactionOrder.FEES
        by_tip = [] if by_cap_alone else [_Reading(ready.by_tip, 0, is_by_cap=False)]
        self._readings = [*by_tip, _Reading(ready.by_cap, base_fee or 0, is_by_cap=True)]

    def __next__(self) -> PooledTransaction:
        """The best transaction left. Raises StopIteration."""
        with self._lock:
            entry = self._take_next()
            while entry is not None and entry.sender in self._skipped:
                entry = self._take_next()
        if entry is None:
            raise StopIteration
        return entry

    def skip_sender(self, sender: Address) -> None:
        """Offer no more transactions of a sender."""
        self._skipped.add(sender)

    def detach(self) -> None:
        """Read the remaining transactions now: the pool is going to change."""
        self._rest = iter(list(iter(self._take, None)))

    def _take_next(self) -> PooledTransaction | None:
        return self._take() if self._rest is None else next(self._rest, None)

    def _take(self) -> PooledTransaction | None:
        if self._last is not None:
            self._offer_next_of(self._last)
            self._last = None
        self._read_on()
        while self._places and self._last is None:
            rank, _arrival, _number, heads, place = heapq.heappop(self._places)
            if heads is None:
                self._last = place
                break
            entry = heads[place][1]
            self._go_to_heads(rank, heads, 2 * place + 1, 2 * place + 2)
            if self._ready.is_head(entry) and entry.sender not in self._begun:
                self._begun.add(entry.sender)
                self._last = entry
                break
            self._read_on()
        return self._last

    def _read_on(self) -> None:
        """Read on in the orders until nothing unread can come before the best that was read."""
        while self._readings:
            bound, *others = [reading.bound for reading in self._readings]
            if bound is None or None in others:
                self._readings = []
            elif self._places and self._places[0][:2] < max([bound, *filter(None, others)]):
                return
            else:
                self._open_next(self._readings[0], bound)

    def _open_next(self, reading: _Reading, bound: tuple[int, int]) -> None:
        """Read a level, and go on to its first transaction.

        One that is worse than this order says makes the other order the next one to be read.
        """
        item = reading.read()
        level = item[3]
        if reading.is_by_cap and -item[0] < self._least_cap:
            # nor do those behind it pay as much
            self._readings = []
        elif is_current(item) and level not in self._seen:
            self._seen.add(level)
            rank, can_pay = self._rank(level.price), self._can_pay(level.price)
            if can_pay:
                self._go_to_heads(rank, level.heads, 0)
            if not can_pay or rank > bound[0]:
                self._readings.reverse()

    def _offer_next_of(self, entry: PooledTransaction) -> None:
        following = None if entry.sender in self._skipped else self._executable(entry.sender, entry.nonce + 1)
        if following is not None:
            price = self._ready.price(following)
            if self._can_pay(price):
                self._push(self._rank(price), following.arrival, None, following)

    def _go_to_heads(self, rank: int, heads: list[tuple[int, PooledTransaction]], *indices: int) -> None:
        for index in indices:
            if index < len(heads):
                self._push(rank, heads[index][0], heads, index)

    def _push(self, rank: int, arrival: int, heads: list[tuple[int, PooledTransaction]] | None, place: object) -> None:
        self._numbers += 1
        heapq.heappush(self._places, (rank, arrival, self._numbers, heads, place))

    def _can_pay(self, price: Price) -> bool:
        return price.cap >= self._least_cap and (price.blob_cap is None or price.blob_cap >= self._blob_base_fee)

    def _rank(self, price: Price) -> int:
        """Least for the transaction that is wanted first."""
        if self._base_fee is None and self._ready.order is TransactionOrder.FEES:
            return -price.cap
        return max(-price.tip, (self._base_fee or 0) - price.cap)
