"""Python's recursion limit, raised while contracts execute.

The limit is the process's, and others set it as well: Hypothesis lowers it to about 2,000 frames inside a test, a plain
program has 1,000. What an execution needs must not depend on either, since a RecursionError is no EVM outcome.
"""

import sys
import threading
from types import TracebackType

FRAMES = 100_000
"""Python frames per thread: about 20 for each of 1,024 nested calls, with a reserve for the caller's own."""


class _DeepRecursion:
    """A context that any number of threads may be in; the last one that leaves it restores the limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._previous: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            limit = sys.getrecursionlimit()
            if self._inside == 0:
                self._previous = None
            if limit < FRAMES:
                self._previous = limit
                sys.setrecursionlimit(FRAMES)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            # a limit that somebody else has set meanwhile stays
            if self._inside == 0 and self._previous is not None and sys.getrecursionlimit() == FRAMES:
                sys.setrecursionlimit(self._previous)


deep_recursion = _DeepRecursion()
