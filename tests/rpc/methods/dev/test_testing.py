"""testing_buildBlockV1: of given transactions, of the pool's, of none; the block is the one that would be imported."""

from typing import Any

import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, KEYS, STRANGER, Node, hexadecimal
from tests.rpc.methods.wasm_contracts import WASM_BOX, wasm_contract
from zevm.chain.calls.payload import PayloadAttributes, build_payload
from zevm.chain.types import Transaction

ALICE_, BOB_ = hexadecimal(ALICE), hexadecimal(BOB)
ROOT, RANDOM, RECIPIENT = "0x" + "01" * 32, "0x" + "02" * 32, "0x" + "0e" * 20
WITHDRAWAL = {"index": "0x0", "validatorIndex": "0x1", "address": hexadecimal(STRANGER), "amount": "0x2"}


def attributes(**changes: Any) -> dict[str, Any]:
    return {
        "timestamp": hex(1_700_000_100),
        "prevRandao": RANDOM,
        "suggestedFeeRecipient": RECIPIENT,
        "withdrawals": [WITHDRAWAL],
        "parentBeaconBlockRoot": ROOT,
    } | changes


async def build(node: Node, transactions: list[str] | None, *more: str, **changes: Any) -> dict[str, Any]:
    head = node.chain.head.header.hash
    answer: dict[str, Any] = await node.call(
        "testing_buildBlockV1", hexadecimal(head), attributes(**changes), transactions, *more
    )
    return answer


async def test_a_block_of_given_transactions(node: Node) -> None:
    transfer = node.signed(KEYS[0], nonce=0)
    deploy = node.signed(KEYS[0], nonce=1, to=None, data=wasm_contract(WASM_BOX), gas_limit=3_000_000)
    answer = await build(node, [hexadecimal(item.encoded) for item in (transfer, deploy)], "0x1234")
    payload = answer["executionPayload"]
    assert payload["transactions"] == [hexadecimal(item.encoded) for item in (transfer, deploy)]
    assert (payload["extraData"], payload["feeRecipient"], payload["prevRandao"]) == ("0x1234", RECIPIENT, RANDOM)
    assert (payload["blockNumber"], payload["withdrawals"]) == ("0x1", [WITHDRAWAL])
    assert int(payload["gasUsed"], 16) > 21_000 + 53_000
    assert answer["blockValue"] == hex(int(payload["gasUsed"], 16) * 10**9)
    assert (answer["executionRequests"], answer["shouldOverrideBuilder"]) == ([], False)
    assert answer["blobsBundle"] == {"commitments": [], "proofs": [], "blobs": []}
    assert await node.call("eth_blockNumber") == "0x0"
    # what was built is a block that the chain takes
    built = node.chain.writer.run(
        build_payload,
        node.chain,
        PayloadAttributes(1_700_000_100, b"\x02" * 32, b"\x0e" * 20, (), b"\x01" * 32),
        [transfer],
    )
    node.chain.writer.run(node.chain.import_block, built.sealed.block)
    assert await node.call("eth_blockNumber") == "0x1"


async def test_blocks_of_the_pool_and_of_nothing(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    waiting = await node.call("eth_sendTransaction", {"to": BOB_, "value": "0x5"})
    from_pool = (await build(node, None))["executionPayload"]["transactions"]
    assert [hexadecimal(Transaction.decode(bytes.fromhex(item[2:])).hash) for item in from_pool] == [waiting]
    empty = await build(node, [])
    assert (empty["executionPayload"]["transactions"], empty["blockValue"]) == ([], "0x0")
    assert (await node.call("txpool_status"))["pending"] == "0x1"


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"timestamp": "0x1"}, -32000, "invalid timestamp, parent 1700000000 given 1"),
        ({"timestamp": None}, -32602, "missing required field 'timestamp' for PayloadAttributes"),
        ({"withdrawals": None}, -32000, "withdrawals is missing in a block under BPO2"),
        ({"parentBeaconBlockRoot": None}, -32000, "parentBeaconBlockRoot is missing in a block under BPO2"),
    ],
)
async def test_attributes_that_cannot_be(node: Node, changes: dict[str, Any], code: int, message: str) -> None:
    head = hexadecimal(node.chain.head.header.hash)
    error = await node.fails("testing_buildBlockV1", head, attributes(**changes), [])
    assert error.code == code
    assert error.message.endswith(message)


async def test_parents_and_transactions_that_cannot_be(node: Node) -> None:
    error = await node.fails("testing_buildBlockV1", "0x" + "77" * 32, attributes(), [])
    assert (error.code, error.message) == (-32000, "parentHash is not current head")
    head = hexadecimal(node.chain.head.header.hash)
    late = hexadecimal(node.signed(KEYS[0], nonce=9).encoded)
    error = await node.fails("testing_buildBlockV1", head, attributes(), [late])
    assert error.code == -32000
    assert error.message.startswith("nonce too high: address 0x")
    error = await node.fails("testing_buildBlockV1", head, attributes(), ["0x02"])
    assert (error.code, error.message) == (-32000, "typed transaction too short")
    assert await node.call("eth_blockNumber") == "0x0"
