"""Deadlines that can be cancelled: an execution whose client has left ends as if its time were over.

Every place that looks at the clock compares time.monotonic() with its deadline. Python asks the operand whose class
is the more special first, so a Deadline answers such comparisons, and no place needs to know of it.
"""

from collections.abc import Callable
from typing import Any


class Cancellation:
    """A cancellation shared by the deadlines of one request. Any thread may cancel; it is final."""

    __slots__ = ("_listeners", "is_cancelled")

    def __init__(self) -> None:
        self.is_cancelled = False
        self._listeners: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """From now on every deadline with this cancellation has passed."""
        self.is_cancelled = True
        for listener in tuple(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have it called at the cancellation, at once after it; twice may happen. For who waits and sees no clock."""
        self._listeners.append(listener)
        if self.is_cancelled:
            listener()

    def forget(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)


class Deadline(float):
    """A time.monotonic() value; once cancelled it is less than every other number."""

    __slots__ = ("cancellation",)
    cancellation: Cancellation

    def __new__(cls, moment: float, cancellation: Cancellation) -> "Deadline":
        """The deadline at `moment`."""
        instance = super().__new__(cls, moment)
        instance.cancellation = cancellation
        return instance

    def __lt__(self, other: Any) -> bool:
        return self.cancellation.is_cancelled or float(self) < other

    def __le__(self, other: Any) -> bool:
        return self.cancellation.is_cancelled or float(self) <= other

    def __gt__(self, other: Any) -> bool:
        return not self.cancellation.is_cancelled and float(self) > other

    def __ge__(self, other: Any) -> bool:
        return not self.cancellation.is_cancelled and float(self) >= other


def moved(deadline: float, moment: float) -> float:
    """A deadline at another moment, that is cancelled together with this one."""
    return Deadline(moment, deadline.cancellation) if isinstance(deadline, Deadline) else moment
