"""The clock and the making of blocks."""

import time
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from tests.rpc.methods.memory_node import BOB, Node, hexadecimal, start_node, stop_node
from zevm.chain.canonical.integrity import deep_problems
from zevm.chain.errors import BlockError, Reason
from zevm.chain.options import ChainOptions
from zevm.node.hints import HintFilter
from zevm.rpc.limits import Limits


async def timestamp(node: Node, block: str = "latest") -> int:
    return int((await node.call("eth_getBlockByNumber", block))["timestamp"], 16)


async def test_mine(node: Node) -> None:
    assert await node.call("evm_mine") == "0x0"
    assert await node.call("evm_mine", 1_900_000_000) == "0x0"
    assert await timestamp(node) == 1_900_000_000
    assert await node.call("evm_mine", {"timestamp": hex(1_900_000_100), "blocks": 2}) == "0x0"
    assert await node.call("eth_blockNumber") == "0x4"
    assert await timestamp(node, "0x3") == 1_900_000_100
    error = await node.fails("evm_mine", 5)
    assert error.code == -32602
    assert error.message.startswith("Timestamp error: 5 is lower than")


async def test_mine_detailed(node: Node) -> None:
    await node.call("evm_setAutomine", False)
    sent = await node.call("eth_sendTransaction", {"to": hexadecimal(BOB)})
    first, second = await node.call("evm_mine_detailed", {"blocks": "0x2"})
    assert [item["hash"] for item in first["transactions"]] == [sent]
    assert (second["number"], second["transactions"]) == ("0x2", [])
    assert (await node.call("eth_getBlockByNumber", "0x1", True)) == first
    assert (await node.fails("anvil_mine_detailed", {"timestamp": "0x1"})).code == -32602


async def test_mine_many(node: Node) -> None:
    await node.call("hardhat_mine", "0x3", "0x3c")
    times = [await timestamp(node, hex(number)) for number in (1, 2, 3)]
    assert [times[1] - times[0], times[2] - times[1]] == [60, 60]
    assert await node.call("anvil_mine") is None
    assert await node.call("eth_blockNumber") == "0x4"


async def test_mining_is_bounded() -> None:
    running = await start_node(limits=Limits(mine_blocks=3))
    try:
        await running.call("anvil_mine", 3)
        error = await running.fails("anvil_mine", 4)
        assert (error.code, error.message[:30]) == (-32602, "4 blocks are too many at once:")
        assert await running.call("eth_blockNumber") == "0x3"
    finally:
        await stop_node(running)


async def test_automine_and_interval_are_independent(node: Node) -> None:
    assert await node.call("anvil_getAutomine") is True
    assert await node.call("anvil_getIntervalMining") is None
    await node.call("evm_setIntervalMining", 3600)
    assert await node.call("anvil_getIntervalMining") == 3600
    assert await node.call("hardhat_getAutomine") is True
    await node.call("evm_setIntervalMining", 0)
    assert await node.call("anvil_getIntervalMining") is None
    assert await node.call("anvil_getAutomine") is True
    await node.call("evm_setAutomine", False)
    assert await node.call("anvil_getAutomine") is False
    sent = await node.call("eth_sendTransaction", {"to": hexadecimal(BOB)})
    assert await node.call("eth_getTransactionReceipt", sent) is None
    await node.call("anvil_setAutomine", True)
    await node.call("evm_mine")
    assert await node.call("eth_getTransactionReceipt", sent) is not None
    await node.call("anvil_setIntervalMining", 0.5)
    assert await node.call("anvil_getIntervalMining") == 0.5
    await node.call("anvil_setIntervalMining", "0x0")
    assert (await node.fails("evm_setIntervalMining", -0.5)).code == -32602
    assert (await node.fails("evm_setAutomine", 1)).code == -32602


@pytest.mark.parametrize("seconds", ["0x64", 100, "100"])
async def test_increase_time(node: Node, seconds: object) -> None:
    before = node.chain.clock.offset
    assert await node.call("evm_increaseTime", seconds) == before + 100
    assert await node.call("anvil_increaseTime", seconds) == before + 200
    now = node.chain.clock.now()
    await node.call("evm_mine")
    assert await timestamp(node) >= now
    assert (await node.fails("evm_increaseTime", "soon")).code == -32602


async def test_set_time(node: Node) -> None:
    assert await node.call("evm_setTime", 1_950_000_000) > 0
    await node.call("evm_mine")
    assert 1_950_000_000 <= await timestamp(node) <= 1_950_000_010
    await node.call("anvil_setTime", 1_960_000_000_000)
    await node.call("evm_mine")
    assert 1_960_000_000 <= await timestamp(node) <= 1_960_000_010
    assert (await node.fails("evm_setTime", "x")).code == -32602


async def test_next_block_timestamp(node: Node) -> None:
    assert await node.call("evm_setNextBlockTimestamp", hex(1_900_000_000)) is None
    await node.send(to=hexadecimal(BOB))
    assert await timestamp(node) == 1_900_000_000
    await node.call("evm_mine")
    assert await timestamp(node) > 1_900_000_000
    error = await node.fails("anvil_setNextBlockTimestamp", 1_800_000_000)
    assert (error.code, error.message) == (
        -32602,
        "Timestamp error: 1800000000 is lower than previous block's timestamp",
    )
    assert (await node.fails("evm_setNextBlockTimestamp", await timestamp(node))).code == -32602


