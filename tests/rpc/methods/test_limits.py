"""The limits that the methods keep: at each, and one past it."""

import gzip
import resource
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.assembly import assemble
from tests.rpc.methods.memory_node import ALICE, BOB, KEYS, Node, hexadecimal, start_node, stop_node
from zevm.chain.canonical.log_search import LogLimits
from zevm.chain.options import ChainOptions
from zevm.rpc.limits import Limits

HEX_ALICE, HEX_BOB = hexadecimal(ALICE), hexadecimal(BOB)
CONTRACT = "0x" + "c0" * 20
GAS_LEFT = hexadecimal(assemble("GAS 0x00 MSTORE 0x20 0x00 RETURN"))
ENDLESS = hexadecimal(assemble("again: @again JUMP"))


@asynccontextmanager
async def limited_node(options: ChainOptions | None = None, **limits: Any) -> AsyncIterator[Node]:
    running = await start_node(options=options, limits=Limits(**limits))
    try:
        yield running
    finally:
        await stop_node(running)


async def test_call_gas() -> None:
    async with limited_node(call_gas=1_000_000) as node:
        override = {CONTRACT: {"code": GAS_LEFT}}
        asked = {}
        for gas in (None, 999_999, 1_000_000, 1_000_001, 2**63):
            message = {"to": CONTRACT} | ({} if gas is None else {"gas": hex(gas)})
            asked[gas] = int(await node.call("eth_call", message, "latest", override), 16)
        assert asked[999_999] == asked[1_000_000] - 1
        assert asked[None] == asked[1_000_001] == asked[2**63] == asked[1_000_000]
        error = await node.fails("eth_estimateGas", {"to": CONTRACT}, "latest", {CONTRACT: {"code": ENDLESS}})
        assert error.message == "gas required exceeds allowance (1000000)"


async def test_execution_time() -> None:
    async with limited_node(evm_timeout_seconds=0.3, call_gas=10**12) as node:
        begun = time.monotonic()
        error = await node.fails("eth_call", {"to": CONTRACT}, "latest", {CONTRACT: {"code": ENDLESS}})
        assert (error.code, error.message) == (-32000, "execution aborted (timeout = 0.3s)")
        assert 0.25 < time.monotonic() - begun < PATIENCE_SECONDS


async def test_transaction_fee_cap() -> None:
    price = 10**12
    async with limited_node(transaction_fee_cap_wei=21_000 * price) as node:
        at_cap = node.signed(KEYS[0], max_fee_per_gas=price)
        assert await node.call("eth_sendRawTransaction", hexadecimal(at_cap.encoded)) == hexadecimal(at_cap.hash)
        past = node.signed(KEYS[0], max_fee_per_gas=price + 1, nonce=1)
        error = await node.fails("eth_sendRawTransaction", hexadecimal(past.encoded))
        assert error.code == -32000
        assert error.message.startswith("tx fee (0.02 ether) exceeds the configured cap (0.02 ether)")
    async with limited_node(transaction_fee_cap_wei=0) as node:
        dear = node.signed(KEYS[0], max_fee_per_gas=10**16)
        assert await node.call("eth_sendRawTransaction", hexadecimal(dear.encoded))


async def test_log_range_addresses_and_topics() -> None:
    async with limited_node(log_block_range=5, log_addresses=2, log_topics=2) as node:
        await node.call("anvil_mine", "0xa")
        assert await node.call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x6"}) == []
        error = await node.fails("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x7"})
        assert error.code == -32602
        assert "block range of 6 is too large: want at most 5" in error.message
        topics = ["0x" + bytes((number,) * 32).hex() for number in range(3)]
        addresses = ["0x" + bytes((number,) * 20).hex() for number in range(3)]
        assert await node.call("eth_getLogs", {"address": addresses[:2], "topics": [None, topics[:2]]}) == []
        for criteria in ({"address": addresses}, {"topics": [topics]}):
            for name in ("eth_getLogs", "eth_newFilter"):
                error = await node.fails(name, criteria)
                assert error.code == -32602
                assert error.message.startswith("exceed max addresses or topics per search position")


async def test_log_results() -> None:
    log_results = 3
    async with limited_node(ChainOptions(logs=LogLimits(max_results=log_results))) as node:
        place = await node.place(assemble("0x07 0x00 0x00 LOG1"))
        for _ in range(3):
            await node.send(to=place)
        criteria = {"fromBlock": "0x0", "address": place}
        assert len(await node.call("eth_getLogs", criteria)) == 3
        await node.send(to=place)
        error = await node.fails("eth_getLogs", criteria)
        assert error.code == -32602
        assert error.message.startswith("query exceeds max results 3")


