"""Received bytes of a connection that wait to be parsed: they are parsed request by request, as the answers go.

A parser takes all that it is given. One read may hold thousands of small requests, each of which would cost its time at
once, and its memory until its turn comes; many clients that send so would hold all others up.
"""

import asyncio
import re
from collections.abc import Callable
from itertools import islice

from zevm.rpc.memory.budgets import InputBudget
from zevm.rpc.transport.direct import END_OF_HEAD

TURNS_AT_ONCE = 16
"""Connections that go on to a request which is there already, in one turn of the event loop."""

_BLANK = re.compile(rb"[\r\n]*")


class Unparsed:
    """Received bytes of one connection. They are counted in a budget while they wait."""

    __slots__ = ("_budget", "_counted_bytes", "_data", "_offset")

    def __init__(self, budget: InputBudget) -> None:
        self._budget = budget
        self._counted_bytes = 0
        self._data = b""
        self._offset = 0

    def __bool__(self) -> bool:
        return self._offset < len(self._data)

    def add(self, data: bytes) -> None:
        """Take what has been received."""
        self._data = self._data[self._offset :] + data if self else data
        self._offset = 0

    def take(self, body_bytes: int = 0) -> bytes:
        """The next part, of whole lines: it ends at most one request that it has begun itself.

        body_bytes: at its beginning, known to be of one body, whose blank lines are no ends of heads.
        """
        data, begin = self._data, self._offset
        end = data.find(END_OF_HEAD, begin + body_bytes) + len(END_OF_HEAD)
        if end < len(END_OF_HEAD) or data.find(END_OF_HEAD, end) < 0:
            # one head at most, with its body or a part of it
            end = len(data)
        # blank lines behind a head are no request's own
        blank = _BLANK.match(data, end)
        end = end if blank is None else blank.end()
        part = data[begin:end] if begin or end < len(data) else data
        self._offset = end
        if end == len(data):
            self.clear()
        return part

    def hold(self) -> bool:
        """Count what waits, or return False if the budget has no place for it."""
        missing = len(self._data) - self._counted_bytes
        if missing > 0 and not self._budget.take(missing):
            return False
        self._counted_bytes += max(0, missing)
        return True

    def clear(self) -> None:
        """Forget all."""
        self._data, self._offset = b"", 0
        if self._counted_bytes:
            self._budget.give_back(self._counted_bytes)
            self._counted_bytes = 0


class Turns:
    """The connections of a port whose next request is there already: they go on one after another, few at once.

    So the event loop comes to all others soon, to new clients too, however many send requests ahead. On the event loop.
    """

    def __init__(self) -> None:
        self._waiting: dict[object, Callable[[], None]] = {}
        self._next: asyncio.Handle | None = None

    def wait(self, connection: object, go_on: Callable[[], None]) -> None:
        """Have a connection go on in its turn; it has one place."""
        self._waiting.setdefault(connection, go_on)
        self._go_on_soon()

    def leave(self, connection: object) -> None:
        """Give a place up. Idempotent."""
        self._waiting.pop(connection, None)

    def __contains__(self, connection: object) -> bool:
        return connection in self._waiting

    def _go_on_soon(self) -> None:
        if self._next is None and self._waiting:
            self._next = asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        self._next = None
        try:
            for connection in list(islice(self._waiting, TURNS_AT_ONCE)):
                go_on = self._waiting.pop(connection, None)
                if go_on is not None:
                    go_on()
        finally:
            self._go_on_soon()
