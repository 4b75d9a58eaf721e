"""What waits in the pool."""

from eth_utils.address import to_checksum_address

from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal
from zevm.rpc.codec.later import Later
from zevm.rpc.methods.eth.transactions import pending_transactions as pending
from zevm.rpc.methods.node import txpool


async def test_pool(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    fields = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "value": "0x1", "gasPrice": hex(10**10)}
    first = await node.call("eth_sendTransaction", fields)
    await node.call("eth_sendTransaction", fields | {"nonce": "0x5"})
    assert await node.call("txpool_status") == {"pending": "0x1", "queued": "0x1"}
    content = await node.call("txpool_content")
    alice = to_checksum_address(ALICE)
    assert content["pending"][alice]["0"] == await node.call("eth_getTransactionByHash", first)
    assert list(content["queued"][alice]) == ["5"]
    text = f"{to_checksum_address(BOB)}: 1 wei + 21000 gas × 10000000000 wei"  # noqa: RUF001
    inspected = await node.call("txpool_inspect")
    assert inspected == {"pending": {alice: {"0": text}}, "queued": {alice: {"5": text}}}
    mine = await node.call("txpool_contentFrom", hexadecimal(ALICE))
    assert mine == {"pending": content["pending"][alice], "queued": content["queued"][alice]}
    assert await node.call("txpool_contentFrom", hexadecimal(BOB)) == {"pending": {}, "queued": {}}


async def test_empty_pool(node: Node) -> None:
    assert await node.call("txpool_status") == {"pending": "0x0", "queued": "0x0"}
    assert await node.call("txpool_content") == {"pending": {}, "queued": {}}
    assert (await node.fails("txpool_contentFrom", "0x12")).code == -32602


async def test_creation_in_the_summary(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"data": "0x00", "gas": "0x186a0", "gasPrice": hex(10**10)})
    [line] = (await node.call("txpool_inspect"))["pending"][to_checksum_address(ALICE)].values()
    assert line.startswith("contract creation: 0 wei + 100000 gas")


async def test_a_pool_of_long_transactions_is_not_shown_on_the_event_loop(node: Node) -> None:
    """Few of them, each as long as it may be: their answer takes long to encode."""
    await node.call("evm_setAutomine", False)
    fields = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "gas": hex(10_000_000), "data": "0x" + "11" * 100_000}
    sent = [await node.call("eth_sendTransaction", fields) for _ in range(2)]
    for show in (txpool.content, txpool.inspect, lambda services: txpool.content_from(services, ALICE), pending):
        assert type(show(node.services)) is Later
    assert [entry["hash"] for entry in await node.call("eth_pendingTransactions")] == sent
    await node.call("anvil_dropTransaction", sent[0])
    await node.call("anvil_dropTransaction", sent[1])
    assert type(txpool.content(node.services)) is dict
