"""A project of others whose tests start Anvil: its environment, the chains that it forks, and its outcomes."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from testing.node_process import NodeProcess, zevm_command

Outcomes = Mapping[str, bool]
"""Names of tests, and whether they pass. Skipped ones are left out."""


class Chain(NamedTuple):
    """A chain to fork, without accounts of a public network: its id, its first block, and blocks on top of it."""

    chain_id: int
    first: int
    blocks: int


class Origin(NamedTuple):
    """The URLs of a node that has such a chain."""

    http: str
    websocket: str


class Run(NamedTuple):
    """One run of a project's tests.

    environment: the folder of install(). checkout: the project's repository. folder: an empty one for a copy of it.
    origins: a node for each chain. variables: of the environment, with a program `anvil` in PATH. only: tests to run.
    """

    environment: Path
    checkout: Path
    folder: Path
    origins: Sequence[Origin]
    variables: Mapping[str, str]
    only: Sequence[str]

    def copy(self, *parts: str) -> None:
        """Copy files and folders of the repository."""
        for part in parts:
            source, target = self.checkout / part, self.folder / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)

    def call(self, command: Sequence[str | Path], **variables: str) -> None:
        """Run a program in the folder. Its exit code says nothing: some tests fail with every program."""
        subprocess.run(command, cwd=self.folder, env={**self.variables, **variables}, check=False)


class Project(Protocol):
    """A project. absent: begins of names of tests that need what is not here, with the reason."""

    chains: Sequence[Chain]
    absent: Mapping[str, str]

    def install(self, environment: Path, checkout: Path) -> None:
        """Install what the tests need into a folder. Raises CalledProcessError."""

    def run(self, run: Run) -> Outcomes:
        """Run the tests."""


@contextmanager
def origins(chains: Sequence[Chain]) -> Iterator[list[Origin]]:
    """A node for each chain."""
    with ExitStack() as stack:
        found = []
        for chain in chains:
            flags = ("--memory", "--chain-id", str(chain.chain_id), "--number", str(chain.first))
            node = stack.enter_context(NodeProcess(zevm_command(*flags)))
            with node.connect() as rpc:
                rpc.call("anvil_mine", hex(chain.blocks))
            found.append(Origin(node.url, node.url.replace("http", "ws", 1)))
        yield found
