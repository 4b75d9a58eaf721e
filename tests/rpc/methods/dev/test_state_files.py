"""State files with blocks, transactions, receipts, logs and clock, in the forms of Anvil's versions."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, Node, hexadecimal, start_node, stop_node
from zevm.chain.blockchain import Chain
from zevm.chain.canonical.integrity import deep_problems, recent_problems
from zevm.chain.types import Header
from zevm.rpc.codec.anvil_state import read_saved_state

ALICE_, BOB_ = hexadecimal(ALICE), hexadecimal(BOB)
LOGGER = "0x6001600055600760005260206000a1"
"""Writes slot 0 and logs 32 bytes with the topic 7."""


@pytest.fixture
async def other() -> AsyncIterator[Node]:
    running = await start_node()
    yield running
    await stop_node(running)


def unpacked(dump: str) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(gzip.decompress(bytes.fromhex(dump[2:])))
    return document


def packed(document: dict[str, Any]) -> str:
    return hexadecimal(json.dumps(document).encode())


async def busy(node: Node) -> str:
    """A chain with a log, a creation, a failure, an impersonated sender, an empty block; the logger's address."""
    logger = await node.place(bytes.fromhex("600760005260206000a0" + "600760206000a1"[:0] + "00"), b"\xc1" * 20)
    await node.send(to=logger, gas="0x30000")
    await node.send(data="0x6001600c60003960016000f300", gas="0x30000")
    broken = await node.place(bytes.fromhex("fe"), b"\xc2" * 20)
    await node.send(to=broken, gas="0x30000", gasPrice=hex(10**10))
    stranger = "0x" + "d5" * 20
    await node.call("anvil_setBalance", stranger, hex(ETHER))
    await node.call("anvil_impersonateAccount", stranger)
    await node.call("eth_sendTransaction", {"from": stranger, "to": BOB_, "value": "0x5"})
    await node.call("evm_increaseTime", 100_000)
    await node.call("evm_mine")
    return logger


async def everything(node: Node) -> dict[str, Any]:
    """What clients can ask of the history and the latest state."""
    head = int(await node.call("eth_blockNumber"), 16)
    blocks = [await node.call("eth_getBlockByNumber", hex(number), True) for number in range(head + 1)]
    receipts = [await node.call("eth_getBlockReceipts", hex(number)) for number in range(head + 1)]
    by_hash = {
        item["hash"]: (
            await node.call("eth_getTransactionByHash", item["hash"]),
            await node.call("eth_getTransactionReceipt", item["hash"]),
        )
        for block in blocks
        for item in block["transactions"]
    }
    return {
        "blocks": blocks,
        "receipts": receipts,
        "by_hash": by_hash,
        "logs": await node.call("eth_getLogs", {"fromBlock": "0x0"}),
        "balances": [await node.call("eth_getBalance", account) for account in (ALICE_, BOB_, "0x" + "d5" * 20)],
        "nonce": await node.call("eth_getTransactionCount", ALICE_),
    }


async def test_r10_a_chain_goes_out_and_in_whole(node: Node, other: Node) -> None:
    """R10: blocks, transactions, receipts and logs are the same on the other side; the clock goes on from there."""
    await busy(node)
    await other.send(to=BOB_, value="0x1")
    before = await everything(node)
    assert len(before["logs"]) == 1
    assert len(before["by_hash"]) == 4
    dump = await node.call("anvil_dumpState")
    assert await other.call("anvil_loadState", dump) is True
    assert await everything(other) == before
    assert await other.call("anvil_dumpState") == dump
    await other.send(to=BOB_, value="0x1")
    tip = await other.call("eth_getBlockByNumber", "latest", False)
    assert tip["parentHash"] == before["blocks"][-1]["hash"]
    elapsed = int(tip["timestamp"], 16) - int(before["blocks"][-1]["timestamp"], 16)
    assert 0 < elapsed < 1_000
    assert list(recent_problems(other.chain.canonical)) == list(deep_problems(other.chain.canonical)) == []


