"""Settings of a chain's begin on a fork: base fee and time of the first block on top, accounts of a genesis file."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.forked import ForkedNode
from testing.node_process import NodeError, zevm_command
from testing.origin_chain import OTHER, SENDER, Chain, forked, store, stored, word

pytestmark = pytest.mark.slow
FEE = 7 * 10**8


@pytest.fixture(scope="module")
def origin() -> Iterator[Chain]:
    with ForkedNode(zevm_command("--memory")) as node:
        chain = Chain(node)
        yield chain
        chain.rpc.close()


def test_the_first_block_on_top_has_the_base_fee_of_the_flag(origin: Chain) -> None:
    latest = origin.rpc.call("eth_getBlockByNumber", "latest", False)
    with forked(origin.node.url, "--base-fee", str(FEE)) as node, node.connect() as rpc:
        for _ in range(2):
            assert rpc.call("eth_getBlockByNumber", "latest", False) == latest
            assert rpc.call("eth_getBlockByNumber", "pending", False)["baseFeePerGas"] == hex(FEE)
            assert store(rpc, origin.contract, 7, 5)["effectiveGasPrice"] == hex(FEE + 10**9)
            assert rpc.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"] == hex(FEE)
            rpc.call("evm_mine")
            # nearly nothing was in the block before: an eighth less, and a little more
            fee = int(rpc.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
            assert FEE * 7 // 8 < fee < FEE
            rpc.call("anvil_reset", {"forking": {"blockNumber": origin.number}})
        rpc.call("anvil_reset")
        assert rpc.call("eth_getBlockByNumber", "earliest", False)["baseFeePerGas"] == hex(FEE)


def test_a_base_fee_comes_after_the_block_of_a_transaction(origin: Chain) -> None:
    last = origin.receipts[-1]
    flags = ("--fork-transaction-hash", last["transactionHash"], "--base-fee", str(FEE), "--accounts", "0")
    with forked(origin.node.url, *flags) as node, node.connect() as rpc:
        assert rpc.call("eth_getBlockByNumber", "latest", False)["hash"] == last["blockHash"]
        rpc.call("evm_mine")
        assert rpc.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"] == hex(FEE)


def test_the_first_block_on_top_has_the_time_of_the_flag(origin: Chain) -> None:
    time = int(origin.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    with forked(origin.node.url, "--timestamp", str(time + 5_000)) as node, node.connect() as rpc:
        store(rpc, origin.contract, 7, 5)
        assert rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"] == hex(time + 5_000)
        rpc.call("evm_mine")
        assert 5_000 < int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) - time < 5_500
    with pytest.raises(NodeError, match="is lower than or equal to previous block's timestamp"):
        forked(origin.node.url, "--timestamp", str(time))


def test_accounts_of_a_genesis_file_take_the_place_of_the_forked_blocks(origin: Chain, tmp_path: Path) -> None:
    """Slots that it does not name stay, as do the development accounts that it does not name."""
    new = "0x" + "ab" * 20
    file = tmp_path / "genesis.json"
    code = origin.rpc.call("eth_getCode", origin.contract, "latest")
    alloc = {
        new: {"balance": "0x7b", "nonce": "0x2", "code": "0x6001"},
        origin.contract: {"balance": "0x1", "code": code, "storage": {"0x" + word(3): "0x" + word(33)}},
        OTHER: {"balance": "0x5"},
    }
    file.write_text(json.dumps({"config": {"chainId": 5}, "gasLimit": "0x1c9c380", "number": "0x9", "alloc": alloc}))
    with forked(origin.node.url, "--init", str(file)) as node, node.connect() as rpc:
        for _ in range(2):
            assert rpc.call("eth_chainId") == origin.rpc.call("eth_chainId")
            assert rpc.call("eth_blockNumber") == hex(origin.number)
            assert [rpc.call("eth_getBalance", of, "latest") for of in (new, OTHER)] == ["0x7b", "0x5"]
            assert rpc.call("eth_getBalance", SENDER, "latest") == hex(10_000 * 10**18)
            assert rpc.call("eth_getTransactionCount", new, "latest") == "0x2"
            assert rpc.call("eth_getCode", new, "latest") == "0x6001"
            assert [stored(rpc, origin.contract, slot) for slot in (3, 4)] == [33, 1004]
            assert rpc.call("eth_getStorageAt", origin.contract, "0x3", hex(origin.number - 1)) == "0x" + word(1003)
            rpc.call("anvil_reset", {"forking": {"blockNumber": origin.number}})
    with pytest.raises(NodeError, match=r"absent\.json: cannot be read"):
        forked(origin.node.url, "--init", str(tmp_path / "absent.json"))
