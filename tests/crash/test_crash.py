"""kill -9 under load, with the figures of continuous integration; `scripts/crash_test.py --kills N` goes further."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import crash_test


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    assert crash_test.main(["--kills", "25", "--datadir", str(tmp_path / "data")]) == 0
