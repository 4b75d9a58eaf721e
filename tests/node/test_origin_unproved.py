"""--fork-verify: forks of nodes that prove nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeError, RpcError, zevm_command
from testing.origin_chain import OTHER, RUNTIME, SENDER, Chain, forked, store, stored
from testing.origin_proxy import OriginProxy

pytestmark = pytest.mark.slow
LEVELS = ("headers", "none")


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


def unproving(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """A node without eth_getProof, with Hardhat's code of error."""
    if call["method"] not in ("eth_getProof", "eth_getBlockReceipts"):
        return answer
    return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32004, "message": "Method not supported"}}


@pytest.fixture
def proxy(origin: Chain) -> Iterator[OriginProxy]:
    with OriginProxy(origin.node.url) as proxy:
        proxy.twist = unproving
        yield proxy


@pytest.mark.parametrize("level", LEVELS)
def test_a_fork_reads_and_writes_without_proofs(origin: Chain, proxy: OriginProxy, level: str) -> None:
    with forked(proxy.url, "--fork-verify", level) as node, node.connect() as rpc:
        assert f"not proved (--fork-verify {level})" in node.tail(60)
        assert stored(rpc, origin.contract, 7) == 1007
        assert stored(rpc, origin.contract, 999) == 0
        assert store(rpc, origin.contract, 7, 5)["blockNumber"] == hex(origin.number + 1)
        # what was never read is still the origin's, though the fork has emptied all that it knows of
        store(rpc, origin.contract, 7, 0)
        assert [stored(rpc, origin.contract, slot) for slot in (7, 8, 9)] == [0, 1008, 1009]
        assert rpc.call("eth_getCode", origin.contract, "latest") == "0x" + RUNTIME.hex()
        assert stored(rpc, origin.contract, 7, hex(origin.number)) == 1007
        assert stored(rpc, origin.contract, 7, "0x9") == 1007
        assert stored(rpc, origin.contract, 9, "0x9") == 0
        receipt = origin.receipts[4]
        assert rpc.call("eth_getTransactionReceipt", receipt["transactionHash"]) == receipt
        roots = {rpc.call("eth_getBlockByNumber", hex(origin.number + n), False)["stateRoot"] for n in (0, 1, 2)}
        assert len(roots) == 3


def test_what_only_balance_changes_of_keeps_its_storage(origin: Chain, proxy: OriginProxy) -> None:
    with forked(proxy.url, "--fork-verify", "none") as node, node.connect() as rpc:
        snapshot = rpc.call("evm_snapshot")
        rpc.call("anvil_setBalance", origin.contract, "0x5")
        assert stored(rpc, origin.contract, 8) == 1008
        rpc.call("evm_mine")
        assert rpc.call("evm_revert", snapshot)
        assert stored(rpc, origin.contract, 11) == 1011
        rpc.call("anvil_setStorageAt", origin.contract, "0x8", "0x" + "00" * 32)
        rpc.call("evm_mine")
        assert [stored(rpc, origin.contract, slot) for slot in (8, 10, 12)] == [0, 1010, 1012]
        rpc.call("anvil_setCode", OTHER, "0x00")
        rpc.call("anvil_reorg", 1, [])
        assert [stored(rpc, origin.contract, slot) for slot in (8, 13)] == [0, 1013]


def test_nothing_is_proved_or_listed(origin: Chain, proxy: OriginProxy) -> None:
    with forked(proxy.url, "--fork-verify", "none") as node, node.connect() as rpc:
        head = rpc.call("eth_getBlockByNumber", "latest", False)["hash"]
        for method, params in (
            ("eth_getProof", [origin.contract, ["0x1"], "latest"]),
            ("debug_accountRange", ["latest", "0x", 5, True, True]),
            ("debug_storageRangeAt", [head, 0, origin.contract, "0x", 5]),
        ):
            with pytest.raises(RpcError, match="is not proved"):
                rpc.call(method, *params)


def test_a_node_without_proofs_is_refused_with_a_remedy(proxy: OriginProxy) -> None:
    with pytest.raises(NodeError, match="or --fork-verify headers, which believes it"), forked(proxy.url):
        pass


def test_headers_and_what_they_commit_to_are_checked_as_far_as_the_level_says(
    origin: Chain, proxy: OriginProxy
) -> None:
    def twist(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == "eth_getTransactionReceipt" and answer["result"]:
            return answer | {"result": answer["result"] | {"cumulativeGasUsed": "0x1"}}
        if call["method"].startswith("eth_getBlockBy") and answer["result"]["number"] == "0x4":
            return answer | {"result": answer["result"] | {"extraData": "0x01"}}
        return unproving(call, answer)

    sent = origin.receipts[7]["transactionHash"]
    for level in LEVELS:
        with forked(proxy.url, "--fork-verify", level) as node, node.connect() as rpc:
            proxy.twist = twist
            with pytest.raises(RpcError, match="wrongly"):
                rpc.call("eth_getBlockByNumber", "0x4", False)
            if level == "none":
                assert rpc.call("eth_getTransactionReceipt", sent)["cumulativeGasUsed"] == "0x1"
            else:
                with pytest.raises(RpcError, match="have not the root that its header has"):
                    rpc.call("eth_getTransactionReceipt", sent)
            proxy.twist = unproving


def test_believed_answers_are_kept_apart_from_proved_ones(origin: Chain, tmp_path: Path) -> None:
    """A lie that a fork without proofs has believed is not there for one with proofs."""

    def twist(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"result": "0x" + f"{4:064x}"} if call["method"] == "eth_getStorageAt" else answer

    cache = ("--fork-cache", str(tmp_path))
    with OriginProxy(origin.node.url) as proxy:
        proxy.twist = twist
        url = proxy.url
        with forked(url, *cache, "--fork-verify", "headers") as node, node.connect() as rpc:
            assert stored(rpc, origin.contract, 5) == 4
        with forked(url, *cache) as node, node.connect() as rpc:
            assert stored(rpc, origin.contract, 5) == 1005
    # without a network, each finds its own
    for options, value in (((), 1005), (("--fork-verify", "headers"), 4)):
        with forked(url, *cache, *options) as node, node.connect() as rpc:
            assert stored(rpc, origin.contract, 5) == value
            with pytest.raises(RpcError, match="no earlier fork of this block has read it"):
                stored(rpc, origin.contract, 6)
    with pytest.raises(NodeError), forked(url, *cache, "--fork-verify", "none", "--retries", "0"):
        pass


def test_few_requests_without_proofs(origin: Chain, proxy: OriginProxy) -> None:
    with forked(proxy.url, "--fork-verify", "none") as node, node.connect() as rpc:
        stored(rpc, origin.contract, 3)
        known = proxy.requests
        for _ in range(5):
            assert stored(rpc, origin.contract, 3) == 1003
            rpc.call("eth_getBalance", origin.contract, "latest")
            rpc.call("eth_getTransactionCount", SENDER, "latest")
        assert proxy.requests == known
