"""Eviction from a full pool. An account cannot displace others merely by many transactions or high promises.

Only remote transactions leave, and only an account's last one at a time, so that no nonce gap opens. First
leaves what accounts hold beyond their guaranteed share, the largest holder first; only then does price decide.
Queued transactions never displace executable ones. (The attack that this resists: CVE-2022-23328.)
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from zevm.chain.errors import Reason, TransactionError
from zevm.chain.pool.account import PoolAccount, PooledTransaction
from zevm.chain.pool.limits import PoolLimits
from zevm.storage.primitives import Address

_STALE_ITEMS = 64
"""Outdated items that a heap may have besides as many as are valid, before it is made again."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A part of what accounts hold: how many transactions that are, which is the last, all from the last one on."""

    count: Callable[[PoolAccount], int]
    last: Callable[[PoolAccount], PooledTransaction | None]
    backwards: Callable[[PoolAccount], Iterator[PooledTransaction]]


EXECUTABLE = Holding(attrgetter("executable_count"), attrgetter("last_executable"), PoolAccount.executable_backwards)
QUEUED = Holding(attrgetter("queued_count"), attrgetter("last_queued"), PoolAccount.queued_backwards)

_Item = tuple[Any, int, int, PoolAccount]
"""Rank, the account's sequence, stamp, account: the least one is to give way first, the older account among equals."""


class Holders:
    """The accounts in the order in which they are to give way: by number, and by the price of their last transaction.

    Kept up to date by `refresh` after each change of an account. An item whose stamp is no longer its account's
    is outdated.
    """

    def __init__(self, holding: Holding, accounts: Iterable[PoolAccount]) -> None:
        self.holding = holding
        self.by_count: list[_Item] = []
        self.by_price: list[_Item] = []
        self._stamps: dict[Address, int] = {}
        self._next_stamp = 0
        for account in accounts:
            self.refresh(account)

    def refresh(self, account: PoolAccount) -> None:
        """Follow a change of an account; one that has left the pool holds nothing."""
        last = self.holding.last(account)
        if last is None or last.local:
            self._stamps.pop(account.address, None)
            return
        self._next_stamp += 1
        self._stamps[account.address] = self._next_stamp
        for heap, rank in ((self.by_count, -self.holding.count(account)), (self.by_price, last.price)):
            heapq.heappush(heap, (rank, account.sequence, self._next_stamp, account))
            if len(heap) > 2 * len(self._stamps) + _STALE_ITEMS:
                heap[:] = filter(self.is_current, heap)
                heapq.heapify(heap)

    def is_current(self, item: _Item) -> bool:
        """Whether an item is not outdated."""
        return self._stamps.get(item[3].address) == item[2]

    def first_victim(self, fair_count: int, excluded: PoolAccount) -> PooledTransaction | None:
        """The transaction that is the first to give way; None where an account that gives nothing is in the way."""
        chosen = self._first(self.by_count)
        if chosen is not None and chosen[3] is not excluded and -chosen[0] <= fair_count:
            chosen = self._first(self.by_price)
        return None if chosen is None or chosen[3] is excluded else self.holding.last(chosen[3])

    def _first(self, heap: list[_Item]) -> _Item | None:
        while heap and not self.is_current(heap[0]):
            heapq.heappop(heap)
        return heap[0] if heap else None


class _Search:
    """The search for victims: what it has chosen already no longer counts as its account's. Changes nothing."""

    def __init__(self, holders: Holders, excluded: Address) -> None:
        self._holders = holders
        self._passed = {excluded}
        self._aside: list[tuple[list[_Item], _Item]] = []
        self._left: dict[Address, tuple[Iterator[PooledTransaction], int]] = {}
        self._last: dict[Address, PooledTransaction] = {}
        self._shortened: tuple[list[_Item], list[_Item]] = ([], [])

    def largest(self) -> _Item | None:
        """The account with the most transactions."""
        return self._least(self._holders.by_count, self._shortened[0])

    def cheapest(self) -> _Item | None:
        """The account whose last transaction has the lowest price."""
        return self._least(self._holders.by_price, self._shortened[1])

    def take_from(self, account: PoolAccount) -> PooledTransaction:
        """Choose the account's last transaction."""
        holding, address = self._holders.holding, account.address
        if address not in self._passed:
            self._passed.add(address)
            backwards = holding.backwards(account)
            self._last[address] = next(backwards)
            self._left[address] = backwards, holding.count(account)
        victim = self._last.pop(address)
        backwards, count = self._left[address]
        self._left[address] = backwards, count - 1
        last = next(backwards, None)
        if last is not None and not last.local:
            self._last[address] = last
            for heap, rank in zip(self._shortened, (1 - count, last.price), strict=True):
                heapq.heappush(heap, (rank, account.sequence, count - 1, account))
        return victim

    def close(self) -> None:
        """Put back what was in the way."""
        for heap, item in self._aside:
            heapq.heappush(heap, item)

    def _least(self, heap: list[_Item], shortened: list[_Item]) -> _Item | None:
        while heap and (not self._holders.is_current(heap[0]) or heap[0][3].address in self._passed):
            item = heapq.heappop(heap)
            if self._holders.is_current(item):
                self._aside.append((heap, item))
        while shortened and self._left[shortened[0][3].address][1] != shortened[0][2]:
            heapq.heappop(shortened)
        return min([*heap[:1], *shortened[:1]], key=lambda item: item[:2], default=None)


def executable_victims(
    entry: PooledTransaction, account: PoolAccount, holders: Holders, missing_slots: int, limits: PoolLimits
) -> list[PooledTransaction]:
    """Executable transactions to evict for `missing_slots` free slots. Raises TransactionError if there are none.

    An account at or above its guaranteed number displaces no other.
    """
    if account.executable_count >= limits.account_slots:
        raise TransactionError(Reason.POOL_FULL, "txpool is full")
    return _victims(entry, account, holders, missing_slots, limits.account_slots)


def queued_victims(
    entry: PooledTransaction, account: PoolAccount, holders: Holders, missing_slots: int
) -> list[PooledTransaction]:
    """Queued transactions to evict for `missing_slots` free slots. Raises TransactionError if there are none.

    An account gives way to those that have fewer queued than it.
    """
    return _victims(entry, account, holders, missing_slots, account.queued_count + 1)


def _victims(
    entry: PooledTransaction, account: PoolAccount, holders: Holders, missing_slots: int, fair_count: int
) -> list[PooledTransaction]:
    first = holders.first_victim(fair_count, account)
    if first is not None and first.slots >= missing_slots and entry.price > first.price:
        # so it is most often: one is enough, whether its number or its price makes it go
        return [first]
    victims = []
    search = _Search(holders, account.address)
    try:
        while missing_slots > 0:
            chosen = search.largest()
            if chosen is None:
                raise TransactionError(Reason.POOL_FULL, "txpool is full")
            if -chosen[0] <= fair_count:
                chosen = search.cheapest()
                assert chosen is not None
                if entry.price <= chosen[0]:
                    raise TransactionError(Reason.UNDERPRICED, "transaction underpriced")
            victims.append(search.take_from(chosen[3]))
            missing_slots -= victims[-1].slots
    finally:
        search.close()
    return victims
