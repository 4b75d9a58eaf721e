"""eth_subscribe: what each connection listens to, and the fan-out of events.

Every event is encoded once; a notification is that encoding between a prefix and a suffix that hold
the subscription's id. A subscription is silent until the answer that carries its id has been queued.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rpc import codec, selectors
from rpc.codec_objects import LogFilter, decode_fields, log_filter
from rpc.errors import InvalidParamsError, LimitExceededError, MethodNotFoundError
from rpc.events import RpcEvent
from rpc.filters import check_log_filter
from rpc.identifiers import new_identifier
from rpc.limits import Limits
from rpc.selectors import Selector

if TYPE_CHECKING:
    from rpc.connections import Connection
    from rpc.dispatch import Caller

FAN_OUT_SLICE = 500
"""Notifications queued before other work has its turn on the event loop."""


class Subscription:
    """One subscription of one connection."""

    __slots__ = ("_hub", "_prefix", "_waiting", "connection", "identifier", "kind")

    def __init__(self, hub: "Subscriptions", connection: "Connection", kind: Selector) -> None:
        self._hub = hub
        self.connection = connection
        self.kind = kind
        self.identifier = new_identifier()
        self._prefix = (
            '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"' + self.identifier + '","result":'
        ).encode()
        self._waiting: list[bytes] | None = []

    def deliver(self, results: Iterable[bytes]) -> None:
        """Send results, or keep them until `activate`."""
        for result in results:
            frame = self._prefix + result + b"}}"
            if self._waiting is None:
                self.connection.notify(frame)
            else:
                self._waiting.append(frame)

    def activate(self) -> None:
        """Begin to send: the answer with the id is in the queue."""
        waiting, self._waiting = self._waiting, None
        for frame in waiting or ():
            self.connection.notify(frame)

    def cancel(self) -> None:
        """End it. Idempotent."""
        self.connection.subscriptions.pop(self.identifier, None)
        self._hub.remove(self)


class Subscriptions:
    """All subscriptions of the node. Used on the event loop alone."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all: dict[Subscription, None] = {}
        self._events: deque[RpcEvent] = deque()
        self._fan_out_task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._all)

    @property
    def any_open(self) -> bool:
        """Whether an event may find a listener here; for any thread."""
        return bool(self._all)

    def open(self, caller: "Caller", name: str, argument: Any) -> str:
        """Open a subscription of the named kind and return its id. Raises RpcError."""
        kind = self._kind(name, argument)
        connection = caller.connection
        if len(connection.subscriptions) >= self._limits.subscriptions:
            raise LimitExceededError(
                f"limit exceeded: {self._limits.subscriptions} subscriptions on one connection; "
                "unsubscribe some, or raise --rpc-subscriptions"
            )
        subscription = Subscription(self, connection, kind)
        connection.subscriptions[subscription.identifier] = subscription
        self._all[subscription] = None
        caller.created.append(subscription)
        return subscription.identifier

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription; called by Subscription.cancel."""
        self._all.pop(subscription, None)

    def publish(self, event: RpcEvent) -> None:
        """Queue an event for everybody who listens."""
        if not self._all:
            return
        self._events.append(event)
        if self._fan_out_task is None:
            self._fan_out_task = asyncio.get_running_loop().create_task(self._fan_out())

    async def _fan_out(self) -> None:
        """Deliver the queued events in order, pausing between slices of subscribers."""
        try:
            while self._events:
                event = self._events.popleft()
                for count, subscription in enumerate(list(self._all), 1):
                    subscription.deliver(subscription.kind.select(event))
                    if count % FAN_OUT_SLICE == 0:
                        await asyncio.sleep(0)
        finally:
            self._fan_out_task = None

    def _kind(self, name: str, argument: Any) -> Selector:
        if name == "newHeads":
            return selectors.NewHeads()
        if name == "logs":
            criteria = LogFilter() if argument is None else log_filter(argument)
            check_log_filter(criteria, self._limits)
            return selectors.Logs(criteria)
        if name == "newPendingTransactions":
            return selectors.PendingTransactions(argument is not None and codec.boolean(argument))
        if name == "transactionReceipts":
            return selectors.TransactionReceipts(self._receipt_hashes(argument))
        if name == "syncing":
            return selectors.Syncing()
        raise MethodNotFoundError(f'no "{name[:64]}" subscription in eth namespace')

    def _receipt_hashes(self, argument: Any) -> frozenset[bytes]:
        if argument is None:
            return frozenset()
        limit = self._limits.receipt_hashes
        fields = decode_fields(argument, {"transactionHashes": ("hashes", codec.array_of(codec.hash32))})
        hashes = frozenset(fields.get("hashes", ()))
        if len(hashes) > limit:
            raise InvalidParamsError(f"exceed max number of transaction hashes allowed per request: {limit}")
        return hashes
