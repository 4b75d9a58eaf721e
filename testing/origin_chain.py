"""A chain that tests fork: a contract with slots and logs, on a node of its own."""

from typing import Any

from testing.forked import ForkedNode
from testing.node_process import RpcConnection, zevm_command

RUNTIME = bytes.fromhex("36604014601357600035546000526020" + "6000f35b602035600035556000356000" + "6000a100")
"""64 bytes of input: store the second word under the first and log the first; else: the word under the first."""
SUM = "0x600060005b8060003501548201915060010180603c1160045750600052602060" + "00f3"
"""Code: the sum of 60 slots, from the one in the calldata on."""
INITCODE = bytes((0x60, len(RUNTIME), 0x80, 0x60, 0x0B, 0x60, 0x00, 0x39, 0x60, 0x00, 0xF3)) + RUNTIME
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
SLOTS = 40


def word(value: int) -> str:
    return f"{value:064x}"


def stored(rpc: RpcConnection, contract: str, slot: int, block: str = "latest") -> int:
    return int(rpc.call("eth_call", {"to": contract, "data": "0x" + word(slot)}, block), 16)


def store(rpc: RpcConnection, contract: str, slot: int, value: int) -> dict[str, Any]:
    sent = rpc.call(
        "eth_sendTransaction",
        {"from": SENDER, "to": contract, "data": "0x" + word(slot) + word(value), "gas": hex(100_000)},
    )
    receipt: dict[str, Any] = rpc.call("eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1"
    return receipt


class Chain:
    """The origin: a node with a contract of some slots, at a height of some blocks."""

    def __init__(self, node: ForkedNode) -> None:
        self.node = node
        self.rpc = node.connect()
        sent = self.rpc.call("eth_sendTransaction", {"from": SENDER, "data": "0x" + INITCODE.hex()})
        self.contract: str = self.rpc.call("eth_getTransactionReceipt", sent)["contractAddress"]
        self.receipts = [store(self.rpc, self.contract, slot, 1000 + slot) for slot in range(SLOTS)]
        self.number = int(self.rpc.call("eth_blockNumber"), 16)


def forked(url: str, *options: str) -> ForkedNode:
    """A fork, which keeps nothing on disk unless `options` say where."""
    if "--fork-cache" not in options:
        options = (*options, "--no-storage-caching")
    return ForkedNode(zevm_command("--fork-url", url, "--fork-retry-backoff", "1", *options))
