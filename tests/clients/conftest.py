"""One running node for every client test, and the compiled example contracts.

ZEVM_TEST_NODE_COMMAND replaces the node's command line, to run the same tests against another node.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

import pytest

from testing.contracts import build_examples
from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, zevm_command
from tests.clients.tools import BIN, Artifact, artifact, build_vyper


@pytest.fixture(scope="session")
def node() -> Iterator[NodeProcess]:
    """A fresh node in memory, shared by the whole session: tests assert on differences, never on totals."""
    command = shlex.split(os.environ.get("ZEVM_TEST_NODE_COMMAND", "")) or zevm_command("--memory")
    with ForkedNode(command) as process:
        yield process


@pytest.fixture
def rpc(node: NodeProcess) -> Iterator[RpcConnection]:
    """A bare JSON-RPC connection, to look at the node from outside the client under test."""
    with node.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def npm_tools() -> None:
    """Fail with the remedy when the npm tools are absent."""
    if not (BIN / "forge").exists():
        pytest.fail("the client tools are missing: run scripts/install_client_tools.sh", pytrace=False)


@pytest.fixture(scope="session")
def built(npm_tools: None) -> None:  # noqa: ARG001
    """The example contracts, compiled by forge and Vyper into examples/out."""
    build_examples()
    build_vyper()


@pytest.fixture(scope="session")
def counter(built: None) -> Artifact:  # noqa: ARG001
    return artifact("Counter")


@pytest.fixture(scope="session")
def savings(built: None) -> Artifact:  # noqa: ARG001
    return artifact("Savings")
