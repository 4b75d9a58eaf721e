"""The guide's Profiler: wall-clock time between two calls with one name, or in a `with` block."""

import sys
import threading
import time
from types import TracebackType
from typing import Final, Self, TextIO

TIMERS_LIMIT: Final = 10_000
"""Open timers of a thread; the oldest ones are dropped."""


class _Timers(threading.local):
    """The open timers of each thread: name -> nanoseconds of a monotonic clock."""

    def __init__(self) -> None:
        self.started: dict[str, int] = {}


_timers = _Timers()


class Profiler:
    """`Profiler.start(name)` and `Profiler.end(name)` as in the guide, or `with Profiler(name) as timer:`.

    The end prints `Profile [name]: 1.23 ms` to standard error, as the guide's does. Each thread has timers of its own.
    seconds: what the block took, once it has ended. stream: where the line goes; None for nowhere.
    """

    def __init__(self, name: str, stream: TextIO | None = sys.stderr) -> None:
        self.name = name
        self.seconds = 0.0
        self._stream = stream
        self._started = 0

    def __enter__(self) -> Self:
        self._started = time.perf_counter_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        nanoseconds = time.perf_counter_ns() - self._started
        self.seconds = nanoseconds / 1e9
        if self._stream is not None:
            print(_line(self.name, nanoseconds), file=self._stream)

    @staticmethod
    def start(name: str) -> None:
        """Start a timer, or start it again."""
        timers = _timers.started
        timers.pop(name, None)
        if len(timers) >= TIMERS_LIMIT:
            del timers[next(iter(timers))]
        timers[name] = time.perf_counter_ns()

    @staticmethod
    def end(name: str) -> float | None:
        """Print the milliseconds since the start, and return the seconds; nothing for a timer that was not started.

        As in the guide, the timer goes on, and may be ended again.
        """
        started = _timers.started.get(name)
        if started is None:
            return None
        nanoseconds = time.perf_counter_ns() - started
        print(_line(name, nanoseconds), file=sys.stderr)
        return nanoseconds / 1e9


def _line(name: str, nanoseconds: int) -> str:
    return f"Profile [{name}]: {nanoseconds / 1e6:.2f} ms"
