"""A short slice of the audit's labelled set, and the set's own order."""

import pytest

from tests.clients.tools import CLIENTS
from verification.audit import labels, run
from zevm.analysis.audit.rules import DELEGATECALL, RULES


def test_every_label_has_its_source_and_every_source_its_label() -> None:
    cases = labels.own_cases()
    assert {case.file for case in cases} | {labels.CONTRACTS / "OpenZeppelin.sol"} == set(labels.CONTRACTS.iterdir())
    assert all(case.weaknesses <= RULES.keys() for case in cases)
    assert len({(case.file, case.contract) for case in cases}) == len(cases)


@pytest.mark.clients
@pytest.mark.skipif(not (CLIENTS / "node_modules").exists(), reason="needs the npm tools")
def test_the_campaign_on_two_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--only", "Delegate.sol", "--only", "DelegateSafe.sol"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(f"| `{DELEGATECALL}`"))
    assert row.startswith(f"| `{DELEGATECALL}` | 7 | 7 |")
    assert row.endswith("| 0 of 6 |")
