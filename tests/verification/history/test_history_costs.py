"""A short slice of the campaign that measures what a long chain costs; `verification.history.run` goes further."""

from pathlib import Path
from random import Random

import pytest

from verification.history import run as history
from verification.history.wide import WideState, measure


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_short_chain_reads_as_it_was_after_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its values alone count: at this height times and ratios are the process's own."""
    monkeypatch.setattr(history, "LIMITS", dict.fromkeys(history.LIMITS, float("inf")))
    monkeypatch.setattr(history, "READS", 20)
    assert history.main(["--blocks", "120", "--parts", "2"]) == 0


def test_a_wide_state_takes_little_more_than_its_records(tmp_path: Path) -> None:
    cost = measure(tmp_path / "data", WideState(blocks=12, accounts=3_000, slots=7_500), Random(1))
    assert cost.flat_bytes > 600_000
    assert cost.disk_bytes < 6 * cost.flat_bytes


def test_a_figure_past_its_limit_is_a_problem() -> None:
    figures = history.Figures()
    figures.tell("bytes of disk a block", 1_536)
    assert figures.problems == []
    figures.tell("bytes of disk a block", 1_537)
    assert figures.problems == ["bytes of disk a block: 1,537.00, at most 1,536.00"]
