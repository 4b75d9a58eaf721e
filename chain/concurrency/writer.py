"""The one chain writer: a thread that runs every change to the chain, in the order of submission.

Long work is a generator: at each `yield` other submitted work runs, and the work ends there if no client waits for it
any more, or the node stops. Its effects so far remain.

Where no medium is waited for, the writer lends its role while it has nothing to do: short work may run on the thread
that wants it, in the order of submission like all other.

Work that shares a sync forms a group with what has been submitted right after it and shares one too: it runs in order,
then one sync makes all of it durable, then all of it is answered. Nothing waits for company that has not come yet.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial, wraps
from types import GeneratorType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.groups import Group, Guard, Job, Jobs, Several, Sharing, Tell, WorkTogether, next_outcomes
from zevm.chain.concurrency.interrupts import DeferredSignals
from zevm.chain.concurrency.release import release
from zevm.chain.concurrency.threads import start_with_deep_stack
from zevm.storage.errors import StorageError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


NOT_LENT = object()
"""The result of work that could not run on its caller's thread."""


class WriterStoppedError(RuntimeError):
    """Work came after the writer had been told to stop, or long work was ended by it."""


class WrongThreadError(RuntimeError):
    """An operation of the writer's thread was called on a thread that has not its role."""


class AbandonedError(RuntimeError):
    """Long work was ended because no client waits for it any more."""


Work = tuple[Callable[..., Any], *tuple[Any, ...]]
"""A function and its arguments."""


