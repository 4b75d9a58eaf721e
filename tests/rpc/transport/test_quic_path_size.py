"""Larger datagrams are used where they get through, and only there."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
import uvloop

from tests.rpc.transport.quic_support import dial, exchange, quic_port
from zevm.rpc.transport.quic import server
from zevm.rpc.transport.quic.path_size import LOST_PROBES, SIZES, forbid_fragments

pytestmark = pytest.mark.lengthy

DATA = bytes(range(256)) * 2_048


def narrow(monkeypatch: pytest.MonkeyPatch, most: Callable[[], int]) -> list[int]:
    """Let the server receive only datagrams of at most `most()` bytes; the sizes of what the client sent."""
    sizes: list[int] = []
    receive = server._Endpoint.datagram_received

    def datagram_received(self: Any, data: bytes, addr: Any) -> None:
        sizes.append(len(data))
        if len(data) <= most():
            receive(self, data, addr)

    monkeypatch.setattr(server._Endpoint, "datagram_received", datagram_received)
    return sizes


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_loopback_takes_the_largest_in_both_directions(monkeypatch: pytest.MonkeyPatch, factory: Any) -> None:
    received = narrow(monkeypatch, lambda: 65_536)

    async def once() -> None:
        async with quic_port() as port, dial(port) as client:
            assert await exchange(client, DATA) == DATA
            (connection,) = port.connections()
            assert connection.path_size.size == client._connection.path_size.size == SIZES[-1]
            assert received[0] == 1_200
            assert max(received) == SIZES[-1]
            assert await exchange(client, DATA) == DATA

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(once())


@pytest.mark.parametrize("most", [1_200, 1_451, 1_452, 9_000])
async def test_a_path_that_takes_less_gets_what_it_takes(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    narrow(monkeypatch, lambda: most)
    async with quic_port() as port, dial(port) as client:
        assert await exchange(client, DATA) == DATA
        assert client._connection.path_size.size == max(size for size in (1_200, *SIZES) if size <= most)


async def test_a_path_that_takes_less_from_now_on(monkeypatch: pytest.MonkeyPatch) -> None:
    most = [65_536]
    narrow(monkeypatch, lambda: most[0])
    async with quic_port() as port, dial(port) as client:
        assert await exchange(client, DATA) == DATA
        most[0] = 1_300
        assert await exchange(client, DATA) == DATA
        assert client._connection.path_size.size == 1_200


async def test_small_messages_try_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    received = narrow(monkeypatch, lambda: 65_536)
    async with quic_port() as port, dial(port) as client:
        for _ in range(20):
            assert await exchange(client, bytes(200)) == bytes(200)
        assert max(received) == 1_200


async def test_the_limit_bounds_what_is_tried() -> None:
    for largest, wanted in ((1_200, 1_200), (2_000, 1_452)):
        async with quic_port(quic_largest_datagram_bytes=largest) as port, dial(port) as client:
            assert await exchange(client, DATA) == DATA
            (connection,) = port.connections()
            assert connection.path_size.size == wanted


async def test_nothing_is_tried_where_the_system_may_split_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        family = 2

        def setsockopt(self, *_: object) -> None:
            raise OSError

    assert not forbid_fragments(cast(Any, Without()))
    monkeypatch.setattr("zevm.rpc.transport.quic.batching.forbid_fragments", lambda _: False)
    async with quic_port() as port, dial(port) as client:
        assert await exchange(client, DATA) == DATA
        assert client._connection.path_size.size == 1_200


def test_the_library_has_the_parts_that_are_used() -> None:
    """aioquic's own names, of which a new version may know nothing."""
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection

    quic = cast(Any, QuicConnection(configuration=QuicConfiguration(is_client=True)))
    for holder, name in ((quic, "_max_datagram_size"), (quic._loss._pacer, "_max_datagram_size")):
        assert getattr(holder, name) == 1_200
    assert quic._loss._cc._max_datagram_size == 1_200
    assert (quic._loss._pto_count, quic._handshake_confirmed, LOST_PROBES) == (0, False, 3)
