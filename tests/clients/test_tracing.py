"""Traces as tools ask for them: web3.py's debug module, cast run, cast call --trace, cast rpc."""

from __future__ import annotations

import json
from typing import Any

import pytest
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import TransactionNotFound, Web3RPCError

from testing.node_process import NodeProcess, RpcConnection
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, BIN, Artifact, run_tool

SENDER = ACCOUNTS[7]
CHANGED = Web3.keccak(text="NumberChanged(address,uint256,uint256)")


def tracing(w3: Web3) -> Any:
    """The module for Parity's traces, which web3.py attaches by name."""
    return w3.tracing  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def w3(node: NodeProcess) -> Web3:
    return web3_at(node.url)


@pytest.fixture(scope="module")
def contract(w3: Web3, counter: Artifact) -> Any:
    sent = w3.eth.contract(abi=counter.abi, bytecode=counter.bytecode).constructor(7).transact({"from": SENDER})
    return w3.eth.contract(w3.eth.wait_for_transaction_receipt(sent)["contractAddress"], abi=counter.abi)


@pytest.fixture(scope="module")
def change(w3: Web3, contract: Contract) -> Any:
    """The receipt of setNumber(41), with another change after it."""
    receipt = w3.eth.wait_for_transaction_receipt(contract.functions.setNumber(41).transact({"from": SENDER}))
    w3.eth.wait_for_transaction_receipt(contract.functions.setNumber(42).transact({"from": SENDER}))
    return receipt


@pytest.fixture(scope="module")
def failure(w3: Web3, contract: Contract) -> Any:
    """The receipt of a transaction that reverted."""
    sent = contract.functions.refuse().build_transaction({"from": SENDER, "gas": 100_000})
    return w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction(sent))


def test_web3_call_tracer(w3: Web3, contract: Contract, change: Any) -> None:
    config: Any = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
    found: Any = w3.geth.debug.trace_transaction(change["transactionHash"], config)
    assert (found["type"], found["from"], found["to"]) == ("CALL", SENDER, contract.address)
    assert found["gasUsed"] == change["gasUsed"]
    assert found["logs"][0]["topics"][0] == CHANGED


def test_web3_reads_reverts(w3: Web3, failure: Any) -> None:
    found: Any = w3.geth.debug.trace_transaction(failure["transactionHash"], {"tracer": "callTracer"})
    assert (found["error"], found["revertReason"]) == ("execution reverted", "Counter: refused")


def test_web3_prestate_and_difference(w3: Web3, contract: Contract, change: Any) -> None:
    before: Any = w3.geth.debug.trace_transaction(change["transactionHash"], {"tracer": "prestateTracer"})
    slots = {int(key, 16): int(value, 16) for key, value in before[contract.address]["storage"].items()}
    assert slots[0] == 7
    config: Any = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
    difference: Any = w3.geth.debug.trace_transaction(change["transactionHash"], config)
    assert 41 in [int(value, 16) for value in difference["post"][contract.address]["storage"].values()]


def test_web3_struct_logs_and_selectors(w3: Web3, change: Any) -> None:
    found: Any = w3.geth.debug.trace_transaction(change["transactionHash"], {"enableMemory": True})
    assert (found["failed"], found["gas"]) == (False, change["gasUsed"])
    assert [step["op"] for step in found["structLogs"]].count("SSTORE") == 2
    selectors: Any = w3.geth.debug.trace_transaction(change["transactionHash"], {"tracer": "4byteTracer"})
    assert selectors == {"0x3fb5c1cb-32": 1}


def test_web3_paritys_traces(w3: Web3, contract: Contract, change: Any) -> None:
    frames: Any = tracing(w3).trace_transaction(change["transactionHash"])
    assert frames[0]["action"]["to"] == contract.address
    assert frames[0]["transactionHash"] == change["transactionHash"]
    block: Any = tracing(w3).trace_block(change["blockNumber"])
    assert [frame["transactionHash"] for frame in block] == [change["transactionHash"]]
    number = change["blockNumber"]
    found: Any = tracing(w3).trace_filter({"fromBlock": number, "toBlock": number, "fromAddress": [SENDER]})
    assert len(found) == 1


def test_web3_paritys_replays(w3: Web3, contract: Contract, change: Any) -> None:
    modes: Any = ["trace", "stateDiff", "vmTrace"]
    replay: Any = tracing(w3).trace_replay_transaction(change["transactionHash"], modes)
    assert replay["stateDiff"][contract.address.lower()]["storage"]
    assert len(replay["vmTrace"]["ops"]) > 100
    block: Any = tracing(w3).trace_replay_block_transactions(change["blockNumber"], ["trace"])
    assert len(block) == 1
    call: Any = {"from": SENDER, "to": contract.address, "data": "0x8381f58a"}
    called: Any = tracing(w3).trace_call(call)
    assert int.from_bytes(called["output"]) == 42


def test_web3_errors(w3: Web3, change: Any) -> None:
    with pytest.raises((TransactionNotFound, Web3RPCError), match="transaction not found"):
        w3.geth.debug.trace_transaction("0x" + "11" * 32)
    with pytest.raises(Web3RPCError, match="bogusTracer is not defined"):
        w3.geth.debug.trace_transaction(change["transactionHash"], {"tracer": "bogusTracer"})


def cast(node: NodeProcess, *arguments: str, check: bool = True) -> str:
    finished = run_tool(BIN / "cast", *arguments, check=check, ETH_RPC_URL=node.url)
    return finished.stdout + finished.stderr


def test_cast_run(node: NodeProcess, contract: Contract, change: Any, failure: Any) -> None:
    printed = cast(node, "run", change["transactionHash"].to_0x_hex())
    assert contract.address in printed
    assert "emit" in printed
    assert f"Gas used: {change['gasUsed']}" in printed
    quick = cast(node, "run", "--quick", change["transactionHash"].to_0x_hex())
    assert f"Gas used: {change['gasUsed']}" in quick
    reverted = cast(node, "run", failure["transactionHash"].to_0x_hex())
    assert "Counter: refused" in reverted


def test_cast_call_with_a_trace(node: NodeProcess, contract: Contract) -> None:
    printed = cast(node, "call", "--trace", "--from", SENDER, contract.address, "setNumber(uint256)", "5")
    assert "Transaction successfully executed." in printed
    assert "emit" in printed


def test_cast_sends_any_trace_method(node: NodeProcess, contract: Contract, change: Any) -> None:
    block = hex(change["blockNumber"])
    found = json.loads(cast(node, "rpc", "debug_traceBlockByNumber", block, '{"tracer":"callTracer"}'))
    assert [item["txHash"] for item in found] == [change["transactionHash"].to_0x_hex()]
    message = json.dumps({"to": contract.address, "data": "0x8381f58a"})
    called = json.loads(cast(node, "rpc", "debug_traceCall", message, "latest", '{"tracer":"flatCallTracer"}'))
    assert called[0]["result"]["output"] == f"0x{42:064x}"
    assert "block #9999999 not found" in cast(node, "rpc", "debug_traceBlockByNumber", "0x98967f", check=False)


def test_every_tracer_over_http(rpc: RpcConnection, change: Any) -> None:
    names = ("4byte", "call", "erc7562", "flatCall", "keccak256Preimage", "mux", "noop", "prestate")
    transaction_hash = change["transactionHash"].to_0x_hex()
    for name in names:
        assert rpc.call("debug_traceTransaction", transaction_hash, {"tracer": name + "Tracer"}) is not None
