"""N6: README's quick starts, run as they stand, in a fresh clone that has nothing but what their own lines install.

What they print is what README says. The first one takes the installation's time.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.node_process import ROOT, NodeProcess

INSTALLATION_SECONDS = 900

TEXT = (ROOT / "README.md").read_text().split("## Quick starts")[1].split("\n## ")[0]
BLOCKS = {
    title.strip(): re.findall(r"^```sh\n(.*?)^```", body, flags=re.MULTILINE | re.DOTALL)
    for title, _, body in (section.partition("\n") for section in TEXT.split("\n### "))
}
PREPARATION = BLOCKS.pop("")[0]
OF_THIS_CHECKOUT = ("VIRTUAL_ENV", "PYTHONPATH", "NODE_PATH", "MAKEFLAGS", "MAKELEVEL", "VENV", "PYTHON")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(INSTALLATION_SECONDS)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what is committed: no .venv, no node_modules, nothing compiled."""
    folder = tmp_path_factory.mktemp("clone") / "zevm"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def bare() -> dict[str, str]:
    """The caller's environment without anything of this checkout."""
    here = str(ROOT)
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(here))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in OF_THIS_CHECKOUT and not name.startswith(("ZEVM_", "ETH_", "PYTEST"))
    }
    return kept | {"PATH": path, "NO_COLOR": "1", "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"}


@pytest.fixture(scope="module")
def fresh_node(clone: Path, bare: dict[str, str]) -> Iterator[NodeProcess]:
    """A chain of its own, by README's line: the examples name the addresses of the first contracts."""
    command = ["make", "--silent", "run", "ARGS=--memory --port 0"]
    with NodeProcess(command, cwd=clone, environment=bare, ready_timeout_seconds=INSTALLATION_SECONDS) as node:
        yield node


def _expected(block: str) -> list[str]:
    return re.findall(r"^#> (.*)$", block, flags=re.MULTILINE)


@pytest.mark.parametrize("title", [title for title, blocks in BLOCKS.items() if blocks])
def test_n6_quick_start(title: str, clone: Path, bare: dict[str, str], fresh_node: NodeProcess) -> None:
    (block,) = BLOCKS[title]
    script = (PREPARATION + block).replace("127.0.0.1:8545", f"127.0.0.1:{fresh_node.port}")
    finished = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"],
        cwd=clone, env=bare, capture_output=True, text=True, timeout=INSTALLATION_SECONDS, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.splitlines() == _expected(block), finished.stderr


def test_every_client_has_a_quick_start() -> None:
    clients = ["curl", "Foundry", "web3.py", "Hardhat", "ethers and viem", "WebAssembly contracts", "MetaMask"]
    assert list(BLOCKS) == clients
    assert [title for title, blocks in BLOCKS.items() if not blocks] == ["MetaMask"]
