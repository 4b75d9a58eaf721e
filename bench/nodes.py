"""The nodes that the benchmark compares: how each is started, and what it calls its controls."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testing.node_process import READY, ROOT, NodeProcess, zevm_command

TOOLS = ROOT / "tests" / "clients" / "node_modules" / ".bin"
HARDHAT_PROJECT = ROOT / "examples"
HARDHAT_READY = re.compile(r"JSON-RPC server at http://(?P<host>[\w.]+):(?P<port>\d+)")


BEFORE = "before"  # begins the names of another checkout's nodes


@dataclass(frozen=True, slots=True)
class Contender:
    """A node under measurement. `command` takes the data directory; only persistent nodes use it."""

    name: str
    command: Callable[[Path], list[str]]
    ready: re.Pattern[str] = READY
    cwd: Path = ROOT
    persistent: bool = False
    checkout: Path = ROOT

    def start(self, datadir: Path) -> NodeProcess:
        return NodeProcess(self.command(datadir), ready=self.ready, cwd=self.cwd, checkout=self.checkout)


def free_port() -> int:
    """A port that was free a moment ago, for a node that cannot choose one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("zEVM", lambda datadir: zevm_command("--datadir", str(datadir)), persistent=True),
        Contender("zEVM --memory", lambda _: zevm_command("--memory")),
        Contender("Anvil", lambda _: [str(TOOLS / "anvil"), "--port", "0"]),
        Contender(
            "Hardhat 2",
            lambda _: [str(TOOLS / "hardhat"), "node", "--port", str(free_port())],
            ready=HARDHAT_READY,
            cwd=HARDHAT_PROJECT,
        ),
    )
}


def before(checkout: Path) -> list[Contender]:
    """zEVM of another checkout, on disk and in memory: run by the command that its own `.venv` holds."""
    command = checkout / ".venv" / "bin" / "zevm"
    if not command.is_file():
        raise SystemExit(f"{command} is not there: run `make install` in {checkout}")
    start = [str(command), "run", "--port", "0"]
    on_disk = Contender(
        BEFORE, lambda datadir: [*start, "--datadir", str(datadir)], cwd=checkout, checkout=checkout, persistent=True
    )
    in_memory = Contender(f"{BEFORE} --memory", lambda _: [*start, "--memory"], cwd=checkout, checkout=checkout)
    return [on_disk, in_memory]
