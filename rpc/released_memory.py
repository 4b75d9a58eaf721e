"""Gives back to the system what large releases leave in the C library's heap.

Freed memory stays resident in glibc's heap wherever something that lives lies above it, and only `malloc_trim` returns
such holes. Other C libraries have no such function and are left alone.
"""

import asyncio
import ctypes
from collections.abc import Callable

RELEASED_BYTES = 8 * 1024 * 1024
"""So much has to be released before the heap is looked through."""

WAIT_SECONDS = 2.0
"""From the first large release until the heap is looked through: a flood of them is one look."""


def _find_malloc_trim() -> Callable[[int], int] | None:
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = (ctypes.c_size_t,), ctypes.c_int
    trim: Callable[[int], int] = function
    return trim


_MALLOC_TRIM = _find_malloc_trim()


class ReleasedMemory:
    """Counts released bytes on the event loop; past `RELEASED_BYTES` a thread of the loop's trims the heap."""

    def __init__(self) -> None:
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, size: int) -> None:
        """So many bytes were released, or are about to be."""
        self._bytes += size
        if self._bytes >= RELEASED_BYTES and self._timer is None and _MALLOC_TRIM is not None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_SECONDS, self._trim, _MALLOC_TRIM)

    def _trim(self, malloc_trim: Callable[[int], int]) -> None:
        self._timer = None
        self._bytes = 0
        # the call leaves the interpreter's lock to the others
        asyncio.get_running_loop().run_in_executor(None, malloc_trim, 0)
