"""The schedule of the consensus campaign, what it refuses, and what it takes for late finality."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.consensus.network import Network, Plan, Ports, Slots
from verification.consensus import run as consensus
from verification.consensus.campaign import Campaign, CampaignError, Look
from verification.consensus.run import MIN_SLOTS, disturbances, is_final, kill_in_each_epoch

REFUSED = {
    ("--slots", "187"): "--slots 187: want at least 188, or finality is not seen",
    ("--slots", "0"): "--slots 0: want at least 188",
    ("--alone", "--slots", "41"): "--slots 41: want at least 42",
    ("--seconds-per-slot", "1"): "--seconds-per-slot 1: want 2 to 12",
    ("--seconds-per-slot", "13"): "--seconds-per-slot 13: want 2 to 12",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items())
def test_a_run_too_short_for_its_claim_is_refused(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        consensus.main(words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("slots", [MIN_SLOTS, 200, 387, 388, 1200])
def test_each_disturbance_comes_in_order_and_leaves_time_to_see_its_end(slots: int) -> None:
    begins = [action.slot for action in disturbances(slots)]
    assert begins == sorted(begins)
    assert len(begins) == 7 * (1 + (slots - MIN_SLOTS) // 200)
    assert begins[-1] + 40 <= slots
    assert [action.slot for action in disturbances(slots) if not action.needs_step] == begins[6::7]


def test_each_epoch_has_a_kill() -> None:
    assert [action.slot for action in kill_in_each_epoch(33)] == [4, 12, 20, 28]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    network = Network(Plan(tmp_path, [Ports(1, 2, 3, 4)], 4, "0x"))
    network.slots = Slots(0, 2)
    return Campaign(network)


def _live(campaign: Campaign, last: int, late: range = range(0)) -> None:
    """Looks at a chain in step whose finality is two epochs back, and stands still in the given slots."""
    finalized = 0
    for slot in range(1, last + 1):
        if slot not in late:
            finalized = max(0, (slot // 8 - 2) * 8)
        campaign.looks.append(Look(slot, 0, slot, slot, finalized, finalized))


CASES: dict[str, tuple[int, range, list[tuple[int, int]], str | None]] = {
    "always in time": (80, range(0), [], None),
    "late without a reason": (80, range(48, 70), [], "finality is 4 epochs behind in slot 56"),
    "late after a program was away": (80, range(48, 70), [(46, 50)], None),
    "late long after it": (120, range(48, 100), [(46, 50)], "finality is 7 epochs behind in slot 83"),
    "late at the end": (70, range(48, 71), [(46, 50)], "finality is 5 epochs behind in slot 70"),
}


@pytest.mark.parametrize("name", CASES)
def test_finality_may_be_late_only_where_a_program_was_away(name: str, campaign: Campaign) -> None:
    last, late, disturbed, fault = CASES[name]
    _live(campaign, last, late)
    campaign.disturbed.extend(disturbed)
    if fault is None:
        campaign.check_finality()
        return
    with pytest.raises(CampaignError, match=fault):
        campaign.check_finality()


def test_finality_does_not_go_back(campaign: Campaign) -> None:
    campaign.looks += [Look(41, 0, 41, 41, 24, 24), Look(42, 0, 42, 42, 16, 16)]
    with pytest.raises(CampaignError, match=r"`finalized` went back: \[24, 16\]"):
        campaign.check_finality()


def test_the_run_ends_with_finality_and_a_kill_in_each_epoch(campaign: Campaign) -> None:
    seen = []
    for finalized, kills in ((0, 4), (16, 3), (16, 4)):
        campaign.looks = [Look(33, 0, 33, 33, finalized, finalized)]
        campaign.kills = kills
        seen.append(is_final(campaign))
    assert seen == [False, False, True]
