"""What ends an HTTP connection leaves no answer out and none between others: idle time, refusals, upgrades, a stop."""

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.support import call, running_server, tiny
from tests.rpc.transport.test_direct_http import BOTH, CHUNKED, ECHO, post
from zevm.rpc.dispatch.suggestions import Suggestions
from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import InputBudget
from zevm.rpc.server import ServerOptions
from zevm.rpc.services import Services
from zevm.rpc.transport.direct import DirectRequest, Door

EXECUTION = post(orjson.dumps(call("test_execute")))
BY_APPLICATION = EXECUTION.replace(b" / ", b" /?a=1 ")
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
REFUSED = {
    "garbage": b"\x00\x01\r\n\r\n",
    "no host": b"POST / HTTP/1.1\r\n\r\n",
    "large head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: %b\r\n\r\n" % (b"x" * 70_000),
    "bad chunk": CHUNKED[: CHUNKED.index(b"\r\n\r\n") + 4] + b"zz\r\n",
    "upgrade": UPGRADE,
}


async def executed(services: Services, count: int) -> None:
    """Wait until so many executions have begun."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while tiny(services).executions < count:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("second", [EXECUTION, BY_APPLICATION])
async def test_idle_time_does_not_run_while_a_request_behind_an_answered_one_waits(second: bytes) -> None:
    async with running_server(http_idle_seconds=0.05) as (port, services):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(ECHO) + second)
        asyncio.get_running_loop().call_later(0.2, tiny(services).gate.set)
        received = await asyncio.wait_for(reader.read(), 5)
        assert received.count(b"HTTP/1.1 200") == 2
        writer.close()


async def test_idle_time_of_http_does_not_run_after_an_upgrade_in_the_same_packet() -> None:
    async with running_server(http_idle_seconds=0.05) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(ECHO) + UPGRADE)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()


@pytest.mark.parametrize("direct", BOTH)
@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refusal_waits_for_the_answers_to_earlier_requests(kind: str, direct: bool) -> None:
    async with running_server(ServerOptions(port=0, direct_http=direct)) as (port, services):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EXECUTION + post(ECHO) + REFUSED[kind])
        await executed(services, 1)
        writer.write(post(ECHO))
        tiny(services).gate.set()
        received = await asyncio.wait_for(reader.read(), 5)
        last = b"431" if kind == "large head" else b"400"
        assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"200", last]
        writer.close()
        assert services.budgets.input.used_bytes == 0


@pytest.mark.parametrize("direct", BOTH)
async def test_a_stop_waits_for_large_answers_and_for_pipelines(direct: bool) -> None:
    large = post(orjson.dumps([call("test_execute"), call("test_big", 3_000_000)]))
    async with running_server(ServerOptions(port=0, direct_http=direct)) as (port, services):
        clients = []
        for request in (large, EXECUTION + post(ECHO) * 20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            clients.append((asyncio.get_running_loop().create_task(reader.read()), writer))
        await executed(services, 2)
    answers = [await asyncio.wait_for(reading, 5) for reading, _ in clients]
    assert len(answers[0]) > 3_000_000
    assert answers[1].count(b"HTTP/1.1 200") == 21
    for _, writer in clients:
        writer.close()


async def test_what_arrives_of_a_refused_body_is_not_kept_nor_handed_over() -> None:
    refused, budget = asyncio.Event(), InputBudget(100)
    line = SimpleNamespace(loop=asyncio.get_running_loop(), run_application=lambda *_: refused.set())
    door = Door(cast(Any, None), cast(Any, None), replace(Limits(), http_header_seconds=0.01), budget)
    length = [(b"content-length", b"1000")]
    request = DirectRequest(cast(Any, line), door, length, keep_alive=True, is_turn=True)
    request.feed(bytes(50))
    assert request.hold()
    assert budget.used_bytes == 50
    await asyncio.wait_for(refused.wait(), 5)
    request.feed(bytes(200))
    assert request.hold()
    assert (request.body, budget.used_bytes) == (b"", 0)


def test_suggestions_survive_a_thread_that_empties_their_cache() -> None:
    class Emptied(dict[str, str | None]):
        def __setitem__(self, key: str, value: str | None) -> None:
            super().__setitem__(key, value)
            self.clear()

    suggestions = Suggestions(["eth_call"])
    suggestions._known = Emptied()
    assert suggestions.nearest("eth_cal") == "eth_call"


WAITING = {
    "blank lines": b"\r\n\r\n",
    "blank lines behind an answer": post(ECHO),
    "the rest of an answered request's body": b"GET /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n",
}


@pytest.mark.parametrize("kind", WAITING)
async def test_blank_lines_and_bodies_that_nobody_reads_put_no_end_off(kind: str) -> None:
    """Idle time ends with the first byte that comes; what comes then has the time of a head."""
    async with running_server(http_header_seconds=0.1, http_idle_seconds=60) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WAITING[kind])
        if kind != "blank lines":
            assert b"HTTP/1.1 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\r\n")
        with suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()


async def test_a_flood_of_blank_lines_is_cut_off() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n" * 60_000)
        with suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
        writer.close()


async def test_a_client_that_begins_with_blank_lines_has_its_idle_time_behind_the_answer() -> None:
    async with running_server(http_header_seconds=1, http_idle_seconds=60) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"\r\n")
            await asyncio.sleep(0.01)
            writer.write(post(ECHO))
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
            await reader.readuntil(b"}")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 1.5)
        writer.close()
