"""Transactions and receipts, mined or waiting."""

from tests.rpc.methods.assembly import BOX, TOPIC, creation
from tests.rpc.methods.memory_node import ALICE, BOB, KEYS, Node, hexadecimal

NOWHERE = "0x" + "ab" * 32


async def test_mined_transaction_by_every_way(node: Node) -> None:
    receipt = await node.send(to=hexadecimal(BOB), value="0x5")
    transaction = await node.call("eth_getTransactionByHash", receipt["transactionHash"])
    assert transaction["from"] == hexadecimal(ALICE)
    assert (transaction["value"], transaction["nonce"], transaction["type"]) == ("0x5", "0x0", "0x2")
    assert (transaction["blockNumber"], transaction["transactionIndex"]) == ("0x1", "0x0")
    assert transaction["gasPrice"] == receipt["effectiveGasPrice"]
    by_hash = ("eth_getTransactionByBlockHashAndIndex", receipt["blockHash"], "0x0")
    by_number = ("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x0")
    by_sender = ("eth_getTransactionBySenderAndNonce", hexadecimal(ALICE), "0x0")
    for name, *params in (by_hash, by_number, by_sender):
        assert await node.call(name, *params) == transaction


async def test_waiting_transaction(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    transaction_hash = await node.call("eth_sendTransaction", {"to": hexadecimal(BOB)})
    transaction = await node.call("eth_getTransactionByHash", transaction_hash)
    nothing = {"blockHash": None, "blockNumber": None, "transactionIndex": None}
    assert {key: transaction[key] for key in nothing} == nothing
    assert await node.call("eth_getTransactionReceipt", transaction_hash) is None
    assert await node.call("eth_getTransactionBySenderAndNonce", hexadecimal(ALICE), "0x0") == transaction
    assert await node.call("eth_getTransactionByBlockNumberAndIndex", "pending", "0x0") == transaction
    assert await node.call("eth_pendingTransactions") == [transaction]


async def test_unknown_is_null(node: Node) -> None:
    genesis = (await node.call("eth_getBlockByNumber", "0x0"))["hash"]
    for name in ("eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash"):
        assert await node.call(name, NOWHERE) is None
    for kind in ("Transaction", "RawTransaction"):
        for block in (genesis, NOWHERE):
            assert await node.call(f"eth_get{kind}ByBlockHashAndIndex", block, "0x0") is None
        for block in ("0x0", "0x9"):
            assert await node.call(f"eth_get{kind}ByBlockNumberAndIndex", block, "0x0") is None
    assert await node.call("eth_getTransactionBySenderAndNonce", hexadecimal(ALICE), "0x0") is None
    assert await node.call("eth_pendingTransactions") == []


async def test_transactions_of_one_sender_over_many_blocks(node: Node) -> None:
    sent = [await node.send(to=hexadecimal(BOB), value=hex(index)) for index in range(5)]
    await node.call("anvil_mine", 3)
    for nonce, receipt in enumerate(sent):
        found = await node.call("eth_getTransactionBySenderAndNonce", hexadecimal(ALICE), nonce)
        assert found["hash"] == receipt["transactionHash"]


async def test_raw_transactions(node: Node) -> None:
    transaction = node.signed(KEYS[0])
    raw = hexadecimal(transaction.encoded)
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendRawTransaction", raw)
    assert await node.call("eth_getRawTransactionByHash", hexadecimal(transaction.hash)) == raw
    await node.call("evm_mine")
    block_hash = (await node.call("eth_getBlockByNumber", "latest"))["hash"]
    assert await node.call("eth_getRawTransactionByHash", hexadecimal(transaction.hash)) == raw
    assert await node.call("eth_getRawTransactionByBlockHashAndIndex", block_hash, "0x0") == raw
    assert await node.call("eth_getRawTransactionByBlockNumberAndIndex", "latest", "0x0") == raw


async def test_receipt_of_a_creation_and_of_a_log(node: Node) -> None:
    created = await node.send(data=hexadecimal(creation(BOX)))
    assert (created["to"], created["status"], created["logs"]) == (None, "0x1", [])
    assert await node.call("eth_getCode", created["contractAddress"]) == hexadecimal(BOX)
    data = f"0x{9:064x}"
    receipt = await node.send(to=created["contractAddress"], data=data)
    assert receipt["contractAddress"] is None
    [log] = receipt["logs"]
    assert (log["topics"], log["data"], log["logIndex"]) == ([hexadecimal(TOPIC)], data, "0x0")
    assert log["address"] == created["contractAddress"]
    assert log["blockHash"] == receipt["blockHash"]


async def test_log_indexes_count_over_the_block(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("evm_setAutomine", False)
    hashes = [
        await node.call("eth_sendTransaction", {"to": box, "data": f"0x{index:064x}", "gas": "0x186a0"})
        for index in range(3)
    ]
    await node.call("evm_mine")
    receipts = [await node.call("eth_getTransactionReceipt", item) for item in hashes]
    assert [receipt["logs"][0]["logIndex"] for receipt in receipts] == ["0x0", "0x1", "0x2"]
    assert [receipt["transactionIndex"] for receipt in receipts] == ["0x0", "0x1", "0x2"]
    assert await node.call("eth_getBlockReceipts", "latest") == receipts


async def test_malformed_parameters(node: Node) -> None:
    assert (await node.fails("eth_getTransactionByHash", "0x12")).code == -32602
    assert (await node.fails("eth_getTransactionReceipt", "0x12")).code == -32602
    assert (await node.fails("eth_getTransactionByBlockNumberAndIndex", "0x0", "0x01")).code == -32602
    assert (await node.fails("eth_getTransactionBySenderAndNonce", "0x12", "0x0")).code == -32602
