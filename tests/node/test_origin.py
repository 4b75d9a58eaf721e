"""Forks of a live chain: another zEVM in a process of its own, and a proxy before it that counts, fails and lies."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from testing.forked import ForkedNode
from testing.node_process import NodeError, RpcConnection, RpcError, zevm_command
from testing.origin_chain import KEY, OTHER, RUNTIME, SENDER, SLOTS, Chain, forked, store, stored, word
from testing.origin_proxy import OriginProxy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


@pytest.fixture
def proxy(origin: Chain) -> Iterator[OriginProxy]:
    with OriginProxy(origin.node.url) as proxy:
        yield proxy


def test_a_fork_reads_and_writes_on_top_of_the_origin_which_does_not_change(origin: Chain, proxy: OriginProxy) -> None:
    before = origin.rpc.call("eth_getBlockByNumber", "latest", False)
    with forked(proxy.url) as node, node.connect() as rpc:
        assert rpc.call("eth_getBlockByNumber", "latest", False)["hash"] == before["hash"]
        assert rpc.call("eth_chainId") == origin.rpc.call("eth_chainId")
        assert stored(rpc, origin.contract, 7) == 1007
        receipt = store(rpc, origin.contract, 7, 5)
        assert receipt["blockNumber"] == hex(origin.number + 1)
        assert stored(rpc, origin.contract, 7) == 5
        assert stored(rpc, origin.contract, 7, hex(origin.number)) == 1007
        assert stored(rpc, origin.contract, 999) == 0
        assert rpc.call("eth_getCode", origin.contract, "latest") == "0x" + RUNTIME.hex()
        assert f"Fork of:           block {origin.number}" in node.tail(60)
    assert origin.rpc.call("eth_getBlockByNumber", "latest", False)["hash"] == before["hash"]


def test_a_fork_says_what_it_is_of(origin: Chain) -> None:
    with forked(origin.node.url) as node, node.connect() as rpc:
        block_hash = origin.rpc.call("eth_getBlockByNumber", "latest", False)["hash"]
        assert rpc.call("anvil_nodeInfo")["forkConfig"] == {
            "forkUrl": origin.node.url,
            "forkBlockNumber": origin.number,
            "forkRetryBackoff": 1,
        }
        network = {"chainId": 31337, "forkBlockNumber": origin.number, "forkBlockHash": block_hash}
        assert rpc.call("hardhat_metadata")["forkedNetwork"] == network
    assert "forkedNetwork" not in origin.rpc.call("hardhat_metadata")
    assert origin.rpc.call("anvil_nodeInfo")["forkConfig"]["forkUrl"] is None


def test_what_was_read_is_not_asked_for_again(origin: Chain, proxy: OriginProxy) -> None:
    with forked(proxy.url) as node, node.connect() as rpc:
        assert stored(rpc, origin.contract, 3) == 1003
        known = proxy.requests
        for _ in range(20):
            assert stored(rpc, origin.contract, 3) == 1003
            assert int(rpc.call("eth_getStorageAt", origin.contract, "0x3", "latest"), 16) == 1003
            rpc.call("eth_getBalance", origin.contract, "latest")
        assert proxy.requests == known


def test_a_send_that_waits_is_sent_once(origin: Chain) -> None:
    """The wait asks the origin for the transaction too, and begins again."""
    with forked(origin.node.url, "--no-mining") as node, node.connect() as rpc:
        with pytest.raises(RpcError, match="wasn't processed in"):
            rpc.call("eth_sendTransactionSync", {"from": SENDER, "to": OTHER, "value": "0x1"}, 200)
        rpc.call("evm_mine")
        assert len(rpc.call("eth_getBlockByNumber", "latest", False)["transactions"]) == 1


def signed(rpc: RpcConnection, to: str, data: str, nonce: int) -> str:
    transaction = {
        "chainId": int(rpc.call("eth_chainId"), 16), "nonce": nonce, "to": to_checksum_address(to), "data": data,
        "gas": 100_000, "maxFeePerGas": 3 * 10**9, "maxPriorityFeePerGas": 10**9, "value": 0,
    }  # fmt: skip
    return "0x" + bytes(Account.sign_transaction(transaction, KEY).raw_transaction).hex()


def test_blocks_of_a_fork_are_those_that_the_origin_would_make(origin: Chain) -> None:
    """The same transactions at the same times: equal hashes, so equal state roots, also where slots go."""
    nonce = int(origin.rpc.call("eth_getTransactionCount", SENDER, "latest"), 16)
    time = int(origin.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    snapshot = origin.rpc.call("evm_snapshot")
    with forked(origin.node.url, "--accounts", "0") as node, node.connect() as rpc:
        changes = [(slot, 0) for slot in range(0, SLOTS, 2)] + [(500, 1), (3, 77), (500, 0), (1, 0)]
        for step, (slot, value) in enumerate(changes):
            raw = signed(rpc, origin.contract, "0x" + word(slot) + word(value), nonce + step)
            blocks = []
            for side in (origin.rpc, rpc):
                side.call("evm_setNextBlockTimestamp", time + 100 + step)
                side.call("eth_sendRawTransaction", raw)
                blocks.append(side.call("eth_getBlockByNumber", "latest", True))
            assert blocks[0] == blocks[1]
        proof = rpc.call("eth_getProof", origin.contract, ["0x3", "0x5", "0x0"], "latest")
        assert proof == origin.rpc.call("eth_getProof", origin.contract, ["0x3", "0x5", "0x0"], "latest")
    assert origin.rpc.call("evm_revert", snapshot)


def test_history_below_the_fork_is_the_origins(origin: Chain) -> None:
    first, last = origin.receipts[0], origin.receipts[-1]
    asked: list[tuple[str, list[Any]]] = [
        *(("eth_getBlockByNumber", [hex(number), True]) for number in range(0, origin.number + 1, 9)),
        ("eth_getBlockByNumber", ["earliest", False]),
        ("eth_getBlockByHash", [first["blockHash"], True]),
        ("eth_getTransactionByHash", [first["transactionHash"]]),
        ("eth_getTransactionReceipt", [last["transactionHash"]]),
        ("eth_getTransactionReceipt", [first["transactionHash"]]),
        ("eth_getTransactionReceipt", ["0x" + "12" * 32]),
        ("eth_getBlockReceipts", [hex(9)]),
        ("eth_getBalance", [OTHER, "0x3"]),
        ("eth_getTransactionCount", [SENDER, "0x9"]),
        ("eth_getStorageAt", [origin.contract, "0x5", hex(origin.number - 1)]),
        ("eth_getStorageAt", [origin.contract, "0x5", "0x2"]),
        ("eth_getProof", [origin.contract, ["0x5", "0x20"], hex(origin.number - 2)]),
        ("eth_call", [{"to": origin.contract, "data": "0x" + word(5)}, hex(origin.number - 3)]),
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(origin.number), "address": origin.contract}]),
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "0xf", "topics": [["0x" + word(4), "0x" + word(5)]]}]),
        ("eth_feeHistory", ["0x8", "latest", [50]]),
        ("debug_traceTransaction", [first["transactionHash"]]),
    ]  # fmt: skip
    with forked(origin.node.url) as node, node.connect() as rpc:
        for method, params in asked:
            assert rpc.call(method, *params) == origin.rpc.call(method, *params), method


def test_logs_across_the_edge_of_the_fork(origin: Chain) -> None:
    with forked(origin.node.url) as node, node.connect() as rpc:
        store(rpc, origin.contract, 5, 1)
        found = rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": ["0x" + word(5)]})
        assert [int(log["blockNumber"], 16) for log in found] == [
            int(origin.receipts[5]["blockNumber"], 16),
            origin.number + 1,
        ]


def test_a_snapshot_and_a_reset_go_back_to_the_fork_and_no_further(origin: Chain) -> None:
    with forked(origin.node.url) as node, node.connect() as rpc:
        snapshot = rpc.call("evm_snapshot")
        store(rpc, origin.contract, 2, 0)
        store(rpc, origin.contract, 600, 6)
        assert stored(rpc, origin.contract, 2) == 0
        assert rpc.call("evm_revert", snapshot)
        assert (stored(rpc, origin.contract, 2), stored(rpc, origin.contract, 600)) == (1002, 0)
        store(rpc, origin.contract, 2, 9)
        rpc.call("anvil_reset", {"forking": {"blockNumber": origin.number}})
        assert int(rpc.call("eth_blockNumber"), 16) == origin.number
        assert stored(rpc, origin.contract, 2) == 1002
        assert int(rpc.call("eth_getBalance", SENDER, "latest"), 16) == 10_000 * 10**18
        with pytest.raises(RpcError, match="not found"):
            rpc.call("debug_setHead", hex(origin.number - 1))


@pytest.mark.parametrize("block", ["5", "-3", "earliest"])
def test_a_fork_of_an_older_block(origin: Chain, block: str) -> None:
    number = {"5": 5, "-3": origin.number - 3, "earliest": 0}[block]
    with forked(origin.node.url, "--fork-block-number", block) as node, node.connect() as rpc:
        assert int(rpc.call("eth_blockNumber"), 16) == number
        held = origin.rpc.call("eth_getStorageAt", origin.contract, "0x2", hex(number))
        assert rpc.call("eth_getStorageAt", origin.contract, "0x2", "latest") == held
        rpc.call("evm_mine")
        assert (
            rpc.call("eth_getBlockByNumber", hex(number + 1), False)["parentHash"]
            == (origin.rpc.call("eth_getBlockByNumber", hex(number), False)["hash"])
        )


def test_a_lie_is_an_error_that_names_endpoint_and_key(origin: Chain, proxy: OriginProxy) -> None:
    def twist(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == "eth_getProof" and call["params"][1]:
            node = answer["result"]["storageProof"][0]["proof"][-1]
            answer["result"]["storageProof"][0]["proof"][-1] = node[:-1] + ("0" if node[-1] != "0" else "1")
        return answer

    with forked(proxy.url) as node, node.connect() as rpc:
        proxy.twist = twist
        with pytest.raises(RpcError, match=rf"{proxy.url} does not prove slot 0x9 of {origin.contract}") as caught:
            stored(rpc, origin.contract, 9)
        assert caught.value.code == -32000
        with pytest.raises(RpcError, match="does not prove"):
            store(rpc, origin.contract, 9, 1)
        proxy.twist = None
        assert stored(rpc, origin.contract, 9) == 1009


def test_another_code_header_or_receipt_is_refused(origin: Chain, proxy: OriginProxy) -> None:
    altered = {
        "eth_getCode": lambda result: result + "00",
        "eth_getBlockByHash": lambda result: result | {"gasUsed": "0x1"},
        "eth_getBlockByNumber": lambda result: result | {"extraData": "0x01"},
        "eth_getBlockReceipts": lambda result: [item | {"cumulativeGasUsed": "0x1"} for item in result],
    }

    def twist(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        change = altered.get(call["method"])
        return answer if change is None else answer | {"result": change(answer["result"])}

    with forked(proxy.url) as node, node.connect() as rpc:
        proxy.twist = twist
        hash_ = origin.receipts[3]["blockHash"]
        for method, params in (
            ("eth_getCode", [origin.contract, "latest"]),
            ("eth_getBlockByHash", [hash_, False]),
            ("eth_getBlockByNumber", ["0x4", False]),
            ("eth_getBlockReceipts", ["0x4"]),
        ):
            with pytest.raises(RpcError, match=r"wrongly|whose hash is not"):
                rpc.call(method, *params)
        proxy.twist = None
        assert rpc.call("eth_getCode", origin.contract, "latest") == "0x" + RUNTIME.hex()


def test_refusals_are_waited_out_and_another_node_takes_over(origin: Chain, proxy: OriginProxy) -> None:
    with forked(f"http://127.0.0.1:9,{proxy.url}", "--fork-header", "X-Key: secret") as node, node.connect() as rpc:
        proxy.refuse = [429, 503, 429]
        assert stored(rpc, origin.contract, 11) == 1011
        assert not proxy.refuse
        assert proxy.headers["X-Key"] == "secret"


def test_what_is_local_is_answered_while_the_origin_hangs(origin: Chain, proxy: OriginProxy) -> None:
    with forked(proxy.url, "--timeout", "8000", "--retries", "0") as node, node.connect() as rpc:
        with node.connect() as waiting:
            proxy.held.clear()
            waiting.send(
                waiting.frame(
                    {"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [origin.contract, "latest"]}
                )
            )
            for _ in range(20):
                assert int(rpc.call("eth_blockNumber"), 16) == origin.number
                assert int(rpc.call("eth_getBalance", SENDER, "latest"), 16) == 10_000 * 10**18
            answer = waiting.receive()
        assert b"has no answer after 1 attempt," in answer
        assert b"eth_getProof" in answer


def test_a_node_without_proofs_is_no_origin(proxy: OriginProxy) -> None:
    def twist(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if call["method"] != "eth_getProof":
            return answer
        return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": -32601, "message": "no such method"}}

    proxy.twist = twist
    with pytest.raises(NodeError, match="a fork needs a node that proves what it answers"), forked(proxy.url):
        pass


def test_another_node_is_read_from_on_request(origin: Chain, proxy: OriginProxy) -> None:
    """anvil_setRpcUrl; what header fields hold is not told to another host."""
    with forked("http://localhost:9," + proxy.url, "--fork-header", "X-Key: secret") as node, node.connect() as rpc:
        assert proxy.headers["X-Key"] == "secret"
        with OriginProxy(origin.node.url) as other:
            assert rpc.call("anvil_setRpcUrl", other.url) is None
            known = proxy.requests
            assert stored(rpc, origin.contract, 12) == 1012
            assert other.requests
            assert proxy.requests == known
            assert "X-Key" not in other.headers
            assert rpc.call("anvil_nodeInfo")["forkConfig"]["forkUrl"] == other.url
            for path in ("file:///etc/passwd", "/etc/passwd"):
                with pytest.raises(RpcError, match="is not a URL of a node") as caught:
                    rpc.call("anvil_setRpcUrl", path)
                assert caught.value.code == -32602
    with pytest.raises(RpcError, match="this chain is no fork"):
        origin.rpc.call("anvil_setRpcUrl", proxy.url)


@pytest.mark.parametrize("hardfork", ["osaka", "prague", "cancun"])
def test_rules_are_those_that_the_node_says_its_chain_has(hardfork: str) -> None:
    command = zevm_command("--memory", "--hardfork", hardfork)
    with ForkedNode(command) as node, node.connect() as theirs, forked(node.url) as fork, fork.connect() as ours:
        said, found = (rpc.call("eth_config")["current"] for rpc in (theirs, ours))
        for name in ("blobSchedule", "precompiles", "systemContracts", "chainId"):
            assert found[name] == said[name], name
        assert ours.call("anvil_nodeInfo")["hardFork"] == theirs.call("anvil_nodeInfo")["hardFork"]
