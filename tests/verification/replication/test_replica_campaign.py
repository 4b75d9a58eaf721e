"""verification.replication.run: a short campaign finds nothing, and a loss is found."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from testing.speed import slowness
from verification.replication import run as replication
from verification.replication.campaign import Campaign
from verification.replication.load import Load
from verification.replication.network import Network
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


def test_a_loss_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A transaction that the leader has answered, and no chain has; what tells of it is kept."""
    prepare, lost = Load.prepare, "0x" + "ab" * 32

    def prepared(load: Load, leader: Node) -> None:
        prepare(load, leader)
        load.recent.append(lost)

    monkeypatch.setattr(Load, "prepare", prepared)
    evidence = tmp_path / "evidence"
    assert replication.main(["--kills", "1", "--seed", "7", "--evidence", str(evidence), *SHORT]) == 1
    printed = capsys.readouterr().out
    assert f"leader lacks acknowledged transactions: ['{lost}']" in printed
    assert str(evidence) in printed
    facts = json.loads((evidence / "facts.json").read_text())
    assert facts["heads"]["leader"] == facts["heads"]["follower-0"]
    assert facts["ways"][0]["to_server"] > 0
    follower, leader = ((evidence / f"{name}.log").read_text() for name in ("follower-0", "leader"))
    assert re.search(r"^follower: FollowReport\(connected=True, .*\), position ", follower, re.MULTILINE)
    assert re.search(r"^task follower: Follower\.run:\d+", follower, re.MULTILINE)
    for told in (follower, leader):
        assert re.search(
            r"^connection of zvm-sync/1 with .*: CONNECTED, ended None, confirmed True, ", told, re.MULTILINE
        )


def test_a_beginner_has_its_time_for_each_step(tmp_path: Path) -> None:
    """Its calls are answered after the bound although it is not there yet, which says nothing about the chain."""
    network = Network(1, Random(1))
    with closing(network), closing(Campaign(tmp_path, network, Random(1), 120 * slowness())) as campaign:
        campaign.leader.call("anvil_mine", hex(4_000))
        campaign.round()
        campaign._bound_seconds = 1.5
        campaign.finish()
        assert campaign.followers[-1].name == "replay"
