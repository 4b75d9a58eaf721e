"""Losses of power, a few; `verification.crash.power` goes further."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from verification.crash import power
from verification.crash.journal import Event, Kind
from verification.crash.medium import SECTOR_BYTES, File, Folder, Medium


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_with_the_power() -> None:
    assert power.main(["--trials", "20", "--trials-per-run", "10", "--operations", "30"]) == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ignored", [".log", "MANIFEST-000002"])
def test_a_disk_that_pretends_to_sync_is_noticed(
    ignored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The campaign can fail: with each of these syncs left out, something acknowledged is lost."""
    # the runs that show a fault are kept there
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    arguments = ["--trials", "20", "--operations", "30", "--ignore", ignored]
    assert power.main(arguments) == 1
    assert "was synced" in (told := capsys.readouterr().err) or "refused" in told
    assert "--again" in told


def event(kind: Kind, descriptor: int = 3, number: int = 0, first: bytes = b"", second: bytes = b"") -> Event:
    return Event(kind, descriptor, number, first, second)


def written(medium: Medium, name: bytes, *contents: bytes, sync: bool) -> None:
    medium.play(event(Kind.OPEN, number=1, first=name))
    offset = 0
    for content in contents:
        medium.play(event(Kind.WRITE, number=offset, first=content))
        offset += len(content)
    if sync:
        medium.play(event(Kind.SYNC))
    medium.play(event(Kind.CLOSE))


def survivors(medium: Medium, folder: Path, count: int = 60) -> list[dict[str, bytes]]:
    found = []
    for seed in range(count):
        target = folder / str(seed)
        medium.write_survivor(target, Random(seed))
        found.append({file.name: file.read_bytes() for file in target.iterdir()})
    return found


def test_what_was_synced_is_there_and_what_was_not_may_be(tmp_path: Path) -> None:
    medium = Medium(None)
    written(medium, b"synced", b"a" * 5000, sync=True)
    written(medium, b"other", b"b" * 5000, sync=False)
    found = survivors(medium, tmp_path, 300)
    assert all(files["synced"] == b"a" * 5000 for files in found)
    others = Counter(files.get("other") for files in found)
    assert {None, b"", b"b" * 5000} <= others.keys()
    assert len(others) > 5


def test_a_sync_of_a_file_makes_the_names_before_it_durable_unless_strict(tmp_path: Path) -> None:
    for strict in (False, True):
        medium = Medium(None, strict=strict)
        written(medium, b"first", b"a", sync=False)
        medium.play(event(Kind.RENAME, first=b"first", second=b"renamed"))
        written(medium, b"second", b"b", sync=True)
        (tmp_path / str(strict)).mkdir()
        found = survivors(medium, tmp_path / str(strict))
        assert any("renamed" not in files or "second" not in files for files in found) is strict


def test_names_are_lost_from_one_on_or_in_any_order_if_strict() -> None:
    folder = Folder()
    nodes = {name: File() for name in (b"a", b"b")}
    for name, node in nodes.items():
        folder.change({name: node})
    kept = {
        strict: {tuple(folder.survivor(Random(seed), strict=strict)) for seed in range(40)} for strict in (False, True)
    }
    assert kept[False] == {(), (b"a",), (b"a", b"b")}
    assert kept[True] == {*kept[False], (b"b",)}


def test_a_sector_that_is_overwritten_is_old_or_new(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "mark").write_bytes(b"a" * 40)
    medium = Medium(tmp_path / "start")
    written(medium, b"mark", b"b" * 40, sync=False)
    (tmp_path / "found").mkdir()
    assert {files["mark"] for files in survivors(medium, tmp_path / "found")} == {b"a" * 40, b"b" * 40}


def test_pages_of_unsynced_writes_are_missing_in_any_order(tmp_path: Path) -> None:
    medium = Medium(None)
    written(medium, b"log", *[bytes((number,)) * SECTOR_BYTES for number in range(1, 17)], sync=False)
    contents = [files.get("log", b"") for files in survivors(medium, tmp_path, 200)]
    firsts = [[content[at] for at in range(0, len(content), SECTOR_BYTES)] for content in contents]
    assert any(0 in sectors and sectors[-1] != 0 for sectors in firsts)
