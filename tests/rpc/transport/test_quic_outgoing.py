"""What a connection has to write: nothing is left out, and nothing is made or looked at for nothing."""

import asyncio
from typing import Any, cast

import pytest
from aioquic import tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from testing.udp_relay import Faults, relayed
from tests.rpc.transport.quic_support import dial, echo, exchange, quic_port
from zevm.rpc.transport.quic import windows
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.codes import BUSY
from zevm.rpc.transport.quic.outgoing import Outgoing
from zevm.rpc.transport.quic.streams import Stream, StreamResetError


class Left:
    """Asks aioquic wherever a connection of this process was found to have nothing to send. made: what it then made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.silent = 0
        self.made: list[Any] = []
        has_any = Outgoing.has_any

        def checked(outgoing: Outgoing, now: float) -> bool:
            if has_any(outgoing, now):
                return True
            self.silent += 1
            self.made += cast(Any, outgoing)._quic.datagrams_to_send(now=now)
            return False

        monkeypatch.setattr(Outgoing, "has_any", checked)


async def echo_or_refuse(stream: Stream) -> None:
    if await stream.has_more() and (await stream.read(1)) == b"!":
        stream.reset(BUSY)
        return
    await echo(stream)


async def refused(client: Any) -> None:
    with pytest.raises(StreamResetError):
        await exchange(client, b"!" + bytes(5_000))


async def test_nothing_is_left_out_on_a_bad_path(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Left(monkeypatch)
    faults = Faults(loss=0.1, repetition=0.1, reordering=0.1, seed=11)
    async with quic_port(echo_or_refuse, quic_streams=8) as port, relayed(*port.addresses[0], faults) as relay:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust, timeout_seconds=30) as client:
            small = [exchange(client, b"small %d" % index) for index in range(60)]
            large = [exchange(client, bytes(300_000)) for _ in range(2)]
            answers = await asyncio.gather(*small, *large, *(refused(client) for _ in range(4)))
            assert answers[:60] == [b"mall %d" % index for index in range(60)]
            assert [len(cast(bytes, answer)) for answer in answers[60:62]] == [299_999] * 2
            for _ in range(30):
                assert await exchange(client, b"hello") == b"ello"
    assert left.silent > 10
    assert left.made == []


async def test_a_packet_is_made_for_a_reply_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quic_port() as port, dial(port) as client:
        await exchange(client, b"warm")
        (connection,) = port.connections()
        made = []
        make = connection.quic.datagrams_to_send

        def counted(now: float) -> Any:
            made.append(make(now=now))
            return made[-1]

        monkeypatch.setattr(connection.quic, "datagrams_to_send", counted)
        space = cast(Any, connection.quic)._spaces[tls.Epoch.ONE_RTT]
        for _ in range(20):
            await exchange(client, b"hello")
            while space.ack_eliciting_in_flight:
                # the client acknowledges the reply in a datagram of its own
                await asyncio.sleep(0.001)
        assert sum(map(bool, made)) >= 20
        assert len(made) - sum(map(bool, made)) < 10


async def test_streams_that_wait_for_their_reply_cost_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = asyncio.Event()

    async def handler(stream: Stream) -> None:
        data = await stream.read()
        while await stream.has_more():
            data += await stream.read()
        if data == b"slow":
            await waiting.wait()
        stream.write_eof(data)

    async with quic_port(handler, quic_streams=64) as port, dial(port) as client:
        slow = [asyncio.create_task(exchange(client, b"slow")) for _ in range(40)]
        (connection,) = port.connections()
        while len(cast(Any, connection.quic)._streams) < 40:
            await exchange(client, b"warm")
        looked = 0
        write = windows.Windows._write_stream_limits

        def counted(self: Any, builder: Any, space: Any, stream: Any) -> None:
            nonlocal looked
            looked += 1
            write(self, builder, space, stream)

        monkeypatch.setattr(
            connection.quic, "_write_stream_limits", lambda **given: counted(connection._windows, **given)
        )
        for _ in range(20):
            assert await exchange(client, b"quick") == b"quick"
        assert 20 <= looked < 20 * 10
        waiting.set()
        assert await asyncio.gather(*slow) == [b"slow"] * 40


def test_the_library_has_the_parts_that_are_used() -> None:
    """aioquic's own names, of which a new version may know nothing."""
    quic = cast(Any, QuicConnection(configuration=QuicConfiguration(is_client=True)))
    quic.connect(("127.0.0.1", 1), now=0.0)
    written: list[Any] = []
    quic._write_application = lambda *given: written.append(given)
    quic._handshake_confirmed = True
    assert quic.datagrams_to_send(now=0.0) == []
    assert len(written) == 1
    for name in (
        "_handshake_done_pending", "_probe_pending", "_ping_pending", "_datagrams_pending", "_streams_blocked_pending",
        "_retire_connection_ids", "_pacing_at", "_remote_preferred_address", "_close_pending",
    ):  # fmt: skip
        assert not getattr(quic, name), name
    (path,) = quic._network_paths
    assert path.is_validated
    assert not path.remote_challenges
    assert quic._crypto_streams[tls.Epoch.ONE_RTT].sender.buffer_is_empty
    assert all(identifier.was_sent for identifier in quic._host_cids)
    quic._get_or_create_stream_for_send(0)
    (stream,) = quic._streams_queue
    assert quic._streams == {0: stream}
    assert not stream.receiver.is_finished
    assert not stream.receiver.stop_pending
    assert not stream.sender.reset_pending
