"""What a connection has to write: nothing is left out, and nothing is made or looked at for nothing."""

import asyncio
from typing import Any, cast

import pytest
from aioquic import tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from testing.speed import PATIENCE_SECONDS
from testing.udp_relay import Faults, relayed
from tests.rpc.transport.quic_support import dial, echo, exchange, quic_port
from tests.rpc.transport.test_quic_arrivals import CLIENT, joined
from zevm.rpc.transport.quic import outgoing
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.codes import BUSY
from zevm.rpc.transport.quic.outgoing import Outgoing
from zevm.rpc.transport.quic.stream_packets import StreamPackets
from zevm.rpc.transport.quic.streams import Stream, StreamResetError


class Left:
    """Asks aioquic wherever a connection of this process was found to have nothing to send, or nothing more.

    made: what it then made. silent, alone: how often there was nothing at all, and nothing but new data.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.silent = self.alone = 0
        self.made: list[Any] = []
        has_any = Outgoing.has_any

        def checked(outgoing: Outgoing, now: float) -> bool:
            if has_any(outgoing, now):
                return True
            self.silent += 1
            self.made += cast(Any, outgoing)._quic.datagrams_to_send(now=now)
            return False

        monkeypatch.setattr(Outgoing, "has_any", checked)
        datagrams = Outgoing.datagrams

        def followed(outgoing: Outgoing, now: float) -> Any:
            is_alone, made = outgoing._is_data_alone, datagrams(outgoing, now)
            if is_alone and outgoing._is_plain:
                self.alone += 1
                self.made += cast(Any, outgoing)._quic.datagrams_to_send(now=now)
            return made

        monkeypatch.setattr(Outgoing, "datagrams", followed)


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
    assert left.alone > 10
    assert left.made == []


async def test_what_comes_with_new_data_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that is to be widened, a reset, and a stop, of a stream that has new data in the same turn."""
    left = Left(monkeypatch)

    async def handler(stream: Stream) -> None:
        kind = await stream.readexactly(1)
        if kind == b"r":
            await stream.write(bytes(100))
            stream.reset(BUSY)
            return
        while part := await stream.read(2_000):
            await stream.write(part)

    async with quic_port(handler, quic_stream_window_bytes=16_384) as port, dial(port) as client:
        for _ in range(5):
            await exchange(client, b"e" + bytes(10))
        echoes = [exchange(client, b"e" + bytes(100_000)) for _ in range(3)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [len(answer) for answer in await asyncio.gather(*echoes)] == [100_000] * 3
            for _ in range(5):
                with pytest.raises(StreamResetError) as raised:
                    await exchange(client, b"r")
                assert raised.value.code == BUSY
            assert await exchange(client, b"eafter") == b"after"
    assert left.alone > 10
    assert left.made == []


async def test_a_packet_is_made_for_a_reply_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quic_port() as port, dial(port) as client:
        await exchange(client, b"warm")
        (connection,) = port.connections()
        made = []
        make = connection._outgoing.datagrams

        def counted(now: float) -> Any:
            made.append(make(now))
            return made[-1]

        monkeypatch.setattr(connection._outgoing, "datagrams", counted)
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
        looked = replies = 0
        rests, make = outgoing._rests, StreamPackets.make

        def counted(stream: Any) -> bool:
            nonlocal looked
            looked += 1
            return rests(stream)

        def noted(self: Any, streams: list[Any], now: float) -> Any:
            nonlocal replies
            replies += 1
            return make(self, streams, now)

        monkeypatch.setattr(outgoing, "_rests", counted)
        monkeypatch.setattr(StreamPackets, "make", noted)
        for _ in range(20):
            assert await exchange(client, b"quick") == b"quick"
        # once for each packet of aioquic's own, which are few, and more on a machine under load; else 20 at least
        assert looked < 12 * 40
        assert replies >= 2 * 15
        waiting.set()
        assert await asyncio.gather(*slow) == [b"slow"] * 40


async def test_streams_that_have_ended_are_forgotten_without_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's stream ends with the reply, a server's with the acknowledgement of the reply."""
    async with quic_port(quic_streams=200) as port, dial(port) as client:
        (connection,) = port.connections()
        for _ in range(5):
            await exchange(client, b"warm")
        monkeypatch.setattr(Outgoing, "_discard_finished", lambda _: None)
        own, served = (cast(Any, item.quic)._streams for item in (client._connection, connection))
        left = 0
        for _ in range(40):
            await exchange(client, b"hello")
            left += len(own)
        # those of aioquic's own packets are forgotten by its next one
        assert left < 20
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(served) > 20:
                await asyncio.sleep(0.001)


def replying(sizes: list[int]) -> tuple[Any, StreamPackets, list[Any]]:
    """aioquic's side of a server, and streams on which it has so many bytes to send each."""
    client, server = joined()
    for index in range(len(sizes)):
        client.send_stream_data(4 * index, b"?", True)
    for datagram, _ in client.datagrams_to_send(now=2.0):
        server.receive_datagram(datagram, CLIENT, now=2.0)
    for index, size in enumerate(sizes):
        server.send_stream_data(4 * index, bytes(size), True)
    server._loss._pacer.packet_time = None
    return server, StreamPackets(server, lambda *_: None), list(server._streams.values())


def test_new_data_keep_the_connections_window() -> None:
    server, packets, streams = replying([100] * 5)
    server._remote_max_data = server._remote_max_data_used + 250
    assert len(packets.make(streams, 2.0)) == 1
    assert [item.sender.highest_offset for item in streams] == [100, 100, 50, 0, 0]
    assert packets.make(streams, 2.0) == []
    server._remote_max_data += 1_000
    assert len(packets.make(streams, 2.0)) == 1
    assert all(item.sender.buffer_is_empty for item in streams)


def test_new_data_keep_the_congestion_window() -> None:
    server, packets, streams = replying([900] * 5)
    loss = server._loss
    loss._cc.congestion_window = loss.bytes_in_flight + 2_000
    made = packets.make(streams, 2.0)
    assert 1_900 < sum(len(datagram) for datagram, _ in made) <= 2_000
    assert loss.bytes_in_flight <= loss.congestion_window
    assert packets.make(streams, 2.0) == []


def test_new_data_are_paced() -> None:
    server, packets, streams = replying([1_100] * 5)
    pacer = server._loss._pacer
    pacer.packet_time, pacer.bucket_max, pacer.bucket_time, pacer.evaluation_time = 1.0, 1.5, 1.5, 2.0
    assert len(packets.make(streams, 2.0)) == 2
    assert server._pacing_at == 3.0
    assert len(packets.make(streams, 3.0)) == 1


async def test_packets_of_new_data_keep_the_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made here stays within congestion, flow control and datagram size, and in aioquic's accounts."""
    make, packets = StreamPackets.make, 0

    def checked(self: StreamPackets, streams: list[Any], now: float) -> Any:
        nonlocal packets
        quic = cast(Any, self)._quic
        number, loss, space = quic._packet_number, quic._loss, quic._spaces[tls.Epoch.ONE_RTT]
        in_flight = loss.bytes_in_flight
        made = make(self, streams, now)
        packets += len(made)
        sizes = [len(datagram) for datagram, _ in made]
        assert max(sizes, default=0) <= quic._max_datagram_size
        assert loss.bytes_in_flight == in_flight + sum(sizes)
        assert loss.bytes_in_flight <= max(loss.congestion_window, in_flight)
        assert [space.sent_packets[number + index].sent_bytes for index in range(len(made))] == sizes
        assert quic._packet_number == number + len(made)
        assert quic._remote_max_data_used <= quic._remote_max_data
        for stream in streams:
            assert stream.sender.highest_offset <= stream.max_stream_data_remote
        return made

    monkeypatch.setattr(StreamPackets, "make", checked)
    faults = Faults(loss=0.05, seed=5)
    async with quic_port(quic_stream_window_bytes=65_536) as port, relayed(*port.addresses[0], faults) as relay:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust, timeout_seconds=30) as client:
            sizes = [1, 60, 1_150, 1_200, 5_000, 40_000, 200_000, 3, 900]
            given = [bytes([index]) * size for index, size in enumerate(sizes)]
            assert await asyncio.gather(*(exchange(client, data) for data in given)) == given
            for data in given[:4] * 4:
                assert await exchange(client, data) == data
    assert packets > 20


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
