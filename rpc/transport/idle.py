"""The end of connections that ask nothing for a time."""

import asyncio
from collections.abc import Callable


class IdleWatch:
    """One timer for a connection, in place of one for each of its answers. On the event loop.

    since: the event loop's time of the last answer; None while the connection is at work.
    """

    __slots__ = ("_end", "_loop", "_seconds", "_timer", "since")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, end: Callable[[], None]) -> None:
        self._loop, self._seconds, self._end = loop, seconds, end
        self._timer: asyncio.TimerHandle | None = None
        self.since: float | None = None

    def begin(self) -> None:
        """The last request is answered."""
        self.since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def close(self) -> None:
        """Watch no more. Idempotent."""
        self.since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self.since is None:
            return
        left_seconds = self.since + self._seconds - self._loop.time()
        if left_seconds > 0:
            self._timer = self._loop.call_later(left_seconds, self._look)
        else:
            self._end()
