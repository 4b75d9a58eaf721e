"""ethers 6 and viem 2: scripts under Node's own test runner, one run for each library."""

from __future__ import annotations

import re

import pytest

from testing.node_process import NodeProcess
from tests.clients.tools import CLIENTS, EXAMPLES, run_tool


@pytest.mark.parametrize(("script", "least"), [("ethers_client.test.mjs", 11), ("viem_client.test.mjs", 14)])
def test_library(node: NodeProcess, built: None, script: str, least: int) -> None:  # noqa: ARG001
    """All tests of the script pass, and none was lost on the way."""
    printed = run_tool(
        "node", "--test", "--test-reporter=spec", "--test-timeout=60000", CLIENTS / script,
        ETH_RPC_URL=node.url, ZEVM_WS_URL=node.websocket_url, EXAMPLES=str(EXAMPLES),
    ).stdout  # fmt: skip
    figures = {
        name: int(count)
        for name, count in re.findall(r"^\S+ (pass|fail|skipped|cancelled) (\d+)$", printed, re.MULTILINE)
    }
    assert figures["pass"] >= least, printed
    assert figures["fail"] == figures["skipped"] == figures["cancelled"] == 0, printed
