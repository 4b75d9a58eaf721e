"""A client that leaves takes its execution along: the worker is free again at once, on every transport."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.assembly import BOX, ENDLESS, creation
from tests.rpc.methods.memory_node import ALICE, Node, hexadecimal, start_node, stop_node
from tests.rpc.methods.wasm_contracts import wasm_contract
from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError
from zevm.rpc.execution.workers import Workers
from zevm.rpc.limits import Limits
from zevm.rpc.server import ServerOptions

FREE_WITHIN_SECONDS = PATIENCE_SECONDS
"""0.05 on an idle machine. Without cancellation it would be the 100 of the deadlines."""
LIMITS = Limits(evm_workers=1, evm_timeout_seconds=100.0, trace_seconds=100.0, call_gas=10**15)
WASM_ENDLESS = wasm_contract("(loop $again (br $again))")
Leave = Callable[[], Awaitable[None]]


@dataclass
class Watch:
    """Tells when jobs begin and end, and what remained of their time."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_at: float = 0.0
    error: BaseException | None = None

    def around(self, workers: Workers) -> None:
        loop, run = asyncio.get_running_loop(), workers.run

        def observed(function: Callable[..., Any], *arguments: Any, deadline: Deadline) -> Any:
            loop.call_soon_threadsafe(self.started.set)
            try:
                return function(*arguments, deadline=deadline)
            except BaseException as error:
                self.error = error
                raise
            finally:
                self.ended_at = time.monotonic()
                loop.call_soon_threadsafe(self.ended.set)

        workers.run = lambda function, *arguments: run(observed, function, *arguments)  # type: ignore[method-assign]


@asynccontextmanager
async def over_http(node: Node, body: bytes) -> AsyncIterator[Leave]:
    _, writer = await asyncio.open_connection(*node.server.addresses[0])
    head = (
        f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()

    async def leave() -> None:
        writer.close()

    yield leave


@asynccontextmanager
async def over_websocket(node: Node, body: bytes) -> AsyncIterator[Leave]:
    host, port = node.server.addresses[0]
    async with connect(f"ws://{host}:{port}") as client:
        await client.send(body.decode())
        yield client.close


@asynccontextmanager
async def over_ipc(node: Node, body: bytes) -> AsyncIterator[Leave]:
    path = node.server._options.ipc_path
    assert path is not None
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.write(body)
    await writer.drain()

    async def leave() -> None:
        writer.close()

    yield leave


TRANSPORTS = {"http": over_http, "websocket": over_websocket, "ipc": over_ipc}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with one worker that lets an execution run for longer than any test."""
    running = await start_node(limits=LIMITS, server=ServerOptions(port=0, ipc_path=tmp_path / "z.ipc"))
    yield running
    await stop_node(running)


async def leave_during(node: Node, transport: str, name: str, *params: Any, once: asyncio.Event | None = None) -> Watch:
    """Call, leave once the execution runs (or `once` is set), and wait for the worker's end."""
    watch = Watch()
    watch.around(node.server.dispatcher.workers)
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
    async with TRANSPORTS[transport](node, body) as leave:
        await asyncio.wait_for((once or watch.started).wait(), PATIENCE_SECONDS)
        assert not watch.ended.is_set()
        left_at = time.monotonic()
        await leave()
        await asyncio.wait_for(watch.ended.wait(), PATIENCE_SECONDS)
    assert isinstance(watch.error, ExecutionTimeoutError) or str(watch.error) == "execution timeout", watch.error
    assert watch.ended_at - left_at < FREE_WITHIN_SECONDS
    assert await node.call("eth_call", {"to": hexadecimal(ALICE)}, "latest") == "0x"
    return watch


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_leaves_during_an_endless_evm_call(node: Node, transport: str) -> None:
    endless = await node.place(ENDLESS)
    await leave_during(node, transport, "eth_call", {"to": endless, "gas": hex(10**15)}, "latest")


async def test_a_client_leaves_during_a_batch(node: Node) -> None:
    call = {"to": await node.place(ENDLESS)}
    batch = [{"jsonrpc": "2.0", "id": index, "method": "eth_call", "params": [call, "latest"]} for index in range(5)]
    watch = Watch()
    watch.around(node.server.dispatcher.workers)
    async with over_http(node, orjson.dumps(batch)) as leave:
        await asyncio.wait_for(watch.started.wait(), PATIENCE_SECONDS)
        left_at = time.monotonic()
        await leave()
        await asyncio.wait_for(watch.ended.wait(), PATIENCE_SECONDS)
    assert watch.ended_at - left_at < FREE_WITHIN_SECONDS


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_leaves_during_an_endless_wasm_call(node: Node, transport: str) -> None:
    endless = await node.place(WASM_ENDLESS)
    await leave_during(node, transport, "eth_call", {"to": endless, "gas": hex(10**15)}, "latest")


@pytest.mark.lengthy
@pytest.mark.parametrize("config", [{"disableStack": True}, {"tracer": "callTracer"}])
async def test_a_client_leaves_during_a_trace(node: Node, config: dict[str, Any]) -> None:
    endless = await node.place(ENDLESS)
    receipt = await node.send(to=endless, gas=hex(15_000_000))
    assert receipt["status"] == "0x0"
    await leave_during(node, "http", "debug_traceTransaction", receipt["transactionHash"], config)
    await leave_during(node, "http", "trace_replayTransaction", receipt["transactionHash"], ["vmTrace"])


async def test_a_client_leaves_during_a_search_for_logs(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    box = (await node.send(data=hexadecimal(creation(BOX))))["contractAddress"]
    for value in range(60):
        await node.send(to=box, data=f"0x{value:064x}", gas=hex(100_000))
    reading, loop, disk = asyncio.Event(), asyncio.get_running_loop(), threading.Event()
    read = node.chain.records.receipts
    count = 0

    def slowly(block_hash: bytes) -> Any:
        nonlocal count
        count += 1
        disk.wait(0.1)  # nobody sets it: a disk that takes its time
        loop.call_soon_threadsafe(reading.set)
        return read(block_hash)

    monkeypatch.setattr(node.chain.records, "receipts", slowly)
    await leave_during(node, "websocket", "eth_getLogs", {"fromBlock": "0x0"}, once=reading)
    assert count < 10
