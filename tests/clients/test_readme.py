"""README's quick starts, run as they stand against a fresh node: what they print is what README says."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.node_process import ROOT, NodeProcess, zevm_command

TEXT = (ROOT / "README.md").read_text().split("## Quick starts")[1].split("\n## ")[0]
BLOCKS = {
    title.strip(): re.findall(r"^```sh\n(.*?)^```", body, flags=re.MULTILINE | re.DOTALL)
    for title, _, body in (section.partition("\n") for section in TEXT.split("\n### "))
}
PREPARATION = BLOCKS.pop("")[0]


@pytest.fixture(scope="module")
def fresh_node() -> Iterator[NodeProcess]:
    """A chain of its own: the examples name the addresses of the first contracts."""
    with NodeProcess(zevm_command("--memory")) as node:
        yield node


def _expected(block: str) -> list[str]:
    return re.findall(r"^#> (.*)$", block, flags=re.MULTILINE)


@pytest.mark.parametrize("title", [title for title, blocks in BLOCKS.items() if blocks])
def test_quick_start(title: str, fresh_node: NodeProcess, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    (block,) = BLOCKS[title]
    script = (PREPARATION + block).replace("127.0.0.1:8545", f"127.0.0.1:{fresh_node.port}")
    (tmp_path / "zevm").write_text(f'#!/bin/sh\nexec {sys.executable} -m node "$@"\n')
    (tmp_path / "zevm").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "ZEVM_PORT": str(fresh_node.port),
        "ETH_RPC_URL": fresh_node.url,
        "NO_COLOR": "1",
    }
    finished = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.splitlines() == _expected(block), finished.stderr


def test_every_client_has_a_quick_start() -> None:
    clients = ["curl", "Foundry", "web3.py", "Hardhat", "ethers and viem", "WebAssembly contracts", "MetaMask"]
    assert list(BLOCKS) == clients
    assert [title for title, blocks in BLOCKS.items() if not blocks] == ["MetaMask"]
