"""A connection that the node can push to, over WebSocket or IPC: an ordered queue and one writer.

A client that does not read is cut off: when too many notifications wait, or when one write makes no
progress for the write timeout. The others never notice.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rpc.limits import Limits

if TYPE_CHECKING:
    from rpc.subscriptions import Subscription

LOGGER = logging.getLogger("zevm.rpc")
BACKLOG_HIGH_WATER = 64
"""Answers that may wait unsent before the connection's next request is read."""


class Connection:
    """Frames leave in the order of `send` and `notify`. Used on the event loop alone."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]], abort: Callable[[], None], limits: Limits) -> None:
        self._write = write
        self._abort = abort
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._below_high_water = asyncio.Event()
        self._below_high_water.set()
        self._written = 0
        self._is_writing = False
        self._stall_timer: asyncio.TimerHandle | None = None
        self.closed = False
        self.subscriptions: dict[str, Subscription] = {}

    def send(self, frame: bytes) -> None:
        """Queue an answer."""
        self._put(frame)

    def notify(self, frame: bytes) -> None:
        """Queue a notification; a client with too many unread ones is cut off."""
        if len(self._queue) >= self._limits.subscription_queue:
            self.cut("too many unread notifications")
            return
        self._put(frame)

    async def ready(self) -> None:
        """Wait until few enough answers are unsent for the next request to be read."""
        await self._below_high_water.wait()

    async def pump(self) -> None:
        """Write what is queued until cancelled or the client is gone."""
        queue = self._queue
        while not self.closed:
            while queue:
                self._is_writing = True
                await self._write(queue.popleft())
                self._is_writing = False
                self._written += 1
                if len(queue) < BACKLOG_HIGH_WATER:
                    self._below_high_water.set()
            self._wake.clear()
            await self._wake.wait()

    def cut(self, reason: str) -> None:
        """Drop the connection at once, without a farewell that nobody would read."""
        if not self.closed:
            LOGGER.info("a client was cut off: %s", reason)
            self.close()
            self._abort()

    def close(self) -> None:
        """Forget queue and subscriptions. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._queue.clear()
        self._wake.set()
        self._below_high_water.set()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        for subscription in list(self.subscriptions.values()):
            subscription.cancel()

    def _put(self, frame: bytes) -> None:
        if self.closed:
            return
        queue = self._queue
        if (queue or self._is_writing) and self._stall_timer is None:
            self._watch()
        queue.append(frame)
        if len(queue) >= BACKLOG_HIGH_WATER:
            self._below_high_water.clear()
        self._wake.set()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._stall_timer = loop.call_later(self._limits.websocket_write_seconds, self._check, self._written)

    def _check(self, written_before: int) -> None:
        self._stall_timer = None
        if not self._queue and not self._is_writing:
            return
        if self._written == written_before:
            self.cut(f"nothing was read for {self._limits.websocket_write_seconds:g} s")
        else:
            self._watch()
