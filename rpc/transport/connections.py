"""A connection that supports push, over WebSocket or IPC: an ordered queue and one writer.

A client that does not read is cut off: when too many notifications or bytes wait, or when it takes nothing for the
write timeout (rpc.memory.budgets). The others never notice.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain

from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import OutputBudget
from zevm.rpc.notifications.subscriptions import Frame, Subscription
from zevm.rpc.transport.http_bodies import PIECE_BYTES, pieces_of

LOGGER = logging.getLogger("zevm.rpc")
BACKLOG_FRAMES = 64
"""Maximum of unsent answers before the connection's next request is read."""

BACKLOG_BYTES = 1024 * 1024
"""Maximum of their total size."""


def _pieces_of(frame: Frame) -> Iterator[bytes]:
    """The message in pieces for one write each."""
    beginning, carried, end = frame
    if len(carried) <= PIECE_BYTES:
        return iter((b"".join(frame),))
    return filter(None, chain((beginning,), pieces_of(carried), (end,)))


class Connection:
    """Frames leave in the order of `send` and `notify`. Used only on the event loop.

    write: sends one message from pieces, and returns once the system has accepted all of it.
    """

    def __init__(
        self,
        write: Callable[[Iterable[bytes]], Awaitable[None]],
        abort: Callable[[], None],
        limits: Limits,
        budget: OutputBudget,
    ) -> None:
        self._write = write
        self._abort = abort
        self._limits = limits
        self._account = budget.open(self.cut)
        self._queue: deque[Frame] = deque()
        self._unread_frames = 0
        self._wake = asyncio.Event()
        self._below_high_water = asyncio.Event()
        self._below_high_water.set()
        self.closed = False
        self.subscriptions: dict[str, Subscription] = {}

    def send(self, answer: bytes) -> None:
        """Queue an answer."""
        frame = (b"", answer, b"")
        if self.admit(frame):
            self.enqueue(frame)

    def notify(self, frame: Frame) -> None:
        """Queue a notification; a client with too many unread ones is disconnected."""
        if self.admit_notification(frame):
            self.enqueue(frame)

    def admit_notification(self, frame: Frame) -> bool:
        """As `admit`, for a notification."""
        if self._unread_frames >= self._limits.subscription_queue:
            self.cut("too many unread notifications (--rpc-subscription-queue)")
            return False
        return self.admit(frame)

    def admit(self, frame: Frame) -> bool:
        """Count a frame to send, now or later, as unread; False if the client is gone or disconnected."""
        if self._account.unread_bytes > self._limits.unread_bytes:
            self.cut(f"{self._account.unread_bytes} bytes were unread (--rpc-unread-bytes)")
        if self.closed:
            return False
        self._account.add(frame[1])
        self._unread_frames += 1
        return True

    def release(self, frame: Frame) -> None:
        """Release an admitted frame: it was sent, or never will be."""
        self._account.remove(frame[1])
        self._unread_frames -= 1
        if self._unread_frames < BACKLOG_FRAMES and self._account.unread_bytes <= BACKLOG_BYTES:
            self._below_high_water.set()

    def enqueue(self, frame: Frame) -> None:
        """Send an admitted frame after those before it."""
        self._queue.append(frame)
        if self._unread_frames >= BACKLOG_FRAMES or self._account.unread_bytes > BACKLOG_BYTES:
            self._below_high_water.clear()
        self._wake.set()

    async def ready(self) -> None:
        """Wait until so little is unsent that the next request may be read."""
        await self._below_high_water.wait()

    async def pump(self) -> None:
        """Write the queue until cancelled or the client is gone."""
        queue = self._queue
        while not self.closed:
            while queue:
                frame = queue[0]
                await self._write(_pieces_of(frame))
                if self.closed:
                    return
                self.release(queue.popleft())
                del frame
            self._wake.clear()
            await self._wake.wait()

    def cut(self, reason: str) -> None:
        """Drop the connection at once, without a closing handshake."""
        if not self.closed:
            LOGGER.info("a client was cut off: %s", reason)
            self.close()
            self._abort()

    def close(self) -> None:
        """Drop queue and subscriptions. Idempotent."""
        if self.closed:
            return
        self.closed = True
        for subscription in list(self.subscriptions.values()):
            subscription.cancel()
        while self._queue:
            self.release(self._queue.popleft())
        self._account.close()
        self._wake.set()
        self._below_high_water.set()
