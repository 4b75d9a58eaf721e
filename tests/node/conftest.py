"""Commands and nodes as processes of their own, in a folder of their own."""

import gc
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from testing.forked import ForkedNode, run_forked
from testing.node_process import NodeProcess, node_environment
from zevm.chain.vm.engines.engine import EVM
from zevm.node.cli import main

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., NodeProcess]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No zevm.toml, .zevm, ZEVM_ variable or ETH_RPC_URL of the caller's, but the engine that the tests run on."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name == "ETH_RPC_URL" or (name.startswith("ZEVM_") and name != EVM)]:
        monkeypatch.delenv(name)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start nodes; what still runs at the end of the test is stopped."""
    running: list[NodeProcess] = []

    def begin(*arguments: str, **options: object) -> NodeProcess:
        command = [sys.executable, "-m", "zevm", "run", "--port", "0", *arguments]
        running.append(ForkedNode(command, cwd=tmp_path, **options))
        return running[-1]

    yield begin
    for node in running:
        with node:
            pass


Here = Callable[..., "Told"]


class Told(NamedTuple):
    """How a command ended."""

    code: object
    out: str
    err: str


@contextmanager
def kept_log() -> Iterator[None]:
    """The root logger as it was: a node's start has it write to standard error, and to nothing else."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers.copy()
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """Run a command that ends by itself in this process, which spares its start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, stdin: str = "") -> Told:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        monkeypatch.setattr(sys, "argv", ["zevm", *arguments])
        with pytest.raises(SystemExit) as ended, kept_log():
            main()
        told = capsys.readouterr()
        return Told(ended.value.code, told.out, told.err)

    interval = sys.getswitchinterval()
    yield run
    sys.setswitchinterval(interval)
    gc.enable()


@pytest.fixture
def zevm(tmp_path: Path, here: Here) -> Command:
    """Run a command to its end: here, unless it is asked for a process of its own or starts a node."""

    def run(*arguments: str, stdin: str = "", process: bool = False) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "zevm", *arguments]
        if not process and arguments[0] != "run":
            code, out, err = here(*arguments, stdin=stdin)
            return subprocess.CompletedProcess(command, int(str(code)), out, err)
        return run_forked(arguments, stdin=stdin, cwd=tmp_path, environment=node_environment(), timeout_seconds=60)

    return run
