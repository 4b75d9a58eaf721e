"""A short slice of the campaign that kills leaders and followers."""

from __future__ import annotations

import re
import sys

import pytest

from verification.replication import run


@pytest.mark.slow
def test_a_kill_of_each_loses_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["run", "--kills", "3", "--load-seconds", "1", "--seed", "2"])
    assert run.main() == 0, capsys.readouterr().out
    told = capsys.readouterr().out
    assert re.search(r"[12] kills of the leader, [12] of the follower, \d+ operations: nothing lost", told)
