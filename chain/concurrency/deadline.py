"""Deadlines of work off the chain, which pass early when the client who waits has left."""

import time
from collections.abc import Callable, Sequence


class ExecutionTimeoutError(Exception):
    """The wall-clock cap of an off-chain execution ran out. Never raised while a block is built."""


class NotBriefError(ExecutionTimeoutError):
    """Work that had to be brief is not: it is to be done again on another thread, with more time."""


class NotAtHandError(NotBriefError):
    """A value is not at hand, and this thread must not wait for it: it can be read after `provide`.

    provide: waits for it, on a thread that may.
    """

    def __init__(self, provide: Callable[[], object]) -> None:
        super().__init__()
        self.provide = provide


class Cancellation:
    """A cancellation shared by the deadlines of one request. Any thread may cancel; it is final.

    waited_seconds: time that the request's thread has waited for other nodes, which puts its deadlines off.
    """

    # most requests change none of them: without an __init__ one is made in a quarter of the time
    is_cancelled = False
    waited_seconds = 0.0
    _listeners: Sequence[Callable[[], None]] = ()

    def cancel(self) -> None:
        """From now on every deadline with this cancellation has passed."""
        self.is_cancelled = True
        for listener in tuple(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have it called at the cancellation, at once after it; twice may happen. For who waits and sees no clock."""
        self.__dict__.setdefault("_listeners", []).append(listener)
        if self.is_cancelled:
            listener()

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        if listener in self._listeners:
            self.__dict__["_listeners"].remove(listener)


class Deadline:
    """A moment after which work stops. It counts as passed as soon as its cancellation is cancelled.

    at: a time.monotonic() value, in seconds; the moment comes later by what the work has waited for other nodes. Every
    method may be called from any thread.
    """

    __slots__ = ("at", "cancellation")

    def __init__(self, at: float, cancellation: Cancellation) -> None:
        self.at = at
        self.cancellation = cancellation

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline this many seconds from now, with its own cancellation."""
        return cls(time.monotonic() + seconds, Cancellation())

    def expired(self) -> bool:
        """Whether the moment has come, or the work was cancelled."""
        return self.cancellation.is_cancelled or time.monotonic() >= self.at + self.cancellation.waited_seconds

    def remaining(self) -> float:
        """Seconds left, 0.0 once expired."""
        cancellation = self.cancellation
        return 0.0 if cancellation.is_cancelled else max(0.0, self.at + cancellation.waited_seconds - time.monotonic())

    def check(self, message: str = "execution aborted") -> None:
        """Raise ExecutionTimeoutError with the message once expired."""
        if self.expired():
            raise ExecutionTimeoutError(message)

    def bound(self, size: int, most: int) -> None:
        """Ahead of a step of this size that looks at no clock. Raises NotBriefError past `most`, if it has to be brief.

        size and most: in the caller's unit, such as gas, bytes or blocks.
        """

    def sooner(self, at: float) -> "Deadline":
        """The deadline at `at` or at its own moment, whichever comes first; both are cancelled together."""
        return Deadline(min(at, self.at), self.cancellation)


class BriefDeadline(Deadline):
    """A deadline less than a thousandth of a second away, on a thread that others wait for.

    Steps that look at no clock are short as well. Work under it leaves nothing behind, so that it can begin again.
    processor_at: a time.thread_time() value of that thread, in seconds. Up to it the moment comes later by what the
    thread has waited for a processor: to begin again would cost those that wait more. None where the work may wait for
    a medium. begun: that thread's time.thread_time() at the begin; None where it is unknown.
    """

    __slots__ = ("_processor_at", "begun")

    def __init__(
        self, at: float, cancellation: Cancellation, processor_at: float | None = None, begun: float | None = None
    ) -> None:
        self.at, self.cancellation, self._processor_at, self.begun = at, cancellation, processor_at, begun

    def check(self, message: str = "") -> None:  # noqa: ARG002
        """Raise NotBriefError once expired."""
        if time.monotonic() >= self.at and self._is_used_up():
            raise NotBriefError

    def _is_used_up(self) -> bool:
        if self._processor_at is None:
            return True
        left = self._processor_at - time.thread_time()
        if left > 0:
            self.at = time.monotonic() + left
        return left <= 0

    def bound(self, size: int, most: int) -> None:
        """Raise NotBriefError for a step larger than `most`."""
        if size > most:
            raise NotBriefError

    def sooner(self, at: float) -> "BriefDeadline":
        """The deadline at `at` or at its own moment, whichever comes first."""
        return self if self.at <= at else BriefDeadline(at, self.cancellation)
