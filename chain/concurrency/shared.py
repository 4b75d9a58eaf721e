"""Threads and processes that all chains of this process share. They begin at their first use and stay for the next one.

A program that embeds nodes ends them when its last node is closed; a later use begins them again.
"""

import threading
from collections.abc import Callable

_LOCK = threading.Lock()
_ENDINGS: list[Callable[[], None]] = []


def ends_with(end: Callable[[], None]) -> None:
    """Have `end` called by `end_all`. It must be harmless for what is in use, and at any time."""
    with _LOCK:
        _ENDINGS.append(end)


def end_all() -> None:
    """End what is shared and not in use."""
    with _LOCK:
        endings = tuple(_ENDINGS)
    for end in endings:
        end()
