"""Accounts, code and storage at any block."""

import threading

import pytest

from tests.rpc.methods.assembly import BOX, creation
from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, STRANGER, Node, hexadecimal
from zevm.chain.types.block_reference import BlockReference
from zevm.storage.account import StateReader

NOWHERE = "0x" + "00" * 32


def word(number: int) -> str:
    return f"0x{number:064x}"


async def test_balance_now_then_and_pending(node: Node) -> None:
    bob = hexadecimal(BOB)
    await node.send(to=bob, value=hex(5))
    await node.call("evm_setAutomine", False)
    await node.send(to=bob, value=hex(7))
    assert await node.call("eth_getBalance", bob, "latest") == hex(10_000 * ETHER + 5)
    assert await node.call("eth_getBalance", bob) == hex(10_000 * ETHER + 5)
    assert await node.call("eth_getBalance", bob, "0x0") == hex(10_000 * ETHER)
    assert await node.call("eth_getBalance", bob, "earliest") == hex(10_000 * ETHER)
    assert await node.call("eth_getBalance", bob, "pending") == hex(10_000 * ETHER + 12)
    assert await node.call("eth_getBalance", hexadecimal(STRANGER), "latest") == "0x0"


async def test_balance_by_block_hash(node: Node) -> None:
    genesis = (await node.call("eth_getBlockByNumber", "0x0"))["hash"]
    await node.send(to=hexadecimal(BOB), value="0x1")
    for reference in (genesis, {"blockHash": genesis}, {"blockHash": genesis, "requireCanonical": True}):
        assert await node.call("eth_getBalance", hexadecimal(BOB), reference) == hex(10_000 * ETHER)
    assert await node.call("eth_getBalance", hexadecimal(BOB), {"blockNumber": "0x0"}) == hex(10_000 * ETHER)


async def test_unknown_blocks(node: Node) -> None:
    error = await node.fails("eth_getBalance", hexadecimal(BOB), "0x64")
    assert (error.code, error.message) == (-32000, "header not found")
    error = await node.fails("eth_getCode", hexadecimal(BOB), {"blockHash": NOWHERE})
    assert (error.code, error.message) == (-32000, "header for hash not found")
    error = await node.fails("eth_getStorageAt", hexadecimal(BOB), "0x0", "soon")
    assert error.code == -32602


async def test_transaction_count_counts_the_pool_when_pending(node: Node) -> None:
    alice = hexadecimal(ALICE)
    await node.send(to=alice)
    await node.call("evm_setAutomine", False)
    await node.send(to=alice)
    await node.send(to=alice)
    assert await node.call("eth_getTransactionCount", alice, "latest") == "0x1"
    assert await node.call("eth_getTransactionCount", alice, "pending") == "0x3"
    assert await node.call("eth_getTransactionCount", alice, "0x0") == "0x0"


async def test_transaction_count_counts_what_the_next_block_cannot_take(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    await node.send(to=hexadecimal(ALICE), maxFeePerGas=hex(10**10))
    await node.call("anvil_setNextBlockBaseFeePerGas", hex(10**11))
    assert (await node.call("eth_getBlockByNumber", "pending"))["transactions"] == []
    assert await node.call("eth_getTransactionCount", hexadecimal(ALICE), "pending") == "0x1"


async def test_the_pending_state_is_built_by_the_writer(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    state_at = node.chain.state_at

    def recording(reference: BlockReference) -> StateReader:
        threads.append(threading.current_thread().name)
        return state_at(reference)

    monkeypatch.setattr(node.chain, "state_at", recording)
    await node.call("eth_getBalance", hexadecimal(ALICE), "pending")
    await node.call("eth_getBalance", hexadecimal(ALICE), "latest")
    assert threads == ["chain-writer", threading.current_thread().name]


async def test_code_and_storage(node: Node) -> None:
    receipt = await node.send(data=hexadecimal(creation(BOX)))
    box = receipt["contractAddress"]
    await node.send(to=box, data=word(77))
    assert await node.call("eth_getCode", box, "latest") == hexadecimal(BOX)
    assert await node.call("eth_getCode", box, "0x0") == "0x"
    assert await node.call("eth_getCode", hexadecimal(ALICE)) == "0x"
    for slot in ("0x0", "0x00", word(0)):
        assert await node.call("eth_getStorageAt", box, slot, "latest") == word(77)
    assert await node.call("eth_getStorageAt", box, "0x0", "0x1") == word(0)
    assert await node.call("eth_getStorageValues", {box: ["0x0", "0x1"]}, "latest") == {box: [word(77), word(0)]}


async def test_storage_values_are_bounded(node: Node) -> None:
    most = node.services.limits.storage_values
    alice = hexadecimal(ALICE)
    answer = await node.call("eth_getStorageValues", {alice: [hex(slot) for slot in range(most)]})
    assert len(answer[alice]) == most
    error = await node.fails("eth_getStorageValues", {alice: [hex(slot) for slot in range(most + 1)]})
    assert (error.code, error.message) == (-38026, f"too many slots (max {most})")
    assert (await node.fails("eth_getStorageValues", {})).message == "empty request"


async def test_account_and_account_info(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("anvil_setStorageAt", box, "0x0", word(1))
    account = await node.call("eth_getAccount", box, "latest")
    assert account["balance"] == "0x0"
    assert account["codeHash"] == await node.call("web3_sha3", hexadecimal(BOX))
    assert account["storageRoot"] != (await node.call("eth_getAccount", hexadecimal(ALICE)))["storageRoot"]
    assert await node.call("eth_getAccount", hexadecimal(STRANGER)) is None
    info = await node.call("eth_getAccountInfo", hexadecimal(ALICE), "latest")
    assert info == {"balance": hex(10_000 * ETHER), "nonce": "0x0", "code": "0x"}
    assert (await node.fails("eth_getAccountInfo", hexadecimal(ALICE), "0x9")).message == "header not found"
    assert (await node.fails("eth_getAccount", hexadecimal(ALICE), "0x9")).message == "header not found"
