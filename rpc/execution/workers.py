"""Worker threads for executions: a fixed number, big stacks, a short queue, a deadline for each job.
One more thread reads large bodies, and one executes for callers of the same process, from its first call on.

A job that waits for another node, as those of a fork do, steps aside: other jobs run meanwhile.

The event loop runs contract code only where it is known to be short (brief.py). A caller that has waited `queue_ms`
for a free worker is refused, so that a flood of eth_call delays only eth_call. A disconnected caller cancels its job's
deadline: the job ends at its next check.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from zevm.chain.concurrency.deadline import Cancellation, Deadline
from zevm.chain.concurrency.release import release
from zevm.chain.concurrency.threads import start_with_deep_stack
from zevm.chain.concurrency.waiting import Patience, forbid_waits
from zevm.rpc.errors import LimitExceededError

Result = TypeVar("Result")
_Job = tuple[Callable[..., Any], tuple[Any, ...], asyncio.AbstractEventLoop, "asyncio.Future[Any]", Cancellation]

_OwnJob = tuple[Callable[..., Any], tuple[Any, ...], "Future[Any]", Cancellation]


@dataclass(frozen=True, slots=True)
class Waits:
    """Bounds of jobs that wait for another node. jobs: at once. seconds: of one job, in all."""

    jobs: int = 64
    seconds: float = 30.0


class OwnWorker:
    """One thread that executes for callers on other threads than the event loop's, one job at a time.

    The first job starts it. Any thread may call.
    """

    def __init__(self, timeout_seconds: float, wait_seconds: float = 30.0) -> None:
        self._timeout_seconds = timeout_seconds
        self._wait_seconds = wait_seconds
        self._jobs: SimpleQueue[_OwnJob | None] = SimpleQueue()
        self._busy = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, cancellation: Cancellation, function: Callable[..., Any], *arguments: Any) -> "Future[Any] | None":
        """Begin `function(*arguments, deadline=...)`; None while another job runs, and after `close`."""
        if self._closed or not self._busy.acquire(blocking=False):
            return None
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="evm-own", daemon=True)
            start_with_deep_stack(self._thread)
        future: Future[Any] = Future()
        self._jobs.put((function, arguments, future, cancellation))
        return future

    def close(self) -> None:
        """Let the thread end after its job."""
        self._closed = True
        self._jobs.put(None)

    def join(self) -> None:
        """After `close`: wait until the thread has ended."""
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, arguments, future, cancellation = job
            result, failure = None, None
            try:
                deadline = Deadline(time.monotonic() + self._timeout_seconds, cancellation)
                with Patience(deadline, self._wait_seconds, _stay).held():
                    result = function(*arguments, deadline=deadline)
            except BaseException as raised:
                release(raised)
                failure = raised
            # before the outcome: who waits for it may ask again at once
            self._busy.release()
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)
            del job, function, arguments, future, result, failure, cancellation


class _Place:
    """The place of one job: a worker, until it has stepped aside."""

    __slots__ = ("cancellation", "is_aside")

    def __init__(self, cancellation: Cancellation) -> None:
        self.cancellation = cancellation
        self.is_aside = False


class Workers:
    """A pool for coroutines of the event loop. `close` leaves running jobs to their deadlines, and ends their waits."""

    def __init__(self, count: int, *, queue_ms: int, timeout_seconds: float, waits: Waits | None = None) -> None:
        self._count = count
        self._waits = waits or Waits()
        self._aside: set[_Place] = set()
        self._lock = threading.Lock()
        self._queue_ms = queue_ms
        self._timeout_seconds = timeout_seconds
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._free = asyncio.Semaphore(count)
        self.own = OwnWorker(timeout_seconds, self._waits.seconds)
        self._closed = False
        self._reader = ThreadPoolExecutor(1, "body-reader")
        self._encoder = ThreadPoolExecutor(1, "large-answers", forbid_waits)
        self._threads: list[threading.Thread] = []
        self._start_threads(count)

    @property
    def aside(self) -> int:
        """Jobs that wait, or have waited, for another node."""
        return len(self._aside)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call `function(*arguments, deadline=...)` on a worker and return its result or raise its error.

        Raises LimitExceededError if no worker is free in time. If the awaiting task is cancelled, a job that has not
        started is dropped; the deadline of a running one is cancelled, which soon ends it.
        """
        await self._acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        cancellation = Cancellation()
        self._jobs.put((function, arguments, loop, future, cancellation))
        try:
            return await future
        except asyncio.CancelledError:
            cancellation.cancel()
            raise
        finally:
            # a raised error holds this frame, and the future holds the error
            del future

    async def read(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call `function(*arguments)` on the single thread for large bodies, in the order of the calls.

        Executions do not delay it: its work is proportional to a body and has its own bound.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reader, function, *arguments)

    async def encode(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call `function(*arguments)` on the single thread for large answers, in the order of the calls.

        Neither executions nor large bodies delay it, and it makes only one large answer at a time. NotAtHandError: it
        would have to wait for another node.
        """
        return await asyncio.get_running_loop().run_in_executor(self._encoder, function, *arguments)

    def close(self) -> None:
        """Let every worker end after its job. Idempotent."""
        if not self._closed:
            with self._lock:
                self._closed = True
                waiting = tuple(self._aside)
            for place in waiting:
                place.cancellation.cancel()
            for threads in (self._reader, self._encoder):
                threads.shutdown(wait=False, cancel_futures=True)
            for _ in self._threads:
                self._jobs.put(None)
            self.own.close()

    def join(self) -> None:
        """After `close`: wait until every thread has ended, which running jobs do at their deadlines at the latest."""
        for thread in self._threads:
            thread.join()
        self.own.join()
        for threads in (self._reader, self._encoder):
            threads.shutdown()

    async def _acquire(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(self._queue_ms / 1000):
                await self._free.acquire()
        except TimeoutError:
            raise LimitExceededError(
                f"limit exceeded: all {self._count} execution workers were busy for {self._queue_ms} ms; "
                "try again, or raise --rpc-evm-workers or --rpc-evm-queue-ms"
            ) from None

    def _start_threads(self, count: int) -> None:
        begun = len(self._threads)
        threads = [
            threading.Thread(target=self._work, name=f"evm-{begun + index}", daemon=True) for index in range(count)
        ]
        start_with_deep_stack(*threads)
        self._threads += threads

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, arguments, loop, future, cancellation = job
            result, error = None, None
            place = _Place(cancellation)
            if not future.cancelled():
                try:
                    deadline = Deadline(time.monotonic() + self._timeout_seconds, cancellation)
                    with Patience(deadline, self._waits.seconds, partial(self._step_aside, place, loop)).held():
                        result = function(*arguments, deadline=deadline)
                except BaseException as raised:
                    # here, since freeing what a failed execution has made may take a while
                    release(raised)
                    error = raised
            if place.is_aside:
                with self._lock:
                    self._aside.discard(place)
            try:
                loop.call_soon_threadsafe(self._finish, future, result, error, place.is_aside)
            except RuntimeError:
                return  # the loop is closed: the node is stopping
            del job, function, arguments, future, result, error, cancellation, place

    def _step_aside(self, place: _Place, loop: asyncio.AbstractEventLoop) -> None:
        """Leave the worker's place to another job, for good. Raises LimitExceededError where too many have."""
        if place.is_aside:
            return
        with self._lock:
            if self._closed:
                place.cancellation.cancel()
                return
            if len(self._aside) >= self._waits.jobs:
                raise LimitExceededError(
                    f"limit exceeded: {self._waits.jobs} executions wait for the forked chain; try again, or raise "
                    "--rpc-fork-waits"
                )
            self._aside.add(place)
            if len(self._threads) < self._count + len(self._aside):
                self._start_threads(1)
        place.is_aside = True
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._free.release)

    def _finish(self, future: "asyncio.Future[Any]", result: Any, error: BaseException | None, was_aside: bool) -> None:
        if not was_aside:
            self._free.release()
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def _stay() -> None:
    """No other job waits for the thread of a caller of the same process."""
