"""B14: a write that is long lets others come between its parts, and ends with its client; what it did stays true."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.memory_node import ALICE, BOB, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.test_cancellation import TRANSPORTS
from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.writer import AbandonedError, Writer, WriterStoppedError
from zevm.rpc.server import ServerOptions

MANY = 100_000
LONG: dict[str, list[Any]] = {
    "hardhat_mine": [hex(MANY), "0x3"],
    "anvil_mine": [hex(MANY)],
    "evm_mine": [{"blocks": MANY}],
    "evm_mine_detailed": [{"blocks": MANY}],
}
TRANSFER = {"from": hexadecimal(ALICE), "to": hexadecimal(BOB)}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    running = await start_node(server=ServerOptions(port=0, ipc_path=tmp_path / "z.ipc"))
    yield running
    await asyncio.wait_for(stop_node(running), 20)


async def height(node: Node) -> int:
    return int(await node.call("eth_blockNumber"), 16)


async def until_mining(node: Node) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await height(node) < 2:
            await node.call("evm_setAutomine", True)


async def until_still(node: Node) -> int:
    """The height at which no more blocks come; a write waits for the end of a part that is under way."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            before = await height(node)
            for _ in range(3):
                await node.call("anvil_setCoinbase", hexadecimal(BOB))
            if await height(node) == before:
                return before


@pytest.mark.lengthy
@pytest.mark.parametrize("name", LONG)
async def test_b14_other_writes_come_between_blocks(node: Node, name: str) -> None:
    mining = asyncio.ensure_future(node.ask(name, *LONG[name]))
    await until_mining(node)
    for _ in range(5):
        sent = await asyncio.wait_for(node.call("eth_sendTransaction", TRANSFER), 5)
        assert (await node.call("eth_getTransactionReceipt", sent))["status"] == "0x1"
    assert not mining.done()
    mining.cancel()
    assert await until_still(node) < MANY


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("batch", [False, True])
async def test_b14_mining_ends_with_its_client(node: Node, transport: str, batch: bool) -> None:
    request: Any = {"jsonrpc": "2.0", "id": 1, "method": "hardhat_mine", "params": [hex(MANY)]}
    async with TRANSPORTS[transport](node, orjson.dumps([request] if batch else request)) as leave:
        await until_mining(node)
        await leave()
        reached = await until_still(node)
    assert 2 <= reached < MANY
    head = await node.call("eth_getBlockByNumber", "latest", False)
    assert int(head["number"], 16) == reached
    assert await node.call("hardhat_mine", "0x2") is None
    assert await height(node) == reached + 2


@pytest.mark.lengthy
async def test_b14_the_count_is_right_when_others_mine_in_between(node: Node) -> None:
    mining = asyncio.ensure_future(node.call("hardhat_mine", hex(600), "0x5"))
    others = 0
    while not mining.done():
        await node.call("evm_mine")
        others += 1
    assert await mining is None
    assert others > 1
    assert await height(node) == 600 + others


@pytest.mark.slow
async def test_b14_a_reorganisation_in_parts_is_whole_or_not_at_all(node: Node) -> None:
    await node.call("anvil_mine", hex(900))
    before = await node.call("eth_getBlockByNumber", "latest", False)
    reorg = asyncio.ensure_future(node.ask("anvil_reorg", 900, []))
    await asyncio.sleep(0)
    mined = await node.call("evm_mine_detailed")
    answer = await reorg
    head = await node.call("eth_getBlockByNumber", "latest", False)
    assert "changed the chain meanwhile" in answer["error"]["message"]
    assert (head["hash"], head["parentHash"]) == (mined[0]["hash"], before["hash"])
    assert await node.call("anvil_reorg", 900, []) is None
    assert await height(node) == int(head["number"], 16)


async def test_b14_stopping_ends_long_work(node: Node) -> None:
    mining = asyncio.ensure_future(node.ask("hardhat_mine", hex(MANY)))
    await until_mining(node)
    await asyncio.to_thread(node.chain.writer.stop)
    answer = await mining
    assert answer["error"]["message"] == "the node is stopping"


def test_b14_the_writer_takes_turns() -> None:
    writer, seen = Writer(), list[str]()

    def long(name: str, parts: int) -> Any:
        for part in range(parts):
            seen.append(f"{name}{part}")
            yield
        return name

    cancellation, started = Cancellation(), Future[None]()
    writer.submit(started.result)
    jobs = [writer.submit(long, "a", 3), writer.submit(seen.append, "short"), writer.submit(long, "b", 2)]
    left = writer.submit(long, "c", 10**9, cancellation=cancellation)
    started.set_result(None)
    assert [job.result(10) for job in jobs] == ["a", None, "b"]
    assert [item for item in seen if item[0] != "c"] == ["a0", "short", "b0", "a1", "b1", "a2"]
    cancellation.cancel()
    with pytest.raises(AbandonedError):
        left.result(10)
    endless = writer.submit(long, "d", 10**9)
    writer.stop()
    with pytest.raises(WriterStoppedError):
        endless.result(10)
