"""The campaign of a fork's starts, with few slots; and that it finds a slow one and a wrong one."""

import pytest

from testing.speed import PATIENCE_SECONDS
from verification.forks import starts

pytestmark = pytest.mark.slow


def test_a_fork_with_slots_on_disk_starts(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = str(starts.LIMIT_SECONDS + PATIENCE_SECONDS)
    assert starts.main(["--slots", "300", "--turns", "1", "--limit-seconds", seconds]) == 0
    told = capsys.readouterr().out
    assert "300 slots with their proofs are" in told
    assert told.count("with nothing on disk") == 1


def test_a_slow_start_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = starts.Start(1.0, 3.0, 2.0), starts.Start(1.0, 1.0, 1.0)
    monkeypatch.setattr(starts, "run", lambda *_: iter([pair, pair]))
    assert starts.main([]) == 1
    assert starts.main(["--limit-seconds", "4"]) == 0


def test_the_slots_are_in_parts() -> None:
    assert list(starts.parts(5, 2)) == [(1, 3), (3, 5), (5, 6)]
