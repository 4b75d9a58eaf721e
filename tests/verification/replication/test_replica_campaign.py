"""verification.replication.run: a short campaign finds nothing, and a loss is found."""

from __future__ import annotations

import pytest

from verification.replication import run as replication
from verification.replication.load import Load
from verification.replication.nodes import Node

pytestmark = pytest.mark.slow
SHORT = ("--followers", "1", "--bound-seconds", "120")


def test_a_short_campaign_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    # the follower twice on a way that loses datagrams, then both
    assert replication.main(["--kills", "3", "--seed", "19", *SHORT]) == 0
    printed = capsys.readouterr().out
    assert "of the leader" in printed
    assert "of followers" in printed
    assert "nothing lost" in printed


def test_a_loss_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A transaction that the leader has answered, and no chain has."""
    prepare, lost = Load.prepare, "0x" + "ab" * 32

    def prepared(load: Load, leader: Node) -> None:
        prepare(load, leader)
        load.recent.append(lost)

    monkeypatch.setattr(Load, "prepare", prepared)
    assert replication.main(["--kills", "1", "--seed", "7", *SHORT]) == 1
    assert f"leader lacks acknowledged transactions: ['{lost}']" in capsys.readouterr().out
