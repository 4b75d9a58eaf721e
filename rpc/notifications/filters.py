"""Polling filters: eth_newFilter and its relatives. Bounded in number, in size, and in idle time.

Filters receive an event in slices of time. A filter polled meanwhile reads it first, so that a client that knows of a
block does not miss its content.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from zevm.chain.events import Event
from zevm.chain.types.block_reference import BlockReference
from zevm.rpc.codec.objects import LogFilter
from zevm.rpc.errors import InvalidParamsError, LimitExceededError, ServerError
from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import OutputAccount, OutputBudget
from zevm.rpc.notifications import selectors
from zevm.rpc.notifications.events import RpcEvent
from zevm.rpc.notifications.identifiers import new_identifier
from zevm.rpc.notifications.listeners import Listeners
from zevm.rpc.notifications.selectors import Selector

LOGGER = logging.getLogger("zevm.rpc")
SLICE_SECONDS = 0.005
"""How long an event may hold the event loop before it yields."""


class FilterNotFoundError(ServerError):
    """Geth's text, which makes clients create a new filter."""

    def __init__(self) -> None:
        super().__init__("filter not found")


def check_log_filter(criteria: LogFilter, limits: Limits) -> None:
    """Refuse a log filter with too many addresses or topics. Raises InvalidParamsError."""
    longest = max((len(position) for position in criteria.topics), default=0)
    if len(criteria.addresses) > limits.log_addresses or longest > limits.log_topics:
        raise InvalidParamsError(
            f"exceed max addresses or topics per search position: {len(criteria.addresses)} addresses (limit "
            f"{limits.log_addresses}), {longest} topics (limit {limits.log_topics})"
        )


def _number_of(reference: BlockReference | None) -> int | None:
    return None if reference is None else reference.number


class _Filter:
    __slots__ = ("account", "changes", "criteria", "seen", "source", "used_at")

    def __init__(self, source: Selector, criteria: LogFilter | None, now: float, seen: int) -> None:
        self.source = source
        self.criteria = criteria
        self.changes: list[bytes] = []
        self.used_at = now
        self.seen = seen
        self.account: OutputAccount

    def offer(self, number: int, event: RpcEvent) -> None:
        """Collect the event's matches for the filter, unless done already."""
        if self.seen >= number:
            return
        self.seen = number
        for item in self.source.select(event):
            self.changes.append(item)
            self.account.add(item)

    def take(self) -> list[bytes]:
        """Return and delete the collected changes."""
        taken, self.changes = self.changes, []
        for item in taken:
            self.account.remove(item)
        return taken


