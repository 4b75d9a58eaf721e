"""Artifacts of `zevm contract build`, used by each tool as it uses those of solc: bytecode and appended arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testing.contracts import CONTRACTS, compiled
from testing.node_process import NodeProcess, RpcConnection
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, BIN, CLIENTS, EXAMPLES, KEYS, run_tool
from zevm.contracts.artifact import load_artifact

DEPLOYER, KEY = ACCOUNTS[4], KEYS[4]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ERC-20 token in Zig, whose constructor takes the supply."""
    return compiled(CONTRACTS / "zig" / "token.zig").write(tmp_path_factory.mktemp("out"))


def test_an_artifact_is_read_as_it_was_written(artifact: Path) -> None:
    built, read = compiled(CONTRACTS / "zig" / "token.zig"), load_artifact(artifact)
    for name in ("name", "source", "language", "abi", "bytecode", "deployed_bytecode", "storage_layout", "module"):
        assert getattr(read, name) == getattr(built, name), name
    assert [item["label"] for item in json.loads(artifact.read_text())["storageLayout"]["storage"]] == [
        "_balances", "_allowances", "_totalSupply", "_name", "_symbol",
    ]  # fmt: skip


def test_web3py(node: NodeProcess, artifact: Path) -> None:
    w3, document = web3_at(node.url), json.loads(artifact.read_text())
    factory = w3.eth.contract(abi=document["abi"], bytecode=document["bytecode"]["object"])
    sent = factory.constructor(1000).transact({"from": DEPLOYER})
    receipt = w3.eth.wait_for_transaction_receipt(sent, timeout=20)
    contract = factory(receipt["contractAddress"])
    assert contract.functions.balanceOf(DEPLOYER).call() == 1000
    assert w3.eth.get_code(contract.address).to_0x_hex() == document["deployedBytecode"]["object"]


def test_cast(node: NodeProcess, rpc: RpcConnection, artifact: Path) -> None:
    code = json.loads(artifact.read_text())["bytecode"]["object"]
    created = ("--create", code, "constructor(uint256)", "1004")
    told = run_tool(BIN / "cast", "send", "--json", "--private-key", KEY, "--rpc-url", node.url, *created).stdout
    address = json.loads(told)["contractAddress"]
    balance = ("balanceOf(address)(uint256)", DEPLOYER)
    assert run_tool(BIN / "cast", "call", "--rpc-url", node.url, address, *balance).stdout.split()[0] == "1004"
    assert rpc.call("eth_getCode", address, "latest") == json.loads(artifact.read_text())["deployedBytecode"]["object"]


def test_ethers_and_viem(node: NodeProcess, artifact: Path) -> None:
    environment = {"ETH_RPC_URL": node.url, "ARTIFACT": str(artifact), "KEY": KEY}
    told = run_tool("node", CLIENTS / "zig_artifact.mjs", **environment).stdout
    assert told.splitlines() == ["ethers 1001", "viem 1002"]


def test_hardhat(node: NodeProcess, artifact: Path) -> None:
    command = ("run", "--no-compile", "--network", "localhost", CLIENTS / "zig_artifact.cjs")
    environment = {"ETH_RPC_URL": node.url, "ARTIFACT": str(artifact)}
    told = run_tool(BIN / "hardhat", *command, cwd=EXAMPLES, **environment).stdout
    assert told.splitlines()[-1] == "hardhat 1003"
