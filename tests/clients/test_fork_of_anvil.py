"""A fork of a chain that Anvil has: proofs, blocks and receipts of another implementation."""

from collections.abc import Iterator
from typing import Any

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, zevm_command
from testing.origin_chain import SUM
from testing.origin_proxy import OriginProxy
from tests.clients.tools import BIN

pytestmark = pytest.mark.clients

RUNTIME = bytes.fromhex("3660401460135760003554600052602060" + "00f35b602035600035556000356000" + "6000a100")
"""64 bytes of input: store the second word under the first and log the first; else: the word under the first."""
INITCODE = bytes((0x60, len(RUNTIME), 0x80, 0x60, 0x0B, 0x60, 0x00, 0x39, 0x60, 0x00, 0xF3)) + RUNTIME
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.fixture
def anvil(npm_tools: None) -> Iterator[NodeProcess]:  # noqa: ARG001
    with NodeProcess([str(BIN / "anvil"), "--port", "0"]) as node:
        yield node


def word(value: int) -> str:
    return f"{value:064x}"


def test_a_fork_of_anvils_chain(anvil: NodeProcess) -> None:
    def send(rpc: Any, **fields: str) -> dict[str, Any]:
        receipt: dict[str, Any] = rpc.call("eth_sendTransactionSync", {"from": SENDER, "gas": hex(200_000), **fields})
        assert receipt["status"] == "0x1"
        return receipt

    with anvil.connect() as theirs:
        contract = send(theirs, data="0x" + INITCODE.hex())["contractAddress"]
        receipts = [send(theirs, to=contract, data="0x" + word(slot) + word(slot + 70)) for slot in range(20)]
        number = theirs.call("eth_blockNumber")
        with ForkedNode(zevm_command("--fork-url", anvil.url, "--no-storage-caching")) as node, node.connect() as ours:
            assert ours.call("eth_blockNumber") == number
            for slot in (0, 7, 19, 20):
                params = [contract, hex(slot), "latest"]
                assert ours.call("eth_getStorageAt", *params) == theirs.call("eth_getStorageAt", *params)
            old = [{"to": contract, "data": "0x" + word(15)}, "0x5"]
            assert ours.call("eth_call", *old) == theirs.call("eth_call", *old)
            for receipt in (receipts[0], receipts[-1]):
                found = ours.call("eth_getTransactionReceipt", receipt["transactionHash"])
                names = ("blockHash", "gasUsed", "cumulativeGasUsed", "effectiveGasPrice", "logsBloom", "status")
                assert [found[name] for name in names] == [receipt[name] for name in names]
            block = ours.call("eth_getBlockByNumber", "0x3", False)
            assert block["hash"] == theirs.call("eth_getBlockByNumber", "0x3", False)["hash"]
            logs = ours.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": contract})
            assert len(logs) == 20
            send(ours, to=contract, data="0x" + word(7) + word(0))
            assert int(ours.call("eth_call", {"to": contract, "data": "0x" + word(7)}, "latest"), 16) == 0
        assert theirs.call("eth_blockNumber") == number


def test_a_call_takes_a_quarter_of_anvils_requests(npm_tools: None) -> None:  # noqa: ARG001
    """60 slots, as a swap reads; none when it is called again."""
    contract, slots = "0x" + "5a" * 20, 60
    requests = {}
    with ForkedNode(zevm_command("--memory")) as origin, origin.connect() as rpc:
        rpc.call("anvil_setCode", contract, SUM)
        for slot in range(slots):
            rpc.call("anvil_setStorageAt", contract, hex(slot), "0x" + word(slot + 1))
        rpc.call("evm_mine")
        for name, command in (("anvil", [str(BIN / "anvil"), "--port", "0"]), ("zevm", zevm_command())):
            with OriginProxy(origin.url) as proxy:
                fork = [*command, "--no-storage-caching", "--fork-url", proxy.url]
                with NodeProcess(fork) as node, node.connect() as asked:
                    before = proxy.requests
                    call = [{"to": contract, "data": "0x" + word(0)}, "latest"]
                    assert int(asked.call("eth_call", *call), 16) == sum(range(1, slots + 1))
                    requests[name] = proxy.requests - before
                    assert asked.call("eth_call", *call) == "0x" + word(sum(range(1, slots + 1)))
                    requests[f"{name} again"] = proxy.requests - before - requests[name]
    assert requests["zevm again"] == 0
    assert 4 * requests["zevm"] <= requests["anvil"], requests
