"""The senders' first executable transactions in the order in which a block wants them, kept between blocks.

What a transaction pays beyond the base fee is its tip, or what its fee cap leaves where that is less. So the order
among those that pay their whole tip does not depend on the base fee, nor does that among the others: each price lies
in one of the two, and a change of the base fee moves those prices that it makes pay all of their tip, or less.
"""

import heapq
from enum import StrEnum
from typing import NamedTuple

from zevm.chain.pool.account import PooledTransaction
from zevm.storage.primitives import Address

_STALE_ITEMS = 64
"""So many outdated items of a heap are not worth a new one."""
_BEYOND_ALL_FEES = 1 << 256


class TransactionOrder(StrEnum):
    """The order of the senders: by effective tip (then arrival), or by arrival alone."""

    FEES = "fees"
    FIFO = "fifo"


class Price(NamedTuple):
    """What transactions offer, wei per gas; blob_cap is None without blobs, tip 0 where it does not count."""

    cap: int
    tip: int
    blob_cap: int | None

    @property
    def turning_point(self) -> int:
        """The highest base fee at which the whole tip is paid."""
        return self.cap - self.tip


class Level:
    """The senders' first transactions at one price, by arrival: `heads` is a heap of (arrival, entry).

    count: of its senders; items of `heads` beyond them are outdated. first_arrival: of its first transaction.
    """

    __slots__ = ("count", "first_arrival", "heads", "pays_whole_tip", "price")

    def __init__(self, price: Price) -> None:
        self.price = price
        self.heads: list[tuple[int, PooledTransaction]] = []
        self.count = 0
        self.first_arrival: int | None = None
        self.pays_whole_tip = True


RankItem = tuple[int, int, int, Level]
"""Minus tip or minus fee cap, first arrival of the level, a number that is unique, the level."""


class ReadyOrder:
    """First transactions by price. `by_tip` and `by_cap` are heaps of the levels that pay their whole tip, or less."""

    def __init__(self, order: TransactionOrder) -> None:
        self.order = order
        self.by_tip: list[RankItem] = []
        self.by_cap: list[RankItem] = []
        self._heads: dict[Address, PooledTransaction] = {}
        self._levels: dict[Price, Level] = {}
        self._rising: list[tuple[int, int, Level]] = []
        self._falling: list[tuple[int, int, Level]] = []
        self._boundary = 0
        self._items = 0

    def clear(self) -> None:
        """Forget all."""
        for content in (self.by_tip, self.by_cap, self._heads, self._levels, self._rising, self._falling):
            content.clear()

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

    def is_current(self, item: RankItem) -> bool:
        """Whether an item of `by_tip` or `by_cap` is not outdated, which of the two it must be in apart."""
        level = item[3]
        return level.first_arrival == item[1]

    def boundary_at(self, base_fee: int | None) -> int:
        """The base fee that divides prices; without one all are ranked by their cap, or by arrival alone."""
        if base_fee is None:
            return 0 if self.order is TransactionOrder.FIFO else _BEYOND_ALL_FEES
        return base_fee

    def is_turned_to(self, base_fee: int | None) -> bool:
        """Whether the heaps are right for a base fee."""
        return self._boundary == self.boundary_at(base_fee)

    def turn_to(self, base_fee: int | None) -> None:
        """Make the heaps right for a base fee: only prices between the old one and the new one move."""
        self._boundary = self.boundary_at(base_fee)
        rising, falling = self._rising, self._falling
        while rising and rising[0][0] < self._boundary:
            level = heapq.heappop(rising)[2]
            if level.count and level.pays_whole_tip:
                self._place(level)
        while falling and -falling[0][0] >= self._boundary:
            level = heapq.heappop(falling)[2]
            if level.count and not level.pays_whole_tip:
                self._place(level)

    def _price(self, entry: PooledTransaction) -> Price:
        transaction = entry.transaction
        tip = 0 if self.order is TransactionOrder.FIFO else transaction.max_priority_fee_per_gas
        blob_cap = transaction.max_fee_per_blob_gas if transaction.blob_versioned_hashes else None
        return Price(transaction.max_fee_per_gas, tip, blob_cap)

    def _put(self, entry: PooledTransaction) -> None:
        price = self._price(entry)
        level = self._levels.get(price)
        is_new = level is None
        if level is None:
            level = self._levels[price] = Level(price)
        heapq.heappush(level.heads, (entry.arrival, entry))
        level.count += 1
        if level.first_arrival is None or entry.arrival < level.first_arrival:
            level.first_arrival = entry.arrival
            if not is_new:
                self._rank(level)
        if is_new:
            self._place(level)

    def _take_out(self, entry: PooledTransaction) -> None:
        price = self._price(entry)
        level = self._levels[price]
        level.count -= 1
        if not level.count:
            del self._levels[price]
            level.first_arrival = None
            return
        heads = level.heads
        if len(heads) > 2 * level.count + _STALE_ITEMS:
            heads[:] = {item[0]: item for item in heads if self.is_head(item[1])}.values()
            heapq.heapify(heads)
        if entry.arrival == level.first_arrival:
            while not self.is_head(heads[0][1]):
                heapq.heappop(heads)
            level.first_arrival = heads[0][0]
            self._rank(level)

    def _place(self, level: Level) -> None:
        """Put a level where it belongs at the present boundary."""
        turning_point = level.price.turning_point
        level.pays_whole_tip = turning_point >= self._boundary
        self._items += 1
        if level.pays_whole_tip:
            turns, item = self._rising, (turning_point, self._items, level)
        else:
            turns, item = self._falling, (-turning_point, self._items, level)
        heapq.heappush(turns, item)
        if len(turns) > 2 * len(self._levels) + _STALE_ITEMS:
            turns[:] = {id(item[2]): item for item in turns if item[2].count}.values()
            heapq.heapify(turns)
        self._rank(level)

    def _rank(self, level: Level) -> None:
        assert level.first_arrival is not None
        self._items += 1
        whole = level.pays_whole_tip
        heap, rank = (self.by_tip, -level.price.tip) if whole else (self.by_cap, -level.price.cap)
        heapq.heappush(heap, (rank, level.first_arrival, self._items, level))
        if len(heap) > 2 * len(self._levels) + _STALE_ITEMS:
            heap[:] = {
                id(item[3]): item for item in heap if self.is_current(item) and item[3].pays_whole_tip is whole
            }.values()
            heapq.heapify(heap)
