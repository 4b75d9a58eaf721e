"""Checks and compilations of off-chain runs, on threads of their own: who waits for one leaves at the deadline.

A compilation cannot be stopped; the price of activation bounds its time. An abandoned compilation does not start, and a
running one ends soon: at most THREADS run in vain.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.vm.interface import ExecutionTimeoutError

THREADS = 2

Result = TypeVar("Result")


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, "zvm-compiler")


def in_time(deadline: float | None, work: Callable[[], Result]) -> Result:
    """The result or exception of `work`; on this thread if there is no deadline. Raises ExecutionTimeoutError at it.

    deadline: a time.monotonic() value, and chain.concurrency.deadline's where the client may leave before.
    """
    if deadline is None:
        return work()
    ended = threading.Event()
    future = _pool().submit(work)
    future.add_done_callback(lambda _: ended.set())
    cancellation = deadline.cancellation if isinstance(deadline, Deadline) else None
    if cancellation is not None:
        cancellation.listen(ended.set)
    try:
        ended.wait(max(0.0, float(deadline) - time.monotonic()))
    finally:
        if cancellation is not None:
            cancellation.forget(ended.set)
    if not future.done():
        future.cancel()
        raise ExecutionTimeoutError("execution aborted (timeout while a module is compiled)")
    return future.result()