async def test_r10_what_was_loaded_stays_over_a_restart(node: Node, other: Node) -> None:
    """R10: history, state and the way back to the loaded head, and no further."""
    await busy(node)
    expected = await everything(node)
    await other.call("anvil_loadState", await node.call("anvil_dumpState"))
    loaded = other.chain.head.number
    assert loaded == len(expected["blocks"]) - 1 == 5
    await other.send(to=BOB_, value="0x1")
    other.chain.close()
    again = other.chain = other.services.chain = Chain(other.chain.database, other.chain.genesis)
    assert again.head.number == loaded + 1
    assert (await node.call("eth_getBlockByNumber", hex(loaded)))["hash"] == hexadecimal(
        again.records.canonical_hash(loaded) or b""
    )
    again.writer.run(again.rollback, 1)
    assert again.head.number == loaded
    balance = again.head.state.account(BOB)
    assert balance is not None
    assert hex(balance.balance) == expected["balances"][1]
    assert list(deep_problems(again.canonical)) == []


async def test_r10_states_before_a_loaded_head_are_not_made_up(node: Node, other: Node) -> None:
    """R10: refused in words that say why; a rollback that needs one is refused and changes nothing."""
    await busy(node)
    await other.call("anvil_loadState", await node.call("anvil_dumpState"))
    head = int(await other.call("eth_blockNumber"), 16)
    transaction = (await other.call("eth_getBlockByNumber", "0x1"))["transactions"][0]
    why = f"is not kept: blocks up to {head} came from a state file"
    for name, params in (
        ("eth_getBalance", [BOB_, "0x0"]),
        ("eth_call", [{"to": BOB_}, "0x1"]),
        ("debug_traceTransaction", [transaction]),
        ("eth_getProof", [BOB_, [], "0x1"]),
    ):
        error = await other.fails(name, *params)
        assert (error.code, why in error.message) == (-32000, True), (name, error.message)
    snapshot = await other.call("evm_snapshot")
    for name in ("anvil_rollback", "anvil_reorg"):
        error = await other.fails(name, 1)
        assert "came from a state file" in error.message, name
    assert int(await other.call("eth_blockNumber"), 16) == head
    await other.send(to=BOB_, value="0x1")
    assert await other.call("evm_revert", snapshot) is True
    assert int(await other.call("eth_blockNumber"), 16) == head


async def test_r10_a_reset_leads_back_to_the_genesis_block(node: Node, other: Node) -> None:
    """R10: and so does another file, whose chain begins elsewhere."""
    genesis = await other.call("eth_getBlockByNumber", "0x0")
    balance = await other.call("eth_getBalance", ALICE_)
    await busy(node)
    document = unpacked(await node.call("anvil_dumpState"))
    document["blocks"] = document["blocks"][2:]
    await other.call("anvil_loadState", packed(document))
    assert (await other.call("eth_getBlockByNumber", "earliest"))["number"] == "0x2"
    assert await other.call("eth_getBlockByNumber", "0x1") is None
    await other.send(to=BOB_)
    await other.call("anvil_reset")
    assert await other.call("eth_getBlockByNumber", "latest") == genesis
    assert await other.call("eth_getBalance", ALICE_) == balance
    assert list(deep_problems(other.chain.canonical)) == []
    await other.send(to=BOB_)


async def test_r10_blocks_without_receipts_are_named(node: Node, other: Node, caplog: pytest.LogCaptureFixture) -> None:
    """R10: a file of Anvil 0.2 tells of no receipts: accounts and clock come, and the log says what does not."""
    await busy(node)
    document = unpacked(await node.call("anvil_dumpState")) | {"transactions": None}
    document["blocks"] = document["blocks"][:-1]
    document["best_block_number"] -= 1
    document["block"]["timestamp"] = "0xffffffff"
    await other.call("anvil_loadState", packed(document))
    assert await other.call("eth_blockNumber") == "0x0"
    assert await other.call("eth_getBalance", BOB_) == await node.call("eth_getBalance", BOB_)
    [message] = [record.getMessage() for record in caplog.records if record.name == "zevm.rpc"]
    assert message.startswith("5 blocks of the state file are not loaded")
    await other.call("evm_mine")
    assert int((await other.call("eth_getBlockByNumber", "latest"))["timestamp"], 16) >= 0xFFFFFFFF


