"""Checks and compilations of off-chain runs, on threads of their own: who waits for one leaves at the deadline.

A compilation cannot be stopped; the price of activation bounds how long it takes. One that nobody waits for any more is
not begun, and one under way ends soon: THREADS at most have a processor for nothing.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError

THREADS = 2

Result = TypeVar("Result")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "zvm-compiler")


def in_time(deadline: Deadline | None, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises; on this thread where there is no deadline. Raises ExecutionTimeoutError at it."""
    if deadline is None:
        return work()
    ended = threading.Event()
    future = _pool().submit(work)
    future.add_done_callback(lambda _: ended.set())
    deadline.cancellation.listen(ended.set)
    try:
        ended.wait(deadline.remaining())
    finally:
        deadline.cancellation.forget(ended.set)
    if not future.done():
        future.cancel()
        raise ExecutionTimeoutError("execution aborted (timeout while a module is compiled)")
    return future.result()
