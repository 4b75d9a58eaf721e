"""The limits of verified contracts, from the settings to what they bound."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from testing.solc_double import solc_double
from tests.analysis.test_verification import BODY, LIBRARY, Job, source, submission, verified
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.verification.comparison import Match
from zevm.analysis.verification.errors import Failure
from zevm.analysis.verification.verifier import Verifier
from zevm.contracts.errors import CompilerBusyError
from zevm.node.contract_verifier import contract_verifier
from zevm.node.settings import Settings
from zevm.rpc.errors import with_hint


def verifier(tmp_path: Path, **limits: Any) -> Verifier:
    named = {f"rpc_{name}": value for name, value in limits.items()}
    settings = Settings(datadir=tmp_path / "data", solc=(solc_double(tmp_path / "tool"),), **named)
    return contract_verifier(settings, settings.limits, Catalogue())


@pytest.mark.parametrize(
    ("limits", "line", "reason"),
    [
        ({"verify_seconds": 0.5}, "endless", r"took more than 0\.5 seconds"),
        ({"verify_output_bytes": 4_096}, "large", "wrote more than 4,096 bytes"),
        ({"verify_memory_bytes": 1 << 20}, "", "(?i)solc|memory|cannot map"),
        ({"verified_bytes": 100}, "", "--rpc-verified-bytes"),
    ],
)
def test_each_limit_fails_what_exceeds_it(tmp_path: Path, limits: dict[str, Any], line: str, reason: str) -> None:
    with closing(verifier(tmp_path, **limits)) as small:
        outcome = verified(small, BODY, line, source(BODY))
        assert outcome.match is None
        assert re.search(reason, with_hint(outcome.reason, outcome.failure))


def test_as_many_contracts_are_kept_as_the_limit_says(tmp_path: Path) -> None:
    with closing(verifier(tmp_path, verified_contracts=1)) as small:
        assert verified(small, LIBRARY, source(LIBRARY)).match is Match.EXACT
        outcome = verified(small, BODY, source(BODY))
        assert outcome.failure is Failure.STORE_FULL
        assert "--rpc-verified-contracts" in with_hint(outcome.reason, outcome.failure)


def test_compiles_wait_for_each_other_and_few_are_remembered(tmp_path: Path) -> None:
    with closing(verifier(tmp_path, verify_compiles=1, verify_waiting=1, verify_outcomes=1)) as small:
        first, second = (small.submit(Job(submission("endless"), b"", BODY)) for _ in range(2))
        with pytest.raises(CompilerBusyError, match="1 contracts are being verified and 1 wait"):
            small.submit(Job(submission("endless"), b"", BODY))
        assert all((found := small.outcome(name)) is not None and found.is_pending for name in (first, second))


def test_contracts_are_kept_in_the_data_directory(tmp_path: Path) -> None:
    with closing(verifier(tmp_path)) as usual:
        for code in (BODY, LIBRARY):
            assert verified(usual, code, source(code)).match is Match.EXACT
    assert len(list((tmp_path / "data" / "verified").iterdir())) == 2