BARE = {
    "chainId": "0x7a69", "nonce": "0x0", "gas": "0x5209", "maxFeePerGas": "0x77359401", "maxPriorityFeePerGas": "0x1",
    "to": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8", "value": "0x0", "accessList": [], "input": "0x",
    "r": "0x703a4b4d6dbff2fa2345df73263df2098faa7214863b5ec82c4c07162d87b853",
    "s": "0x17dea762c4ce600ad1d9d2c9ae6dd35b9e526d03c875f868ad0792fd4fad72e0", "yParity": "0x0",
}  # fmt: skip
HASH = "0xf8d5fb22350f52ae8c30cd7f6969eb73de849c8dc010f4215d4c5c24824fe2b3"
LEGACY = {
    "nonce": "0x1", "gasPrice": "0x5", "gasLimit": "0x5208", "to": None, "value": "0x0", "input": "0x00",
    "signature": {"r": "0x7", "s": "0x9", "v": "0xf4f6"},
}  # fmt: skip


def _header(number: int, parent: str, **changes: Any) -> dict[str, Any]:
    zeros = "0x" + "00" * 32
    return {
        "parentHash": parent, "sha3Uncles": zeros, "miner": "0x" + "00" * 20, "stateRoot": zeros,
        "transactionsRoot": zeros, "receiptsRoot": zeros, "logsBloom": "0x" + "00" * 256, "difficulty": "0x0",
        "number": hex(number), "gasLimit": "0x1c9c380", "gasUsed": "0x0", "timestamp": hex(1_800_000_000 + number),
        "extraData": "0x", "mixHash": zeros, "nonce": "0x0000000000000000", "baseFeePerGas": "0x3b9aca00",
        "blobGasUsed": "0x0", "excessBlobGas": "0x0",
    } | changes  # fmt: skip


def _outcome(block_hash: str, index: int, cumulative: int) -> dict[str, Any]:
    return {
        "info": {"transaction_hash": HASH, "transaction_index": index, "from": ALICE_, "contract_address": None},
        "receipt": {"type": "0x2", "status": "0x1", "cumulativeGasUsed": hex(cumulative), "logs": []},
        "block_hash": block_hash,
        "block_number": 1,
    }


