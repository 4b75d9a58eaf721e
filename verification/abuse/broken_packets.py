"""QUIC packets that are wrong inside: handed to a port's endpoint, whose answers come back without a socket."""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import Any, cast

from aioquic import tls
from aioquic._buffer import Buffer
from aioquic.buffer import encode_uint_var
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection, QuicConnectionState
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder

from zevm.rpc.transport.quic.key_exchange import offer_groups

PACKETS = 40
"""To one connection, which most often ends before."""
PROTOCOLS = ("zvm/1", "h3", "zvm-sync/1")
_NUMBERS = (0, 1, 3, 4, 8, 63, 64, 2**14, 2**30, 2**60, 2**62 - 1)
_FRAME_TYPES = range(0x20)
_SERVER = ("127.0.0.1", 4_433)


class FaultError(Exception):
    """The node did what it must not do; the message ends with the bytes."""


class Endpoint:
    """A port's endpoint with another transport. Used on the port's event loop."""

    def __init__(self, port: Any) -> None:
        self._endpoint = port._endpoints[0]
        self._port_number = 1_024
        self.answers: list[bytes] = []
        """Datagrams that it has sent."""
        self._socket = self._endpoint._transport
        self._endpoint.connection_made(self)

    def restore(self) -> None:
        """Give the endpoint its socket back."""
        self._endpoint.connection_made(self._socket)

    def sendto(self, data: bytes, address: object) -> None:  # noqa: ARG002
        """See DatagramTransport."""
        self.answers.append(data)

    def get_extra_info(self, name: str) -> None:
        """See DatagramTransport: no socket."""

    def close(self) -> None:
        """See DatagramTransport."""

    def next_address(self) -> tuple[str, int]:
        """Of one more client."""
        self._port_number = self._port_number % 60_000 + 1
        return "127.0.0.1", self._port_number

    def receive(self, data: bytes, address: tuple[str, int] | None = None) -> None:
        """Handle a datagram of a client; what the endpoint has sent before is dropped."""
        self.answers.clear()
        self._endpoint.datagram_received(data, address or self.next_address())


_first: list[bytes] = []


def broken_datagram(chance: random.Random) -> bytes:
    """A first datagram with a few bytes changed, cut, or two of them in one; or random bytes."""
    if not _first:
        _first.extend(_first_datagram(PROTOCOLS[number % 3]) for number in range(9))
    draw = chance.random()
    if draw < 0.2:
        return chance.randbytes(chance.randrange(1, 1_500))
    data = bytearray(chance.choice(_first))
    if draw < 0.3:
        return bytes(data[: chance.randrange(1, len(data))])
    if draw < 0.4:
        # another version, which is answered with those that there are
        data[1:5] = chance.choice((bytes(4), b"\x6b\x33\x43\xcf", chance.randbytes(4)))
        return bytes(data)
    # the head: form, version, lengths of both connection ids and of the token
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(40 if draw < 0.8 else len(data))] = chance.randrange(256)
    return bytes(data) + (chance.choice(_first)[: chance.randrange(300)] if draw > 0.9 else b"")


def _client(alpn: str, now: float) -> QuicConnection:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[alpn], server_name="localhost")
    configuration.verify_mode = ssl.CERT_NONE
    quic = QuicConnection(configuration=configuration)
    offer_groups(quic, allow_classical=False)
    quic.connect(_SERVER, now=now)
    return quic


def _first_datagram(alpn: str) -> bytes:
    return _client(alpn, 0.0).datagrams_to_send(now=0.0)[0][0]


async def broken_packets(endpoint: Endpoint, chance: random.Random) -> tuple[int, str]:
    """Open a connection and send it malformed frames, encrypted as they should be: their number, and how it ended."""
    address, loop = endpoint.next_address(), asyncio.get_running_loop()
    quic = _client(chance.choice(PROTOCOLS), loop.time())
    for _ in range(8):
        await _exchange(endpoint, quic, address)
        if cast(Any, quic)._handshake_confirmed:
            break
    private = cast(Any, quic)
    if not private._handshake_confirmed:
        return 1, "no connection"
    for number in range(1, PACKETS + 1):
        endpoint.receive(_packet(private, chance), address)
        await asyncio.sleep(0)
        for answer in list(endpoint.answers):
            quic.receive_datagram(answer, _SERVER, now=loop.time())
        event = private._close_event
        if event is not None or private._state is not QuicConnectionState.CONNECTED:
            code = event.error_code if event is not None else -1
            if code == QuicErrorCode.INTERNAL_ERROR:
                raise FaultError(f"the node closed a connection with INTERNAL_ERROR: {event}")
            return number, "closed"
    quic.close()
    await _exchange(endpoint, quic, address)
    return PACKETS, "open"


async def _exchange(endpoint: Endpoint, quic: QuicConnection, address: tuple[str, int]) -> None:
    """One flight of each side."""
    now = asyncio.get_running_loop().time()
    answers: list[bytes] = []
    for data, _ in quic.datagrams_to_send(now=now):
        endpoint.receive(data, address)
        await asyncio.sleep(0)
        answers += endpoint.answers
    for answer in answers:
        quic.receive_datagram(answer, _SERVER, now=now)


def _packet(quic: Any, chance: random.Random) -> bytes:
    """A packet of made-up frames."""
    builder = QuicPacketBuilder(
        host_cid=quic.host_cid,
        is_client=True,
        max_datagram_size=1_200,
        packet_number=quic._packet_number,
        peer_cid=quic._peer_cid.cid,
        version=quic._version,
    )
    builder.start_packet(QuicPacketType.ONE_RTT, quic._cryptos[tls.Epoch.ONE_RTT])
    buffer: Buffer = builder.start_frame(QuicFrameType.PING)
    content = b"".join(_frame(chance) for _ in range(chance.randrange(1, 4)))
    buffer.push_bytes(content[: builder.remaining_buffer_space])
    datagrams, _ = builder.flush()
    quic._packet_number = builder.packet_number
    return datagrams[0]


def _frame(chance: random.Random) -> bytes:
    """A frame of any type whose numbers are usual ones, edges, or random bytes."""
    if chance.random() < 0.6:
        return _harmless_frame(chance)
    kind = encode_uint_var(chance.choice(_FRAME_TYPES) if chance.random() < 0.95 else chance.choice(_NUMBERS))
    if chance.random() < 0.2:
        return kind + chance.randbytes(chance.randrange(30))
    numbers = b"".join(
        encode_uint_var(chance.choice(_NUMBERS[:6] if chance.random() < 0.8 else _NUMBERS))
        for _ in range(chance.randrange(5))
    )
    return kind + numbers + chance.randbytes(chance.choice((0, 0, 4, 16, 20)))


def _harmless_frame(chance: random.Random) -> bytes:
    """A frame that is right by its form: bytes of a stream, a reset, a window, a challenge."""
    numbers = [encode_uint_var(chance.choice((0, 4, 8, 12, 100, 1_000))) for _ in range(3)]
    kind, count, rest = chance.choice(
        ((0x0E, 2, 20), (0x10, 1, 0), (0x14, 1, 0), (0x11, 2, 0), (0x04, 3, 0), (0x05, 2, 0), (0x1A, 0, 8))
    )
    length = encode_uint_var(rest) if kind == 0x0E else b""
    return bytes((kind,)) + b"".join(numbers[:count]) + length + chance.randbytes(rest)
