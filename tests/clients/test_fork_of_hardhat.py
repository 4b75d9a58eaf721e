"""A fork of a chain that Hardhat has: its first block has a wrong root, and it lacks methods that others have."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcError, zevm_command
from testing.origin_chain import INITCODE, SENDER, word
from tests.clients.tools import CLIENTS

pytestmark = pytest.mark.clients


@pytest.fixture
def hardhat(npm_tools: None, tmp_path: Path) -> Iterator[NodeProcess]:  # noqa: ARG001
    (tmp_path / "hardhat.config.js").write_text('module.exports = { solidity: "0.8.20" };')
    (tmp_path / "package.json").write_text('{"name": "empty"}')
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(tmp_path / "node_modules" / ".bin" / "hardhat"),
        "node",
        "--hostname",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    ready = re.compile(r"server at http://(?P<host>[\d.]+):(?P<port>\d+)")
    with NodeProcess(command, ready=ready, cwd=tmp_path) as node:
        yield node


def send(rpc: Any, **fields: str) -> dict[str, Any]:
    # a price that the node need not look for in earlier blocks
    prices = {"gas": hex(200_000), "gasPrice": hex(3 * 10**9)}
    sent = rpc.call("eth_sendTransaction", {"from": SENDER, **prices, **fields})
    receipt: dict[str, Any] = rpc.call("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    return receipt


def test_a_fork_of_hardhats_chain(hardhat: NodeProcess) -> None:
    with hardhat.connect() as theirs:
        contract = send(theirs, data="0x" + INITCODE.hex())["contractAddress"]
        receipts = [send(theirs, to=contract, data="0x" + word(slot) + word(slot + 70)) for slot in range(12)]
        number = theirs.call("eth_blockNumber")
        first = theirs.call("eth_getBlockByNumber", "0x0", False)
        for level in ("proofs", "none"):
            options = ("--fork-url", hardhat.url, "--no-storage-caching", "--fork-verify", level)
            with ForkedNode(zevm_command(*options)) as node, node.connect() as ours:
                assert ours.call("eth_blockNumber") == number
                for slot in (0, 7, 11, 12):
                    params = [contract, hex(slot), "latest"]
                    assert ours.call("eth_getStorageAt", *params) == theirs.call("eth_getStorageAt", *params)
                old = [{"to": contract, "data": "0x" + word(5)}, "0x4"]
                if level == "none":
                    assert ours.call("eth_call", *old) == theirs.call("eth_call", *old)
                    assert ours.call("eth_getBlockByNumber", "0x0", False)["hash"] == first["hash"]
                else:
                    with pytest.raises(RpcError, match="its transactions have not the root that its header has"):
                        ours.call("eth_getBlockByNumber", "0x0", False)
                for receipt in (receipts[0], receipts[-1]):
                    found = ours.call("eth_getTransactionReceipt", receipt["transactionHash"])
                    names = ("blockHash", "gasUsed", "cumulativeGasUsed", "effectiveGasPrice", "logsBloom", "status")
                    assert [found[name] for name in names] == [receipt[name] for name in names]
                logs = ours.call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "latest", "address": contract})
                assert len(logs) == 12
                send(ours, to=contract, data="0x" + word(7) + word(0))
                values = [
                    int(ours.call("eth_call", {"to": contract, "data": "0x" + word(slot)}, "latest"), 16)
                    for slot in (7, 8)
                ]
                assert values == [0, 78]
        assert theirs.call("eth_blockNumber") == number
