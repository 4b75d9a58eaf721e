"""forge verify-contract and hardhat verify against the node: the sources are kept, and wrong ones are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, zevm_command
from tests.clients.tools import ACCOUNTS, BIN, CLIENTS, EXAMPLES, KEYS, run_tool

SOLC = CLIENTS / "bin" / "solc"
SIX_SECONDS = 600.0


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
        f'[profile.default]\nsolc = "{SOLC}"\nevm_version = "osaka"\noptimizer = true\noffline = true\n'
        "auto_detect_remappings = false\ncache = false\n"
    )
    return root


@pytest.fixture(scope="module")
def verifying(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node with a data directory, which finds the same compiler as forge does."""
    folder = tmp_path_factory.mktemp("node")
    with ForkedNode(zevm_command("--datadir", str(folder)), env={"HOME": str(project.parent)}) as process:
        yield process


def forge(project: Path, *arguments: str, check: bool = True) -> str:
    finished = run_tool(
        BIN / "forge", *arguments, cwd=project, check=check, timeout_seconds=SIX_SECONDS, HOME=str(project.parent)
    )
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


def verify(project: Path, node: NodeProcess, address: str, version: str, *options: str, check: bool = True) -> str:
    return forge(
        project, "verify-contract", address, "src/Counter.sol:Counter", "--chain", "31337", "--watch",
        "--compiler-version", version, "--constructor-args", f"0x{5:064x}", *options, check=check,
    )  # fmt: skip


def test_forge_verifies_by_etherscans_and_sourcifys_interface(
    project: Path, verifying: NodeProcess, version: str
) -> None:
    address = deployed(project, verifying, 5)
    source = project / "src" / "Counter.sol"
    right = source.read_text()
    etherscan = ("--verifier", "custom", "--verifier-url", f"{verifying.url}/api")
    source.write_text(right.replace("LIMIT = 1_000_000", "LIMIT = 1_000_001"))
    refused = verify(project, verifying, address, version, *etherscan, check=False)
    assert "Contract failed to verify" in refused
    assert "Counter compiles to other code than the account has" in refused
    assert "LIMIT" not in page(verifying, f"/address/{address}/source")

    source.write_text(right + "\n// a comment changes the hash of the metadata alone\n")
    assert "Contract successfully verified" in verify(project, verifying, address, version, *etherscan)
    shown = page(verifying, f"/address/{address}/source")
    assert "a comment changes the hash" in shown
    assert "match without metadata" in shown
    sourcify = ("--verifier", "sourcify", "--verifier-url", f"{verifying.url}/")
    again = verify(project, verifying, address, version, *sourcify)
    assert "already verified" in again

    source.write_text(right)
    other = deployed(project, verifying, 6)
    with_name = page(verifying, f"/address/{other}")
    assert "Counter" in with_name, "the same code at another address is known"


def test_hardhat_verifies(verifying: NodeProcess, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    configuration = tmp_path / "hardhat.config.cjs"
    configuration.write_text(
        f"const base = require({json.dumps(str(EXAMPLES / 'hardhat.config.js'))});\n"
        f"require({json.dumps(str(CLIENTS / 'node_modules' / '@nomicfoundation' / 'hardhat-verify'))});\n"
        "base.etherscan = { apiKey: { zevm: 'any' }, customChains: [{ network: 'zevm', chainId: 31337, urls: "
        f"{{ apiURL: '{verifying.url}/api', browserURL: '{verifying.url}' }} }}] }};\n"
        f"base.paths = {{ ...base.paths, root: {json.dumps(str(EXAMPLES))} }};\n"
        "module.exports = base;\n"
    )
    artifact = json.loads((EXAMPLES / "artifacts" / "src" / "Box.sol" / "Box.json").read_text())
    with verifying.connect() as rpc:
        transaction = {"from": ACCOUNTS[0], "data": artifact["bytecode"]}
        receipt = rpc.call("eth_getTransactionReceipt", rpc.call("eth_sendTransaction", transaction))
    address = receipt["contractAddress"]
    command = (
        BIN / "hardhat", "--config", configuration, "verify", "--network", "localhost", "--contract",
        "src/Box.sol:Box", address,
    )  # fmt: skip
    told = run_tool(*command, cwd=EXAMPLES, timeout_seconds=SIX_SECONDS, ETH_RPC_URL=verifying.url).stdout
    assert "Successfully verified contract Box" in told, told
    assert f"{verifying.url}/address/{address}" in told
    assert "contract Box" in page(verifying, f"/address/{address}/source")
