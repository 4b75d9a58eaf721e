"""The senders' first executable transactions in two orders that no base fee changes, kept between blocks.

What a transaction pays beyond the base fee is its tip, or what its fee cap leaves where that is less. So the order by
tip and the order by fee cap each say how much the rest can pay at most: to read both from their beginnings
finds the best ones without the rest, whatever the base fee is (the threshold algorithm of Fagin, Lotem and Naor).
"""

import heapq
from enum import StrEnum
from typing import NamedTuple

from zevm.chain.pool.account import PooledTransaction
from zevm.storage.primitives import Address

_STALE_ITEMS = 64
"""Outdated items that a heap may have besides a quarter of those that are valid, before it is made again."""


class TransactionOrder(StrEnum):
    """The order of the senders: by effective tip (then arrival), or by arrival alone."""

    FEES = "fees"
    FIFO = "fifo"


class Price(NamedTuple):
    """The fee caps of transactions, wei per gas; blob_cap is None without blobs, tip 0 where it does not count."""

    cap: int
    tip: int
    blob_cap: int | None


class Level:
    """The senders' first transactions at one price, by arrival: `heads` is a heap of (arrival, entry).

    count: of its senders; items of `heads` beyond them are outdated. first_arrival: of its first transaction, None
    once it has none.
    """

    __slots__ = ("count", "first_arrival", "heads", "price")

    def __init__(self, price: Price) -> None:
        self.price = price
        self.heads: list[tuple[int, PooledTransaction]] = []
        self.count = 0
        self.first_arrival: int | None = None


RankItem = tuple[int, int, int, Level]
"""Minus tip or minus fee cap, first arrival of the level, a number that is unique, the level."""


class ReadyOrder:
    """First transactions by price: `by_tip` and `by_cap` are heaps of all levels."""

    def __init__(self, order: TransactionOrder) -> None:
        self.order = order
        self.by_tip: list[RankItem] = []
        self.by_cap: list[RankItem] = []
        self._heads: dict[Address, PooledTransaction] = {}
        self._levels: dict[Price, Level] = {}
        self._items = 0

    def clear(self) -> None:
        """Forget all."""
        self.by_tip.clear()
        self.by_cap.clear()
        self._heads.clear()
        self._levels.clear()

    def set_head(self, sender: Address, entry: PooledTransaction | None) -> None:
        """Note the first executable transaction of a sender; None for none."""
        old = self._heads.get(sender)
        if old is entry:
            return
        if entry is None:
            del self._heads[sender]
            if not self._heads:
                self.clear()
                return
        else:
            self._heads[sender] = entry
        if old is not None:
            self._take_out(old)
        if entry is not None:
            self._put(entry)

    def is_head(self, entry: PooledTransaction) -> bool:
        """Whether it is its sender's first one; if not, its item is outdated."""
        return self._heads.get(entry.sender) is entry

    def price(self, entry: PooledTransaction) -> Price:
        """The price of a transaction."""
        transaction = entry.transaction
        tip = 0 if self.order is TransactionOrder.FIFO else transaction.max_priority_fee_per_gas
        blob_cap = transaction.max_fee_per_blob_gas if transaction.blob_versioned_hashes else None
        return Price(transaction.max_fee_per_gas, tip, blob_cap)

    def _put(self, entry: PooledTransaction) -> None:
        price = self.price(entry)
        level = self._levels.get(price)
        if level is None:
            level = self._levels[price] = Level(price)
        heapq.heappush(level.heads, (entry.arrival, entry))
        level.count += 1
        if level.first_arrival is None or entry.arrival < level.first_arrival:
            self._rank(level, entry.arrival)

    def _take_out(self, entry: PooledTransaction) -> None:
        price = self.price(entry)
        level = self._levels[price]
        level.count -= 1
        if not level.count:
            del self._levels[price]
            level.first_arrival = None
            for heap in (self.by_tip, self.by_cap):
                while heap and not is_current(heap[0]):
                    heapq.heappop(heap)
            return
        heads = level.heads
        if _is_stale(heads, level.count):
            heads[:] = {item[0]: item for item in heads if self.is_head(item[1])}.values()
            heapq.heapify(heads)
        if entry.arrival == level.first_arrival:
            while not self.is_head(heads[0][1]):
                heapq.heappop(heads)
            self._rank(level, heads[0][0])

    def _rank(self, level: Level, first_arrival: int) -> None:
        """Put a level where its first transaction belongs."""
        level.first_arrival = first_arrival
        self._items += 1
        for heap, fee in ((self.by_tip, level.price.tip), (self.by_cap, level.price.cap)):
            heapq.heappush(heap, (-fee, first_arrival, self._items, level))
            if _is_stale(heap, len(self._levels)):
                heap[:] = filter(is_current, heap)
                heapq.heapify(heap)


def is_current(item: RankItem) -> bool:
    """Whether an item of `by_tip` or `by_cap` is not outdated."""
    return item[3].first_arrival == item[1]


def _is_stale(heap: list[RankItem] | list[tuple[int, PooledTransaction]], valid: int) -> bool:
    return len(heap) > valid + valid // 4 + _STALE_ITEMS
