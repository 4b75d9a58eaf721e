"""anvil_reset and hardhat_reset with `forking`: another chain in the place of the one that is served."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from websockets.sync.client import connect

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, RpcError, zevm_command
from testing.origin_chain import OTHER, SENDER, Chain, forked, store, stored, word
from testing.origin_proxy import OriginProxy
from zevm.rpc.codec import foreign_blocks, results

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


@pytest.fixture
def plain() -> Iterator[NodeProcess]:
    options = ("--memory", "--no-storage-caching", "--fork-retry-backoff", "1", "--chain-id", "777")
    with ForkedNode(zevm_command(*options)) as node:
        yield node


def at(rpc: RpcConnection) -> int:
    return int(rpc.call("eth_blockNumber"), 16)


def test_a_plain_node_becomes_a_fork_and_is_plain_again(origin: Chain, plain: NodeProcess) -> None:
    with plain.connect() as rpc:
        genesis = rpc.call("eth_getBlockByNumber", "0x0", False)["hash"]
        sent = rpc.call("eth_sendTransaction", {"from": SENDER, "to": OTHER, "value": "0x5"})
        block_hash = rpc.call("eth_getBlockByNumber", "0x1", False)["hash"]
        snapshot, before = rpc.call("evm_snapshot"), rpc.call("anvil_metadata")["instanceId"]
        rpc.call("anvil_setBalance", OTHER, "0x0")
        rpc.call("evm_setAutomine", False)
        waiting = rpc.call("eth_sendTransaction", {"from": SENDER, "to": OTHER, "value": "0x6"})
        rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": origin.node.url, "blockNumber": 30}})
        assert at(rpc) == 30
        # nothing of the chain before is left
        for transaction in (sent, waiting):
            assert rpc.call("eth_getTransactionByHash", transaction) is None
            assert rpc.call("eth_getTransactionReceipt", transaction) is None
        assert rpc.call("eth_getBlockByHash", block_hash, False) is None
        assert rpc.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
        assert rpc.call("evm_revert", snapshot) is False
        assert rpc.call("anvil_getAutomine") is True
        assert rpc.call("eth_getBlockByNumber", "0x0", False) == origin.rpc.call("eth_getBlockByNumber", "0x0", False)
        assert int(rpc.call("eth_getBalance", OTHER, "latest"), 16) == 10_000 * 10**18
        assert rpc.call("eth_chainId") == hex(777)
        metadata = rpc.call("hardhat_metadata")
        assert metadata["forkedNetwork"]["forkBlockNumber"] == 30
        assert metadata["instanceId"] != before
        assert rpc.call("anvil_nodeInfo")["forkConfig"]["forkUrl"] == origin.node.url
        # the other chain is there, and can be written to
        assert stored(rpc, origin.contract, 5) == 1005
        assert store(rpc, origin.contract, 5, 6)["blockNumber"] == hex(31)
        assert stored(rpc, origin.contract, 5) == 6
        snapshot = rpc.call("evm_snapshot")
        rpc.call("hardhat_reset")
        assert (at(rpc), rpc.call("eth_getBlockByNumber", "0x0", False)["hash"]) == (0, genesis)
        assert rpc.call("eth_getCode", origin.contract, "latest") == "0x"
        assert rpc.call("evm_revert", snapshot) is False
        assert rpc.call("anvil_nodeInfo")["forkConfig"]["forkUrl"] is None
        assert "forkedNetwork" not in rpc.call("hardhat_metadata")
        assert rpc.call("eth_sendTransaction", {"from": SENDER, "to": OTHER, "value": "0x5"})
        with pytest.raises(RpcError, match="this chain is no fork"):
            rpc.call("anvil_setRpcUrl", origin.node.url)


def test_a_fork_goes_to_other_blocks_and_nodes(origin: Chain, tmp_path: object) -> None:
    with (
        OriginProxy(origin.node.url) as other,
        forked(origin.node.url, "--fork-cache", str(tmp_path), "--fork-header", "X-Key: secret") as node,
        node.connect() as rpc,
    ):
        store(rpc, origin.contract, 3, 77)
        rpc.call("anvil_reset", {"forking": {"blockNumber": "0x14"}})
        assert (at(rpc), stored(rpc, origin.contract, 3)) == (20, 1003)
        # Anvil's other form, and another node: header fields of the settings stay with their host
        rpc.call("anvil_reset", {"jsonRpcUrl": other.url.replace("127.0.0.1", "localhost"), "blockNumber": 20})
        assert at(rpc) == 20
        assert "X-Key" not in other.headers
        assert stored(rpc, origin.contract, 3) == 1003
        known = other.calls.copy()
        rpc.call("hardhat_reset", {"forking": {"jsonRpcUrl": other.url, "httpHeaders": {"X-Mine": "a"}}})
        assert at(rpc) == origin.number
        assert other.headers["X-Mine"] == "a"
        rpc.call("anvil_reset", {"forking": {}})
        assert at(rpc) == origin.number
        assert other.calls["eth_getBlockByNumber"] > known["eth_getBlockByNumber"]
        assert store(rpc, origin.contract, 3, 78)["blockNumber"] == hex(origin.number + 1)
        rpc.call("anvil_reset")
        assert at(rpc) == 0
        assert rpc.call("eth_getBlockByNumber", "0x1", False) is None
        rpc.call("anvil_reset")
        assert at(rpc) == 0
    assert "keeps the answers" not in node.tail(200)


def test_a_reset_that_fails_changes_nothing(origin: Chain, plain: NodeProcess) -> None:
    with plain.connect() as rpc, OriginProxy(origin.node.url) as proxy:
        rpc.call("evm_mine")
        before = rpc.call("anvil_metadata")
        for forking, code, words in (
            ({"blockNumber": 3}, -32602, "forking.jsonRpcUrl is missing"),
            ({"jsonRpcUrl": "file:///etc/passwd"}, -32602, "not a URL of a node"),
            ({"jsonRpcUrl": proxy.url, "blockNumber": 10_000}, -32602, "has no such block"),
            ({"jsonRpcUrl": proxy.url, "block": 1}, -32602, "forking.block is none of"),
            ({"jsonRpcUrl": proxy.url, "httpHeaders": {"a": "b\r\nc: d"}}, -32602, "a header has one line"),
            ({"jsonRpcUrl": "http://127.0.0.1:9"}, -32000, "has no answer after 1 attempt,"),
            (7, -32602, "object"),
        ):
            with pytest.raises(RpcError, match=words) as caught:
                rpc.call("anvil_reset", {"forking": forking})
            assert caught.value.code == code
        proxy.twist = lambda call, answer: (
            answer if call["method"] != "eth_getProof" else {"jsonrpc": "2.0", "id": call["id"], "result": {}}
        )
        with pytest.raises(RpcError, match="does not prove"):
            rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": proxy.url}})
        assert rpc.call("anvil_metadata") == before
        proxy.twist = None
        rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": proxy.url}})
        assert at(rpc) == origin.number


def test_a_chain_on_disk_stays_what_it_is(origin: Chain) -> None:
    with ForkedNode(zevm_command()) as node, node.connect() as rpc:
        rpc.call("evm_mine")
        with pytest.raises(RpcError, match="a fork is kept in memory, and this chain is on disk") as caught:
            rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": origin.node.url}})
        assert caught.value.code == -32602
        assert at(rpc) == 1
        rpc.call("anvil_reset", {})
        assert at(rpc) == 0


def test_subscriptions_are_told_of_the_other_chain(origin: Chain, plain: NodeProcess) -> None:
    with plain.connect() as rpc, connect(plain.websocket_url) as listening:

        def subscribed(*params: object) -> str:
            call = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params}
            listening.send(json.dumps(call))
            return str(json.loads(listening.recv(timeout=20))["result"])

        rpc.call("anvil_setCode", OTHER, "0x60006000a000")
        rpc.call("eth_sendTransaction", {"from": SENDER, "to": OTHER})
        heads, logs = subscribed("newHeads"), subscribed("logs", {})
        rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": origin.node.url, "blockNumber": 30}})
        told = [json.loads(listening.recv(timeout=20))["params"] for _ in range(3)]
        by_kind = {kind: [item["result"] for item in told if item["subscription"] == kind] for kind in (heads, logs)}
        assert [head["number"] for head in by_kind[heads]] == [hex(30)]
        removed, added = by_kind[logs]
        assert (removed["removed"], removed["blockNumber"], removed["address"]) == (True, "0x1", OTHER.lower())
        assert (added["removed"], added["blockNumber"], added["address"]) == (False, hex(30), origin.contract)
        assert added["topics"] == ["0x" + word(28)]


def test_a_hung_node_delays_nobody(origin: Chain, plain: NodeProcess) -> None:
    with plain.connect() as rpc, plain.connect() as waiting, OriginProxy(origin.node.url) as proxy:
        proxy.held.clear()
        params = [{"forking": {"jsonRpcUrl": proxy.url}}]
        waiting.send(waiting.frame({"jsonrpc": "2.0", "id": 1, "method": "anvil_reset", "params": params}))
        for number in range(1, 6):
            rpc.call("evm_mine")
            assert at(rpc) == number
        proxy.held.set()
        assert b'"result":null' in waiting.receive()
        assert at(rpc) == origin.number


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("excess_blob_gas", 2**64 - 1),
        ("blob_gas_used", 2**40),
        ("timestamp", 2**63),
        ("number", 2**64 - 1),
        ("gas_limit", 2**64 - 1),
    ],
)
def test_a_block_that_none_can_follow_is_not_taken(origin: Chain, plain: NodeProcess, field: str, value: int) -> None:
    """The price of blobs after it would be computed for ever, or its successor would have no number."""

    def twist(call: dict[str, object], answer: dict[str, Any]) -> dict[str, Any]:
        if call["method"] != "eth_getBlockByNumber":
            return answer
        header = replace(foreign_blocks.header(answer["result"]), **{field: value})  # type: ignore[arg-type]
        return answer | {"result": answer["result"] | results.header(header)}

    with plain.connect() as rpc, OriginProxy(origin.node.url) as proxy:
        proxy.twist = twist
        with pytest.raises(RpcError, match="no block can follow block"):
            rpc.call("anvil_reset", {"forking": {"jsonRpcUrl": proxy.url}})
        rpc.call("evm_mine")
        assert at(rpc) == 1


@pytest.mark.parametrize("is_fork", [True, False])
def test_what_is_sent_behind_a_reset_is_done_behind_it(origin: Chain, plain: NodeProcess, is_fork: bool) -> None:
    params = [{"forking": {"jsonRpcUrl": origin.node.url, "blockNumber": 30}}] if is_fork else []
    calls: list[tuple[str, list[object]]] = [
        ("evm_mine", []),
        ("anvil_reset", params),
        ("eth_blockNumber", []),
        ("hardhat_reset", params),
        ("evm_mine", []),
    ]
    with connect(plain.websocket_url) as socket:
        for index, (method, arguments) in enumerate(calls):
            socket.send(json.dumps({"jsonrpc": "2.0", "id": index, "method": method, "params": arguments}))
        answers = [json.loads(socket.recv(timeout=20)) for _ in calls]
    first = 30 if is_fork else 0
    assert {answer["id"]: answer.get("result") for answer in answers}[2] == hex(first)
    with plain.connect() as rpc:
        assert at(rpc) == first + 1
