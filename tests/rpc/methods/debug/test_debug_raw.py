"""debug_getRaw*: bytes that decode to what the other methods tell, and what is not there."""

import pytest

from tests.rpc.methods.memory_node import BOB, Node, hexadecimal
from zevm.chain.types import Block, Header, Transaction
from zevm.storage import trie
from zevm.storage.keccak import keccak256

BOB_ = hexadecimal(BOB)
UNKNOWN = "0x" + "77" * 32


def raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])


async def test_a_block_its_header_receipts_and_transactions(node: Node) -> None:
    receipt = await node.send(to=BOB_, value="0x5")
    for reference in ("0x1", "latest", receipt["blockHash"], {"blockNumber": "0x1"}):
        block = Block.decode(raw(await node.call("debug_getRawBlock", reference)))
        header = Header.decode(raw(await node.call("debug_getRawHeader", reference)))
        assert hexadecimal(block.hash) == hexadecimal(header.hash) == receipt["blockHash"]
        receipts = [raw(item) for item in await node.call("debug_getRawReceipts", reference)]
        assert trie.ordered_root(receipts) == header.receipts_root
        transactions = [raw(item) for item in await node.call("debug_getRawTransactions", reference)]
        assert [Transaction.decode(item) for item in transactions] == list(block.transactions)
    assert raw(await node.call("debug_getRawTransaction", receipt["transactionHash"])) == transactions[0]


async def test_the_pending_block(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    transaction_hash = await node.call("eth_sendTransaction", {"to": BOB_, "value": "0x5"})
    (transaction,) = await node.call("debug_getRawTransactions", "pending")
    assert hexadecimal(keccak256(raw(transaction))) == transaction_hash
    assert len(await node.call("debug_getRawReceipts", "pending")) == 1
    assert await node.call("debug_getRawTransaction", transaction_hash) == transaction


@pytest.mark.parametrize("what", ["Block", "Header", "Receipts", "Transactions"])
async def test_blocks_that_are_not_there(node: Node, what: str) -> None:
    method = f"debug_getRaw{what}"
    assert await node.call(method, "0x64") == ("0x" if what in ("Block", "Header") else None)
    error = await node.fails(method, UNKNOWN)
    assert (error.code, error.message.endswith(f"{UNKNOWN} not found")) == (-32000, True)
    error = await node.fails(method, "2")
    assert (error.code, error.message) == (-32602, "invalid argument 0: hex string without 0x prefix")


async def test_transactions_that_are_not_there(node: Node) -> None:
    assert await node.call("debug_getRawTransaction", UNKNOWN) == "0x"
    error = await node.fails("debug_getRawTransaction", UNKNOWN[2:])
    assert error.code == -32602
