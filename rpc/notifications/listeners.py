"""Listeners by what they listen to: an event visits those that it may concern, and no others."""

from collections.abc import Hashable, Iterable, Iterator
from enum import Enum, auto
from typing import Generic, TypeVar

from zevm.chain.events import Event, HeadChanged, TransactionAdded
from zevm.rpc.notifications.events import HeadEvent, RpcEvent, TransactionEvent
from zevm.storage.primitives import Address


class Interest(Enum):
    """The kinds of events; logs of certain addresses are told apart by these."""

    HEADS = auto()
    TRANSACTIONS = auto()
    LOGS_OF_ALL = auto()


Key = Interest | Address
Listener = TypeVar("Listener", bound=Hashable)


class Listeners(Generic[Listener]):
    """Listeners in the order in which they came, with a set for each kind of event and for each address of logs.

    Changed on the event loop alone; `hears` is for any thread.
    """

    def __init__(self) -> None:
        self._numbers: dict[Listener, int] = {}
        self._keys: dict[Listener, tuple[Key, ...]] = {}
        self._by_key: dict[Key, dict[Listener, None]] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Listener]:
        return iter(list(self._numbers))

    def add(self, listener: Listener, keys: Iterable[Key]) -> None:
        """Take a listener in, to be told of what has these keys; none for one that never hears anything."""
        self._last_number += 1
        self._numbers[listener] = self._last_number
        self._keys[listener] = tuple(keys)
        for key in self._keys[listener]:
            self._by_key.setdefault(key, {})[listener] = None

    def remove(self, listener: Listener) -> None:
        """Forget a listener. Idempotent."""
        self._numbers.pop(listener, None)
        for key in self._keys.pop(listener, ()):
            heard_by = self._by_key[key]
            heard_by.pop(listener, None)
            if not heard_by:
                del self._by_key[key]

    def hears(self, event: Event | RpcEvent) -> bool:
        """Whether an event may concern a listener, without a look into the event."""
        by_key = self._by_key
        if not by_key:
            return False
        if isinstance(event, HeadChanged | HeadEvent):
            return len(by_key) > (Interest.TRANSACTIONS in by_key)
        return isinstance(event, TransactionAdded | TransactionEvent) and Interest.TRANSACTIONS in by_key

    def concerned(self, event: RpcEvent) -> list[Listener]:
        """The listeners that an event concerns, in the order in which they came."""
        groups = [heard_by for key in self._keys_of(event) if (heard_by := self._by_key.get(key))]
        if len(groups) < 2:
            return list(groups[0]) if groups else []
        return sorted({listener: None for group in groups for listener in group}, key=self._numbers.__getitem__)

    def _keys_of(self, event: RpcEvent) -> list[Key]:
        if not isinstance(event, HeadEvent):
            return [Interest.TRANSACTIONS]
        fixed: list[Key] = [Interest.HEADS]
        if len(self._by_key) == len(self._by_key.keys() & {Interest.HEADS, Interest.TRANSACTIONS}):
            # nobody listens to logs, and so they need not be looked at
            return fixed
        addresses = event.logs_by_address
        if addresses:
            fixed.append(Interest.LOGS_OF_ALL)
        return [*fixed, *addresses]
