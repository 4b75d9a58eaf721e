"""Tools that execute by themselves upon the node's state: forge script, cast run, cast call --trace.

They run EVM bytecode alone. Of a WebAssembly contract they see code that begins with STOP, and nothing of it may break
them; what it really does they can ask the node. docs/tracing.md tells this to users.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3
from web3.contract import Contract

from testing.node_process import NodeProcess, RpcConnection
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, BIN, EXAMPLES, KEYS, Artifact, artifact, run_tool
from tests.clients.wasm_contracts import compile_module, creation

SENDER, KEY, RECEIVER = ACCOUNTS[6], KEYS[6], "0x0000000000000000000000000000000000570002"
SUPPLY = 10**24


@pytest.fixture(scope="module")
def w3(node: NodeProcess) -> Web3:
    return web3_at(node.url)


def deploy(w3: Web3, abi: list[dict[str, Any]], data: bytes) -> Any:
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction({"from": SENDER, "data": data}))
    assert receipt["status"] == 1
    return w3.eth.contract(receipt["contractAddress"], abi=abi)


@pytest.fixture(scope="module")
def counting(w3: Web3, counter: Artifact) -> Any:
    """A counter in Solidity that starts at 7."""
    return deploy(w3, counter.abi, bytes.fromhex(counter.bytecode[2:]) + (7).to_bytes(32, "big"))


@pytest.fixture(scope="module")
def module() -> bytes:
    return compile_module("zig/token.zig")


@pytest.fixture(scope="module")
def token(w3: Web3, module: bytes, built: None) -> Any:  # noqa: ARG001
    """The token in Zig."""
    return deploy(w3, artifact("TwinToken").abi, creation(module, SUPPLY))


@pytest.fixture(scope="module")
def compressed(w3: Web3, module: bytes, built: None) -> Any:  # noqa: ARG001
    """The same token, whose code is kept compressed."""
    return deploy(w3, artifact("TwinToken").abi, creation(module, SUPPLY, form="compressed"))


class Script:
    """`forge script` of Simulate.s.sol; its records of transactions go to a folder of the test's."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def __call__(self, signature: str, *arguments: str, flags: tuple[str, ...] = ()) -> str:
        finished = run_tool(
            BIN / "forge", "script", "script/Simulate.s.sol:Simulate", "--rpc-url", self.url, "--private-key", KEY,
            *flags, "--sig", signature, *arguments, cwd=EXAMPLES, FOUNDRY_BROADCAST=str(self.folder),
        )  # fmt: skip
        return finished.stdout + finished.stderr


@pytest.fixture
def script(node: NodeProcess, built: None, tmp_path: Path) -> Script:  # noqa: ARG001
    return Script(node.url, tmp_path)


def cast(node: NodeProcess, *arguments: str) -> str:
    finished = run_tool(BIN / "cast", *arguments, ETH_RPC_URL=node.url)
    return finished.stdout + finished.stderr


def test_a_script_simulates_upon_the_nodes_state(script: Script, counting: Contract, rpc: RpcConnection) -> None:
    """It reads what the node holds, tells what it would send and cost, and changes nothing."""
    head = rpc.call("eth_blockNumber")
    printed = script("count(address)", counting.address, flags=("-vvvv",))
    assert "before: uint256 7" in printed
    assert "afterwards: uint256 8" in printed
    assert "emit NumberChanged" in printed
    assert "SIMULATION COMPLETE" in printed
    (record,) = script.folder.rglob("dry-run/count-latest.json")
    (planned,) = json.loads(record.read_text())["transactions"]
    assert planned["transaction"]["to"] == counting.address.lower()
    assert counting.functions.number().call() == 7
    assert rpc.call("eth_blockNumber") == head
    script("count(address)", counting.address, flags=("--broadcast",))
    assert counting.functions.number().call() == 8
    assert "before: uint256 8" in script("count(address)", counting.address)


def test_a_script_sees_a_module_as_code_that_stops(script: Script, token: Contract, w3: Web3) -> None:
    printed = script("look(address)", token.address)
    assert f"codeSize: uint256 {len(w3.eth.get_code(token.address))}" in printed
    assert "success: bool true" in printed
    assert "resultSize: uint256 0" in printed


def test_a_script_asks_the_node_about_a_module(script: Script, token: Contract) -> None:
    assert f"supply: uint256 {SUPPLY}" in script("ask(address)", token.address)


def test_a_script_sends_to_a_module(script: Script, token: Contract) -> None:
    before = token.functions.balanceOf(RECEIVER).call()
    flags = ("--broadcast", "--skip-simulation")
    assert "COMPLETE & SUCCESSFUL" in script("pay(address,address,uint256)", token.address, RECEIVER, "5", flags=flags)
    assert token.functions.balanceOf(RECEIVER).call() == before + 5


def test_cast_run_of_a_modules_transaction(node: NodeProcess, w3: Web3, rpc: RpcConnection, token: Contract) -> None:
    """It stops at the first byte; the node's own trace has what happened."""
    sent = w3.eth.wait_for_transaction_receipt(token.functions.transfer(RECEIVER, 5).transact({"from": SENDER}))
    name = sent["transactionHash"].to_0x_hex()
    for flags in ((), ("--quick",)):
        printed = cast(node, "run", *flags, name)
        assert "[Stop]" in printed
        assert "Transaction successfully executed." in printed
        assert "emit" not in printed
    trace = json.loads(
        cast(node, "rpc", "debug_traceTransaction", name, '{"tracer":"callTracer","tracerConfig":{"withLog":true}}')
    )
    assert int(trace["gasUsed"], 16) == sent["gasUsed"]
    assert len(trace["logs"]) == 1
    deployment = rpc.call("eth_getBlockByNumber", hex(deployed_in(w3, token)), False)["transactions"][0]
    assert "Transaction successfully executed." in cast(node, "run", deployment)


def deployed_in(w3: Web3, contract: Contract) -> int:
    """The block whose transaction created a contract."""
    numbers = range(1, w3.eth.block_number + 1)
    return next(number for number in numbers if w3.eth.get_code(contract.address, number))


def test_cast_run_of_a_compressed_modules_transaction(node: NodeProcess, w3: Web3, compressed: Contract) -> None:
    """Its first byte is no instruction, so that the failure is plain to see."""
    sent = w3.eth.wait_for_transaction_receipt(compressed.functions.transfer(RECEIVER, 5).transact({"from": SENDER}))
    assert sent["status"] == 1
    printed = cast(node, "run", sent["transactionHash"].to_0x_hex())
    assert "Transaction failed." in printed


def test_cast_call_of_a_module(node: NodeProcess, token: Contract) -> None:
    """With --trace cast executes by itself, without it the node does."""
    arguments = (token.address, "totalSupply()(uint256)")
    assert "[Stop]" in cast(node, "call", "--trace", *arguments)
    assert cast(node, "call", *arguments).split()[0] == str(SUPPLY)
