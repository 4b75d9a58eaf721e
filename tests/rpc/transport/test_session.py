"""One connection's messages begin in the order in which they came, and behind what holds them back."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.support import call, running_dispatcher, tiny
from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.services import Services
from zevm.rpc.transport.connections import Connection
from zevm.rpc.transport.session import Session, open_session


class Client:
    """The other end of a session: sends without waiting for answers."""

    def __init__(self, session: Session, answers: "asyncio.Queue[Any]", services: Services) -> None:
        self._session = session
        self._answers = answers
        self.services = services

    async def send(self, *messages: Any) -> None:
        """Hand the messages over one behind the other, as a transport does that has read them at once."""
        for message in messages:
            await self._session.handle(message if type(message) is bytes else orjson.dumps(message))

    async def written_after(self, answers: int) -> list[Any]:
        """The values that the chain has been given, once so many messages are answered."""
        for _ in range(answers):
            await asyncio.wait_for(self._answers.get(), PATIENCE_SECONDS)
        return tiny(self.services).written


@asynccontextmanager
async def session_of(calls: int = 64) -> AsyncIterator[Client]:
    async with running_dispatcher() as (dispatcher, services):
        answers: asyncio.Queue[Any] = asyncio.Queue()

        async def write(pieces: Iterable[bytes]) -> None:
            answers.put_nowait(orjson.loads(b"".join(pieces)))

        connection = Connection(write, lambda: None, services.limits, services.budgets.output)
        async with open_session(dispatcher, connection, calls) as session:
            yield Client(session, answers, services)


FIRST = {
    "a coroutine": call("test_write_apart", 1),
    "a batch": [call("test_write", 1)],
    "a batch of a coroutine": [call("test_write_apart", 1)],
    "a large message": orjson.dumps(call("test_write_apart", 1)) + b" " * LOOP_BODY_BYTES,
}
"""Requests that write 1, and are no write of the chain's from their first moment on."""


@pytest.mark.parametrize("first", FIRST)
async def test_a_write_behind_a_request_is_done_behind_it(first: str) -> None:
    async with session_of() as client:
        await client.send(FIRST[first], call("test_write", 2))
        assert await client.written_after(2) == [1, 2]


HOLDING = {
    "a call": call("test_hold", 1),
    "a batch": [call("test_echo"), call("test_hold", 1), call("test_echo")],
    "a large batch": orjson.dumps([call("test_hold", 1)]) + b" " * LOOP_BODY_BYTES,
    "a batch of what is none": [7, {"method": ["test_hold"]}, {"method": {}}, call("test_hold", 1)],
}


@pytest.mark.parametrize("holding", HOLDING)
async def test_what_is_sent_behind_what_holds_back_waits_for_its_end(holding: str) -> None:
    async with session_of() as client:
        sending = asyncio.ensure_future(client.send(HOLDING[holding], call("test_write", 2)))
        await on_next_turns()
        assert not sending.done()
        assert not tiny(client.services).written
        tiny(client.services).gate.set()
        await asyncio.wait_for(sending, PATIENCE_SECONDS)
        assert await client.written_after(2) == [1, 2]


async def test_a_batch_without_such_a_call_holds_nothing_back() -> None:
    async with session_of() as client:
        await client.send([call("test_execute")], call("test_write", 2))
        assert await client.written_after(1) == [2]


async def on_next_turns() -> None:
    """Let the event loop do all that it has at hand."""
    for _ in range(20):
        await asyncio.sleep(0)
