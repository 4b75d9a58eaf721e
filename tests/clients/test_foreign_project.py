"""A project that no one here wrote, with its own tests, on the network `localhost`: Safe's contracts out of npm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from testing.forked import ForkedNode
from testing.node_process import ROOT, zevm_command
from tests.clients.tools import run_tool

FOREIGN = ROOT / "tests" / "foreign"
PACKAGE = FOREIGN / "node_modules" / "@safe-global" / "safe-smart-account"
HARDHAT = FOREIGN / "node_modules" / ".bin" / "hardhat"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's contracts, deployments and tests as a compiled project; Hardhat takes none in node_modules."""
    if not HARDHAT.exists():
        pytest.fail("the client tools are missing: run scripts/install_client_tools.sh", pytrace=False)
    folder = tmp_path_factory.mktemp("safe")
    for part in ("contracts", "src", "test"):
        shutil.copytree(PACKAGE / part, folder / part)
    for file in ("hardhat.config.js", "package.json"):
        shutil.copy(FOREIGN / file, folder / file)
    (folder / "node_modules").symlink_to(FOREIGN / "node_modules")
    run_tool(HARDHAT, "compile", "--quiet", cwd=folder, timeout_seconds=400)
    return folder


RUNS = {
    # a node as it starts; gas is estimated, so that what reverts is refused
    "plain": ((), {"GAS": "auto"}, "factory/Proxy factory/ProxyFactory core/Safe.OwnerManager libraries/MultiSend", 70),
    # Hardhat's own defaults: a fixed amount of gas, and a node that answers a failed transaction with its error
    "as Hardhat's node": (("--throw-on-transaction-failure",), {}, "core/Safe.Setup core/Safe.ModuleManager", 45),
}

HARDHATS_OWN = {"Safe setup should not allow to call setup on singleton"}
"""Tests that want INVALID told as Hardhat's node alone tells it; geth's words for it are ours."""


@pytest.mark.parametrize("name", RUNS)
def test_safes_own_tests_pass(project: Path, tmp_path: Path, name: str) -> None:
    flags, environment, specs, least = RUNS[name]
    files = [f"test/{spec}.spec.ts" for spec in specs.split()]
    report = tmp_path / "report.json"
    with ForkedNode(zevm_command("--memory", *flags)) as node:
        run_tool(
            HARDHAT, "test", "--no-compile", "--network", "localhost", *files,
            cwd=project, timeout_seconds=400, check=False,
            ETH_RPC_URL=node.url, MOCHA_REPORT=str(report), **environment,
        )  # fmt: skip
    told = json.loads(report.read_text())
    failures = {test["fullTitle"]: test["err"].get("message") for test in told["failures"]}
    assert failures.keys() <= HARDHATS_OWN, failures
    assert told["stats"]["passes"] >= least
