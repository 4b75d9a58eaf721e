"""The commands of docs/clients.md, run as they stand."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from scripts.node_process import ROOT, NodeProcess
from tests.clients.tools import run_tool

GUIDE = ROOT / "docs" / "clients.md"
BLOCKS = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
EXPECTED = {
    "Tools and contracts": r"out/Savings\.vy/Savings\.json",
    "curl": r'"0x7a69".*"result":\s?"0x',
    "Foundry": r"Deployed to: 0x.*ONCHAIN EXECUTION COMPLETE.*status +1 .*contractAddress +0x.*status +1 ",
    "Hardhat": r"Counter at 0x\w{40}.* passing",
    "web3.py, ethers, viem": r"(Counter at 0x\w{40} holds 8n?\nSavings at 0x\w{40} holds 25n?\n){3}",
}


@pytest.mark.parametrize(("title", "commands"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_block(node: NodeProcess, built: None, title: str, commands: str) -> None:  # noqa: ARG001
    """Each command succeeds, and the block prints what it should; the port alone is changed, and where Python is."""
    script = commands.replace("http://127.0.0.1:8545", node.url)
    finished = run_tool(
        "bash", "-euo", "pipefail", "-c", script,
        cwd=ROOT, timeout_seconds=110, ZEVM_URL=node.url,
        PATH=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    )  # fmt: skip
    assert re.search(EXPECTED[title], finished.stdout, re.DOTALL), finished.stdout


def test_every_block_is_expected() -> None:
    assert [title for title, _ in BLOCKS] == list(EXPECTED)
