"""eth_subscribe: the subscriptions of each connection, and the fan-out of events.

Every event is encoded once; a notification is that encoding between a prefix and a suffix that hold the subscription's
id. A subscription is silent until the answer with its id has been queued. Undelivered events are bounded: no subscriber
silently misses an event, so past the bound all are disconnected and learn that they missed something.
"""

import asyncio
import logging
from collections import deque
from typing import Any, Protocol

from zevm.chain.events import Event
from zevm.rpc.codec import scalars
from zevm.rpc.codec.objects import LogFilter, decode_fields, log_filter
from zevm.rpc.errors import InvalidParamsError, LimitExceededError, MethodNotFoundError
from zevm.rpc.limits import Limits
from zevm.rpc.notifications import selectors
from zevm.rpc.notifications.events import RpcEvent
from zevm.rpc.notifications.filters import check_log_filter
from zevm.rpc.notifications.identifiers import new_identifier
from zevm.rpc.notifications.listeners import Listeners
from zevm.rpc.notifications.selectors import Selector

LOGGER = logging.getLogger("zevm.rpc")
FAN_OUT_SLICE_SECONDS = 0.005
"""How long the fan-out may hold the event loop before it yields."""

_END = b"}}"

Frame = tuple[bytes, bytes, bytes]
"""One outgoing message: its prefix, its payload (shared by all receivers), its suffix."""


class PushConnection(Protocol):
    """A connection that can be pushed to (rpc.transport.connections.Connection)."""

    @property
    def subscriptions(self) -> "dict[str, Subscription]":
        """The subscriptions by identifier."""
        ...

    def notify(self, frame: Frame) -> None:
        """Queue a notification."""
        ...

    def admit_notification(self, frame: Frame) -> bool:
        """Count a notification that is sent later as unread; False where the client is gone or cut off."""
        ...

    def enqueue(self, frame: Frame) -> None:
        """Send an admitted notification."""
        ...

    def release(self, frame: Frame) -> None:
        """An admitted notification will never be sent."""
        ...

    def cut(self, reason: str) -> None:
        """Drop the connection at once."""
        ...


class Caller:
    """The sender of a request over a connection that supports push.

    created: the subscriptions that it opened. holds_back: what it sends next waits for the answer.
    """

    __slots__ = ("connection", "created", "holds_back")

    def __init__(self, connection: PushConnection) -> None:
        self.connection = connection
        self.created: list[Subscription] = []
        self.holds_back = False


class Subscription:
    """One subscription of one connection."""

    __slots__ = ("_hub", "_prefix", "_waiting", "connection", "identifier", "kind")

    def __init__(self, hub: "Subscriptions", connection: PushConnection, kind: Selector) -> None:
        self._hub = hub
        self.connection = connection
        self.kind = kind
        self.identifier = new_identifier()
        self._prefix = (
            '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"' + self.identifier + '","result":'
        ).encode()
        self._waiting: list[Frame] | None = []

    def deliver(self, result: bytes) -> None:
        """Send a result, or keep it until `activate`. All receivers of the same result share its bytes."""
        frame = (self._prefix, result, _END)
        if self._waiting is None:
            self.connection.notify(frame)
        elif self.connection.admit_notification(frame):
            self._waiting.append(frame)

    def activate(self) -> None:
        """Start sending: the answer with the id is in the queue."""
        waiting, self._waiting = self._waiting, None
        for frame in waiting or ():
            self.connection.enqueue(frame)

    def cancel(self) -> None:
        """End it. Idempotent."""
        waiting, self._waiting = self._waiting, None
        for frame in waiting or ():
            self.connection.release(frame)
        self.connection.subscriptions.pop(self.identifier, None)
        self._hub.remove(self)


class Subscriptions:
    """All subscriptions of the node. Used only on the event loop."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._listeners: Listeners[Subscription] = Listeners()
        self._events: deque[RpcEvent] = deque()
        self.waiting_bytes = 0
        """Bytes of events that subscribers have not received yet."""
        self._fan_out_task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def hears(self, event: Event | RpcEvent) -> bool:
        """Whether an event may have a listener here. Safe from any thread."""
        return self._listeners.hears(event)

    def open(self, caller: Caller, name: str, argument: Any) -> str:
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
        self._listeners.add(subscription, kind.keys)
        caller.created.append(subscription)
        return subscription.identifier

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription; called by Subscription.cancel."""
        self._listeners.remove(subscription)

    def publish(self, event: RpcEvent) -> None:
        """Queue an event for those who listen to its kind."""
        if not self.hears(event):
            return
        if self.waiting_bytes > self._limits.event_bytes:
            self._give_up()
            return
        self._events.append(event)
        self.waiting_bytes += event.size_bytes
        if self._fan_out_task is None:
            self._fan_out_task = asyncio.get_running_loop().create_task(self._fan_out())

    def _give_up(self) -> None:
        LOGGER.warning(
            "%d bytes of events wait to be told: all subscribers are cut off (--rpc-event-bytes)", self.waiting_bytes
        )
        for subscription in self._listeners:
            subscription.connection.cut("events came faster than they could be told (--rpc-event-bytes)")

    async def _fan_out(self) -> None:
        """Deliver the queued events in order, pausing between slices of time."""
        clock = asyncio.get_running_loop().time
        slice_end = clock() + FAN_OUT_SLICE_SECONDS
        try:
            while self._events:
                event = self._events.popleft()
                for subscription in self._listeners.concerned(event):
                    for result in subscription.kind.select(event):
                        if clock() > slice_end:
                            await asyncio.sleep(0)
                            slice_end = clock() + FAN_OUT_SLICE_SECONDS
                        subscription.deliver(result)
                    if clock() > slice_end:
                        await asyncio.sleep(0)
                        slice_end = clock() + FAN_OUT_SLICE_SECONDS
                self.waiting_bytes -= event.size_bytes
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
            return selectors.PendingTransactions(argument is not None and scalars.boolean(argument))
        if name == "transactionReceipts":
            return selectors.TransactionReceipts(self._receipt_hashes(argument))
        if name == "syncing":
            return selectors.Syncing()
        raise MethodNotFoundError(f'no "{name[:64]}" subscription in eth namespace')

    def _receipt_hashes(self, argument: Any) -> frozenset[bytes]:
        if argument is None:
            return frozenset()
        limit = self._limits.receipt_hashes
        fields = decode_fields(argument, {"transactionHashes": ("hashes", scalars.array_of(scalars.hash32))})
        hashes = frozenset(fields.get("hashes", ()))
        if len(hashes) > limit:
            raise InvalidParamsError(f"exceed max number of transaction hashes allowed per request: {limit}")
        return hashes