class Writer:
    """Runs submitted functions one after another on a thread of its own; `guard` takes back what a failed one did.

    sharing: lets work share syncs; without it each has its own. lends: whether other threads may have its role.
    """

    def __init__(self, guard: Guard | None = None, sharing: Sharing | None = None, *, lends: bool = False) -> None:
        self._guard = guard
        self._sharing = sharing
        self.lends = lends
        self._jobs: queue.SimpleQueue[Jobs | None] = queue.SimpleQueue()
        self._looked_at: deque[Jobs | None] = deque()
        self._stopped = False
        self._lock = threading.Lock()
        self._role = threading.Lock()
        """Held by the writer's thread while it has work, and by the borrower."""
        self._borrower: int | None = None
        self._submitted = self._taken = 0
        """Times that work was queued, and that the writer's thread, in its role, has taken some."""
        self._ended: Callable[[], object] | None = None
        self._thread = threading.Thread(target=self._run, name="chain-writer", daemon=True)
        start_with_deep_stack(self._thread)

    @property
    def is_current(self) -> bool:
        """Whether the caller has the writer's role: on its thread, or on one that has borrowed it."""
        borrower = self._borrower
        return threading.current_thread() is self._thread if borrower is None else borrower == threading.get_ident()

    def submit(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        cancellation: Cancellation | None = None,
        shares: bool = False,
    ) -> "Future[Any]":
        """Queue `function(*arguments)`; the future has its result or its exception.

        A function that returns a generator is long work, and its generator's return value is the result. Once it is
        cancelled it ends at its next `yield`, with AbandonedError; other work cannot be cancelled.

        shares: let it share a sync with others. It may add blocks, patches and waiting transactions then, and is not
        long work.
        """
        future: Future[Any] = Future()
        self._put((Job(future, function, arguments, cancellation, shares),))
        return future

    def submit_together(self, works: Iterable[Work]) -> "list[Future[Any]]":
        """Queue work that shares one sync, all at once: see `submit`."""
        jobs = tuple([Job(Future(), work[0], work[1:], shares=True) for work in works])
        self._put(jobs)
        return [job.future for job in jobs]

    def submit_several(self, work: WorkTogether, items: Sequence[Any], tell: Tell) -> None:
        """Queue work that came together and shares syncs: see `submit`.

        work: does a part at a time. tell: is called on the writer's thread with the outcomes of each part, once those
        are on the medium. Later work comes behind all of it.
        """
        self._put((Several(work, items, tell),))

    def _put(self, jobs: Jobs) -> None:
        with self._lock:
            if self._stopped:
                raise WriterStoppedError("the node is stopping")
            self._queue(jobs)

    def _queue(self, jobs: Jobs | None) -> None:
        self._submitted += 1
        self._jobs.put(jobs)

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run on the writer and wait; at once when already on the writer's thread."""
        if self.is_current:
            return function(*arguments)
        result: Result = self.submit(function, *arguments).result()
        return result

    def run_here(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do short work at once on the caller's thread, with the writer's role; its result.

        NOT_LENT, and nothing done, where the writer does not lend, has other work or is stopping. The work must not
        execute contracts without a BriefDeadline, as the thread's native stack may be small, and is not long work.
        """
        if not self.lends or self.is_current:
            return function(*arguments) if self.is_current else NOT_LENT
        with DeferredSignals():
            if not self._borrow():
                return NOT_LENT
            try:
                return self._guarded(function, arguments)
            finally:
                self._borrower = None
                self._role.release()

    def run_short(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """As `run`, on the caller's thread where that can be; see `run_here`."""
        result: Result = self.run_here(function, *arguments)
        return self.run(function, *arguments) if result is NOT_LENT else result

    def _borrow(self) -> bool:
        """Take the role, unless something waits for it: work goes in the order in which it was submitted."""
        with self._lock:
            if self._stopped or self._submitted != self._taken or not self._role.acquire(blocking=False):
                return False
            self._borrower = threading.get_ident()
            return True

    def _guarded(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if self._guard is None:
            return function(*arguments)
        self._guard.remember()
        try:
            return function(*arguments)
        except StorageError:
            self._guard.undo()
            raise

    def assert_here(self) -> None:
        """Raise WrongThreadError on any thread that has not the writer's role."""
        if not self.is_current:
            name = threading.current_thread().name
            raise WrongThreadError(f"a write to the chain on the thread {name!r}: give it to the chain's writer")

    def stop(self) -> None:
        """Finish what is queued, end long work after its part, refuse what comes later, and end the thread."""
        if self._borrower == threading.get_ident():
            raise RuntimeError("work of the chain's writer cannot wait for its end")
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._queue(None)
        self._thread.join()

    def _run(self) -> None:
        with self._role:
            while (jobs := self._next()) is not None:
                self._serve(jobs)
                # a finished job must not keep its block alive until the next one arrives
                del jobs

    def _next(self) -> Jobs | None:
        """The next work; others may have the role until it is there, and a borrower is waited for.

        Its last result is delivered once it has given the role back: a thread that waited for it can borrow the role.
        """
        if self._looked_at:
            self._deliver()
            return self._looked_at.popleft()
        try:
            jobs = self._jobs.get_nowait()
        except queue.Empty:
            self._role.release()
            self._deliver()
            jobs = self._jobs.get()
            self._role.acquire()
        self._taken += 1
        self._deliver()
        return jobs

    def _deliver(self) -> None:
        """Give the last piece of work its result, if it has none yet."""
        if self._ended is None:
            return
        ended, self._ended = self._ended, None
        ended()

    def _serve(self, jobs: Jobs) -> None:
        sharing, first = self._sharing, jobs[0]
        are_several = len(jobs) > 1 or (isinstance(first, Several) and len(first.items) > 1)
        is_group = first.shares and (are_several or self._has_company())
        if is_group and sharing is not None and sharing.is_possible():
            rest = Group(self._guard, sharing).run(jobs, self._company)
            if rest:
                self._looked_at.appendleft(rest)
            return
        for job in jobs:
            if isinstance(job, Several):
                self._serve_several(job)
            elif job.steps is not None or job.future.set_running_or_notify_cancel():
                self._advance(job)

    def _has_company(self) -> bool:
        """Whether what comes next is there already, and shares its sync."""
        if not self._looked_at:
            try:
                self._looked_at.append(self._jobs.get_nowait())
            except queue.Empty:
                return False
            self._taken += 1
        following = self._looked_at[0]
        return following is not None and following[0].shares

    def _company(self) -> Jobs:
        """Take what comes next, where `_has_company`."""
        return (self._looked_at.popleft() or ()) if self._has_company() else ()

    def _serve_several(self, several: Several) -> None:
        """Do all of it, a part after another, and tell of each."""
        while several.items:
            self._deliver()
            outcomes = next_outcomes(several, self._guard)
            self._ended = partial(several.tell, outcomes)

    def _advance(self, job: Job) -> None:
        """Run a job, or the next part of a long one."""
        self._deliver()
        try:
            if self._is_finished(job):
                return
        except BaseException as error:
            release(error)
            self._ended = partial(job.future.set_exception, error)
        else:
            self._put_back(job)
        finally:
            # the error's traceback holds this frame, and the frame would hold the error
            del job

    def _is_finished(self, job: Job) -> bool:
        if job.steps is not None and job.cancellation is not None and job.cancellation.is_cancelled:
            job.steps.close()
            raise AbandonedError("the client has disconnected")
        result = self._guarded(_run_part, (job,))
        if result is _UNFINISHED:
            return False
        self._ended = partial(job.future.set_result, result)
        return True

    def _put_back(self, job: Job) -> None:
        """Let a long job wait for its next turn behind the others; not past the end of the queue."""
        with self._lock:
            if not self._stopped:
                self._queue((job,))
                return
        assert job.steps is not None
        job.steps.close()
        job.future.set_exception(WriterStoppedError("the node is stopping"))


_UNFINISHED = object()


def _run_part(job: Job) -> Any:
    """Run a job up to its end or its next `yield`; its result, or _UNFINISHED."""
    if job.steps is None:
        result = job.function(*job.arguments)
        if not isinstance(result, GeneratorType):
            return result
        job.steps = result
    try:
        next(job.steps)
    except StopIteration as end:
        return end.value
    return _UNFINISHED


class Written(Protocol):
    """An owner of what one writer alone changes."""

    @property
    def writer(self) -> Writer:
        """Runs its changes."""
        ...


Owner = TypeVar("Owner", bound=Written)


def writes(
    method: Callable[Concatenate[Owner, Parameters], Result],
) -> Callable[Concatenate[Owner, Parameters], Result]:
    """A method that the writer's thread alone may call: it raises WrongThreadError on any other one."""

    @wraps(method)
    def checked(owner: Owner, /, *arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        owner.writer.assert_here()
        return method(owner, *arguments, **options)

    return checked
