"""Kills, damages and full disks with the figures of continuous integration; `verification.crash.run` goes further."""

from __future__ import annotations

from pathlib import Path

import pytest

from verification.crash import run as crash


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    assert crash.main(["--kills", "8", "--datadir", str(tmp_path / "data")]) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_b8_damages_of_one_file_and_of_log_and_marks_are_noticed(tmp_path: Path) -> None:
    arguments = ["--kills", "0", "--damages", "15", "--doubles", "6", "--datadir", str(tmp_path / "data")]
    assert crash.main(arguments) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_b7_full_disks_lose_nothing_and_the_node_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    assert crash.main(["--kills", "0", "--full-disks", "1", "--datadir", str(folder / "data")]) == 0
