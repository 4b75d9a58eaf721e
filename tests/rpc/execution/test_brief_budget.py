"""Budgets of short executions: time that passes, or time of a processor."""

import time

import pytest

from zevm.chain.concurrency.deadline import Deadline
from zevm.rpc.execution.brief import NOT_BRIEF, BriefExecutions
from zevm.rpc.execution.durations import MOST_PROOFS, Durations

BUDGET_SECONDS = 0.05


def work(waits_seconds: float, works_seconds: float, *, deadline: Deadline) -> str:
    """Wait without a processor, as a thread does that others keep from it, and then use one."""
    time.sleep(waits_seconds)
    until = time.thread_time() + works_seconds
    while time.thread_time() < until:
        deadline.check()
    deadline.check()
    return "done"


@pytest.mark.parametrize(("of_processor", "outcome"), [(True, "done"), (False, NOT_BRIEF)])
def test_a_thread_that_waits_for_a_processor_is_not_long_by_that(of_processor: bool, outcome: object) -> None:
    brief = BriefExecutions(BUDGET_SECONDS, 10, of_processor=of_processor)
    brief.took(("kind",), 0)
    assert brief.run(("kind",), (work, 2 * BUDGET_SECONDS, 0.0)) == outcome
    assert (brief.here, brief.overran) == ((1, 0) if of_processor else (0, 1))
    # the wait says nothing of the kind
    assert brief.expects(("kind",))


@pytest.mark.parametrize("of_processor", [True, False])
def test_work_past_the_budget_is_given_up(of_processor: bool) -> None:
    brief = BriefExecutions(BUDGET_SECONDS, 10, of_processor=of_processor)
    brief.took(("kind",), 0)
    begun = time.thread_time()
    assert brief.run(("kind",), (work, 0.0, 100 * BUDGET_SECONDS)) is NOT_BRIEF
    assert time.thread_time() - begun < 2 * BUDGET_SECONDS
    assert (brief.here, brief.overran) == (0, 1)
    # without a budget of the processor's, what others kept from the thread says nothing of the kind
    assert brief.expects(("kind",)) <= (not of_processor)


def test_a_long_kind_is_found_out_though_its_first_run_was_not_timed() -> None:
    """The first that overruns says nothing, as its thread may have waited; from then on they are timed."""
    brief, kind = BriefExecutions(BUDGET_SECONDS / 10, 10), ("kind",)

    def long_step(*, deadline: Deadline) -> None:
        until = time.thread_time() + BUDGET_SECONDS
        while time.thread_time() < until:
            pass
        deadline.check()

    brief.took(kind, 0)
    for expected in (True, False):
        assert brief.run(kind, (long_step,)) is NOT_BRIEF
        assert brief.expects(kind) is expected
    assert (brief.here, brief.overran) == (0, 2)


def test_a_kind_in_doubt_is_timed_until_it_has_kept_many_expectations() -> None:
    durations, kind = Durations(1.0, 10), ("kind",)
    durations.took(kind, 0.5)
    assert not durations.is_doubtful(kind)
    durations.doubt(kind)
    assert durations.is_short(kind)
    for _ in range(MOST_PROOFS):
        assert durations.is_doubtful(kind)
        durations.kept(kind)
    assert not durations.is_doubtful(kind)
    durations.overran(kind)
    assert durations.is_doubtful(kind)
