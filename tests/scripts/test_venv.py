"""The script that makes the environment says one line, and all where the installation fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.node_process import ROOT

NOISE = "a page of setuptools about this kind of install"


@pytest.mark.parametrize("status", [0, 1])
def test_the_editable_install_is_quiet_unless_it_fails(tmp_path: Path, status: int) -> None:
    # in a checkout of its own: an installation begins by taking the core away
    for name in ("scripts", "core"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for file in (ROOT / "pyproject.toml", ROOT / "setup.py", *ROOT.glob("requirements*.lock")):
        shutil.copy(file, tmp_path)
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    # stands for the environment's Python: it installs nothing
    program.write_text(f'#!/bin/sh\ncase "$*" in *--editable*) echo "{NOISE}" >&2; exit {status};; esac\n')
    program.chmod(0o755)
    finished = subprocess.run(
        ["sh", tmp_path / "scripts" / "venv.sh", "run"],
        env=os.environ | {"VENV": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == status
    assert (NOISE in finished.stderr) == bool(status)
    assert finished.stdout == ""
    assert (tmp_path / ".installed-run").exists() == (not status)
