"""State files, snapshots and reset."""

import gzip
from collections.abc import AsyncIterator

import orjson
import pytest

from tests.rpc.methods.assembly import BOX
from tests.rpc.methods.memory_node import ALICE, BOB, ETHER, STRANGER, Node, hexadecimal, start_node, stop_node


def word(number: int) -> str:
    return f"0x{number:064x}"


def unpacked(dump: str) -> dict[str, object]:
    document: dict[str, object] = orjson.loads(gzip.decompress(bytes.fromhex(dump[2:])))
    return document


@pytest.fixture
async def other() -> AsyncIterator[Node]:
    running = await start_node()
    yield running
    await stop_node(running)


async def test_dump_and_load(node: Node, other: Node) -> None:
    box = await node.place(BOX)
    await node.send(to=box, data=word(5))
    dump = await node.call("anvil_dumpState")
    accounts = unpacked(dump)["accounts"]
    assert isinstance(accounts, dict)
    assert accounts[box] == {"nonce": 0, "balance": "0x0", "code": hexadecimal(BOX), "storage": {word(0): word(5)}}
    assert await other.call("anvil_loadState", dump) is True
    assert await other.call("eth_call", {"to": box}) == word(5)
    assert await other.call("eth_getTransactionCount", hexadecimal(ALICE)) == "0x1"
    assert unpacked(await other.call("hardhat_dumpState", True))["accounts"] == accounts


async def test_a_state_file_of_anvil(node: Node) -> None:
    """The keys and forms of an anvil 1.7.1 dump."""
    document = {
        "block": {"number": "0x2", "timestamp": "0x6b042489", "gas_limit": 30000000, "basefee": 586181641},
        "accounts": {
            hexadecimal(STRANGER): {
                "nonce": 3,
                "balance": "0x5",
                "code": hexadecimal(BOX),
                "storage": {word(0): word(7)},
            }
        },
        "best_block_number": 2,
        "blocks": [],
        "transactions": [],
        "historical_states": None,
    }
    packed = hexadecimal(gzip.compress(orjson.dumps(document)))
    for blob in (packed, hexadecimal(orjson.dumps(document))):
        await node.call("anvil_reset")
        assert await node.call("hardhat_loadState", blob) is True
        assert await node.call("eth_call", {"to": hexadecimal(STRANGER)}) == word(7)
        assert await node.call("eth_getTransactionCount", hexadecimal(STRANGER)) == "0x3"
        assert await node.call("eth_getBalance", hexadecimal(BOB)) == hex(10_000 * ETHER)


async def test_loading_replaces_the_storage_of_an_account(node: Node) -> None:
    box = await node.place(BOX)
    await node.call("anvil_setStorageAt", box, "0x0", word(1))
    account = {"nonce": 1, "balance": "0x0", "code": hexadecimal(BOX), "storage": {word(9): word(2)}}
    await node.call("anvil_loadState", hexadecimal(orjson.dumps({"accounts": {box: account}})))
    assert await node.call("eth_getStorageAt", box, "0x0") == word(0)
    assert await node.call("eth_getStorageAt", box, "0x9") == word(2)


@pytest.mark.parametrize("content", [b"", b"junk", b"[]", b"{}", b"\x1f\x8bjunk", b'{"accounts": {"0x12": {}}}'])
async def test_no_state_files(node: Node, content: bytes) -> None:
    assert (await node.fails("anvil_loadState", hexadecimal(content))).code == -32602


async def test_snapshots(node: Node) -> None:
    bob = hexadecimal(BOB)
    first = await node.call("evm_snapshot")
    assert first == "0x0"
    await node.send(to=bob, value="0x1")
    second = await node.call("anvil_snapshot")
    await node.call("evm_setAutomine", False)
    await node.call("eth_sendTransaction", {"to": bob, "value": "0x2"})
    await node.call("anvil_setBalance", bob, "0x0")
    assert await node.call("evm_revert", second) is True
    assert await node.call("eth_getBalance", bob) == hex(10_000 * ETHER + 1)
    assert await node.call("anvil_getAutomine") is True
    assert (await node.call("txpool_status"))["pending"] == "0x0"
    assert await node.call("anvil_revert", int(first, 16)) is True
    assert await node.call("eth_blockNumber") == "0x0"
    for used in (first, second, "0x63"):
        assert await node.call("evm_revert", used) is False
    assert (await node.fails("evm_revert", "first")).code == -32602


async def test_snapshots_of_one_state_are_each_used_once(node: Node) -> None:
    """As with Anvil, whose users take several before anything changes."""
    taken = [await node.call("evm_snapshot") for _ in range(4)]
    await node.call("anvil_setBalance", hexadecimal(BOB), "0x1")
    other = await node.call("evm_snapshot")
    assert await node.call("evm_revert", taken[1]) is True
    assert await node.call("eth_getBalance", hexadecimal(BOB)) == hex(10_000 * ETHER)
    assert await node.call("evm_revert", other) is False
    await node.call("anvil_setBalance", hexadecimal(BOB), "0x2")
    assert [await node.call("evm_revert", each) for each in taken] == [True, False, True, True]
    assert await node.call("eth_getBalance", hexadecimal(BOB)) == hex(10_000 * ETHER)
    assert [await node.call("evm_revert", each) for each in taken] == [False] * 4


async def test_reset(node: Node) -> None:
    before = await node.call("anvil_metadata")
    await node.send(to=hexadecimal(BOB), value="0x1")
    await node.call("anvil_setBalance", hexadecimal(STRANGER), "0x5")
    assert await node.call("hardhat_reset") is None
    after = await node.call("hardhat_metadata")
    assert (after["latestBlockNumber"], after["latestBlockHash"]) == (0, before["latestBlockHash"])
    assert after["instanceId"] != before["instanceId"]
    assert await node.call("eth_getBalance", hexadecimal(STRANGER)) == "0x0"
    assert await node.call("eth_getTransactionCount", hexadecimal(ALICE)) == "0x0"
    await node.call("anvil_reset", {})
    error = await node.fails("hardhat_reset", {"forking": {"jsonRpcUrl": "http://127.0.0.1:1"}})
    assert (error.code, error.message) == (-32602, "forking is not served here")
