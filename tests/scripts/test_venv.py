"""The script that makes the environment: what it says, and where it takes packages from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testing.node_process import ROOT

NOISE = "a page of setuptools about this kind of install"


@pytest.mark.parametrize("status", [0, 1])
def test_the_editable_install_is_quiet_unless_it_fails(tmp_path: Path, status: int) -> None:
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    # stands for the environment's Python: it installs nothing
    program.write_text(f'#!/bin/sh\ncase "$*" in *--editable*) echo "{NOISE}" >&2; exit {status};; esac\n')
    program.chmod(0o755)
    finished = subprocess.run(
        ["sh", ROOT / "scripts" / "venv.sh", "run"],
        env=os.environ | {"VENV": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == status
    assert (NOISE in finished.stderr) == bool(status)
    assert finished.stdout == ""
    assert (tmp_path / ".installed-run").exists() == (not status)


@pytest.mark.parametrize("held", [True, False])
def test_what_a_folder_holds_is_installed_without_the_index(tmp_path: Path, held: bool) -> None:
    calls, wheels = tmp_path / "calls", tmp_path / "wheels"
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    # stands for the environment's Python: an installation fails until the folder is there
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {calls}\n'
        f'case "$*" in *--no-index*) test -d {wheels};; *download*) mkdir -p {wheels};; esac\n'
    )
    program.chmod(0o755)
    if held:
        wheels.mkdir()
    subprocess.run(
        ["sh", ROOT / "scripts" / "venv.sh", "run"],
        env=os.environ | {"VENV": str(tmp_path), "PYTHON": sys.executable, "WHEELS": str(wheels)},
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    locked = [line for line in calls.read_text().splitlines() if "--require-hashes" in line]
    installed = [line for line in locked if f"install --no-index --find-links {wheels}" in line]
    downloaded = [line for line in locked if f"download --dest {wheels}" in line]
    assert len(locked) == len(installed) + len(downloaded)
    assert len(downloaded) == (0 if held else 1)
    assert installed[-1].endswith("requirements.lock")
