"""The script that makes the environment says one line, and all where the installation fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.node_process import ROOT

NOISE = "a page of setuptools about this kind of install"


def install(folder: Path, cases: str) -> "subprocess.CompletedProcess[str]":
    """Run the script in a checkout of its own: an installation begins by taking the core away.

    cases: what the environment's Python does for its arguments, as cases of a shell; otherwise it installs nothing.
    """
    for name in ("scripts", "core"):
        shutil.copytree(ROOT / name, folder / name)
    for file in (ROOT / "pyproject.toml", ROOT / "setup.py", *ROOT.glob("requirements*.lock")):
        shutil.copy(file, folder)
    program = folder / "bin" / "python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in {cases} esac\n')
    program.chmod(0o755)
    return subprocess.run(
        ["sh", folder / "scripts" / "venv.sh", "run"],
        env=os.environ | {"VENV": str(folder), "PYTHON": sys.executable},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("status", [0, 1])
def test_the_editable_install_is_quiet_unless_it_fails(tmp_path: Path, status: int) -> None:
    finished = install(tmp_path, f'*--editable*) echo "{NOISE}" >&2; exit {status};;')
    assert finished.returncode == status
    assert (NOISE in finished.stderr) == bool(status)
    assert finished.stdout == ""
    assert (tmp_path / ".installed-run").exists() == (not status)


@pytest.mark.parametrize("status", [0, 1])
def test_the_core_is_built_while_the_packages_come(tmp_path: Path, status: int) -> None:
    """Each waits for the other to have begun; where the packages fail, nothing is left behind."""
    pipe, tools = tmp_path / "pipe", tmp_path / ".core-compiler"
    os.mkfifo(pipe)
    finished = install(
        tmp_path,
        f"""*--ready*) exit 1;;
        *--target*) mkdir "{tools}";;
        *core/build.py*) cat "{pipe}"; touch "{tools}/late";;
        *--requirement\\ requirements.lock*) echo "packages come" > "{pipe}"; exit {status};;""",
    )
    assert finished.returncode == status
    assert finished.stdout == "packages come\n"
    assert not tools.exists()
