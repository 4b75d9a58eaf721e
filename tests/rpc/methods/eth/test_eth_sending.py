"""Sending: signed by the client, by the node, by nobody; what is filled in; what is refused."""

import asyncio

import pytest

from tests.rpc.methods.assembly import BOX, INVALID, NOPE, REVERT_DATA, creation
from tests.rpc.methods.memory_node import (
    ALICE,
    BOB,
    CAROL,
    ETHER,
    KEYS,
    STRANGER,
    Node,
    hexadecimal,
    start_node,
    stop_node,
)
from zevm.rpc.limits import Limits

GWEI = 10**9


async def test_raw_transaction_is_mined_before_the_answer(node: Node) -> None:
    transaction = node.signed(KEYS[0], value=5)
    assert await node.call("eth_sendRawTransaction", hexadecimal(transaction.encoded)) == hexadecimal(transaction.hash)
    receipt = await node.call("eth_getTransactionReceipt", hexadecimal(transaction.hash))
    assert (receipt["status"], receipt["blockNumber"]) == ("0x1", "0x1")


async def test_raw_transactions_that_are_refused(node: Node) -> None:
    async def refusal(**changes: object) -> str:
        error = await node.fails("eth_sendRawTransaction", hexadecimal(node.signed(KEYS[0], **changes).encoded))
        assert error.code == -32000
        return error.message

    assert await refusal(chain_id=1) == "invalid chain id for signer: have 1 want 31337"
    assert (await refusal(gas_limit=20_000)).startswith("intrinsic gas too low")
    assert (await refusal(value=10**24)).startswith("insufficient funds for gas * price + value")
    assert (await refusal(max_fee_per_gas=1, max_priority_fee_per_gas=1)).startswith(
        "max fee per gas less than block base fee"
    )
    await node.send(to=hexadecimal(BOB))
    assert await refusal() == "nonce too low: next nonce 1, tx nonce 0"
    for junk, message in (("0x", "typed transaction too short"), ("0x7f", "transaction type not supported")):
        assert (await node.fails("eth_sendRawTransaction", junk)).message == message
    assert (await node.fails("eth_sendRawTransaction", "0xc0")).message.startswith("rlp: ")


async def test_an_unsigned_transaction_cannot_come_in_raw(node: Node) -> None:
    forged = node.signed(KEYS[0]).impersonating(ALICE)
    error = await node.fails("eth_sendRawTransaction", hexadecimal(forged.encoded))
    assert (error.code, error.message) == (-32000, "invalid sender")
    assert await node.call("eth_blockNumber") == "0x0"


async def test_nonce_gaps_wait_and_replacements_must_pay(node: Node) -> None:
    second = node.signed(KEYS[0], nonce=1)
    await node.call("eth_sendRawTransaction", hexadecimal(second.encoded))
    assert await node.call("eth_blockNumber") == "0x0"
    assert (await node.fails("eth_sendRawTransaction", hexadecimal(second.encoded))).message == "already known"
    cheap = node.signed(KEYS[0], nonce=1, value=1)
    error = await node.fails("eth_sendRawTransaction", hexadecimal(cheap.encoded))
    assert error.message == "replacement transaction underpriced"
    await node.call("eth_sendRawTransaction", hexadecimal(node.signed(KEYS[0]).encoded))
    receipt = await node.call("eth_getTransactionReceipt", hexadecimal(second.hash))
    assert receipt["status"] == "0x1"


async def test_send_fills_in_what_is_missing(node: Node) -> None:
    transaction_hash = await node.call("eth_sendTransaction", {"from": hexadecimal(BOB), "to": hexadecimal(CAROL)})
    sent = await node.call("eth_getTransactionByHash", transaction_hash)
    assert (sent["from"], sent["type"], sent["nonce"], sent["gas"]) == (hexadecimal(BOB), "0x2", "0x0", hex(21_000))
    assert sent["maxPriorityFeePerGas"] == hex(GWEI)
    legacy = await node.send(to=hexadecimal(CAROL), gasPrice=hex(5 * GWEI))
    assert (legacy["type"], legacy["effectiveGasPrice"], legacy["from"]) == ("0x0", hex(5 * GWEI), hexadecimal(ALICE))
    listed = await node.send(to=hexadecimal(CAROL), gasPrice=hex(5 * GWEI), accessList=[])
    assert listed["type"] == "0x1"


@pytest.mark.parametrize("kind", ["0x0", "0x1", "0x2"])
async def test_send_honours_the_type(node: Node, kind: str) -> None:
    receipt = await node.send(to=hexadecimal(BOB), type=kind)
    assert (receipt["type"], receipt["status"]) == (kind, "0x1")


