"""forge verify-contract, as the documents have it, and hardhat verify: sources are kept, and wrong ones refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from testing.forked import ForkedNode
from testing.node_process import ROOT, NodeProcess, node_environment, zevm_command
from tests.clients.document_blocks import blocks_of
from tests.clients.tools import ACCOUNTS, BIN, CLIENTS, EXAMPLES, KEYS, run_tool

SOLC = CLIENTS / "bin" / "solc"
TIME_SECONDS = 600
"""solc of npm takes seconds for a contract, and a multiple of that beside other tests."""

pytestmark = pytest.mark.timeout(TIME_SECONDS)


@pytest.fixture(scope="module")
def version(npm_tools: None) -> str:  # noqa: ARG001
    """The compiler's, as `0.8.37+commit.f401782d`."""
    return run_tool(SOLC, "--version").stdout.split("Version: ")[1].partition(".Linux")[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, version: str) -> Path:
    """A project of one contract, in a home whose compiler lies where Foundry's version manager would put it."""
    home = tmp_path_factory.mktemp("home")
    number = version.partition("+")[0]
    installed = home / ".svm" / number / f"solc-{number}"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(SOLC)
    root = home / "project"
    (root / "src").mkdir(parents=True)
    shutil.copy(EXAMPLES / "src" / "Counter.sol", root / "src")
    (root / "foundry.toml").write_text(
        f'[profile.default]\nsolc = "{version}"\nevm_version = "osaka"\noptimizer = true\noffline = true\n'
        "auto_detect_remappings = false\ncache = false\nlibs = []\n"
    )
    return root


@pytest.fixture(scope="module")
def verifying(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with a data directory, which finds the same compiler as forge does."""
    folder = tmp_path_factory.mktemp("node")
    environment = node_environment() | {"HOME": str(project.parent)}
    with ForkedNode(zevm_command("--datadir", str(folder), "--solc", str(SOLC)), environment=environment) as process:
        yield process


def forge(project: Path, *arguments: str, check: bool = True) -> str:
    home = str(project.parent)
    finished = run_tool(BIN / "forge", *arguments, cwd=project, check=check, timeout_seconds=TIME_SECONDS, HOME=home)
    return finished.stdout + finished.stderr


def page(node: NodeProcess, path: str) -> str:
    with urlopen(Request(f"{node.url}{path}", headers={"accept": "text/html"}), timeout=60) as answer:
        return str(answer.read().decode())


def deployed(project: Path, node: NodeProcess, number: int) -> str:
    out = forge(
        project, "create", "src/Counter.sol:Counter", "--rpc-url", node.url, "--private-key", KEYS[0], "--broadcast",
        "--json", "--constructor-args", str(number),
    )  # fmt: skip
    return str(json.loads(out[out.index("{") : out.rindex("}") + 1])["deployedTo"])


def documented(document: str) -> list[str]:
    """The commands of a document that it leaves to this file."""
    blocks = [block for block in blocks_of(ROOT / document) if Path(__file__).name in (block.reason or "")]
    return [line for block in blocks for line in block.text.splitlines()]


def follow(command: str, address: str, project: Path, node: NodeProcess, *, check: bool = True) -> str:
    """What a command of a document tells, in a shell as README prepares it."""
    finished = run_tool(
        "bash", "-c", command.replace("http://127.0.0.1:8545", node.url), cwd=project, check=check,
        timeout_seconds=TIME_SECONDS, HOME=str(project.parent), ADDRESS=address, ETH_RPC_URL=node.url,
        PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
    )  # fmt: skip
    return finished.stdout + finished.stderr


def test_forge_verifies_by_the_commands_of_the_documents(project: Path, verifying: NodeProcess) -> None:
    (of_readme,) = documented("README.md")
    by_etherscan, by_sourcify = documented("docs/explorer.md")
    address = deployed(project, verifying, 5)
    source = project / "src" / "Counter.sol"
    right = source.read_text()
    source.write_text(right.replace("LIMIT = 1_000_000", "LIMIT = 1_000_001"))
    refused = follow(by_etherscan, address, project, verifying, check=False)
    assert "Unable to verify" in refused
    assert "Counter compiles to other code than the account has" in refused
    assert "LIMIT" not in page(verifying, f"/address/{address}/source")

    source.write_text(right + "\n// a comment changes the hash of the metadata alone\n")
    assert "Contract successfully verified" in follow(of_readme, address, project, verifying)
    shown = page(verifying, f"/address/{address}/source")
    assert "a comment changes the hash" in shown
    assert "match without metadata" in shown
    told = follow(by_sourcify, address, project, verifying)
    assert "successfully verified" in told, "no exact match: it may be better"

    other = "0x" + "c1" * 20
    with verifying.connect() as rpc:
        rpc.call("anvil_setCode", other, rpc.call("eth_getCode", address, "latest"))
    assert "Counter" in page(verifying, f"/address/{other}"), "the same code at another address is known"


def test_hardhat_verifies(project: Path, verifying: NodeProcess) -> None:
    (project / "node_modules").symlink_to(CLIENTS / "node_modules")
    (project / "hardhat.config.js").write_text(
        f"const base = require({json.dumps(str(EXAMPLES / 'hardhat.config.js'))});\n"
        'require("@nomicfoundation/hardhat-verify");\n'
        "const urls = { apiURL: `${process.env.ETH_RPC_URL}/api`, browserURL: process.env.ETH_RPC_URL };\n"
        'const etherscan = { apiKey: { zevm: "any" }, customChains: [{ network: "zevm", chainId: 31337, urls }] };\n'
        "module.exports = { ...base, etherscan, sourcify: { enabled: false } };\n"
    )

    def hardhat(*arguments: str) -> str:
        return run_tool(
            BIN / "hardhat", *arguments, cwd=project, timeout_seconds=TIME_SECONDS, ETH_RPC_URL=verifying.url
        ).stdout

    hardhat("compile")
    artifact = json.loads((project / "artifacts" / "src" / "Counter.sol" / "Counter.json").read_text())
    with verifying.connect() as rpc:
        transaction = {"from": ACCOUNTS[0], "data": artifact["bytecode"] + f"{7:064x}"}
        receipt = rpc.call("eth_getTransactionReceipt", rpc.call("eth_sendTransaction", transaction))
    address = receipt["contractAddress"]
    told = hardhat("verify", "--network", "localhost", address, "7")
    assert "uccessfully verified" in told, told
    assert f"{verifying.url}/address/{address}" in told
    assert "contract Counter" in page(verifying, f"/address/{address}/source")