FORMS = {
    "0.2": [{"EIP1559": BARE}, {"Legacy": LEGACY}],
    "0.3": [
        {"transaction": {"EIP1559": BARE}, "impersonated_sender": None},
        {"transaction": {"Legacy": LEGACY}, "impersonated_sender": None},
    ],
    "1.x": [
        {"transaction": {"type": "0x2", **BARE, "hash": HASH}, "impersonated_sender": None},
        {"transaction": {"type": "0x0", **LEGACY, "v": "0xf4f6", "r": "0x7", "s": "0x9"}, "impersonated_sender": None},
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_r10_forms_of_transactions(form: str) -> None:
    """R10: bare, wrapped and flat transactions are the same ones; a legacy one's chain is in its `v`."""
    first = _header(0, "0x" + "00" * 32)
    blocks = {"blocks": [{"header": first, "transactions": [], "ommers": []}], "accounts": {}}
    parent = hexadecimal(read_saved_state(blocks | {"best_block_number": 0}, lambda _: None).history[0].block.hash)
    block = {"header": _header(1, parent), "transactions": FORMS[form], "ommers": []}
    blocks["blocks"] = [block, *blocks["blocks"]]
    block_hash = hexadecimal(
        read_saved_state(blocks | {"best_block_number": "0x0"}, lambda _: None).history[-1].block.hash
    )
    assert block_hash == parent
    header = (
        read_saved_state({"accounts": {}, "blocks": [block | {"transactions": []}]}, lambda _: None).history[0].block
    )
    outcomes = [_outcome(hexadecimal(header.hash), index, 21_000 * (index + 1)) for index in range(2)]
    saved = read_saved_state(blocks | {"transactions": outcomes, "best_block_number": "0x1"}, lambda _: None)
    assert [record.block.number for record in saved.history] == [0, 1]
    assert saved.left_out == 0
    typed, legacy = saved.history[1].block.transactions
    assert hexadecimal(typed.hash) == HASH
    assert (legacy.chain_id, legacy.v, legacy.r, legacy.gas_limit) == (31_337, 0xF4F6, 7, 21_000)
    assert [receipt.gas_used for receipt in saved.history[1].receipts] == [21_000, 21_000]


def test_r10_headers_of_old_files_keep_their_hash() -> None:
    """R10: Anvil 0.2 wrote blob fields without a withdrawals root; the hash is the one that its next block names."""
    written = {
        "ommersHash": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "beneficiary": "0x" + "00" * 20,
        "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "timestamp": "0x66cdcc25",
    }
    header = {key: item for key, item in _header(0, "0x" + "00" * 32).items() if key not in ("sha3Uncles", "miner")}
    saved = read_saved_state(
        {"accounts": {}, "blocks": [{"header": header | written, "transactions": []}]}, lambda _: None
    )
    found = saved.history[0].block.header
    assert found.hash.hex() == "3a52101c98a4319c419681131d3585d70a6cf13a9af25136be20d451eed5480a"
    assert Header.decode(found.encode(), gaps=True) == found
    with pytest.raises(ValueError, match="withdrawals_root has 0 bytes"):
        Header.decode(found.encode())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"blocks": 5}, "expected an array"),
        ({"blocks": [5]}, "expected an object"),
        ({"blocks": [{"header": {}}]}, "parentHash"),
        ({"blocks": [{"header": {"parentHash": "0x00"}}]}, "parentHash"),
        ({"transactions": [{}]}, "expected an object"),
        ({"historical_states": [[5]]}, "expected pairs of a block hash and a state, got 1 items"),
        ({"accounts": {BOB_: {"nonce": hex(2**64)}}}, "is larger than 18446744073709551615"),
        ({"accounts": {BOB_: {"balance": hex(2**256)}}}, "number > 256 bits"),
        ({"blocks": [{"header": _header(2**64, "0x" + "00" * 32), "transactions": []}]}, "too long for uint64"),
        ({"blocks": [{"header": _header(1, "0x" + "00" * 32), "transactions": [{"nonce": hex(2**64)}]}]}, "uint64"),
        ({"blocks": [{"header": _header(3, "0x" + "00" * 32), "transactions": [{"type": "0x9"}]}]}, "type 9"),
        ({"best_block_number": "x", "blocks": [{"header": _header(3, "0x" + "00" * 32), "transactions": []}]}, "hex"),
    ],
)
async def test_r10_malformed_files_are_refused(node: Node, changes: dict[str, Any], words: str) -> None:
    """R10: with the part that does not fit, and nothing changed."""
    before = node.chain.head
    error = await node.fails("anvil_loadState", packed({"accounts": {}} | changes))
    assert error.code == -32602
    assert words in error.message, error.message
    assert node.chain.head is before


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("number", 2**64 - 1, "block number 18446744073709551615 is out of range"),
        ("timestamp", 2**63, "timestamp 9223372036854775808 is out of range"),
        ("gasLimit", 2**64 - 1, "gas limit 18446744073709551615 is out of range"),
        ("excessBlobGas", 2**64 - 1, "lets blobs cost more than 256 bits"),
        ("blobGasUsed", 2**64 - 1, "lets blobs cost more than 256 bits"),
    ],
)
async def test_a_block_that_none_can_follow_is_refused(node: Node, field: str, value: int, words: str) -> None:
    """The next block's number or time would not be one, or its blobs' price would be computed for ever."""
    before = node.chain.head
    block = {"header": _header(3, "0x" + "00" * 32) | {field: hex(value)}, "transactions": []}
    error = await node.fails("anvil_loadState", packed({"accounts": {}, "blocks": [block]}))
    assert words in error.message, error.message
    assert node.chain.head is before
    await node.call("evm_mine")
    assert node.chain.head.number == before.number + 1
