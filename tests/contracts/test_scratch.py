"""Folders of compiles: gone with the compile, or with the next process where theirs was killed."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from zevm.contracts import scratch
from zevm.contracts.scratch import YOUNG_SECONDS, scratch_folder, sweep

_HOLDER = """
import sys, time
from pathlib import Path
from zevm.contracts.scratch import scratch_folder
with scratch_folder("held") as folder:
    (folder / "part").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def age(folder: Path) -> None:
    before = time.time() - YOUNG_SECONDS - 60
    os.utime(folder, (before, before))


def test_a_folder_goes_with_its_use(tmp_path: Path) -> None:
    with scratch_folder("a", tmp_path) as folder:
        (folder / "file").write_text("x")
        age(folder)
        sweep(tmp_path)
        assert (folder / "file").exists(), "it is held"
    assert list(tmp_path.iterdir()) == []


def test_the_next_process_deletes_what_a_killed_one_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    left = Path(process.stdout.readline().strip())
    assert left.parent == tmp_path
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    age(left)
    with scratch_folder("b"):
        assert left.exists(), "its process lives"
    process.kill()
    process.communicate()
    scratch._swept.discard(str(tmp_path))
    other = tmp_path / "zevm-crash-1"
    other.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    link = tmp_path / "zevm-scratch-link"
    link.symlink_to(target)
    for folder in (other, target, left):
        age(folder)
    young = tmp_path / "zevm-scratch-solc-1"
    young.mkdir()
    with scratch_folder("c"):
        assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted((other, target, link, young))
