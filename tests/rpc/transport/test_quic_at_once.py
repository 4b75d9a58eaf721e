"""Requests of zvm/1 that come whole, for functions known as short, are answered without a task for their stream."""

import asyncio
from typing import Any

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.memory_node import Node
from tests.rpc.transport.test_quic_zvm import code_of, connected, request, sent, serving
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionResult
from zevm.rpc.execution.brief import NOT_BRIEF, BriefExecutions
from zevm.rpc.execution.turns import Turns
from zevm.rpc.transport.quic.client import ClientConnection
from zevm.rpc.transport.quic.codes import BUSY, INTERNAL
from zevm.rpc.transport.quic.stream_protocol import StreamProtocol
from zevm.rpc.transport.quic.zvm import at_once
from zevm.rpc.transport.quic.zvm.messages import encode_request, framed

GCD = framed(encode_request(request()))


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The streams that a task has served."""
    served: list[object] = []
    serve = StreamProtocol._serve

    async def counted(self: StreamProtocol, handler: Any, stream: Any) -> None:
        served.append(stream)
        await serve(self, handler, stream)

    monkeypatch.setattr(StreamProtocol, "_serve", counted)
    return served


def statistics_of(node: Node) -> tuple[int, int, int]:
    """Executions under way and in all, and their gas."""
    figures = node.server.quic.figures()
    return figures.active_executions, figures.executions, figures.gas


def told(result: WasmExecutionResult) -> tuple[object, ...]:
    return result.request_id, result.status, result.return_value, result.gas_consumed, result.modified_state


async def until_known(client: ClientConnection, tasks: list[object]) -> WasmExecutionResult:
    """Ask until the function is known as short; an ordinary result."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            before = len(tasks)
            result = await sent(client, GCD)
            if len(tasks) == before:
                tasks.clear()
                return result


async def test_a_whole_request_gets_the_same_answer_without_a_task(tasks: list[object]) -> None:
    async with serving(brief_execution_us=50_000) as node, connected(node) as client:
        ordinary = await sent(client, GCD)
        assert len(tasks) == 1
        await until_known(client, tasks)
        _, executions, gas = statistics_of(node)
        assert told(await sent(client, GCD)) == told(ordinary)
        assert statistics_of(node) == (0, executions + 1, gas + ordinary.gas_consumed)
        assert tasks == []
        # another size than the content has, a second frame, and a module that is none: as ever
        assert await code_of(client, (1).to_bytes(4, "big") + GCD[4:]) is not None
        assert (await sent(client, GCD + framed(bytes(105)))).status is ExecutionStatus.AUTHENTICATION_FAILED
        other = framed(encode_request(request(function_name="lcm")))
        assert (await sent(client, other)).status is ExecutionStatus.INVALID_FUNCTION
        assert len(tasks) == 3


async def test_a_request_in_parts_is_served_by_a_task(tasks: list[object]) -> None:
    async with serving(brief_execution_us=50_000) as node, connected(node) as client:
        expected = await until_known(client, tasks)
        stream = client.open_stream()
        await stream.write(GCD[:20])
        await client.ping()
        stream.write_eof(GCD[20:])
        answer = await stream.readexactly(int.from_bytes(await stream.readexactly(4), "big"))
        assert len(tasks) == 1
        assert answer[:9] == framed(expected.request_id.to_bytes(8, "big") + b"\0")[4:]


async def test_what_turns_out_not_to_be_short_is_counted_once(
    tasks: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(brief_execution_us=50_000) as node, connected(node) as client:
        ordinary = await until_known(client, tasks)
        _, executions, gas = statistics_of(node)
        monkeypatch.setattr(BriefExecutions, "run", lambda *_: NOT_BRIEF)
        for is_free in (True, False):
            monkeypatch.setattr(Turns, "is_free", is_free)
            assert told(await sent(client, GCD)) == told(ordinary)
        assert statistics_of(node) == (0, executions + 2, gas + 2 * ordinary.gas_consumed)
        assert len(tasks) == 2


async def test_requests_that_wait_for_their_turn_end_with_their_client(
    tasks: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(brief_execution_us=50_000, quic_executions=3) as node, connected(node) as client:
        await until_known(client, tasks)
        brief = node.server.dispatcher.brief
        here, (_, executions, _) = brief.here, statistics_of(node)
        monkeypatch.setattr(Turns, "is_free", False)
        renew = Turns._renew_later
        monkeypatch.setattr(Turns, "_renew_later", lambda _: None)
        streams = [client.open_stream() for _ in range(3)]
        for stream in streams:
            stream.write_eof(GCD)
        await client.ping()
        assert statistics_of(node)[:2] == (3, executions + 3)
        connection = next(node.server.quic.connections())
        assert connection.held_bytes == 3 * len(GCD)
        # as many run as may
        assert (await sent(client, GCD)).error_message == "Server busy, try again later"
        streams[0].reset(INTERNAL)
        await client.ping()
        assert statistics_of(node)[0] == 2
        assert connection.held_bytes == 2 * len(GCD)
        monkeypatch.setattr(Turns, "_renew_later", renew)
        brief.turns._renew_later()
        for stream in streams[1:]:
            assert await stream.has_more()
        assert brief.here == here + 2
        assert (statistics_of(node)[0], connection.held_bytes) == (0, 0)


async def test_a_connection_that_ends_leaves_nothing_held(tasks: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(brief_execution_us=50_000) as node:
        async with connected(node) as client:
            await until_known(client, tasks)
            monkeypatch.setattr(Turns, "is_free", False)
            monkeypatch.setattr(Turns, "_renew_later", lambda _: None)
            client.open_stream().write_eof(GCD)
            await client.ping()
            connection = next(node.server.quic.connections())
            assert statistics_of(node)[0] == 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            while statistics_of(node)[0]:
                await asyncio.sleep(0)
        assert connection.held_bytes == 0


async def test_a_failure_resets_the_stream_and_is_logged(
    tasks: list[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of the node")

    async with serving(brief_execution_us=50_000) as node, connected(node) as client:
        await until_known(client, tasks)
        monkeypatch.setattr(at_once, "execute", fails)
        for is_free in (True, False):
            monkeypatch.setattr(Turns, "is_free", is_free)
            assert await code_of(client, GCD) == INTERNAL
        assert [record.getMessage() for record in caplog.records] == 2 * ["a QUIC stream of zvm/1 failed"]
        assert statistics_of(node)[0] == 0
        assert next(node.server.quic.connections()).held_bytes == 0
        assert tasks == []


async def test_replies_that_are_not_read_refuse_more_of_them(tasks: list[object]) -> None:
    async with serving(brief_execution_us=50_000) as node, connected(node) as client:
        await until_known(client, tasks)
        connection = next(node.server.quic.connections())
        connection.pending_bytes = 1 << 40
        assert await code_of(client, GCD) == BUSY
        connection.pending_bytes = 0
        assert (await sent(client, GCD)).status is ExecutionStatus.SUCCESS
        assert tasks == []
