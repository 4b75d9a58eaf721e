"""Deadlines that can be cancelled: what is left of them, and the deadlines made of them."""

import time
from typing import Any

import pytest

from zevm.chain.concurrency.deadline import (
    BriefDeadline,
    Cancellation,
    Deadline,
    ExecutionTimeoutError,
    NotBriefError,
)


@pytest.mark.parametrize(("seconds", "expired"), [(60.0, False), (0.0, True), (-1.0, True), (float("inf"), False)])
def test_a_deadline_passes_at_its_moment(seconds: float, expired: bool) -> None:
    deadline = Deadline.after(seconds)
    assert deadline.expired() is expired
    assert (deadline.remaining() == 0.0) is expired
    assert deadline.remaining() <= max(0.0, seconds)


def test_check_raises_once_it_has_passed() -> None:
    Deadline.after(60).check()
    with pytest.raises(ExecutionTimeoutError, match=r"^execution aborted$"):
        Deadline.after(0).check()
    with pytest.raises(ExecutionTimeoutError, match=r"^too slow$"):
        Deadline.after(0).check("too slow")


def test_a_cancelled_deadline_has_passed_whatever_its_moment() -> None:
    deadline = Deadline(float("inf"), Cancellation())
    deadline.cancellation.cancel()
    assert deadline.expired()
    assert deadline.remaining() == 0.0
    with pytest.raises(ExecutionTimeoutError):
        deadline.check()


def test_the_sooner_moment_wins_and_both_are_cancelled_together() -> None:
    now = time.monotonic()
    first = Deadline(now + 60, Cancellation())
    sooner, later = first.sooner(now + 1), first.sooner(now + 600)
    assert (sooner.at, later.at) == (now + 1, now + 60)
    first.cancellation.cancel()
    assert sooner.expired()
    assert later.expired()


def test_a_deadline_is_no_number() -> None:
    """Arithmetic and comparisons would lose the cancellation without a word."""
    deadline: Any = Deadline.after(1)
    for operation in (
        lambda: deadline < 5.0,
        lambda: deadline - 1.0,
        lambda: float(deadline),
        lambda: min(deadline, 1),
    ):
        with pytest.raises(TypeError):
            operation()


def test_who_waits_hears_of_the_cancellation() -> None:
    cancellation, heard = Cancellation(), []
    cancellation.listen(lambda: heard.append("first"))

    def forgotten() -> None:
        heard.append("forgotten")

    cancellation.listen(forgotten)
    cancellation.forget(forgotten)
    cancellation.forget(forgotten)
    assert heard == []
    cancellation.cancel()
    cancellation.listen(lambda: heard.append("late"))
    assert heard == ["first", "late"]


def spend(seconds: float) -> None:
    """Use a processor for a time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_thread_that_waited_for_a_processor_still_has_its_time_of_one() -> None:
    late = time.monotonic() - 1
    waited = BriefDeadline(late, Cancellation(), time.thread_time() + 0.02)
    waited.check()
    spend(0.005)
    waited.check()
    spend(0.02)
    with pytest.raises(NotBriefError):
        waited.check()
    with pytest.raises(NotBriefError):
        BriefDeadline(late, Cancellation()).check()


def test_a_sooner_moment_of_a_brief_deadline_is_a_moment() -> None:
    brief = BriefDeadline(time.monotonic() + 60, Cancellation(), time.thread_time() + 60)
    assert brief.sooner(brief.at + 1) is brief
    with pytest.raises(NotBriefError):
        brief.sooner(time.monotonic() - 1).check()
