"""Random sequences of calls have equal outcomes on both twins; `make twins` runs longer ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zevm
from testing.twins.actions import Step, steps
from testing.twins.compiled import TWINS
from testing.twins.sequences import run, two_nodes
from testing.twins.worlds import SCENARIOS

EXAMPLES, STEPS = 5, 30
ALL_CHECKS = list(HealthCheck)


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[zevm.Node, zevm.Node]]:
    with two_nodes() as both:
        yield both


def test_every_twin_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(TWINS)


@pytest.mark.parametrize("twin", TWINS)
def test_random_sequences_are_equal(nodes: tuple[zevm.Node, zevm.Node], twin: str) -> None:
    lists = st.lists(steps(SCENARIOS[twin].actions), min_size=STEPS // 2, max_size=STEPS)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=ALL_CHECKS)
    @given(lists)
    def check(drawn: list[Step]) -> None:
        run(twin, drawn, nodes)

    check()
