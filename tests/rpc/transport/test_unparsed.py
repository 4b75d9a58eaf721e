"""Requests that are sent ahead: each is parsed in its turn, and costs neither memory nor others' time before."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.support import running_server, tiny
from tests.rpc.transport.test_direct_http import BOTH, ECHO, post
from tests.rpc.transport.test_direct_http_ends import EXECUTION, executed
from zevm.rpc.memory.budgets import InputBudget
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.unparsed import TURNS_AT_ONCE, Turns, Unparsed

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"


@pytest.mark.parametrize("size", [1, 3, 7, 30, 10_000])
def test_a_part_ends_one_request_at_most_that_it_has_begun(size: int) -> None:
    sent = (HEAD * 3 + BODY + b"{} \r\n\r\n{}" + HEAD) * 5 + BODY + b"[]"
    unparsed, parts = Unparsed(InputBudget(1 << 20)), []
    for begin in range(0, len(sent), size):
        unparsed.add(sent[begin : begin + size])
        # some is left at times
        for _ in range(3):
            if unparsed:
                parts.append(unparsed.take())
    while unparsed:
        parts.append(unparsed.take())
    assert b"".join(parts) == sent
    assert all(part and part.count(b" HTTP/1.1\r\n") <= 2 for part in parts)
    assert all(part[part.find(b" HTTP/1.1\r\n") :].count(b"\r\n\r\n") <= 2 for part in parts)


async def test_what_waits_is_counted_and_refused() -> None:
    budget = InputBudget(100)
    one, other = Unparsed(budget), Unparsed(budget)
    one.add(HEAD * 3)
    one.take()
    assert one.hold()
    assert one.hold()
    assert 0 < budget.used_bytes <= 100
    other.add(HEAD * 2)
    assert not other.hold()
    one.clear()
    assert budget.used_bytes == 0
    assert other.hold()
    while other:
        other.take()
    assert budget.used_bytes == 0


async def test_few_connections_go_on_in_one_turn() -> None:
    turns, went_on, count = Turns(), list[int](), 3 * TURNS_AT_ONCE
    for number in range(count):
        turns.wait(number, lambda number=number: went_on.append(number))  # type: ignore[misc]
        turns.wait(number, lambda: went_on.append(-1))
    turns.leave(1)
    assert 0 in turns
    assert 1 not in turns
    for turn in range(1, 4):
        await asyncio.sleep(0)
        assert len(went_on) == min(turn * TURNS_AT_ONCE, count - 1)
    assert went_on == [0, *range(2, count)]


@pytest.mark.lengthy
@pytest.mark.parametrize("direct", BOTH)
async def test_requests_sent_ahead_wait_unparsed(direct: bool) -> None:
    """Parsed ones would be kept with all that belongs to a request, as many as one read holds."""
    count = 3_000
    async with running_server(ServerOptions(port=0, direct_http=direct)) as (port, services):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EXECUTION + post(ECHO) * count)
        await executed(services, 1)
        budget = services.budgets.input
        async with asyncio.timeout(PATIENCE_SECONDS):
            while budget.used_bytes <= 10 * len(post(ECHO)):
                await asyncio.sleep(0.001)
        tiny(services).gate.set()
        received = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while received.count(b"HTTP/1.1 200") < count + 1:
                received += await reader.read(1 << 16)
        writer.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while budget.used_bytes:
                await asyncio.sleep(0.001)


async def test_who_sends_too_much_ahead_is_cut_off() -> None:
    async with running_server(input_bytes=10_000) as (port, services):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(EXECUTION + post(ECHO) * 2_000)
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionResetError):
                assert b"HTTP/1.1" not in await reader.read()
        writer.close()
        assert services.budgets.input.used_bytes == 0


BLANK = b"\r\n" * 400_000
LONG = {
    "of a known length": b"Content-Length: %d\r\n\r\n" % (len(ECHO) + len(BLANK)),
    "in one chunk": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(ECHO) + len(BLANK)),
}


@pytest.mark.parametrize("kind", LONG)
async def test_blank_lines_in_a_body_are_parsed_in_few_parts(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would else be looked at as the end of a head: a million parts, and most of a minute."""
    parts = 0
    take = Unparsed.take

    def counted(unparsed: Unparsed, body_bytes: int = 0) -> bytes:
        nonlocal parts
        parts += 1
        return take(unparsed, body_bytes)

    monkeypatch.setattr(Unparsed, "take", counted)
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + LONG[kind]
        end = b"\r\n0\r\n\r\n" if b"chunked" in head else b""
        writer.write(head + ECHO + BLANK + end)
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
        writer.close()
    assert parts <= len(BLANK) // 1_000
