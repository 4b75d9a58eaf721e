"""The bytes that all traces under way may take together."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from zevm.chain.tracing.errors import TraceMemoryError

GRANT_BYTES = 1024 * 1024
"""Bytes reserved for a trace in one step, which keeps contention between traces low."""


class TraceMemory:
    """Counts what the traces of a node hold. Any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._lock = Lock()

    @property
    def taken(self) -> int:
        """Bytes that are granted at the moment."""
        return self._taken

    @contextmanager
    def share(self) -> Iterator[None]:
        """Count what this thread's trace takes within; at the end everything is free again."""
        share = _Share(self)
        token = _share.set(share)
        try:
            yield
        finally:
            _share.reset(token)
            self.give_back(share.granted)

    def grant(self, size: int) -> None:
        """Take bytes. Raises TraceMemoryError."""
        with self._lock:
            if self._taken + size > self._limit:
                raise TraceMemoryError(self._limit)
            self._taken += size

    def give_back(self, size: int) -> None:
        """Free bytes."""
        with self._lock:
            self._taken -= size


class _Share:
    __slots__ = ("_left", "_memory", "granted")

    def __init__(self, memory: TraceMemory) -> None:
        self._memory = memory
        self._left = self.granted = 0

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            wanted = max(GRANT_BYTES, -self._left)
            self._memory.grant(wanted)
            self.granted += wanted
            self._left += wanted


_share: ContextVar[_Share | None] = ContextVar("trace share", default=None)


def take(size: int) -> None:
    """Count bytes of the trace that runs on this thread, where one is shared out to it. Raises TraceMemoryError."""
    share = _share.get()
    if share is not None:
        share.take(size)
