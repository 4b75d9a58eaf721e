"""Polling filters: eth_newFilter and its relatives. Bounded in number, in size, and in idle time."""

import time
from collections import OrderedDict
from collections.abc import Callable

from chain.references import BlockReference
from rpc import selectors
from rpc.codec_objects import LogFilter
from rpc.errors import InvalidParamsError, LimitExceededError, ServerError
from rpc.events import RpcEvent
from rpc.identifiers import new_identifier
from rpc.limits import Limits
from rpc.selectors import Selector


class FilterNotFoundError(ServerError):
    """Geth's text: clients make a new filter when they read it."""

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
    __slots__ = ("changes", "criteria", "source", "used_at")

    def __init__(self, source: Selector, criteria: LogFilter | None, now: float) -> None:
        self.source = source
        self.criteria = criteria
        self.changes: list[bytes] = []
        self.used_at = now


class Filters:
    """All polling filters of the node, the least recently used first. Used on the event loop alone."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._filters: OrderedDict[str, _Filter] = OrderedDict()

    def __len__(self) -> int:
        self._expire()
        return len(self._filters)

    @property
    def any_open(self) -> bool:
        """Whether an event may find a listener here; for any thread."""
        return bool(self._filters)

    def new_log_filter(self, criteria: LogFilter) -> str:
        """A filter for logs of blocks to come; returns its id. Raises InvalidParamsError, LimitExceededError."""
        if criteria.block_hash is not None:
            raise InvalidParamsError("a filter cannot be made for one block by blockHash; use eth_getLogs")
        check_log_filter(criteria, self._limits)
        first, last = _number_of(criteria.from_block), _number_of(criteria.to_block)
        if first is not None and last is not None and first > last:
            raise InvalidParamsError("invalid block range params")
        return self._add(selectors.LogsInRange(criteria, first, last), criteria)

    def new_block_filter(self) -> str:
        """A filter for the hashes of blocks to come; returns its id."""
        return self._add(selectors.BlockHashes(), None)

    def new_pending_transaction_filter(self, full: bool = False) -> str:
        """A filter for transactions that enter the pool: hashes, or objects when `full`; returns its id."""
        return self._add(selectors.PendingTransactions(full), None)

    def changes(self, identifier: str) -> list[bytes]:
        """What came since the last call, each as JSON. Raises FilterNotFoundError."""
        entry = self._use(identifier)
        collected, entry.changes = entry.changes, []
        return collected

    def criteria(self, identifier: str) -> LogFilter:
        """The criteria of a log filter, for eth_getFilterLogs. Raises FilterNotFoundError."""
        entry = self._use(identifier)
        if entry.criteria is None:
            raise FilterNotFoundError
        return entry.criteria

    def uninstall(self, identifier: str) -> bool:
        """Remove a filter; whether there was one."""
        self._expire()
        return self._filters.pop(identifier, None) is not None

    def publish(self, event: RpcEvent) -> None:
        """Collect an event in every filter that wants it. A filter that grows too long is removed."""
        if not self._filters:
            return
        self._expire()
        overgrown = []
        for identifier, entry in self._filters.items():
            entry.changes.extend(entry.source.select(event))
            if len(entry.changes) > self._limits.filter_items:
                overgrown.append(identifier)
        for identifier in overgrown:
            del self._filters[identifier]

    def _add(self, source: Selector, criteria: LogFilter | None) -> str:
        self._expire()
        if len(self._filters) >= self._limits.filters:
            raise LimitExceededError(
                f"limit exceeded: {self._limits.filters} filters; uninstall some, or raise --rpc-filters"
            )
        identifier = new_identifier()
        self._filters[identifier] = _Filter(source, criteria, self._clock())
        return identifier

    def _use(self, identifier: str) -> _Filter:
        self._expire()
        entry = self._filters.get(identifier)
        if entry is None:
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
            del self._filters[identifier]
