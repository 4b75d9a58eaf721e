"""The one chain writer: a thread that runs every change to the chain, in the order of submission.

Long work is a generator: at each `yield` other submitted work runs, and the work ends there if no client waits for it
any more, or the node stops. Its effects so far remain.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, Protocol, TypeVar

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.release import release
from zevm.chain.concurrency.threads import start_with_deep_stack
from zevm.storage.errors import StorageError

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work for the writer in parts; its return value is the result."""

TURN_SECONDS = 0.05
"""How long one part of long work may keep other writes waiting."""


class WriterStoppedError(RuntimeError):
    """Work came after the writer had been told to stop, or long work was ended by it."""


class WrongThreadError(RuntimeError):
    """An operation of the writer's thread was called on another thread."""


class AbandonedError(RuntimeError):
    """Long work was ended because no client waits for it any more."""


class Turn:
    """Time that a part of long work may take before others are to have theirs."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + TURN_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether it is time to yield."""
        return time.monotonic() > self._ends_at


def run_through(steps: Steps[Result]) -> Result:
    """Run work in parts at one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


@dataclass(slots=True)
class _Job:
    """Submitted work; `steps` once it has turned out to be long."""

    future: Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    cancellation: Cancellation | None
    steps: Steps[Any] | None = None


class Guard(Protocol):
    """Keeps what is in memory in line with the database (chain.canonical.memory_guard)."""

    def remember(self) -> None:
        """A command begins."""
        ...

    def undo(self) -> None:
        """The database has failed it."""
        ...


class Writer:
    """Runs submitted functions one after another on a thread of its own; `guard` takes back what a failed one did."""

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopped = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="chain-writer", daemon=True)
        start_with_deep_stack(self._thread)

    @property
    def is_current(self) -> bool:
        """Whether the caller runs on the writer's thread."""
        return threading.current_thread() is self._thread

    def submit(
        self, function: Callable[..., Any], *arguments: Any, cancellation: Cancellation | None = None
    ) -> "Future[Any]":
        """Queue `function(*arguments)`; the future has its result or its exception.

        A function that returns a generator is long work, and its generator's return value is the result. Once it is
        cancelled it ends at its next `yield`, with AbandonedError; other work cannot be cancelled.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._stopped:
                raise WriterStoppedError("the node is stopping")
            self._jobs.put(_Job(future, function, arguments, cancellation))
        return future

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run on the writer and wait; at once when already on the writer's thread."""
        if self.is_current:
            return function(*arguments)
        result: Result = self.submit(function, *arguments).result()
        return result

    def assert_here(self) -> None:
        """Raise WrongThreadError on any thread but the writer's."""
        if not self.is_current:
            name = threading.current_thread().name
            raise WrongThreadError(f"a write to the chain on the thread {name!r}: give it to the chain's writer")

    def stop(self) -> None:
        """Finish what is queued, end long work after its part, refuse what comes later, and end the thread."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.steps is not None or job.future.set_running_or_notify_cancel():
                self._advance(job)
            # a finished job must not keep its block alive until the next one arrives
            del job

    def _advance(self, job: _Job) -> None:
        """Run a job, or the next part of a long one."""
        try:
            if self._is_finished(job):
                return
        except BaseException as error:
            release(error)
            job.future.set_exception(error)
        else:
            self._put_back(job)
        finally:
            # the error's traceback holds this frame, and the frame would hold the error
            del job

    def _is_finished(self, job: _Job) -> bool:
        if job.steps is not None and job.cancellation is not None and job.cancellation.is_cancelled:
            job.steps.close()
            raise AbandonedError("the client has disconnected")
        if self._guard is None:
            return _run_part(job)
        self._guard.remember()
        try:
            return _run_part(job)
        except StorageError:
            self._guard.undo()
            raise

    def _put_back(self, job: _Job) -> None:
        """Let a long job wait for its next turn behind the others; not past the end of the queue."""
        with self._lock:
            if not self._stopped:
                self._jobs.put(job)
                return
        assert job.steps is not None
        job.steps.close()
        job.future.set_exception(WriterStoppedError("the node is stopping"))


def _run_part(job: _Job) -> bool:
    """Run a job up to its end or its next `yield`; whether that was its end."""
    result = None
    if job.steps is None:
        result = job.function(*job.arguments)
        if isinstance(result, GeneratorType):
            job.steps = result
    if job.steps is not None:
        try:
            next(job.steps)
        except StopIteration as end:
            result = end.value
        else:
            return False
    job.future.set_result(result)
    return True
