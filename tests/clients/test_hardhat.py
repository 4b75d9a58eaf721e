"""Hardhat 2: the example project's own tests, run on the network `localhost`."""

from __future__ import annotations

import json
from pathlib import Path

from testing.node_process import NodeProcess, RpcConnection
from tests.clients.tools import BIN, CLIENTS, EXAMPLES, run_tool


def test_example_project(node: NodeProcess, rpc: RpcConnection, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    """Every mocha test passes, and its transactions really went through the node."""
    report = tmp_path / "report.json"
    before = rpc.call("evm_snapshot")
    run_tool(
        BIN / "hardhat", "test", "--network", "localhost",
        cwd=EXAMPLES, timeout_seconds=400, ETH_RPC_URL=node.url, MOCHA_REPORT=str(report),
    )  # fmt: skip
    statistics = json.loads(report.read_text())["stats"]
    assert statistics["failures"] == statistics["pending"] == 0
    assert statistics["passes"] >= 9
    assert int(rpc.call("evm_snapshot"), 16) > int(before, 16)


def test_n4_network_helpers_need_no_flag(node: NodeProcess, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    """Each of the package's helpers does its work on a node as it starts; the package itself lists them."""
    report = tmp_path / "report.json"
    run_tool(
        BIN / "hardhat", "test", "--network", "localhost", CLIENTS / "hardhat_helpers.test.cjs",
        cwd=EXAMPLES, timeout_seconds=400, ETH_RPC_URL=node.url, MOCHA_REPORT=str(report),
    )  # fmt: skip
    statistics = json.loads(report.read_text())["stats"]
    assert statistics["failures"] == statistics["pending"] == 0
    assert statistics["passes"] == statistics["tests"] >= 20
