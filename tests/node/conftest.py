"""Commands and nodes as processes of their own, in a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.node_process import ROOT, NodeProcess

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., NodeProcess]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No zevm.toml, .zevm or ZEVM_ variable of the caller's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ZEVM_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def zevm(tmp_path: Path) -> Command:
    """Run a command to its end."""

    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "node", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start nodes; what still runs at the end of the test is stopped."""
    running: list[NodeProcess] = []

    def begin(*arguments: str, **options: object) -> NodeProcess:
        command = [sys.executable, "-m", "node", "run", "--port", "0", *arguments]
        running.append(NodeProcess(command, cwd=tmp_path, **options))  # type: ignore[arg-type]
        return running[-1]

    yield begin
    for node in running:
        with node:
            pass
