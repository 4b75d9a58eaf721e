"""--fork-transaction-hash: a fork that begins in the midst of a block."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeError, zevm_command
from testing.origin_chain import SENDER, Chain, forked, stored, word
from testing.origin_proxy import OriginProxy

pytestmark = pytest.mark.slow
PRICES = {"maxFeePerGas": hex(3 * 10**9), "maxPriorityFeePerGas": hex(10**9), "gas": hex(100_000)}


class Crowded(Chain):
    """The origin with a block of several transactions, and one after it."""

    def __init__(self, node: ForkedNode) -> None:
        super().__init__(node)
        rpc = self.rpc
        rpc.call("evm_setAutomine", False)
        rpc.call("anvil_setCoinbase", "0x" + "c0" * 20)
        self.sent = [
            rpc.call("eth_sendTransaction", {"from": SENDER, "to": self.contract, "data": data, **PRICES})
            for data in ("0x" + word(900 + index) + word(index + 1) for index in range(4))
        ]
        rpc.call("evm_mine")
        self.crowded = rpc.call("eth_getBlockByNumber", "latest", False)
        assert self.crowded["transactions"] == self.sent
        rpc.call("evm_mine")


@pytest.fixture(scope="module")
def origin() -> Iterator[Crowded]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Crowded(node)
        yield chain
        chain.rpc.close()


def test_the_block_is_made_again_up_to_the_transaction(origin: Crowded) -> None:
    with (
        forked(origin.node.url, "--fork-transaction-hash", origin.sent[1], "--accounts", "0") as node,
        node.connect() as rpc,
    ):
        block = rpc.call("eth_getBlockByNumber", "latest", False)
        assert block["number"] == origin.crowded["number"]
        assert block["transactions"] == origin.sent[:2]
        for name in ("timestamp", "miner", "mixHash", "baseFeePerGas", "gasLimit", "parentHash", "extraData"):
            assert block[name] == origin.crowded[name], name
        for sent in origin.sent[:2]:
            theirs, ours = (side.call("eth_getTransactionReceipt", sent) for side in (origin.rpc, rpc))
            assert ours | {"blockHash": 0, "logs": []} == theirs | {"blockHash": 0, "logs": []}
        assert [stored(rpc, origin.contract, 900 + index) for index in range(4)] == [1, 2, 0, 0]
        # it is not there yet, and can come
        assert rpc.call("eth_getTransactionByHash", origin.sent[2]) is None
        rpc.call("eth_sendRawTransaction", origin.rpc.call("eth_getRawTransactionByHash", origin.sent[2]))
        assert stored(rpc, origin.contract, 902) == 3
        assert rpc.call("anvil_nodeInfo")["forkConfig"]["forkBlockNumber"] == int(origin.crowded["number"], 16) - 1


def test_the_last_transaction_makes_the_whole_block(origin: Crowded) -> None:
    """The same block, to the hash: what it sees and does is the other chain's."""
    with (
        forked(origin.node.url, "--fork-transaction-hash", origin.sent[-1], "--accounts", "0") as node,
        node.connect() as rpc,
    ):
        assert rpc.call("eth_getBlockByNumber", "latest", False)["hash"] == origin.crowded["hash"]


def test_it_begins_offline_as_last_time(origin: Crowded, tmp_path: Path) -> None:
    options = ("--fork-cache", str(tmp_path), "--fork-transaction-hash", origin.sent[2])
    with OriginProxy(origin.node.url) as proxy:
        url = proxy.url
        with forked(url, *options) as node, node.connect() as rpc:
            block = rpc.call("eth_getBlockByNumber", "latest", True)
    with forked(url, *options) as node, node.connect() as rpc:
        assert rpc.call("eth_getBlockByNumber", "latest", True) == block
        assert stored(rpc, origin.contract, 902) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fork-transaction-hash", "0x" + "12" * 32), "has no such transaction in a block"),
        (("--fork-transaction-hash", "0x12"), "is not the hash of a transaction"),
        (("--fork-transaction-hash", "0x" + "12" * 32, "--fork-block-number", "2"), "cannot be used with"),
    ],
)
def test_what_is_no_transaction_is_told(origin: Crowded, options: tuple[str, ...], words: str) -> None:
    with pytest.raises(NodeError, match=words), forked(origin.node.url, *options):
        pass


def test_another_block_than_that_of_the_transaction_is_refused(origin: Crowded) -> None:
    with OriginProxy(origin.node.url) as proxy:
        proxy.twist = lambda call, answer: (
            answer
            if call["method"] != "eth_getTransactionByHash"
            else answer | {"result": answer["result"] | {"blockNumber": "0x3"}}
        )
        command = ("--fork-transaction-hash", origin.sent[1])
        with pytest.raises(NodeError, match=r"answers block 3 wrongly: .* is not in it"), forked(proxy.url, *command):
            pass


def test_accounts_that_cannot_pay_again_are_told_of(origin: Crowded) -> None:
    command = ("--fork-transaction-hash", origin.sent[1], "--balance", "0")
    with (
        pytest.raises(NodeError, match="cannot be made up to --fork-transaction-hash"),
        forked(origin.node.url, *command),
    ):
        pass
