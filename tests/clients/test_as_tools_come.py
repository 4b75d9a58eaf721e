"""What tools send by themselves to a node that was started with no flag, and the two modes that some of them want."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3
from web3.exceptions import Web3RPCError

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, zevm_command
from testing.web3_http import web3_at
from tests.clients.tools import ACCOUNTS, BIN, CLIENTS, EXAMPLES, Artifact, run_tool

SENDER, OTHER = ACCOUNTS[2], ACCOUNTS[3]
GWEI = 10**9
BLOCK_GAS = 60_000_000


@pytest.fixture(scope="module")
def w3(node: NodeProcess) -> Web3:
    return web3_at(node.url)


@pytest.fixture(scope="module")
def moded() -> Iterator[Web3]:
    """A node in both of the modes that other nodes have by default."""
    flags = ("--memory", "--sign-transaction-object", "--throw-on-transaction-failure")
    with ForkedNode(zevm_command(*flags)) as process:
        yield web3_at(process.url)


def test_r2_ape_and_brownie_send_the_blocks_gas_limit(w3: Web3, counter: Artifact) -> None:
    gas_limit = w3.eth.get_block("latest")["gasLimit"]
    assert gas_limit == BLOCK_GAS
    transfer = {"from": SENDER, "to": OTHER, "value": 1, "gas": gas_limit}
    assert w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction(transfer), timeout=20)["status"] == 1
    made = {"from": SENDER, "data": counter.bytecode + f"{7:064x}", "gas": gas_limit}
    assert w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction(made), timeout=20)["contractAddress"]


def test_n1_n2_safe_sends_16_million_gas_at_100_gwei_and_hardhat_30_million(w3: Web3) -> None:
    for gas in (16_000_000, 30_000_000):
        request = {"from": SENDER, "to": OTHER, "gas": gas, "gasPrice": 100 * GWEI}
        receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction(request), timeout=20)
        assert (receipt["status"], receipt["gasUsed"]) == (1, 21_000)
    assert w3.eth.max_priority_fee == GWEI  # N3


def test_r12_web3_py_sends_the_type_as_a_number(w3: Web3) -> None:
    request: Any = {"from": SENDER, "to": OTHER, "type": 2}
    answer = w3.provider.make_request("eth_sendTransaction", [request])
    assert w3.eth.get_transaction(answer["result"])["type"] == 2


def test_r7_cast_sends_a_blob_through_the_node(node: NodeProcess, npm_tools: None, tmp_path: Path) -> None:  # noqa: ARG001
    file = tmp_path / "blob.bin"
    file.write_bytes(b"what was meant to be kept for eighteen days" * 40)
    sending = ("send", "--unlocked", "--from", SENDER, OTHER, "--blob", "--path", file, "--json")
    receipt = run_tool(BIN / "cast", *sending, ETH_RPC_URL=node.url).stdout
    assert '"type":"0x3"' in receipt
    assert '"status":"0x1"' in receipt


def test_r6_cast_asks_for_an_access_list_from_nobody(node: NodeProcess, npm_tools: None) -> None:  # noqa: ARG001
    listed = run_tool(BIN / "cast", "access-list", OTHER, "--gas-price", "0", ETH_RPC_URL=node.url).stdout
    assert "gas used: 21000" in listed


def test_r13_web3_py_signs_where_the_node_answers_the_object(moded: Web3) -> None:
    request: Any = {"from": SENDER, "to": OTHER, "value": 5, "gas": 21_000, "nonce": 0}
    signed = moded.eth.sign_transaction(request | {"maxFeePerGas": 5 * GWEI, "maxPriorityFeePerGas": GWEI})
    assert signed["tx"]["value"] == 5
    sent = moded.eth.send_raw_transaction(signed["raw"])
    assert moded.eth.wait_for_transaction_receipt(sent, timeout=20)["status"] == 1


def test_n5_a_failing_transaction_throws_with_its_revert_data(moded: Web3) -> None:
    # creation code that reverts with the selector 0xdeadbeef
    request: Any = {"from": OTHER, "data": "0x63deadbeef6000526004601cfd", "gas": 200_000}
    with pytest.raises(Web3RPCError) as told:
        moded.eth.send_transaction(request)
    assert told.value.rpc_response is not None
    error: Any = told.value.rpc_response["error"]
    assert error["data"]["data"] == "0xdeadbeef"
    assert moded.eth.get_transaction_receipt(error["data"]["txHash"])["status"] == 0


def test_n5_hardhats_matchers_read_it(moded: Web3, built: None, tmp_path: Path) -> None:  # noqa: ARG001
    report = tmp_path / "report.json"
    provider: Any = moded.provider
    run_tool(
        BIN / "hardhat", "test", "--network", "localhost", CLIENTS / "hardhat_failures.test.cjs",
        cwd=EXAMPLES, timeout_seconds=400, ETH_RPC_URL=provider.endpoint_uri, MOCHA_REPORT=str(report),
    )  # fmt: skip
    statistics = json.loads(report.read_text())["stats"]
    assert (statistics["failures"], statistics["passes"]) == (0, 5)
