"""The campaign of the explorer's pages, on a short chain; and that it finds what is too slow or too large."""

import pytest

from verification.explorer import pages

pytestmark = pytest.mark.slow


def test_all_pages_are_measured() -> None:
    """Their times are the campaign's own matter, as other tests run beside this one."""
    figures = pages.measure(300, rounds=1, transfers=20)
    assert len({each.path for each in figures}) == len(figures) == 25
    for each in figures:
        assert 1_000 < each.size_bytes < pages.LIMIT_BYTES, each
        assert each.ms > 0


@pytest.mark.parametrize(
    ("path", "size_bytes", "ms", "status"),
    [
        ("/blocks", 9, 9.0, 0),
        ("/blocks", 150_001, 9.0, 1),
        ("/blocks", 9, 100.1, 1),
        ("/address/0x1/transactions", 9, 99.9, 0),
        ("/address/0x1/transactions", 9, 100.1, 1),
    ],
)
def test_what_is_past_a_limit_is_told(
    path: str,
    size_bytes: int,
    ms: float,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pages, "measure", lambda _: [pages.Figure(path, size_bytes, ms, 1_000.0)])
    assert pages.main([]) == status
    assert f"{status} past" in capsys.readouterr().out
