"""How large datagrams a path takes (RFC 9000, section 14.3; RFC 8899): found by sending padded ones.

aioquic sends 1,200 bytes in each datagram, and its work is the same for each. A connection with much to send tries
larger sizes: the largest that the peer acknowledges is used. A lost trial costs nothing but itself. When nothing gets
through any more, the first size is used again. The system must not split datagrams (`forbid_fragments`), else a trial
would tell nothing. This uses parts of aioquic 1.7 that are not its public interface.
"""

import socket
from collections.abc import Sequence
from typing import Any, cast

from aioquic import tls
from aioquic.quic.connection import NetworkAddress, QuicConnection
from aioquic.quic.packet import QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder

SIZES = (1_452, 8_952, 16_000)
"""UDP payloads of Ethernet and of jumbo frames under IPv6; and what aioquic's frames of streams can hold."""
FULL_DATAGRAMS = 4
"""As many a connection has sent before it tries larger ones."""
LOST_PROBES = 3
"""Timeouts without any acknowledgement after which the path is taken to be another one."""
_DISCOVER, _DISCOVER_IPV6, _PROBE = 10, 23, 3
"""Linux' options of a socket and their value: never split, and do not go by what routers told."""


def forbid_fragments(sock: Any) -> bool:
    """Have datagrams sent whole or not at all; whether the system can do so."""
    level, option = (
        (socket.IPPROTO_IPV6, _DISCOVER_IPV6) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, _DISCOVER)
    )
    try:
        sock.setsockopt(level, option, _PROBE)
    except OSError:
        return False
    return True


class PathSize:
    """The size of one connection's datagrams. largest: bytes that may be tried; no more than the first size: none."""

    def __init__(self, quic: QuicConnection, largest: int) -> None:
        self._quic = cast(Any, quic)
        self._first: int = self._quic._max_datagram_size
        self._full_datagrams = 0
        self._untried = [size for size in SIZES if self._first < size <= largest]
        self._path: Any = None

    @property
    def size(self) -> int:
        """Bytes of a full datagram now."""
        return int(self._quic._max_datagram_size)

    def count(self, datagrams: Sequence[tuple[bytes, NetworkAddress]]) -> None:
        """Note sent datagrams: sizes are tried by a connection that fills its datagrams."""
        if self._untried and self._quic._handshake_confirmed:
            self._full_datagrams += sum(len(data) == self.size for data, _ in datagrams)

    def trials(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """Datagrams of every larger size when there is much to send; nothing the next time."""
        if self._full_datagrams < FULL_DATAGRAMS or not self._untried:
            return []
        sizes, self._untried = self._untried, []
        self._path = self._quic._network_paths[0]
        return [datagram for size in sizes for datagram in self._trial(size, now)]

    def look(self) -> None:
        """Go back to the first size if the path is another one, or nothing gets through."""
        if self.size == self._first:
            return
        if self._quic._network_paths[0] is not self._path or self._quic._loss._pto_count >= LOST_PROBES:
            self._use(self._first)

    def _trial(self, size: int, now: float) -> list[tuple[bytes, NetworkAddress]]:
        quic = self._quic
        builder = QuicPacketBuilder(
            host_cid=quic.host_cid,
            is_client=quic._is_client,
            max_datagram_size=size,
            packet_number=quic._packet_number,
            peer_cid=quic._peer_cid.cid,
            spin_bit=quic._spin_bit,
            version=quic._version,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, quic._cryptos[tls.Epoch.ONE_RTT])
        buffer = builder.start_frame(QuicFrameType.PING, handler=self._delivered, handler_args=(size, self._path))
        buffer.push_bytes(bytes(builder.remaining_buffer_space))
        # the loss of a trial says nothing of congestion
        cast(Any, builder)._packet.in_flight = False
        made: list[tuple[bytes, NetworkAddress]] = quic._flush_builder(
            builder=builder, network_path=self._path, peer_cid=quic._peer_cid.cid, now=now
        )
        return made

    def _delivered(self, delivery: QuicDeliveryState, size: int, path: object) -> None:
        if delivery == QuicDeliveryState.ACKED and path is self._quic._network_paths[0] and size > self.size:
            self._use(size)

    def _use(self, size: int) -> None:
        loss = self._quic._loss
        self._quic._max_datagram_size = loss._pacer._max_datagram_size = loss._cc._max_datagram_size = size
        # two datagrams must fit (RFC 9002, section 7.2)
        loss._cc.congestion_window = max(loss._cc.congestion_window, 2 * size)
