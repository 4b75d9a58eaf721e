"""The idle time of a connection: one timer, whatever the number of answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from zevm.rpc.transport.idle import IdleWatch


class Timer:
    """A timer of the loop below."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call = at, call
        self.is_cancelled = False

    def cancel(self) -> None:
        """Have it not called."""
        self.is_cancelled = True


class Loop:
    """An event loop whose time a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        """Seconds."""
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """A timer."""
        self.timers.append(Timer(self.now + seconds, call))
        return self.timers[-1]

    def pass_to(self, now: float) -> None:
        """Move the time."""
        self.now = now
        due = [timer for timer in self.timers if timer.at <= now]
        self.timers = [timer for timer in self.timers if timer.at > now]
        for timer in due:
            if not timer.is_cancelled:
                timer.call()


def watch_of(loop: Loop) -> tuple[IdleWatch, list[float]]:
    """A watch of 5 seconds, and when it has ended its connection."""
    ends: list[float] = []
    return IdleWatch(cast(Any, loop), 5.0, lambda: ends.append(loop.now)), ends


def test_a_connection_ends_when_its_last_answer_is_so_long_ago() -> None:
    loop = Loop()
    watch, ends = watch_of(loop)
    for second in range(4):
        loop.pass_to(second)
        watch.since = None
        watch.begin()
    assert len(loop.timers) == 1
    loop.pass_to(7.9)
    assert ends == []
    loop.pass_to(8.0)
    assert ends == [8.0]


def test_a_connection_at_work_does_not_end() -> None:
    loop = Loop()
    watch, ends = watch_of(loop)
    watch.begin()
    loop.pass_to(1.0)
    watch.since = None
    loop.pass_to(20.0)
    assert (ends, loop.timers) == ([], [])
    watch.begin()
    loop.pass_to(25.0)
    assert ends == [25.0]


def test_a_closed_watch_leaves_no_timer() -> None:
    loop = Loop()
    watch, ends = watch_of(loop)
    watch.begin()
    watch.close()
    watch.close()
    loop.pass_to(20.0)
    assert ends == []