async def test_fee_history() -> None:
    async with limited_node(fee_history_blocks=3, fee_history_percentiles=2) as node:
        await node.call("anvil_mine", "0x6")
        for count in (3, 4, 2**40):
            history = await node.call("eth_feeHistory", hex(count), "latest", [10, 20])
            assert history["oldestBlock"] == "0x4"
            assert len(history["gasUsedRatio"]) == 3
        assert len((await node.call("eth_feeHistory", "0x2", "latest"))["gasUsedRatio"]) == 2
        error = await node.fails("eth_feeHistory", "0x2", "latest", [10, 20, 30])
        assert (error.code, error.message) == (-32000, "invalid reward percentile: over the query limit 2")


async def test_storage_values() -> None:
    async with limited_node(storage_values=3) as node:
        slots = await node.call("eth_getStorageValues", {HEX_ALICE: ["0x0", "0x1"], HEX_BOB: ["0x2"]}, "latest")
        assert [len(values) for values in slots.values()] == [2, 1]
        error = await node.fails("eth_getStorageValues", {HEX_ALICE: ["0x0", "0x1", "0x2"], HEX_BOB: ["0x2"]}, "latest")
        assert (error.code, error.message) == (-38026, "too many slots (max 3)")


async def test_mined_blocks() -> None:
    async with limited_node(mine_blocks=4) as node:
        for name, parameter in (("anvil_mine", "0x4"), ("evm_mine", {"blocks": 4})):
            before = int(await node.call("eth_blockNumber"), 16)
            await node.call(name, parameter)
            assert int(await node.call("eth_blockNumber"), 16) == before + 4
        for name, parameter in (("anvil_mine", "0x5"), ("hardhat_mine", hex(2**64)), ("evm_mine", {"blocks": 5})):
            error = await node.fails(name, parameter)
            assert error.code == -32602
            assert "want at most 4 (--rpc-mine-blocks)" in error.message


async def test_synchronous_sends() -> None:
    async with limited_node(sync_send_seconds=0.2) as node:
        await node.call("evm_setAutomine", False)
        transaction = node.signed(KEYS[0])
        begun = time.monotonic()
        error = await node.fails("eth_sendRawTransactionSync", hexadecimal(transaction.encoded), 60_000)
        assert 0.15 < time.monotonic() - begun < PATIENCE_SECONDS
        assert (error.code, error.data) == (4, hexadecimal(transaction.hash))


def bomb(unpacked_bytes: int, filling: bytes) -> str:
    """A state file in gzip, a thousandth of what it unpacks to."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'{"accounts": {"0x' + b"11" * 20 + b'": {"code": "0x')]
    piece = filling * (1_048_576 // len(filling))
    parts += [packer.compress(piece) for _ in range(unpacked_bytes // len(piece))]
    return hexadecimal(b"".join(parts) + packer.compress(b'"}}}') + packer.flush())


async def test_b4_state_files_are_bounded_when_unpacked() -> None:
    async with limited_node(state_file_bytes=4 << 20) as node:
        assert await node.call("anvil_loadState", bomb(3 << 20, b"00")) is True
        assert len(await node.call("eth_getCode", "0x" + "11" * 20)) == 2 + (3 << 20)
        error = await node.fails("anvil_loadState", bomb(4 << 20, b"00"))
        assert error.code == -32602
        assert "larger than 4194304 bytes when unpacked" in error.message
        assert "--rpc-state-file-bytes" in error.message


@pytest.mark.slow
async def test_b4_a_bomb_neither_fills_the_memory_nor_holds_others_up() -> None:
    """1.5 GB out of 1.4 MB, and a body small enough to be read on the event loop that unpacks to the limit."""
    async with limited_node() as node:
        dense, small = bomb(1_536 << 20, b"00"), bomb(48 << 20, b"00")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.thread_time()
        error = await node.fails("anvil_loadState", dense)
        assert "when unpacked" in error.message
        assert await node.call("anvil_loadState", small) is True
        assert time.thread_time() - begun < 1.0
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 * 1024


@pytest.mark.lengthy
async def test_b4_a_state_file_with_too_many_values_is_refused_before_they_are_made() -> None:
    async with limited_node() as node:
        values = gzip.compress(b'{"accounts": [' + b"[]," * 10_000_000 + b"[]]}", 9)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        error = await node.fails("anvil_loadState", hexadecimal(values))
        assert error.code == -32602
        assert "--rpc-json-structure" in error.message
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