async def test_timestamp_interval(node: Node) -> None:
    await node.call("evm_mine")
    start = await timestamp(node)
    await node.call("anvil_setBlockTimestampInterval", 13)
    await node.call("anvil_mine", 2)
    assert await timestamp(node) == start + 26
    assert await node.call("anvil_removeBlockTimestampInterval") is True
    assert await node.call("anvil_removeBlockTimestampInterval") is False
    assert (await node.fails("anvil_setBlockTimestampInterval", -1)).code == -32602


async def test_genesis_time(node: Node) -> None:
    assert await node.call("anvil_getGenesisTime") == 1_700_000_000


def equal_timestamps() -> ChainOptions:
    return ChainOptions(equal_timestamps=True)


async def test_r9_timestamps_rise_by_default(node: Node) -> None:
    """R9: Ethereum's rule; an interval of nothing is refused with what lifts it, before any block is made."""
    await node.call("hardhat_mine", "0x5")
    times = [await timestamp(node, hex(number)) for number in range(6)]
    assert all(later > earlier for earlier, later in pairwise(times))
    asked = {"hardhat_mine": ("0x3", "0x0"), "anvil_setBlockTimestampInterval": (0,)}
    for name, params in asked.items():
        error = await node.fails(name, *params)
        assert error.code == -32602
        assert error.message == (
            "Timestamp error: an interval of 0 seconds gives blocks equal timestamps; give 1 or more, "
            "or start with --allow-blocks-with-same-timestamp"
        )
    assert await node.call("eth_blockNumber") == "0x5"
    await node.call("hardhat_mine", "0x1", "0x0")
    assert (await node.fails("evm_setNextBlockTimestamp", await timestamp(node))).code == -32602


async def test_an_interval_of_nothing_is_none_for_anvil_mine(node: Node) -> None:
    """viem's test client sends it with every call without an interval."""
    await node.call("anvil_mine", "0x5", "0x0")
    times = [await timestamp(node, hex(number)) for number in range(6)]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert times[5] == times[1] + 4
    await node.call("anvil_mine", "0x2", "0xa")
    assert await timestamp(node) == await timestamp(node, "0x6") + 10


async def test_r9_equal_timestamps_by_a_flag() -> None:
    """R9: 50 blocks within a second leave the chain's time where the clock is; what is asked for is what is made."""
    node = await start_node(options=equal_timestamps())
    try:
        started = int(time.time())
        for _ in range(50):
            await node.call("evm_mine")
        assert started <= await timestamp(node) <= int(time.time())
        before = await timestamp(node)
        await node.call("anvil_mine", "0x2", "0x0")
        await node.call("hardhat_mine", "0x2", "0x0")
        times = [await timestamp(node, hex(number)) for number in range(51, 55)]
        assert len(set(times)) == 1
        assert times[0] >= before
        await node.call("evm_mine", times[0] + 1_000)
        await node.call("evm_setNextBlockTimestamp", times[0] + 1_000)
        await node.call("evm_mine")
        assert await timestamp(node) == times[0] + 1_000
        assert (await node.fails("evm_setNextBlockTimestamp", times[0] + 999)).code == -32602
        await node.call("anvil_setBlockTimestampInterval", 0)
        await node.call("evm_mine")
        assert await timestamp(node) == times[0] + 1_000
        await node.call("anvil_reorg", 3)
        assert list(deep_problems(node.chain.canonical)) == []
    finally:
        await stop_node(node)


async def test_r9_blocks_of_one_timestamp_are_imported_as_a_development_node_s(node: Node) -> None:
    """R9: a chain that has them can be had elsewhere, by the flag that takes a development node's liberties."""
    other = await start_node(options=equal_timestamps())
    try:
        await other.call("evm_mine", 1_900_000_000)
        await other.call("hardhat_mine", "0x2", "0x0")
        blocks = [other.chain.block_by_number(number) for number in (1, 2, 3)]
        first, second, third = [block for block in blocks if block is not None]
        chain = node.chain
        chain.writer.run(chain.import_block, first)
        chain.writer.run(partial(chain.import_block, second, development=True))
        with pytest.raises(BlockError, match=r"is not after its parent's 1900000000$") as refused:
            chain.writer.run(chain.import_block, third)
        assert refused.value.reason is Reason.TIMESTAMP_OF_PARENT
        earlier = replace(third, header=third.header.with_changes(timestamp=third.header.timestamp - 1))
        with pytest.raises(BlockError, match="is before its parent's"):
            chain.writer.run(partial(chain.import_block, earlier, development=True))
    finally:
        await stop_node(other)


async def test_r9_haste_is_warned_of(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    """R9: once for an interval below a second, and not where equal timestamps are allowed."""
    with caplog.filtering(HintFilter()):
        for seconds in (0.25, 0.25, 1, 2.5, 0):
            await node.call("evm_setIntervalMining", seconds)
    [message] = [record.getMessage() for record in caplog.records if record.name == "zevm.chain"]
    assert message.startswith("a block every 0.25 s: ")
    assert "--allow-blocks-with-same-timestamp" in message
    other = await start_node(options=equal_timestamps())
    await other.call("evm_setIntervalMining", 0.25)
    await stop_node(other)
    assert len([record for record in caplog.records if record.name == "zevm.chain"]) == 1