class Filters:
    """All polling filters of the node, the least recently used first. Used only on the event loop."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float] = time.monotonic, budget: OutputBudget | None = None
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._budget = budget or OutputBudget(limits.output_bytes)
        self._filters: OrderedDict[str, _Filter] = OrderedDict()
        self._listeners: Listeners[str] = Listeners()
        self._events: deque[tuple[int, RpcEvent]] = deque()
        self._last_event = 0
        self._offered: Iterator[str] = iter(())
        self._next_slice: asyncio.Handle | None = None
        self.waiting_bytes = 0
        """Bytes of events that filters have not received yet."""

    def __len__(self) -> int:
        self._expire()
        return len(self._filters)

    @property
    def any_open(self) -> bool:
        """Whether there are filters. Safe from any thread."""
        return bool(self._filters)

    def hears(self, event: Event | RpcEvent) -> bool:
        """Whether an event may have a listener here. Safe from any thread."""
        return self._listeners.hears(event)

    @property
    def identifiers(self) -> frozenset[str]:
        """The ids of all filters."""
        self._expire()
        return frozenset(self._filters)

    def new_log_filter(self, criteria: LogFilter) -> str:
        """Create a filter for logs of coming blocks; return its id. Raises InvalidParamsError, LimitExceededError."""
        if criteria.block_hash is not None:
            raise InvalidParamsError("a filter cannot be made for one block by blockHash; use eth_getLogs")
        check_log_filter(criteria, self._limits)
        first, last = _number_of(criteria.from_block), _number_of(criteria.to_block)
        if first is not None and last is not None and first > last:
            raise InvalidParamsError("invalid block range params")
        return self._add(selectors.LogsInRange(criteria, first, last), criteria)

    def new_block_filter(self) -> str:
        """Create a filter for the hashes of coming blocks; return its id."""
        return self._add(selectors.BlockHashes(), None)

    def new_pending_transaction_filter(self, full: bool = False) -> str:
        """Create a filter for transactions that enter the pool (hashes, or objects when `full`); return its id."""
        return self._add(selectors.PendingTransactions(full), None)

    def changes(self, identifier: str) -> list[bytes]:
        """The changes since the last call, each as JSON. Raises FilterNotFoundError."""
        return self._use(identifier).take()

    def criteria(self, identifier: str) -> LogFilter:
        """The criteria of a log filter, for eth_getFilterLogs. Raises FilterNotFoundError."""
        entry = self._use(identifier)
        if entry.criteria is None:
            raise FilterNotFoundError
        return entry.criteria

    def uninstall(self, identifier: str) -> bool:
        """Remove a filter; return whether there was one."""
        self._expire()
        return self._remove(identifier)

    def publish(self, event: RpcEvent) -> None:
        """Offer an event to the filters of its kind. A filter that grows too long is removed."""
        self._expire()
        if not self.hears(event):
            return
        if self.waiting_bytes > self._limits.event_bytes:
            LOGGER.warning("%d bytes of events wait: all filters are removed (--rpc-event-bytes)", self.waiting_bytes)
            for identifier in list(self._filters):
                self._remove(identifier)
        self._last_event += 1
        self._events.append((self._last_event, event))
        self.waiting_bytes += event.size_bytes
        if len(self._events) == 1:
            self._offered = iter(self._listeners.concerned(event))
            self._offer_slice()

    def _offer_slice(self) -> None:
        self._next_slice = None
        end = time.monotonic() + SLICE_SECONDS
        while self._events:
            number, event = self._events[0]
            for identifier in self._offered:
                self._offer(identifier, number, event)
                if time.monotonic() > end:
                    self._next_slice = asyncio.get_running_loop().call_soon(self._offer_slice)
                    return
            self._events.popleft()
            self.waiting_bytes -= event.size_bytes
            self._offered = iter(self._listeners.concerned(self._events[0][1]) if self._events else ())

    def _offer(self, identifier: str, number: int, event: RpcEvent) -> None:
        entry = self._filters.get(identifier)
        if entry is None:
            return
        entry.offer(number, event)
        too_many = len(entry.changes) > self._limits.filter_items
        # it could not be answered any more
        if too_many or entry.account.unread_bytes > self._limits.response_bytes:
            self._remove(identifier)

    def _remove(self, identifier: str) -> bool:
        entry = self._filters.pop(identifier, None)
        if entry is None:
            return False
        self._listeners.remove(identifier)
        entry.take()
        entry.account.close()
        return True

    def _add(self, source: Selector, criteria: LogFilter | None) -> str:
        self._expire()
        if len(self._filters) >= self._limits.filters:
            raise LimitExceededError(
                f"limit exceeded: {self._limits.filters} filters; uninstall some, or raise --rpc-filters"
            )
        identifier = new_identifier()
        entry = _Filter(source, criteria, self._clock(), self._last_event)
        entry.account = self._budget.open(lambda _: self._cut(identifier))
        self._filters[identifier] = entry
        self._listeners.add(identifier, source.keys)
        return identifier

    def _cut(self, identifier: str) -> None:
        LOGGER.info("a filter was removed: unread output of all clients passed --rpc-output-bytes")
        self._remove(identifier)

    def _use(self, identifier: str) -> _Filter:
        self._expire()
        entry = self._filters.get(identifier)
        if entry is not None:
            for number, event in self._events:
                self._offer(identifier, number, event)
        if entry is None or identifier not in self._filters:
            raise FilterNotFoundError
        entry.used_at = self._clock()
        self._filters.move_to_end(identifier)
        return entry

    def _expire(self) -> None:
        oldest = self._clock() - self._limits.filter_idle_seconds
        while self._filters:
            identifier, entry = next(iter(self._filters.items()))
            if entry.used_at >= oldest:
                return
            self._remove(identifier)
