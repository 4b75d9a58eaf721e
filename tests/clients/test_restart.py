"""A node that is stopped, or killed, and started again on the same data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testing.forked import ForkedNode
from testing.load import (
    RECORDER_RUNTIME,
    TRANSFER_GAS,
    WRITE_GAS,
    Signer,
    creation_code,
    development_signer,
    word,
    write_data,
)
from testing.node_process import NodeProcess, RpcConnection, zevm_command
from tests.clients.tools import ACCOUNTS, ETHER

RECEIVER = "0x00000000000000000000000000000000002e57a2"
EMPTY_BLOCKS = 300


def start(datadir: Path) -> NodeProcess:
    return ForkedNode(zevm_command("--datadir", str(datadir), "--no-mining"))


def send(rpc: RpcConnection, signer: Signer, **transaction: Any) -> str:
    raw, name = signer.sign(**transaction)
    assert rpc.call("eth_sendRawTransaction", raw) == name
    return name


def make_history(rpc: RpcConnection) -> str:
    """Block 1 deploys the recorder and pays the receiver, block 2 writes, then many blocks; two pooled transactions."""
    signer = development_signer(0)
    deployment = send(rpc, signer, to=None, data="0x" + creation_code(RECORDER_RUNTIME).hex(), gas=500_000)
    send(rpc, signer, to=RECEIVER, value_wei=ETHER, gas=TRANSFER_GAS)
    rpc.call("evm_mine")
    recorder = str(rpc.call("eth_getTransactionReceipt", deployment)["contractAddress"])
    send(rpc, signer, to=recorder, data=write_data(5, 55), gas=WRITE_GAS)
    rpc.call("evm_mine")
    rpc.call("hardhat_mine", hex(EMPTY_BLOCKS))
    send(rpc, signer, to=recorder, data=write_data(5, 66), gas=WRITE_GAS)
    rpc.call("evm_mine")
    send(rpc, signer, to=RECEIVER, value_wei=1, gas=TRANSFER_GAS)
    signer.nonce += 3
    send(rpc, signer, to=RECEIVER, value_wei=2, gas=TRANSFER_GAS)
    return recorder


def observe(rpc: RpcConnection, recorder: str) -> dict[str, Any]:
    """Everything that a restart must not change."""
    head = int(rpc.call("eth_blockNumber"), 16)
    slot = {"to": recorder, "data": "0x" + word(5)}
    samples = sorted({0, 1, 2, 3, head // 2, head - 1, head})
    return {
        "head": head,
        "blocks": [rpc.call("eth_getBlockByNumber", hex(number), True) for number in samples],
        "receipts": [rpc.call("eth_getBlockReceipts", hex(number)) for number in samples],
        "balances": [rpc.call("eth_getBalance", RECEIVER, hex(number)) for number in samples],
        "slots": [rpc.call("eth_call", slot, hex(number)) for number in samples[1:]],
        "logs": rpc.call("eth_getLogs", {"address": recorder, "fromBlock": "0x0", "toBlock": "latest"}),
        "pool": rpc.call("txpool_content"),
        "metadata": rpc.call("hardhat_metadata")["instanceId"],
        "nonce": rpc.call("eth_getTransactionCount", ACCOUNTS[0], "pending"),
    }


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_history_and_pool_remain(tmp_path: Path, ending: str) -> None:
    with start(tmp_path / "data") as node, node.connect() as rpc:
        recorder = make_history(rpc)
        before = observe(rpc, recorder)
        if ending == "stop":
            assert node.stop(5) == 0
        else:
            node.kill()
    assert before["head"] == EMPTY_BLOCKS + 3
    assert [int(balance, 16) for balance in before["balances"]] == [0, *[ETHER] * 6]
    assert [int(slot, 16) for slot in before["slots"]] == [0, 55, 55, 55, 55, 66]
    assert [int(log["data"], 16) for log in before["logs"]] == [55, 66]
    assert {part: sum(map(len, before["pool"][part].values())) for part in before["pool"]} == {
        "pending": 1,
        "queued": 1,
    }
    with start(tmp_path / "data") as node, node.connect() as rpc:
        assert observe(rpc, recorder) == before
        rpc.call("evm_mine")
        block = rpc.call("eth_getBlockByNumber", "latest", False)
        assert int(block["number"], 16) == before["head"] + 1
        assert block["parentHash"] == before["blocks"][-1]["hash"]
        assert len(block["transactions"]) == 1
        assert int(rpc.call("eth_getBalance", RECEIVER, "latest"), 16) == ETHER + 1
        assert int(rpc.call("eth_getBalance", RECEIVER, "0x1"), 16) == ETHER
