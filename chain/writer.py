"""The one chain writer: a thread that runs every change to the chain, in the order of submission."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from storage.errors import StorageError

Result = TypeVar("Result")
_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]

STACK_BYTES = 256 * 1024 * 1024
"""Native stack of a thread that executes contracts: calls nest 1,024 deep. Virtual memory, not resident."""


class WriterStoppedError(RuntimeError):
    """Work came after the writer had been told to stop."""


class Guard(Protocol):
    """Keeps what is in memory in line with the database (chain.memory_guard)."""

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
        previous = threading.stack_size(STACK_BYTES)
        try:
            self._thread = threading.Thread(target=self._run, name="chain-writer", daemon=True)
            self._thread.start()
        finally:
            threading.stack_size(previous)

    def submit(self, function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
        """Queue `function(*arguments)`; the future has its result or its exception."""
        future: Future[Result] = Future()
        with self._lock:
            if self._stopped:
                raise WriterStoppedError("the node is stopping")
            self._jobs.put((future, function, arguments))
        return future

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run on the writer and wait; at once when already on the writer's thread."""
        if threading.current_thread() is self._thread:
            return function(*arguments)
        return self.submit(function, *arguments).result()

    def stop(self) -> None:
        """Finish what is queued, refuse what comes later, and end the thread."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function, arguments = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = self._execute(function, arguments)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            # a finished job must not keep its block alive until the next one arrives
            del job, future, function, arguments

    def _execute(self, function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
        guard = self._guard
        if guard is None:
            return function(*arguments)
        guard.remember()
        try:
            return function(*arguments)
        except StorageError:
            guard.undo()
            raise