async def test_parallel_sends_get_nonces_one_after_another(node: Node) -> None:
    box = await node.place(BOX)
    hashes = await asyncio.gather(
        *(node.call("eth_sendTransaction", {"to": box, "data": f"0x{index:064x}"}) for index in range(1, 6))
    )
    sent = [await node.call("eth_getTransactionByHash", item) for item in hashes]
    assert sorted(item["nonce"] for item in sent) == [hex(index) for index in range(5)]


async def test_send_refusals(node: Node) -> None:
    error = await node.fails("eth_sendTransaction", {"from": hexadecimal(STRANGER), "to": hexadecimal(BOB)})
    assert (error.code, error.message) == (-32000, "unknown account")
    error = await node.fails("eth_sendTransaction", {"from": hexadecimal(ALICE)})
    assert error.message == "contract creation without any data provided"
    error = await node.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "chainId": "0x5"})
    assert error.message == "chainId does not match node's (have=5, want=31337)"
    error = await node.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "maxFeePerGas": "0x0"})
    assert error.message == "maxFeePerGas must be non-zero"
    error = await node.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "value": hex(10**24)})
    assert error.message.startswith("insufficient funds")


async def test_a_cap_of_zero_pays_a_base_fee_of_zero(node: Node) -> None:
    """Anvil's users send so where gas is free; geth, whose base fee is never zero, takes it for a forgotten value."""
    await node.call("anvil_setNextBlockBaseFeePerGas", "0x0")
    receipt = await node.send(to=hexadecimal(BOB), maxFeePerGas="0x0", maxPriorityFeePerGas="0x0")
    assert (receipt["status"], receipt["effectiveGasPrice"]) == ("0x1", "0x0")


async def test_a_send_whose_estimate_reverts_is_refused_and_with_gas_is_mined(node: Node) -> None:
    contract = await node.place(NOPE)
    error = await node.fails("eth_sendTransaction", {"to": contract})
    assert (error.code, error.message, error.data) == (3, "execution reverted: nope", hexadecimal(REVERT_DATA))
    receipt = await node.send(to=contract, gas=hex(100_000))
    assert (receipt["status"], receipt["gasUsed"] != hex(100_000)) == ("0x0", True)
    await node.place(INVALID)
    receipt = await node.send(to=contract, gas=hex(100_000))
    assert (receipt["status"], receipt["gasUsed"]) == ("0x0", hex(100_000))


async def test_fee_cap_at_the_limit_and_past_it() -> None:
    price = 10 * GWEI
    running = await start_node(limits=Limits(transaction_fee_cap_wei=21_000 * price))
    try:
        assert (await running.send(to=hexadecimal(BOB), gasPrice=hex(price)))["status"] == "0x1"
        error = await running.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "gasPrice": hex(price + 1)})
        assert error.message.startswith("tx fee (0.00 ether) exceeds the configured cap (0.00 ether)")
        raw = running.signed(KEYS[0], nonce=1, max_fee_per_gas=price + 1)
        error = await running.fails("eth_sendRawTransaction", hexadecimal(raw.encoded))
        assert "exceeds the configured cap" in error.message
    finally:
        await stop_node(running)


