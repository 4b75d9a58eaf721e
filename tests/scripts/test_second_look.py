"""Failed tests are run again alone; those that fail alone, too many, and other ends than failed tests stand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testing.measuring import COVERAGE_FELL
from testing.second_look import LIMIT_TESTS, failed_tests, main

ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
TESTS = """
from pathlib import Path

def test_sound(): pass

def test_unsteady():
    seen = Path(__file__).with_name("seen")
    was, _ = seen.exists(), seen.touch()
    assert was

def test_faulty(): assert False
"""


def first_run(folder: Path, *names: str) -> int:
    """Run tests of a file as `make test` does, and return pytest's exit status."""
    (folder / "test_first.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "-n", "1", "-o", f"cache_dir={folder / 'cache'}"]
    tests = [f"test_first.py::{name}" for name in names]
    return subprocess.run(
        [*command, *tests], cwd=folder, env=os.environ | ALONE, capture_output=True, check=False
    ).returncode


def look(folder: Path, monkeypatch: pytest.MonkeyPatch, *statuses: int) -> int:
    monkeypatch.chdir(folder)
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    return main(["--cache", str(folder / "cache"), *map(str, statuses)])


def test_failed_tests_are_run_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert first_run(tmp_path, "test_unsteady", "test_faulty") == 1
    # a second part, in which all passes, keeps what failed in the first
    assert first_run(tmp_path, "test_sound") == 0
    assert [name.rpartition("::")[2] for name in failed_tests(tmp_path / "cache")] == ["test_faulty", "test_unsteady"]
    assert look(tmp_path, monkeypatch, 1, 0) == 1
    seen = capfd.readouterr().out
    assert "1 failed, 1 passed" in seen
    assert "and passed alone" not in seen
    (tmp_path / "test_first.py").write_text(TESTS.replace("assert False", "pass"))
    assert look(tmp_path, monkeypatch, 1, 0) == 0
    seen = capfd.readouterr().out
    assert "1 passed" in seen
    assert "these failed among others, and passed alone:\n  test_first.py::test_faulty\n" in seen
    assert failed_tests(tmp_path / "cache") == []


def keep(folder: Path, count: int) -> None:
    kept = folder / "cache" / "v" / "cache" / "lastfailed"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({f"tests/test_{number}.py::test": True for number in range(count)}))


@pytest.mark.parametrize("statuses", [(0, 0), (COVERAGE_FELL, 0), (COVERAGE_FELL, 1), (1, 2), (0, 3), (0, 130)])
def test_other_ends_than_failed_tests_have_no_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], statuses: tuple[int, int]
) -> None:
    keep(tmp_path, 1)
    assert look(tmp_path, monkeypatch, *statuses) == max(statuses)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("count", [0, LIMIT_TESTS + 1])
def test_none_and_too_many_have_no_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], count: int
) -> None:
    keep(tmp_path, count)
    assert look(tmp_path, monkeypatch, 1, 0) == 1
    assert f"second look: none, as {count} tests have failed" in capfd.readouterr().out
