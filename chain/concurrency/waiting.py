"""Waits for another node in the midst of an execution: how long one may take, and what others do meanwhile.

    with patience.held():                      # the thread of an execution
        ...
            wait_for(future)                   # what it reads, many calls deeper, and what knows nothing of it

A thread without patience, as the chain's writer, waits until the future ends by itself.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from zevm.chain.concurrency.deadline import Deadline

Result = TypeVar("Result")


class ImpatientError(Exception):
    """The end of a wait without an answer; `seconds` were allowed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


class Patience:
    """The waits of one execution. On its thread.

    seconds: of all its waits together, which do not count towards its deadline. step_aside: called before each wait, so
    that other work does not wait too; may raise, and the execution ends with that error.
    """

    def __init__(self, deadline: Deadline, seconds: float, step_aside: Callable[[], None]) -> None:
        self._deadline = deadline
        self._seconds = self._left = seconds
        self._step_aside = step_aside

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let this be the patience of the thread."""
        _of_thread.patience = self
        try:
            yield
        finally:
            _of_thread.patience = None

    def wait_for(self, future: "Future[Result]") -> Result:
        """The future's result. Raises its error, ImpatientError, ExecutionTimeoutError once the client has left."""
        self._step_aside()
        changed = threading.Event()
        cancellation = self._deadline.cancellation
        cancellation.listen(changed.set)
        future.add_done_callback(lambda _: changed.set())
        begun = time.monotonic()
        changed.wait(max(0.0, self._left))
        seconds = time.monotonic() - begun
        cancellation.forget(changed.set)
        self._left -= seconds
        cancellation.waited_seconds += seconds
        if future.done():
            return future.result()
        if cancellation.is_cancelled:
            self._deadline.check()
        raise ImpatientError(self._seconds)


class _OfThread(threading.local):
    patience: Patience | None = None
    must_not_wait = False


_of_thread = _OfThread()


def wait_for(future: "Future[Result]") -> Result:
    """The future's result, within the patience of this thread, as Patience.wait_for; without one, whenever it comes."""
    if future.done() or _of_thread.patience is None:
        return future.result()
    return _of_thread.patience.wait_for(future)


def forbid_waits() -> None:
    """This thread must never wait for another node, like those of event loops."""
    _of_thread.must_not_wait = True


def must_not_wait() -> bool:
    """Whether others would wait too if this thread waited for another node."""
    if _of_thread.must_not_wait:
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
