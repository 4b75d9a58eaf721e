"""Weak contracts in Vyper, whose optimised dispatcher reads offsets from a table in the code."""

from pathlib import Path

import pytest
import vyper

from testing.node_process import ROOT
from tests.analysis.test_audit_rules import blank_ground
from zevm.analysis.audit.audit import audit
from zevm.analysis.audit.loading import of_code

CONTRACTS: Path = ROOT / "verification" / "audit"
EXPECTED = {
    "reentrant_bank.vy": "reentrancy",
    "open_owner.vy": "access-control",
    "open_treasury.vy": "access-control",
    "delegates_input.vy": "delegatecall-to-input",
}
SOUND = ["delegates_owner.vy", "owned_treasury.vy", "safe_bank.vy", "simple_vote.vy"]


def rules_of(file: str) -> set[str]:
    """The rules by which an audit of a contract of the labelled set finds something."""
    (source,) = CONTRACTS.rglob(file)
    creation = bytes.fromhex(vyper.compile_code(source.read_text(), output_formats=["bytecode"])["bytecode"][2:])
    ground = blank_ground(None)
    return {finding.rule for finding in audit(of_code(file, creation, ground, None), ground=ground).findings}


@pytest.mark.parametrize(("file", "rule"), EXPECTED.items())
def test_weaknesses_are_found_in_optimised_vyper(file: str, rule: str) -> None:
    assert rule in rules_of(file)


@pytest.mark.parametrize("file", SOUND)
def test_sound_vyper_is_not_accused(file: str) -> None:
    assert not rules_of(file) & set(EXPECTED.values())
