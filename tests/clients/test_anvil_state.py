"""State goes from Anvil to the node and back: both read what the other wrote, blocks and receipts included."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from testing.forked import ForkedNode
from testing.node_process import RpcConnection, zevm_command
from tests.clients.tools import ACCOUNTS, BIN

COUNTER = "0x600a600c600039600a6000f3602a60006000a100000000"
"""Creates a contract that logs the topic 42 when it is called."""


ANVIL_READY = re.compile(r"Listening on (?P<host>[\d.]+):(?P<port>\d+)")


@pytest.fixture
def anvil(npm_tools: None) -> Iterator[RpcConnection]:  # noqa: ARG001
    command = [str(BIN / "anvil"), "--port", "0"]
    with ForkedNode(command, ready=ANVIL_READY) as node, node.connect() as connection:
        yield connection


@pytest.fixture
def fresh() -> Iterator[RpcConnection]:
    with ForkedNode(zevm_command("--memory")) as node, node.connect() as connection:
        yield connection


def _receipt(rpc: RpcConnection, transaction: dict[str, object]) -> dict[str, str]:
    """Send a transaction; its receipt, which Anvil may have a moment after it gave the hash."""
    sent = rpc.call("eth_sendTransaction", {"from": ACCOUNTS[0], "gas": "0x30000"} | transaction)
    deadline = time.monotonic() + 30
    while (receipt := rpc.call("eth_getTransactionReceipt", sent)) is None:
        assert time.monotonic() < deadline
    found: dict[str, str] = receipt
    return found


def _use(rpc: RpcConnection) -> None:
    """A creation, a call that logs, a transfer, an empty block."""
    contract = _receipt(rpc, {"data": COUNTER})["contractAddress"]
    _receipt(rpc, {"to": contract})
    _receipt(rpc, {"to": ACCOUNTS[1], "value": "0x5", "gasPrice": hex(10**10)})
    rpc.call("evm_mine")


def _history(rpc: RpcConnection) -> list[object]:
    """What both sides must tell alike; fields that only one of them has are left out."""
    told: list[object] = []
    for number in range(int(rpc.call("eth_blockNumber"), 16) + 1):
        block = rpc.call("eth_getBlockByNumber", hex(number), True)
        told.append([block[name] for name in ("hash", "parentHash", "stateRoot", "timestamp", "gasUsed", "logsBloom")])
        for transaction in block["transactions"]:
            told.append([transaction[name] for name in ("hash", "from", "to", "nonce", "value", "input", "r", "s")])
            receipt = rpc.call("eth_getTransactionReceipt", transaction["hash"])
            names = ("status", "gasUsed", "cumulativeGasUsed", "contractAddress", "blockHash", "effectiveGasPrice")
            told.append([receipt[name] for name in names])
    told.append([log["topics"] for log in rpc.call("eth_getLogs", {"fromBlock": "0x0"})])
    told.append([rpc.call("eth_getBalance", account, "latest") for account in ACCOUNTS])
    return told


@pytest.mark.parametrize("from_anvil", [True, False], ids=["from anvil", "to anvil"])
def test_r10_state_goes_both_ways(anvil: RpcConnection, fresh: RpcConnection, from_anvil: bool) -> None:
    """R10: history, receipts, logs and balances are the same on the other side, and the chain goes on there."""
    source, target = (anvil, fresh) if from_anvil else (fresh, anvil)
    _use(source)
    expected = _history(source)
    assert any(topics for topics in expected[-2])  # type: ignore[attr-defined]
    assert target.call("anvil_loadState", source.call("anvil_dumpState")) is True
    assert _history(target) == expected
    _use(target)
    blocks = [target.call("eth_getBlockByNumber", hex(number), False) for number in (4, 5)]
    assert blocks[1]["parentHash"] == blocks[0]["hash"]


def test_r10_historical_states_come_along(anvil: RpcConnection, fresh: RpcConnection) -> None:
    """R10: where the file has them, what an account was at a block is what Anvil says it was."""
    _use(anvil)
    created = anvil.call("eth_getBlockByNumber", "0x1", True)["transactions"][0]
    contract = anvil.call("eth_getTransactionReceipt", created["hash"])["contractAddress"]
    asked = [
        (name, [account, *rest])
        for account in (ACCOUNTS[0], ACCOUNTS[1], contract)
        for name, rest in (("eth_getBalance", []), ("eth_getTransactionCount", []), ("eth_getCode", []))
    ]
    expected = [anvil.call(name, *params, hex(number)) for number in range(5) for name, params in asked]
    fresh.call("anvil_loadState", anvil.call("anvil_dumpState", True))
    assert [fresh.call(name, *params, hex(number)) for number in range(5) for name, params in asked] == expected
    _use(fresh)
    assert fresh.call("eth_getBalance", ACCOUNTS[1], "0x2") == hex(10_000 * 10**18)
