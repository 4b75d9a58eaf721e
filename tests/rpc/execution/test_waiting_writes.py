"""Writes that wait for their turn: how many may, of how many bytes, also of clients that have left."""

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.support import ask, call, http, running_dispatcher, running_server, tiny
from tests.rpc.transport.raw_websocket import TEXT, frame, raw_websocket
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.pending import ClientsAnswer
from zevm.rpc.execution.writes import Reply
from zevm.rpc.services import Services

WAYS = ("test_write", "test_write_apart")
"""Methods whose work is given to the writer at once, and by a coroutine."""
MOST = 5


def body(method: str, *params: Any) -> bytes:
    return orjson.dumps(call(method, *params))


def held_up(services: Services) -> None:
    """From here on the writer waits for the gate."""
    services.chain.writer.submit(tiny(services).gate.wait)


async def begun(dispatcher: Dispatcher, request: bytes) -> "asyncio.Future[Reply]":
    """A call that has given its work to the writer."""
    answer = asyncio.ensure_future(dispatcher.answer(request))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return answer


def leave(answer: "asyncio.Future[Reply]") -> None:
    """What a transport does with a pending answer whose client has left."""
    answer.cancel()


async def told(dispatcher: Dispatcher, method: str, value: object) -> Any:
    """The answer to a write, which comes although the writer is held up, or never."""
    return await asyncio.wait_for(ask(dispatcher, call(method, value)), PATIENCE_SECONDS)


def refused(most: int, flag: str, what: str) -> dict[str, Any]:
    message = f"limit exceeded: {what} wait, of at most {most}; try again later, or raise {flag}"
    return {"code": -32005, "message": message}


@pytest.mark.parametrize("way", WAYS)
async def test_clients_that_send_and_leave_hold_no_more_than_may_wait(way: str) -> None:
    async with running_dispatcher(write_queue=MOST) as (dispatcher, services):
        held_up(services)
        for value in range(MOST):
            leave(await begun(dispatcher, body(way, value)))
        await asyncio.sleep(0)
        expected = refused(MOST, "--rpc-write-queue", f"{MOST} writes")
        for method in WAYS:
            assert (await told(dispatcher, method, "more"))["error"] == expected
        # what writes nothing is answered as ever
        assert (await ask(dispatcher, call("test_echo", 1)))["result"] == 1
        tiny(services).gate.set()
        await asyncio.to_thread(services.chain.writer.run, int)
        await asyncio.sleep(0)
        assert (await ask(dispatcher, call(way, "again")))["result"]
        # a coroutine that has ended wants its write no more; others stand
        left = list(range(MOST)) if way == "test_write" else []
        assert tiny(services).written == [*left, "again"]
        assert (dispatcher.writes.budget.count, dispatcher.writes.budget.used_bytes) == (0, 0)


@pytest.mark.parametrize("way", WAYS)
async def test_their_bytes_are_bounded(way: str) -> None:
    request = body(way, "x" * 10_000)
    most = 3 * len(request)
    async with running_dispatcher(write_queue_bytes=most) as (dispatcher, services):
        held_up(services)
        for _ in range(3):
            leave(await begun(dispatcher, request))
        expected = refused(most, "--rpc-write-queue-bytes", f"writes of {most} bytes")
        assert (await told(dispatcher, way, "more"))["error"] == expected
        tiny(services).gate.set()
        await asyncio.to_thread(services.chain.writer.run, int)
        await asyncio.sleep(0)
        assert (await ask(dispatcher, call(way, "again")))["result"]


@pytest.mark.parametrize("way", WAYS)
async def test_one_alone_is_taken_whatever_its_size(way: str) -> None:
    async with running_dispatcher(write_queue_bytes=10, write_queue=0) as (dispatcher, services):
        assert (await ask(dispatcher, call(way, "x" * 1_000)))["result"]
        assert tiny(services).written == ["x" * 1_000]


async def test_a_batch_counts_with_its_whole_body() -> None:
    batch = orjson.dumps([call("test_write", "small"), call("test_write", "x" * 10_000)])
    async with running_dispatcher(write_queue_bytes=len(batch)) as (dispatcher, services):
        held_up(services)
        leave(await begun(dispatcher, batch))
        expected = refused(len(batch), "--rpc-write-queue-bytes", f"writes of {len(batch)} bytes")
        assert (await told(dispatcher, "test_write", "more"))["error"] == expected


async def test_long_work_counts_until_the_writer_lets_go_of_it() -> None:
    async with running_dispatcher(write_queue=1) as (dispatcher, services):
        held_up(services)
        work = (tiny(services).written.append, 1)
        answer = dispatcher.writes.begin(work, lambda made, _: made, 7, is_long=True, shares=False)
        assert isinstance(answer, ClientsAnswer)
        answer.cancel()
        await asyncio.sleep(0)
        assert (dispatcher.writes.budget.count, dispatcher.writes.budget.used_bytes) == (1, 7)
        assert (await told(dispatcher, "test_write", "more"))["error"]["code"] == -32005


async def test_clients_of_a_port_that_send_and_leave() -> None:
    async with running_server(write_queue=MOST) as (port, services):
        held_up(services)
        async with raw_websocket(port) as client:
            for value in range(MOST):
                await client.send(frame(body("test_write", value)))
            await client.send(frame(body("test_echo", "all are begun")))
            assert (await client.receive())[0] == TEXT
        answer = await asyncio.wait_for(http(port, call("test_write", "more")), PATIENCE_SECONDS)
        assert answer.json["error"] == refused(MOST, "--rpc-write-queue", f"{MOST} writes")
        tiny(services).gate.set()
        await asyncio.to_thread(services.chain.writer.run, int)
        assert (await http(port, call("test_write", "again"))).json["result"]
        assert tiny(services).written == [*range(MOST), "again"]


async def test_probes_of_a_database_that_refuses_writes_wait_one_at_a_time() -> None:
    async with running_server() as (port, services):
        tries: list[int] = []
        tiny(services).database = SimpleNamespace(fault=OSError("full"), resume=lambda: tries.append(1))
        held_up(services)
        for _ in range(4):
            assert (await http(port, method="GET", path="/health")).status == 503
        tiny(services).gate.set()
        await asyncio.to_thread(services.chain.writer.run, int)
        assert tries == [1]
        await http(port, method="GET", path="/health")
        await asyncio.to_thread(services.chain.writer.run, int)
        assert tries == [1, 1]
