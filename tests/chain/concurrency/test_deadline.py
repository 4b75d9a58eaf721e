"""Deadlines that can be cancelled: comparisons of plain numbers with them, and the deadlines made of them."""

import pytest

from zevm.chain.concurrency.deadline import Cancellation, Deadline, moved


@pytest.mark.parametrize("now", [4.0, 5.0, 6.0, 5])
def test_comparisons_are_a_floats_until_it_is_cancelled(now: float) -> None:
    deadline = Deadline(5.0, Cancellation())
    assert (now < deadline, now <= deadline, now > deadline, now >= deadline) == (now < 5, now <= 5, now > 5, now >= 5)
    assert min(deadline, now) == min(5.0, now)
    assert deadline - now == 5.0 - now


@pytest.mark.parametrize("now", [0.0, 5.0, 6.0])
def test_cancelled_it_has_passed_whenever_it_was_due(now: float) -> None:
    deadline = Deadline(5.0, Cancellation())
    deadline.cancellation.cancel()
    assert (now < deadline, now <= deadline, now > deadline, now >= deadline) == (False, False, True, True)
    assert min(deadline, now) is deadline
    assert min(now, deadline) is deadline


def test_moved_deadlines_are_cancelled_together() -> None:
    first = Deadline(5.0, Cancellation())
    later = moved(first, 9.0)
    assert float(later) == 9.0
    assert min(later, 1.0) == 1.0
    first.cancellation.cancel()
    assert min(later, 1.0) is later


def test_plain_numbers_stay_plain() -> None:
    assert type(moved(5.0, 9.0)) is float


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
