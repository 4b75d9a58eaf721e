"""Bodies that one thread submits to the door begin in their order."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import orjson
import pytest

from tests.rpc.support import call, running_dispatcher, tiny
from zevm.rpc.transport.in_process import DoorClosedError, InProcess

APART = "test_write_apart"
"""A coroutine that gives its work to the chain's writer."""
WRITE = "test_write"


def submitted(door: InProcess, methods: Sequence[str]) -> list[Future[Any]]:
    return [door.submit(orjson.dumps(call(method, place))) for place, method in enumerate(methods)]


@pytest.mark.parametrize(
    "methods",
    [
        [APART, WRITE],
        [APART, WRITE, WRITE, APART, WRITE],
        [APART, APART, WRITE, APART, APART, WRITE, WRITE],
        [WRITE, APART, "test_echo", WRITE],
    ],
)
async def test_a_write_does_not_overtake_a_coroutine(methods: list[str]) -> None:
    async with running_dispatcher() as (dispatcher, services):
        door = InProcess(services, dispatcher)
        await asyncio.gather(*map(asyncio.wrap_future, submitted(door, methods)))
        writes = [place for place, method in enumerate(methods) if method in (APART, WRITE)]
        assert tiny(services).written == writes
        await door.close()


async def test_the_end_of_the_door_ends_what_waits() -> None:
    async with running_dispatcher() as (dispatcher, services):
        door = InProcess(services, dispatcher)
        futures = submitted(door, [APART] * 20)
        await door.close()
        for place, future in enumerate(futures):
            try:
                assert orjson.loads(future.result(0))["id"] == 1, place
            except DoorClosedError:
                continue
        assert any(future.exception() for future in futures)
