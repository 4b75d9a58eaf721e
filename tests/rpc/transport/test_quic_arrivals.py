"""Packets of data and acknowledgements are taken as aioquic takes them, whatever a peer puts into them."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest
from aioquic import tls
from aioquic.buffer import encode_uint_var
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from testing.udp_relay import Faults, relayed
from tests.rpc.transport.quic_support import dial, exchange, quic_port
from zevm.rpc.transport.quic.certificates import identity_of
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.options import QuicPortOptions
from zevm.rpc.transport.quic.stream_arrivals import StreamArrivals

CLIENT, SERVER = ("127.0.0.1", 1), ("127.0.0.1", 2)
IDENTITY = identity_of(QuicPortOptions(("127.0.0.1",), 0))


def joined(windows: tuple[int, int] = (400, 150)) -> tuple[Any, Any]:
    """A client and a server of aioquic, with their handshake behind them and nothing in flight.

    windows: bytes that the client may send, in all and on a stream.
    """
    most, most_of_stream = windows
    given = QuicConfiguration(is_client=False, alpn_protocols=["test"], max_data=most, max_stream_data=most_of_stream)
    given.certificate, given.private_key = IDENTITY.chain[0], IDENTITY.key
    client = QuicConnection(configuration=QuicConfiguration(alpn_protocols=["test"], verify_mode=0))
    client.connect(SERVER, now=0.0)
    first = client.datagrams_to_send(now=0.0)
    server = QuicConnection(
        configuration=given, original_destination_connection_id=client.original_destination_connection_id
    )
    limit = cast(Any, server)._local_max_streams_bidi
    limit.value = limit.sent = 6
    for datagram, _ in first:
        server.receive_datagram(datagram, CLIENT, now=0.0)
    for turn in range(12):
        now = turn / 10
        for one, other, address in ((server, client, SERVER), (client, server, CLIENT)):
            for datagram, _ in one.datagrams_to_send(now=now):
                other.receive_datagram(datagram, address, now=now)
    while server.next_event():
        pass
    assert cast(Any, server)._handshake_confirmed
    return client, server


def twin(server: Any, windows: tuple[int, int]) -> Any:
    """Another server that opens the packets of the same client."""
    _, other = joined(windows)
    other._cryptos[tls.Epoch.ONE_RTT] = server._cryptos[tls.Epoch.ONE_RTT]
    other.host_cid, other._host_cids = server.host_cid, list(server._host_cids)
    return other


def stream(stream_id: int, offset: int, data: bytes, *, ends: bool, has_size: bool) -> bytes:
    kind = 0x08 | (4 if offset else 0) | (2 if has_size else 0) | ends
    head = bytes([kind]) + encode_uint_var(stream_id) + (encode_uint_var(offset) if offset else b"")
    return head + (encode_uint_var(len(data)) if has_size else b"") + data


def numbers(kind: int, *values: int) -> bytes:
    return bytes([kind]) + b"".join(map(encode_uint_var, values))


IDENTIFIERS = st.sampled_from((0, 4, 8, 12, 16, 20, 24, 1, 2, 3))
SMALL = st.integers(0, 70)
STREAMS = st.builds(
    stream,
    st.sampled_from((0, 4, 8)) | IDENTIFIERS,
    st.sampled_from((0, 0, 0, 20)) | st.integers(0, 160) | st.just(2**62 - 1),
    st.binary(max_size=60),
    ends=st.booleans(),
    has_size=st.sampled_from((True, True, True, False)),
)
ACKNOWLEDGEMENTS = st.builds(
    lambda largest, delay, ranges: numbers(2, largest, delay, len(ranges) // 2, *(ranges[:1] or [0]), *ranges[1:]),
    SMALL, SMALL, st.lists(st.integers(0, 3), max_size=5),
)  # fmt: skip
OTHERS = (
    st.just(b"\1") | st.binary(max_size=6).map(lambda data: bytes(len(data))) | st.binary(max_size=12)
    | st.builds(numbers, st.just(0x10), st.integers(0, 5_000))
    | st.builds(numbers, st.just(0x11), IDENTIFIERS, st.integers(0, 5_000))
    | st.builds(numbers, st.just(0x04), IDENTIFIERS, SMALL, SMALL)
    | st.builds(numbers, st.just(0x05), IDENTIFIERS, SMALL)
)  # fmt: skip
LIKELY = st.builds(
    stream,
    st.sampled_from((0, 4, 8, 12, 16)),
    st.sampled_from((0, 0, 0, 20)),
    st.sampled_from((b"", bytes(20), bytes(20), bytes(40))),
    ends=st.booleans(),
    has_size=st.just(True),
)
ANY = st.lists(STREAMS | ACKNOWLEDGEMENTS | OTHERS, max_size=4).map(b"".join)
FRAMES = st.lists(LIKELY | LIKELY | ACKNOWLEDGEMENTS, min_size=1, max_size=3, unique=True).map(b"".join)
HEADS = st.tuples(st.sampled_from((1, 1, 1, 1, 0, 2, -1, 40)), st.sampled_from((0, 0, 0, 0, 0, 0x20, 0x04, 0x08)))
PACKETS = st.lists(st.tuples(HEADS, FRAMES | FRAMES | FRAMES | ANY), min_size=3, max_size=10)
WIDE = (16_000, 15_000)
FAR = st.builds(
    stream,
    st.sampled_from((0, 4, 8)),
    st.sampled_from((0, 500, 500, 1_000, 1_000, 1_500, 1_500, 14_500, 14_500, 15_000)),
    st.sampled_from((500, 500, 1_000, 0)).map(bytes),
    ends=st.sampled_from((False,) * 9 + (True,)),
    has_size=st.just(True),
)
GAPS = st.lists(st.tuples(HEADS, st.lists(FAR, min_size=1, max_size=3).map(b"".join)), min_size=5, max_size=14)


def state(server: Any) -> list[Any]:
    """All that a packet may have changed."""
    space, close = server._spaces[tls.Epoch.ONE_RTT], server._close_event
    streams = [
        (
            number,
            {name: value for name, value in vars(item.receiver).items() if name != "_ranges"},
            list(item.receiver._ranges),
            item.max_stream_data_remote,
            item.sender.reset_pending,
        )
        for number, item in server._streams.items()
    ]
    return [
        streams,
        list(server._events),
        close and (close.error_code, close.frame_type, close.reason_phrase),
        list(space.ack_queue),
        (space.expected_packet_number, space.largest_received_packet, space.largest_received_time, space.ack_at),
        sorted(space.sent_packets),
        (server._local_max_data.used, server._local_max_streams_bidi.used, server._local_max_streams_uni.used),
        (server._remote_max_data, server._spin_bit, server._spin_highest_pn, server._close_at),
        [item.stream_id for item in server._streams_queue],
        (server._loss._rtt_latest, server._loss._cc.bytes_in_flight, server._ack_eliciting_sent_since_receipt),
    ]


class Compared:
    """A server that takes plain packets here, and one that takes all by aioquic: they are to stay alike."""

    def __init__(self, windows: tuple[int, int] = (400, 150)) -> None:
        self._client, self._server = joined(windows)
        self._reference, self._arrivals = twin(self._server, windows), StreamArrivals(self._server)
        for server in (self._server, self._reference):
            server._ack_eliciting_sent_since_receipt = True
        self._number = self._client._packet_number
        self._now = 2.0

    def take(self, frames: bytes, step: int = 1, bits: int = 0) -> bool:
        """Whether a packet was plain."""
        server = self._server
        self._number = max(0, self._number + step)
        self._now += 0.01
        header = bytes([0x41 | bits]) + server.host_cid + (self._number & 0xFFFF).to_bytes(2, "big")
        seal = self._client._cryptos[tls.Epoch.ONE_RTT].send.encrypt_packet
        # as many bytes as the header's protection needs
        datagram = seal(header, frames.rjust(2, b"\0"), self._number)
        is_plain = self._arrivals.take(datagram, CLIENT, self._now)
        if not is_plain:
            server.receive_datagram(datagram, CLIENT, now=self._now)
        self._reference.receive_datagram(datagram, CLIENT, now=self._now)
        assert state(server) == state(self._reference)
        return is_plain

    @property
    def gaps(self) -> int:
        """The number of streams with bytes behind a gap."""
        return sum(len(item.receiver._ranges) > 0 for item in self._server._streams.values())

    @property
    def close_code(self) -> int | None:
        """The code with which the connection is closed."""
        event = self._server._close_event
        return None if event is None else int(event.error_code)


def test_packets_have_the_effects_that_they_have_in_aioquic() -> None:
    taken = [0, 0]

    @settings(max_examples=120, deadline=None, database=None, phases=(Phase.generate,))
    @given(PACKETS)
    def compare(packets: list[tuple[tuple[int, int], bytes]]) -> None:
        compared = Compared()
        for (step, bits), frames in packets:
            taken[compared.take(frames, step, bits)] += 1

    compare()
    assert min(taken) > 10, "both kinds were among them"


def test_gaps_in_wider_windows_are_filled_as_in_aioquic() -> None:
    taken, closed, filled = [0, 0], Counter[int | None](), 0

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, phases=(Phase.generate,))
    @given(GAPS)
    def compare(packets: list[tuple[tuple[int, int], bytes]]) -> None:
        nonlocal filled
        compared = Compared(WIDE)
        for (step, bits), frames in packets:
            gaps = compared.gaps
            taken[compared.take(frames, step, bits)] += 1
            filled += compared.gaps < gaps
        closed[compared.close_code] += 1

    compare()
    assert min(taken) > 10, "both kinds were among them"
    assert filled > 5
    # what stays within the windows, and what goes past one or the end of a stream
    assert min(closed[None], closed[3], closed[6]) > 5, closed


def whole(stream_id: int, size: int, offset: int = 0, *, ends: bool = False) -> bytes:
    return stream(stream_id, offset, bytes(size), ends=ends, has_size=True)


@pytest.mark.parametrize(
    ("packets", "code"),
    [
        ([whole(0, 150), whole(4, 150), whole(8, 101)], 3),
        ([whole(0, 150) + whole(4, 150) + whole(8, 101)], 3),
        ([whole(0, 1, 149), whole(4, 1, 149), whole(8, 1, 100)], 3),
        ([whole(0, 1, 149) + whole(4, 1, 149) + whole(8, 1, 100)], 3),
        ([whole(0, 100), whole(0, 51, 100)], 3),
        ([whole(0, 151)], 3),
        ([*(whole(number, 5) for number in range(0, 24, 4)), whole(24, 5)], 4),
        ([whole(0, 5, ends=True) + whole(0, 5, 5)], 6),
        ([whole(0, 5), whole(0, 5, 5, ends=True) + whole(0, 5, 10)], 6),
        ([whole(0, 5, 20, ends=True), whole(0, 26)], 6),
        ([whole(0, 5, 20), whole(0, 5, ends=True)], 6),
        ([whole(0, 0, 2**62 - 1, ends=True)], 3),
        ([whole(1, 5)], 5),
        ([numbers(2, 3, 0, 1, 3, 9)], 7),
        ([b"\x08"], 7),
    ],
)
def test_what_is_past_a_limit_closes_the_connection_as_in_aioquic(packets: list[bytes], code: int) -> None:
    compared = Compared()
    plain = [compared.take(packet) for packet in packets]
    assert plain == [True] * (len(packets) - 1) + [False]
    assert compared.close_code == code


def test_packets_within_the_limits_are_plain() -> None:
    compared = Compared()
    assert compared.take(whole(0, 5, ends=True) + whole(4, 5, ends=True) + whole(8, 5))
    assert compared.take(whole(8, 5, 5, ends=True) + b"\1" + numbers(2, 3, 0, 0, 0))
    assert compared.take(whole(12, 5, 20))
    assert not compared.take(whole(0, 5, ends=True)), "of a stream that has ended"
    assert not compared.take(whole(20, 5)), "opens another one before it"
    assert not compared.take(whole(12, 20), step=0), "a repetition"
    assert compared.take(whole(12, 20), step=2)
    assert compared.take(whole(12, 5, 25, ends=True), step=-1)
    assert compared.close_code is None


async def test_most_packets_of_small_requests_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = [0, 0]
    take = StreamArrivals.take

    def counted(self: StreamArrivals, *arguments: Any) -> bool:
        found = take(self, *arguments)
        taken[found] += 1
        return found

    async with quic_port() as port, dial(port) as client:
        await exchange(client, b"warm")
        monkeypatch.setattr(StreamArrivals, "take", counted)
        assert await asyncio.gather(*(exchange(client, b"%d" % index) for index in range(20))) == [
            b"%d" % index for index in range(20)
        ]
        for _ in range(20):
            await exchange(client, b"hello")
    # a machine under load sends a few again
    assert taken[True] > 4 * taken[False]


async def test_packets_of_another_address_or_identifier_are_aioquics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that moves is known by aioquic, which has the new path proved."""
    async with quic_port() as port, relayed(*port.addresses[0], Faults()) as relay:
        trust = Trust(server_key_hash=port.identity.server_key_hash)
        async with connect("127.0.0.1", relay.port, alpn="test/1", trust=trust) as client:
            await exchange(client, b"warm")
            (connection,) = port.connections()
            arrivals, quic = connection._arrivals, cast(Any, connection.quic)
            datagram = bytes([0x40]) + quic.host_cid + bytes(40)
            path = quic._network_paths[0]
            opened: list[bytes] = []

            def noted(_: StreamArrivals, data: bytes, space: object) -> Any:  # noqa: ARG001
                opened.append(data)
                return 0, 0, b""

            monkeypatch.setattr(StreamArrivals, "_opened", noted)
            assert not arrivals.take(datagram, ("127.0.0.9", 9), 1.0)
            assert not arrivals.take(bytes([0xC0]) + datagram[1:], path.addr, 1.0)
            assert not arrivals.take(bytes([0x40]) + bytes(48), path.addr, 1.0)
            path.is_validated = False
            assert not arrivals.take(datagram, path.addr, 1.0)
            path.is_validated = True
            assert opened == []
            assert not arrivals.take(datagram, path.addr, 1.0)
            assert opened == [datagram]
            monkeypatch.undo()
            assert await exchange(client, b"hello") == b"hello"
