"""Sending in turns of the loop: how many datagrams a request takes, and that acknowledgements come in time."""

import asyncio
from typing import Any, cast

import pytest
import uvloop
from aioquic import tls

from testing.speed import PATIENCE_SECONDS
from tests.rpc.transport.quic_support import dial, exchange, quic_port
from zevm.rpc.transport.quic import batching, server
from zevm.rpc.transport.quic.streams import Stream


class Traffic:
    """Counts the server's datagrams in both directions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.received = self.sent = 0
        receive = server._Endpoint.datagram_received
        made = server._Endpoint.connection_made

        def datagram_received(endpoint: Any, data: bytes, addr: Any) -> None:
            self.received += 1
            receive(endpoint, data, addr)

        def connection_made(endpoint: Any, transport: Any) -> None:
            made(endpoint, _Counting(transport, self))

        monkeypatch.setattr(server._Endpoint, "datagram_received", datagram_received)
        monkeypatch.setattr(server._Endpoint, "connection_made", connection_made)


class _Counting:
    def __init__(self, transport: Any, traffic: Traffic) -> None:
        self._transport, self._traffic = transport, traffic

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self._traffic.sent += 1
        self._transport.sendto(data, addr)


async def test_a_small_request_and_its_reply_take_a_datagram_each(monkeypatch: pytest.MonkeyPatch) -> None:
    traffic = Traffic(monkeypatch)
    async with quic_port() as port, dial(port) as client:
        await exchange(client, b"warm")
        before = (traffic.received, traffic.sent)
        for _ in range(50):
            assert await exchange(client, b"hello") == b"hello"
        # at times, a slow machine's timers send an acknowledgement of its own
        assert traffic.received - before[0] < 100
        assert traffic.sent - before[1] < 100


async def test_requests_that_come_together_are_answered_together(monkeypatch: pytest.MonkeyPatch) -> None:
    traffic = Traffic(monkeypatch)
    async with quic_port() as port, dial(port) as client:
        await exchange(client, b"warm")
        before = traffic.sent
        answers = await asyncio.gather(*(exchange(client, b"hello") for _ in range(30)))
        assert answers == [b"hello"] * 30
        assert traffic.sent - before < 20


async def test_what_gets_no_reply_is_acknowledged_after_the_delay() -> None:
    async def silent(_: Stream) -> None:
        await asyncio.sleep(60)

    async with quic_port(silent) as port, dial(port) as client:
        stream = client.open_stream()
        await stream.write(b"x")
        connection = client._connection
        async with asyncio.timeout(PATIENCE_SECONDS):
            while connection.unacknowledged_bytes(stream.stream_id):
                await asyncio.sleep(0.001)


async def test_a_connection_whose_packets_cannot_be_made_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with quic_port() as port, dial(port) as client:
        assert await exchange(client, b"x") == b"x"
        (connection,) = port.connections()

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("no packet")

        monkeypatch.setattr(connection.path_size, "look", fail)
        connection.send_soon()
        connection.transmit()
        assert "its packets could not be made" in caplog.text
        assert cast(Any, connection.quic)._close_event is not None


def test_the_library_has_the_parts_that_are_used() -> None:
    """aioquic's own names, of which a new version may know nothing."""
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.connection import QuicConnection
    from aioquic.quic.recovery import QuicPacketSpace

    quic = cast(Any, QuicConnection(configuration=QuicConfiguration(is_client=True)))
    assert quic._ack_delay == 0.001
    quic.connect(("127.0.0.1", 1), now=0.0)
    assert quic._spaces[tls.Epoch.ONE_RTT].ack_at is None
    assert isinstance(quic._spaces[tls.Epoch.ONE_RTT], QuicPacketSpace)
    # within what aioquic promises to its peers
    assert batching.ACKNOWLEDGEMENT_SECONDS < quic._loss.max_ack_delay == 0.025


def test_a_timer_whose_time_has_come_is_moved_like_any_other() -> None:
    """uvloop makes a handle of another kind of it."""

    async def arm() -> None:
        async with quic_port() as port, dial(port) as client:
            protocol = cast(Any, client._connection)
            now = asyncio.get_running_loop().time()
            for due_at in (now - 1, now - 1, now + 60, now - 2, None):
                protocol._arm(due_at)
            assert protocol._timer is None

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(arm())
