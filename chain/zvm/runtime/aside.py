"""Checks and compilations of off-chain runs, on threads of their own: a caller stops waiting at the deadline.

A compilation cannot be stopped; the price of activation bounds its time. An abandoned compilation does not start, and a
running one ends soon: at most THREADS run in vain.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.chain.concurrency.shared import ends_with

THREADS = 2

Result = TypeVar("Result")


class _Compilers:
    """The threads, begun with the first work and ended by `end`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        ends_with(self.end)

    def submit(self, work: Callable[[], Result]) -> Future[Result]:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(THREADS, "zvm-compiler")
            return self._pool.submit(work)

    def end(self) -> None:
        """End the threads after what was submitted; later work begins new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()


_compilers = _Compilers()


def in_time(deadline: Deadline | None, work: Callable[[], Result]) -> Result:
    """The result or exception of `work`; on this thread if there is no deadline. Raises ExecutionTimeoutError at it.

    Raises NotBriefError under a BriefDeadline: no compilation is brief.
    """
    if deadline is None:
        return work()
    deadline.bound(1, 0)
    ended = threading.Event()
    future = _compilers.submit(work)
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
