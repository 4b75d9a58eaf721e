"""Peers that do not read their output."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from struct import unpack
from termios import TIOCOUTQ

LOOKS = 4
"""How often a stalled peer is checked within its time limit."""


class StallWatch:
    """Disconnects a peer that reads nothing for the time limit, counted from its first unread byte.

    Further writes do not restart the time; reads by the peer do.
    """

    def __init__(self, transport: asyncio.WriteTransport, seconds: float, cut: Callable[[str], None]) -> None:
        # the transport says at once that something is left, and not before all has gone that nothing is
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._seconds = seconds
        self._cut = cut
        self._timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._since = 0.0

    def blocked(self) -> None:
        """The peer has stopped reading (asyncio's pause_writing)."""
        loop = asyncio.get_running_loop()
        self._unread_bytes = self._count_unread()
        self._since = loop.time()
        self._timer = loop.call_later(self._seconds / LOOKS, self._look)

    def free(self) -> None:
        """The peer has read everything (resume_writing), or is gone. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count_unread(self) -> int:
        """Unread bytes here and in the system's buffer, which accepts more only after much of it was read."""
        unread_bytes = self._transport.get_write_buffer_size()
        connection = self._transport.get_extra_info("socket")
        with suppress(OSError, ValueError):
            (queued_bytes,) = unpack("i", ioctl(connection.fileno(), TIOCOUTQ, bytes(4)))
            unread_bytes += queued_bytes
        return unread_bytes

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        unread_bytes = self._count_unread()
        if unread_bytes < self._unread_bytes:
            self._since = loop.time()
        elif loop.time() >= self._since + self._seconds:
            self._cut(f"nothing was read for {self._seconds:g} s")
            return
        self._unread_bytes = unread_bytes
        self._timer = loop.call_later(self._seconds / LOOKS, self._look)
