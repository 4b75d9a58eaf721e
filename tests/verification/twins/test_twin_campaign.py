"""verification.twins.run: a short campaign finds nothing, and one in front of a difference finds it."""

from __future__ import annotations

import pytest

import zevm
from testing.twins.compiled import TWINS, Language, code_of
from testing.twins.deployed import deploy
from testing.twins.worlds import SCENARIOS, Scenario, World
from verification.twins.run import main

pytestmark = [pytest.mark.clients, pytest.mark.slow]


def test_every_twin_has_a_scenario() -> None:
    assert set(SCENARIOS) == set(TWINS)


@pytest.mark.timeout(600)
def test_a_short_campaign_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rounds", "1", "--seed", "5", "--sequences", "2", "--steps", "20"]) == 0
    printed = capsys.readouterr().out
    assert "nothing found" in printed
    for twin in TWINS:
        assert f"{twin}: " in printed


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One side's fee is a hundredth of a percent higher, which shows in the storage at once."""

    original = SCENARIOS["escrow"]

    def build(node: zevm.Node, language: Language) -> World:
        world = original.build(node, language)
        fee = 250 if language == "zig" else 251
        arguments = (node.accounts[1].address, node.accounts[2].address, fee, 5, "An escrow")
        contract = deploy(node, code_of("escrow", language), *arguments)
        return World(contract, world.places, contract.address)

    monkeypatch.setitem(SCENARIOS, "other", Scenario(build, original.actions))
    assert main(["--twin", "other", "--rounds", "1", "--steps", "5"]) == 1
    assert "again: python -m verification.twins.run --twin other --seed 1" in capsys.readouterr().out
