"""Threads that execute contracts, with the native stack that this takes, and threads of one piece of work."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")

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


async def on_own_thread(work: Callable[[], Result]) -> Result:
    """The result of work on a thread of its own, which begins at once; an error of the work is raised.

    Executors, and so asyncio.to_thread, take nothing once the main thread has ended; atexit's functions run after that.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, name="own-thread", daemon=True)
    thread.start()
    try:
        return await asyncio.shield(asyncio.wrap_future(future))
    finally:
        if future.done():
            thread.join()  # nothing is left to do there
