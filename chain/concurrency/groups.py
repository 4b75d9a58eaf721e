"""Work of the chain's writer that shares a sync: submitted piece by piece, or several pieces that came together."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.release import release
from zevm.chain.concurrency.steps import Steps, Turn
from zevm.storage.errors import StorageError

COMPANY_SHARE = 0.2
"""Of a group's time, the part in which it takes in what else has come: its first answers wait for all the others."""

WorkTogether = Callable[[Sequence[Any]], Sequence[Any]]
"""Does the first of some pieces of work, at least one, in order; their results, or the errors that they ended with."""

Tell = Callable[[Sequence[Any]], object]
"""Is given the results and errors of the next pieces of work."""


@dataclass(slots=True)
class Job:
    """Submitted work; `steps` once it has turned out to be long. shares: its sync, with others that do."""

    future: Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    cancellation: Cancellation | None = None
    shares: bool = False
    steps: Steps[Any] | None = None


@dataclass(slots=True)
class Several:
    """Submitted work that came together. items: the rest. See `Writer.submit_several`."""

    work: WorkTogether
    items: Sequence[Any]
    tell: Tell
    shares = True


Jobs = tuple[Job | Several, ...]


class Guard(Protocol):
    """Keeps what is in memory in line with the database (chain.canonical.memory_guard)."""

    def remember(self) -> None:
        """A command begins."""
        ...

    def undo(self) -> None:
        """The database has failed it."""
        ...


class Limits(Protocol):
    """When a group takes in no more (chain.canonical.shared_sync)."""

    @property
    def commands(self) -> int:
        """Pieces of work."""
        ...

    @property
    def seconds(self) -> float:
        """Time since its first one began."""
        ...

    @property
    def size_bytes(self) -> int:
        """Keys and values that are to be written."""
        ...


class Sharing(Protocol):
    """Lets several pieces of work have one sync (chain.canonical.shared_sync)."""

    @property
    def limits(self) -> Limits:
        """When a group takes in no more."""
        ...

    def is_possible(self) -> bool:
        """Whether there is a sync to share now."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the group holds as much as it may."""
        ...

    def begin(self) -> None:
        """A group begins."""
        ...

    def commit(self) -> None:
        """Sync it and show it. Raises StorageError; it is undone then."""
        ...


class Group:
    """Work that shares one sync, and what became of each piece until that is known."""

    def __init__(self, guard: Guard | None, sharing: Sharing) -> None:
        self._guard = guard
        self._sharing = sharing
        self._count = 0
        self._ends: list[Callable[[BaseException | None], object]] = []
        """Tell of the work that was done, or that all of it was undone by an error."""

    def run(self, jobs: Jobs, company: Callable[[], Jobs]) -> Jobs:
        """Run, sync, answer; the jobs that it did not take in. company: takes work that has come since and may join."""
        seconds, waiting = self._sharing.limits.seconds, deque(jobs)
        end, admission = Turn(seconds), Turn(seconds * COMPANY_SHARE)
        self._sharing.begin()
        while waiting:
            if self._perform(waiting[0]):
                waiting.popleft()
            if end.is_over or not self._has_room:
                break
            if not waiting and not admission.is_over:
                waiting.extend(company())
        self._settle()
        return tuple(waiting)

    @property
    def _has_room(self) -> bool:
        return self._count < self._sharing.limits.commands and not self._sharing.is_full

    def _perform(self, job: Job | Several) -> bool:
        """Do a job, or a part of several pieces of work; whether it is done."""
        if isinstance(job, Several):
            outcomes = next_outcomes(job, self._guard)
            self._ends.append(partial(_tell_of_part, job.tell, outcomes))
            self._count += len(outcomes)
            return not job.items
        if not job.future.set_running_or_notify_cancel():
            return True
        result, failure = None, None
        try:
            if self._guard is not None:
                self._guard.remember()
            result = job.function(*job.arguments)
        except BaseException as error:
            failure = self._undone(error) if isinstance(error, StorageError) else error
            release(failure)
        self._ends.append(partial(_tell_of_job, job.future, result, failure))
        self._count += 1
        return True

    def _undone(self, error: StorageError) -> BaseException:
        """Take back what a piece of work did that the database has failed; the error that it ends with."""
        if self._guard is not None:
            try:
                self._guard.undo()
            except StorageError as another:
                return another
        return error

    def _settle(self) -> None:
        """Sync, and answer everybody: alike where the sync has failed, since one's error may come of another's work."""
        fault: BaseException | None = None
        try:
            self._sharing.commit()
        except BaseException as error:
            release(error)
            fault = error
        for end in self._ends:
            end(fault)
        self._ends.clear()


def _another(fault: BaseException) -> BaseException:
    """An error for one more client: they do not share a traceback."""
    return StorageError(str(fault), fault.problem) if isinstance(fault, StorageError) else fault


def _tell_of_job(future: Future[Any], result: Any, failure: BaseException | None, fault: BaseException | None) -> None:
    failure = failure if fault is None else _another(fault)
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)


def _tell_of_part(tell: Tell, outcomes: Sequence[Any], fault: BaseException | None) -> None:
    tell(outcomes if fault is None else [_another(fault) for _ in outcomes])


def next_outcomes(several: Several, guard: Guard | None) -> Sequence[Any]:
    """Do the next part of what came together; its outcomes."""
    try:
        if guard is not None:
            guard.remember()
        outcomes = several.work(several.items)
    except BaseException as error:
        release(error)
        outcomes = [_another(error) for _ in several.items]
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            release(outcome)
    several.items = several.items[len(outcomes) :]
    return outcomes
