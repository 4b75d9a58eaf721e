"""One zEVM under Lodestar until finality, with a kill -9 in each epoch; `verification.consensus.run` goes further."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.consensus.network import missing
from verification.consensus import run as consensus

REASON = missing()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_a_real_consensus_client_reaches_finality_through_kills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--alone", "--folder", str(tmp_path / "network")]
    code = consensus.main(words)
    assert code == 0, capsys.readouterr().out
