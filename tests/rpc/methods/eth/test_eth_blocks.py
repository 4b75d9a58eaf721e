"""Blocks, headers, receipts by block, uncles."""

import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal

NOWHERE = "0x" + "ab" * 32
BLOCK_KEYS = set(
    "baseFeePerGas blobGasUsed difficulty excessBlobGas extraData gasLimit gasUsed hash logsBloom miner mixHash "  # noqa: SIM905
    "nonce number parentBeaconBlockRoot parentHash receiptsRoot requestsHash sha3Uncles size stateRoot timestamp "
    "transactions transactionsRoot uncles withdrawals withdrawalsRoot".split()
)


async def test_block_number(node: Node) -> None:
    assert await node.call("eth_blockNumber") == "0x0"
    await node.call("evm_mine")
    assert await node.call("eth_blockNumber") == "0x1"


async def test_block_by_number_and_by_hash(node: Node) -> None:
    receipt = await node.send(to=hexadecimal(BOB), value="0x1")
    by_number = await node.call("eth_getBlockByNumber", "0x1", False)
    assert set(by_number) == BLOCK_KEYS
    assert by_number["transactions"] == [receipt["transactionHash"]]
    assert by_number == await node.call("eth_getBlockByHash", receipt["blockHash"], False)
    assert by_number == await node.call("eth_getBlockByNumber", "latest")
    assert by_number["parentHash"] == (await node.call("eth_getBlockByNumber", "earliest"))["hash"]
    full = await node.call("eth_getBlockByNumber", "0x1", True)
    [transaction] = full["transactions"]
    assert transaction["from"] == hexadecimal(ALICE)
    assert transaction["blockHash"] == receipt["blockHash"]
    assert (await node.call("eth_getBlockByHash", receipt["blockHash"], True)) == full


async def test_unknown_blocks_are_null(node: Node) -> None:
    for name in ("eth_getBlockByNumber", "eth_getHeaderByNumber", "eth_getBlockTransactionCountByNumber"):
        assert await node.call(name, "0x64") is None
    for name in ("eth_getBlockByHash", "eth_getHeaderByHash", "eth_getBlockTransactionCountByHash"):
        assert await node.call(name, NOWHERE) is None
    assert await node.call("eth_getBlockReceipts", "0x64") is None
    assert await node.call("eth_getBlockReceipts", NOWHERE) is None


async def test_pending_block(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    transaction_hash = await node.call("eth_sendTransaction", {"to": hexadecimal(BOB), "value": "0x1"})
    pending = await node.call("eth_getBlockByNumber", "pending", True)
    assert (pending["number"], pending["hash"], pending["nonce"]) == ("0x1", None, None)
    [transaction] = pending["transactions"]
    assert (transaction["hash"], transaction["blockHash"]) == (transaction_hash, None)
    assert await node.call("eth_getBlockTransactionCountByNumber", "pending") == "0x1"
    assert (await node.call("eth_getHeaderByNumber", "pending"))["hash"] is None
    [receipt] = await node.call("eth_getBlockReceipts", "pending")
    assert receipt["status"] == "0x1"


async def test_headers(node: Node) -> None:
    block = await node.call("eth_getBlockByNumber", "0x0")
    header = {
        key: value for key, value in block.items() if key not in ("transactions", "uncles", "withdrawals", "size")
    }
    assert await node.call("eth_getHeaderByNumber", "0x0") == header
    assert await node.call("eth_getHeaderByHash", block["hash"]) == header


async def test_transaction_counts(node: Node) -> None:
    receipt = await node.send(to=hexadecimal(BOB))
    assert await node.call("eth_getBlockTransactionCountByNumber", "latest") == "0x1"
    assert await node.call("eth_getBlockTransactionCountByNumber", "0x0") == "0x0"
    assert await node.call("eth_getBlockTransactionCountByHash", receipt["blockHash"]) == "0x1"


async def test_block_receipts(node: Node) -> None:
    receipt = await node.send(to=hexadecimal(BOB))
    for reference in ("latest", "0x1", receipt["blockHash"], {"blockHash": receipt["blockHash"]}):
        assert await node.call("eth_getBlockReceipts", reference) == [receipt]
    assert await node.call("eth_getBlockReceipts", "0x0") == []


async def test_uncles(node: Node) -> None:
    genesis = (await node.call("eth_getBlockByNumber", "0x0"))["hash"]
    assert await node.call("eth_getUncleByBlockNumberAndIndex", "0x0", "0x0") is None
    assert await node.call("eth_getUncleByBlockHashAndIndex", genesis, "0x0") is None
    assert await node.call("eth_getUncleCountByBlockNumber", "latest") == "0x0"
    assert await node.call("eth_getUncleCountByBlockHash", genesis) == "0x0"
    assert await node.call("eth_getUncleCountByBlockHash", NOWHERE) is None
    assert await node.call("eth_getUncleCountByBlockNumber", "0x9") is None


@pytest.mark.parametrize(
    "name",
    [
        "eth_getBlockByNumber",
        "eth_getHeaderByNumber",
        "eth_getBlockTransactionCountByNumber",
        "eth_getUncleCountByBlockNumber",
        "eth_getBlockReceipts",
    ],
)
async def test_malformed_block_numbers(node: Node, name: str) -> None:
    for bad in ("latests", "0x", "0x01", "0x8000000000000000", "12"):
        assert (await node.fails(name, bad)).code == -32602
