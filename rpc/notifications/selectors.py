"""Selection of encoded results from the chain's events, for subscriptions and filters."""

from collections.abc import Collection, Iterable
from typing import Protocol

from zevm.rpc.codec.objects import LogFilter
from zevm.rpc.notifications.events import HeadEvent, LogEvent, RpcEvent, TransactionEvent
from zevm.rpc.notifications.listeners import Interest, Key


class Selector(Protocol):
    """The events that a subscription or filter listens to; `keys` are their kinds, see listeners.Listeners."""

    @property
    def keys(self) -> Collection[Key]:
        """The kinds and addresses of which an event has one, if it has results."""
        ...

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """The encoded results of an event."""
        ...


class NewHeads:
    """Headers of new canonical blocks."""

    keys = (Interest.HEADS,)

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """The added headers."""
        return event.heads if isinstance(event, HeadEvent) else ()


class Logs:
    """Logs that match a filter; those of removed blocks with `removed: true`."""

    def __init__(self, criteria: LogFilter) -> None:
        self._criteria = criteria
        self.keys: Collection[Key] = criteria.addresses or (Interest.LOGS_OF_ALL,)

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """The matching logs, each as one result."""
        if not isinstance(event, HeadEvent):
            return ()
        logs = event.logs_of(self._criteria.addresses)
        return (item.encoded for item in logs if self._criteria.matches(item.log))


class LogsInRange(Logs):
    """As Logs, for blocks from `first` to `last`; None leaves that end open."""

    def __init__(self, criteria: LogFilter, first: int | None, last: int | None) -> None:
        super().__init__(criteria)
        self._first = first or 0
        self._last = last

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """The matching logs within the range."""
        if not isinstance(event, HeadEvent):
            return ()
        logs = event.logs_of(self._criteria.addresses)
        return [item.encoded for item in logs if self._covers(item) and self._criteria.matches(item.log)]

    def _covers(self, item: LogEvent) -> bool:
        number = item.header.number
        return number >= self._first and (self._last is None or number <= self._last)


class BlockHashes:
    """Hashes of new canonical blocks."""

    keys = (Interest.HEADS,)

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """The added blocks' hashes."""
        return event.hashes if isinstance(event, HeadEvent) else ()


class PendingTransactions:
    """Transactions that enter the pool: hashes, or whole objects when `full`."""

    keys = (Interest.TRANSACTIONS,)

    def __init__(self, full: bool) -> None:
        self._full = full

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """The transaction."""
        if not isinstance(event, TransactionEvent):
            return ()
        return (event.full if self._full else event.hash,)


class TransactionReceipts:
    """Receipts of new blocks, one array for each block; for the given transactions, or for all."""

    keys = (Interest.HEADS,)

    def __init__(self, hashes: frozenset[bytes]) -> None:
        self._hashes = hashes

    def select(self, event: RpcEvent) -> Iterable[bytes]:
        """One array for every block with a requested transaction."""
        if not isinstance(event, HeadEvent):
            return ()
        if not self._hashes:
            return event.all_receipts
        arrays = []
        for block in event.receipts:
            chosen = [encoded for item, encoded in block if item in self._hashes]
            if chosen:
                arrays.append(b"[" + b",".join(chosen) + b"]")
        return arrays


class Syncing:
    """Changes of the synchronisation status: none, since the node makes its own blocks."""

    keys = ()

    def select(self, event: RpcEvent) -> Iterable[bytes]:  # noqa: ARG002
        """Nothing."""
        return ()
