"""Returns memory of finished calls and clients from the C library's heap to the system.

Freed memory stays resident in glibc's heap below any live block, and only `malloc_trim` returns such holes. Other C
libraries have no such function and are ignored.
"""

import asyncio
import ctypes
import mmap
from collections.abc import Callable
from pathlib import Path

GROWN_BYTES = 8 * 1024 * 1024
"""Growth of resident memory before the heap is trimmed."""

WAIT_SECONDS = 2.0
"""Delay between a call's end and the reading of resident memory, so that many calls cost one reading."""

MOST_WAIT_SECONDS = 30.0
"""Delay after trims that returned little."""

_STATUS = Path("/proc/self/statm")


def _find_malloc_trim() -> Callable[[int], int] | None:
    try:
        function = ctypes.CDLL(None).malloc_trim
        resident_bytes()
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = (ctypes.c_size_t,), ctypes.c_int
    trim: Callable[[int], int] = function
    return trim


def resident_bytes() -> int:
    """Resident memory of this process. Raises OSError if the system does not report it (proc(5), statm)."""
    return int(_STATUS.read_bytes().split()[1]) * mmap.PAGESIZE


_MALLOC_TRIM = _find_malloc_trim()


class ReleasedMemory:
    """Checks, some time after calls or clients end, whether resident memory has grown, and trims the heap if so.

    Used on the event loop. The base of the comparison is the least that was ever resident: what is freed after a trim
    lets nothing grow. A trim that returns little doubles the delay of the next one, since what has grown is in use.
    """

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._wait_seconds = WAIT_SECONDS
        self._least_bytes = resident_bytes() if _MALLOC_TRIM is not None else 0

    @property
    def is_looking(self) -> bool:
        """Whether a check is scheduled; for any thread."""
        return self._timer is not None

    def look(self) -> None:
        """Schedule a check: a call or a client has ended."""
        if self._timer is None and _MALLOC_TRIM is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._wait_seconds, self._compare, loop, _MALLOC_TRIM)

    def _compare(self, loop: asyncio.AbstractEventLoop, malloc_trim: Callable[[int], int]) -> None:
        resident = resident_bytes()
        if resident >= self._least_bytes + GROWN_BYTES:
            # the call leaves the interpreter's lock to the others
            loop.run_in_executor(None, self._trim, malloc_trim, resident)
        else:
            self._wait_seconds = WAIT_SECONDS
        self._least_bytes = min(self._least_bytes, resident)
        self._timer = None

    def _trim(self, malloc_trim: Callable[[int], int], before_bytes: int) -> None:
        malloc_trim(0)
        after_bytes = resident_bytes()
        is_fruitless = before_bytes - after_bytes < GROWN_BYTES
        self._wait_seconds = min(2 * self._wait_seconds, MOST_WAIT_SECONDS) if is_fruitless else WAIT_SECONDS
        self._least_bytes = min(self._least_bytes, after_bytes)
