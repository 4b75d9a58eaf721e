"""The campaign of a hung origin, with few calls; and that it finds what takes longer."""

import pytest

from verification.forks import hung

pytestmark = pytest.mark.slow


def test_calls_are_measured_next_to_those_that_wait(capsys: pytest.CaptureFixture[str]) -> None:
    """Their times are the campaign's own matter, as other tests run beside this one."""
    assert hung.main(["--calls", "200", "--turns", "2", "--limit", "1e9"]) == 0
    assert capsys.readouterr().out.count("next to 24 calls that wait") == 2


def test_a_longer_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hung, "run", lambda *_: iter([hung.Turn(1.0, 1.6), hung.Turn(1.0, 1.7), hung.Turn(1.0, 1.0)]))
    assert hung.main([]) == 1
    assert hung.main(["--limit", "2"]) == 0
