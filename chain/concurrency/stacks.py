"""Threads that execute contracts: calls nest 1,024 deep, so that they need more native stack than others."""

import threading
from collections.abc import Iterable

STACK_BYTES = 256 * 1024 * 1024
"""Virtual memory, not resident: room for the interpreter at call depth 1,024."""

_LOCK = threading.Lock()
"""The size is the whole process's: without the lock, two that start threads at once would leave it set."""


def start_on_deep_stacks(threads: Iterable[threading.Thread]) -> None:
    """Start threads with STACK_BYTES of stack; later ones get what the process had before."""
    with _LOCK:
        previous = threading.stack_size(STACK_BYTES)
        try:
            for thread in threads:
                thread.start()
        finally:
            threading.stack_size(previous)