async def test_impersonation(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    await node.call("anvil_setBalance", stranger, hex(ETHER))
    send = ("eth_sendTransaction", {"from": stranger, "to": hexadecimal(BOB), "value": "0x1"})
    await node.call("hardhat_impersonateAccount", stranger)
    receipt = await node.call("eth_getTransactionReceipt", await node.call(*send))
    assert (receipt["from"], receipt["status"]) == (stranger, "0x1")
    assert stranger in await node.call("eth_accounts")
    await node.call("anvil_stopImpersonatingAccount", stranger)
    assert (await node.fails(*send)).message == "unknown account"
    assert stranger not in await node.call("eth_accounts")
    await node.call("anvil_autoImpersonateAccount", True)
    assert (await node.call("eth_getTransactionReceipt", await node.call(*send)))["from"] == stranger
    await node.call("anvil_autoImpersonateAccount", False)
    assert (await node.fails(*send)).message == "unknown account"


async def test_unsigned_transactions(node: Node) -> None:
    stranger = hexadecimal(STRANGER)
    await node.call("anvil_setBalance", stranger, hex(ETHER))
    sent = await node.call("eth_sendUnsignedTransaction", {"from": stranger, "to": hexadecimal(BOB)})
    assert (await node.call("eth_getTransactionReceipt", sent))["from"] == stranger
    error = await node.fails("eth_sendUnsignedTransaction", {"from": "0x" + "77" * 20, "to": hexadecimal(BOB)})
    assert error.message.startswith("insufficient funds")


async def test_conditional(node: Node) -> None:
    raw = hexadecimal(node.signed(KEYS[0]).encoded)
    alice = hexadecimal(ALICE)
    storage_root = (await node.call("eth_getAccount", alice))["storageRoot"]
    for wrong in (
        {"blockNumberMin": "0x1"},
        {"timestampMax": "0x1"},
        {"knownAccounts": {alice: "0x" + "11" * 32}},
        {"knownAccounts": {alice: {"0x" + "00" * 32: "0x" + "00" * 31 + "01"}}},
    ):
        error = await node.fails("eth_sendRawTransactionConditional", raw, wrong)
        assert (error.code, error.message[:24]) == (-32000, "transaction conditional:")
    right = {"blockNumberMax": "0x0", "knownAccounts": {alice: storage_root}}
    assert await node.call("eth_sendRawTransactionConditional", raw, right)
    assert await node.call("eth_blockNumber") == "0x1"


async def test_sync_returns_the_receipt(node: Node) -> None:
    transaction = node.signed(KEYS[0])
    receipt = await node.call("eth_sendRawTransactionSync", hexadecimal(transaction.encoded))
    assert receipt == await node.call("eth_getTransactionReceipt", hexadecimal(transaction.hash))
    receipt = await node.call("eth_sendTransactionSync", {"to": hexadecimal(BOB)}, 1000)
    assert receipt["status"] == "0x1"


async def test_sync_waits_for_a_later_block(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    transaction = node.signed(KEYS[0])
    waiting = asyncio.create_task(node.call("eth_sendRawTransactionSync", hexadecimal(transaction.encoded), "0x4e20"))
    while (await node.call("txpool_status"))["pending"] != "0x1":
        await asyncio.sleep(0)
    assert not waiting.done()
    await node.call("evm_mine")
    assert (await waiting)["transactionHash"] == hexadecimal(transaction.hash)


async def test_sync_waits_through_blocks_without_the_transaction(node: Node) -> None:
    transaction = node.signed(KEYS[0], nonce=1)
    waiting = asyncio.create_task(node.call("eth_sendRawTransactionSync", hexadecimal(transaction.encoded)))
    while (await node.call("txpool_status"))["queued"] != "0x1":
        await asyncio.sleep(0)
    await node.call("anvil_mine", 2)
    assert await node.call("eth_blockNumber") == "0x2"
    assert not waiting.done()
    await node.send(to=hexadecimal(BOB))
    assert (await waiting)["transactionHash"] == hexadecimal(transaction.hash)


async def test_sync_gives_up(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    transaction = node.signed(KEYS[0])
    error = await node.fails("eth_sendRawTransactionSync", hexadecimal(transaction.encoded), 20)
    assert (error.code, error.data) == (4, hexadecimal(transaction.hash))
    assert (await node.call("txpool_status"))["pending"] == "0x1"
    error = await node.fails("eth_sendTransactionSync", {"from": hexadecimal(STRANGER), "to": hexadecimal(BOB)})
    assert error.message == "unknown account"


async def test_fill(node: Node) -> None:
    filled = await node.call("eth_fillTransaction", {"from": hexadecimal(STRANGER), "data": hexadecimal(creation(BOX))})
    transaction = filled["tx"]
    assert (transaction["from"], transaction["nonce"], transaction["type"]) == (hexadecimal(STRANGER), "0x0", "0x2")
    assert int(transaction["gas"], 16) > 53_000
    assert filled["raw"].startswith("0x02")
    assert transaction["chainId"] == hex(31337)
    contract = await node.place(NOPE)
    assert (await node.fails("eth_fillTransaction", {"to": contract})).code == 3
    assert await node.call("eth_blockNumber") == "0x0"


async def test_resend(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    fields = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB), "value": "0x1", "nonce": "0x0"}
    first = await node.call("eth_sendTransaction", fields)
    second = await node.call("eth_resend", fields, hex(50 * GWEI))
    assert await node.call("eth_getTransactionByHash", first) is None
    assert (await node.call("eth_getTransactionByHash", second))["gasPrice"] == hex(50 * GWEI)
    assert (await node.fails("eth_resend", fields | {"nonce": "0x7"}, hex(50 * GWEI))).code == -32000
    error = await node.fails("eth_resend", {"to": hexadecimal(BOB)}, hex(50 * GWEI))
    assert error.message == "missing transaction nonce in transaction spec"


@pytest.mark.lengthy
@pytest.mark.usefixtures("trusted_setup")
async def test_blob_transactions_need_their_sidecar(node: Node) -> None:
    fields = {"to": hexadecimal(BOB), "blobVersionedHashes": ["0x01" + "00" * 31]}
    error = await node.fails("eth_sendTransaction", fields)
    assert error.message == "missing sidecar in blob transaction"
    error = await node.fails("eth_sendTransaction", {"data": "0x00", "blobVersionedHashes": ["0x01" + "00" * 31]})
    assert error.message == 'missing "to" in blob transaction'
    error = await node.fails("eth_sendTransaction", {"to": hexadecimal(BOB), "blobs": ["0x" + "ff" * 131_072]})
    assert error.message.startswith("invalid blob")
