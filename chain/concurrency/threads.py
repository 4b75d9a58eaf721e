"""Threads that execute contracts, with the native stack that this takes."""

import threading

STACK_BYTES = 256 * 1024 * 1024
"""Calls nest 1,024 deep. Virtual memory, not resident."""

_STACK_SIZE_LOCK = threading.Lock()


def start_with_deep_stack(*threads: threading.Thread) -> None:
    """Start threads that may execute contracts; others that start meanwhile elsewhere may get such a stack too."""
    with _STACK_SIZE_LOCK:
        previous = threading.stack_size(STACK_BYTES)
        try:
            for thread in threads:
                thread.start()
        finally:
            threading.stack_size(previous)
