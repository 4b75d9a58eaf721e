"""The QUIC port: sockets, the ALPN table, limits of connections, and at the start a proof of the key exchange."""

import asyncio
import errno
import logging
import os
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from aioquic._buffer import Buffer
from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY, QuicConnection
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicHeader, QuicPacketType, pull_quic_header
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.retry import TOKEN_LIFETIME, QuicRetryTokenHandler

from zevm.rpc.limits import Limits
from zevm.rpc.memory.released import ReleasedMemory
from zevm.rpc.memory.sources import is_loopback, source_of
from zevm.rpc.transport.quic.certificates import Identity
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.codes import SHUTDOWN
from zevm.rpc.transport.quic.connection import Connection, ConnectionLimits, Protocols
from zevm.rpc.transport.quic.key_exchange import GROUP_NAMES, X25519MLKEM768, offer_groups
from zevm.rpc.transport.quic.options import QuicError, QuicFigures, QuicPortOptions
from zevm.rpc.transport.quic.stream_protocol import StreamProtocol
from zevm.rpc.transport.quic.streams import StreamResetError
from zevm.rpc.transport.quic.zvm.statistics import Statistics

LOGGER = logging.getLogger("zevm.rpc")
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
_LONG_HEADER = 0x80
_STOPPING = "the node is stopping"

_PROBE = "zevm-probe"
"""The protocol of the handshake that the port makes with itself: it carries nothing."""


class QuicPort:
    """Serves the protocols of a table on a UDP port of every host. Created and used on the event loop."""

    def __init__(
        self,
        options: QuicPortOptions,
        limits: Limits,
        protocols: Protocols,
        identity: Identity,
        executions: Statistics | None = None,
        released: ReleasedMemory | None = None,
    ) -> None:
        self._options = options
        self._limits = limits
        self._protocols = {**protocols, _PROBE: StreamProtocol}
        self.identity = identity
        self._executions = executions or Statistics()
        self._released = released or ReleasedMemory()
        self.addresses: list[tuple[str, int]] = []
        self._endpoints: list[_Endpoint] = []
        self._connections: dict[Connection, asyncio.TimerHandle | None] = {}
        self._per_source: Counter[str] = Counter()
        self._half_open = 0
        self.served: Counter[tuple[str, str]] = Counter()
        """(protocol, group) -> handshakes completed since the start."""
        self.refused = 0
        """Handshakes refused over a limit of connections since the start."""

    async def start(self) -> None:
        """Bind, and connect to the port to prove the key exchange. Raises QuicError, with nothing left open."""
        port = self._options.port
        try:
            for host in self._options.hosts:
                port = await self._bind(host, port)
            await self._prove()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection and the sockets. Idempotent."""
        for connection, timer in list(self._connections.items()):
            if timer is not None:
                timer.cancel()
            connection.close(SHUTDOWN, _STOPPING)
            connection.abandon(StreamResetError(_STOPPING, SHUTDOWN))
        self._connections.clear()
        for endpoint in self._endpoints:
            endpoint.shut()
        self._endpoints = []

    def connections(self) -> Iterator[Connection]:
        """The open connections, half-open ones among them."""
        return iter(self._connections)

    @property
    def server_key_hash(self) -> bytes:
        """SHA-256 of the port's public key (SubjectPublicKeyInfo, DER)."""
        return self.identity.server_key_hash

    def figures(self) -> QuicFigures:
        """The figures for the metrics."""
        executions = self._executions
        ready = [item for item in self._connections if item.alpn is not None]
        return QuicFigures(
            connections=Counter((item.alpn or "", _group_name(item)) for item in ready),
            half_open=self._half_open,
            handshakes=dict(self.served),
            refused_connections=self.refused,
            active_executions=executions.active_executions,
            executions=executions.total_executions_started,
            gas=executions.total_gas_consumed,
            oldest_execution_age_ms=executions.oldest_execution_age_ms,
            refused_busy=executions.refused_busy,
            refused_authentications=executions.refused_authentications,
        )

    # for the endpoints and connections

    def admits(self, host: str) -> bool:
        """Whether one more connection of a host fits."""
        limits = self._limits
        fits = (
            len(self._connections) < limits.quic_connections
            and self._per_source[source_of(host)] < limits.quic_connections_per_address
        )
        self.refused += not fits
        return fits

    def must_validate(self, host: str) -> bool:
        """Whether a new client has to prove its address first: off loopback, or past the half-open limit."""
        return self._half_open >= self._limits.quic_half_open or not is_loopback(host)

    def opened(self, quic: QuicConnection, address: tuple[str, int]) -> Connection:
        """A new connection of an address."""
        limits = self._limits
        offer_groups(quic, allow_classical=self._options.allow_classical)
        connection = Connection(quic, self._protocols, connection_limits(limits), self)
        connection.address = address
        timer = asyncio.get_running_loop().call_later(limits.quic_handshake_seconds, self._give_up, connection)
        self._connections[connection] = timer
        self._per_source[source_of(address[0])] += 1
        self._half_open += 1
        return connection

    def established(self, connection: Connection) -> None:
        """A handshake is complete (connection.Watcher)."""
        self._settle(connection)
        if connection.alpn != _PROBE:
            self.served[connection.alpn or "", _group_name(connection)] += 1

    def ended(self, connection: Connection) -> None:
        """A connection has ended (connection.Watcher)."""
        if connection not in self._connections:
            return
        self._settle(connection)
        del self._connections[connection]
        source = source_of(connection.address[0])
        self._per_source[source] -= 1
        if not self._per_source[source]:
            del self._per_source[source]
        self._released.look()

    def _settle(self, connection: Connection) -> None:
        timer = self._connections[connection]
        if timer is not None:
            timer.cancel()
            self._connections[connection] = None
            self._half_open -= 1

    def _give_up(self, connection: Connection) -> None:
        connection.close(QuicErrorCode.CONNECTION_REFUSED, "the handshake took too long")

    async def _bind(self, host: str, port: int) -> int:
        loop = asyncio.get_running_loop()
        configuration = self._configuration()
        try:
            transport, endpoint = await loop.create_datagram_endpoint(
                lambda: _Endpoint(self, configuration), local_addr=(host, port)
            )
        except OSError as error:
            raise QuicError(_bind_failure(host, port, error)) from error
        bound: socket.socket = transport.get_extra_info("socket")
        # the kernel's own limit may be lower
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._endpoints.append(endpoint)
        address = bound.getsockname()
        self.addresses.append((address[0], address[1]))
        return int(address[1])

    def _configuration(self) -> QuicConfiguration:
        limits = self._limits
        configuration = QuicConfiguration(
            is_client=False,
            alpn_protocols=list(self._protocols),
            idle_timeout=limits.quic_idle_seconds,
            max_data=limits.quic_connection_window_bytes,
            max_stream_data=limits.quic_stream_window_bytes,
            max_datagram_size=limits.quic_datagram_bytes,
        )
        configuration.certificate = self.identity.chain[0]
        configuration.certificate_chain = list(self.identity.chain[1:])
        configuration.private_key = self.identity.key
        return configuration

    async def _prove(self) -> None:
        """Connect to the own port; the group must be the post-quantum one. Raises QuicError."""
        host, port = self.addresses[0]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        trust = Trust(server_key_hash=self.identity.server_key_hash)
        async with connect(host, port, alpn=_PROBE, trust=trust, timeout_seconds=10.0) as client:
            if client.group != X25519MLKEM768:
                raise QuicError(f"the QUIC key exchange used group {client.group}, not X25519MLKEM768 (0x11ec)")


class _Endpoint(QuicServer):
    """One socket: aioquic's server with limits of connections, and address validation when it is called for."""

    def __init__(self, port: QuicPort, configuration: QuicConfiguration) -> None:
        super().__init__(configuration=configuration, create_protocol=self._open)
        self._port = port
        self._tokens = QuicRetryTokenHandler()
        self._validates_until = 0.0
        self._source: tuple[str, int] = ("", 0)

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        """Handle a datagram (asyncio)."""
        datagram = cast(bytes, data)
        if not datagram:
            return
        if not datagram[0] & _LONG_HEADER:
            # of a connection that is there, or of nobody
            connection = self._protocols.get(datagram[1 : 1 + self._configuration.connection_id_length])
            if connection is not None:
                connection.datagram_received(datagram, addr)
        elif self._lets_in(datagram, addr):
            self._source = (addr[0], addr[1])
            super().datagram_received(datagram, addr)

    def shut(self) -> None:
        """Close the socket."""
        self._protocols.clear()
        if self._transport is not None:
            self._transport.close()

    def _open(self, quic: QuicConnection, stream_handler: object) -> Connection:  # noqa: ARG002
        return self._port.opened(quic, self._source)

    def _lets_in(self, datagram: bytes, addr: Any) -> bool:
        """Whether a datagram with a long header may be handled; a refused client is told."""
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=self._configuration.connection_id_length)
        except ValueError:
            return False
        is_new = header.packet_type == QuicPacketType.INITIAL and header.destination_cid not in self._protocols
        if not is_new or header.version not in self._configuration.supported_versions:
            return True
        now = self._loop.time()
        if self._port.must_validate(addr[0]):
            # a token that was asked for is accepted for as long as it lives
            self._validates_until = now + TOKEN_LIFETIME
        validates = now < self._validates_until
        cast(Any, self)._retry = self._tokens if validates else None
        if validates and not header.token:
            return True
        if len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE or self._port.admits(addr[0]):
            return True
        assert self._transport is not None
        self._transport.sendto(_refusal(header), addr)
        return False


def _group_name(connection: Connection) -> str:
    group = connection.group or 0
    return GROUP_NAMES.get(group, hex(group))


def check_bindable(options: QuicPortOptions) -> None:
    """Raises QuicError if the port cannot be bound now."""
    for host in options.hosts:
        try:
            found = socket.getaddrinfo(host, options.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in found:
                with socket.socket(family, kind, protocol) as probe:
                    probe.bind(address)
        except (OSError, UnicodeError) as error:
            raise QuicError(_bind_failure(host, options.port, error)) from error


def connection_limits(limits: Limits) -> ConnectionLimits:
    """A connection's part of the table of limits."""
    return ConnectionLimits(
        streams=limits.quic_streams,
        unidirectional_streams=limits.quic_unidirectional_streams,
        stream_window_bytes=limits.quic_stream_window_bytes,
        connection_window_bytes=limits.quic_connection_window_bytes,
        write_seconds=limits.quic_write_seconds,
        largest_datagram_bytes=limits.quic_largest_datagram_bytes,
    )


def _refusal(header: QuicHeader) -> bytes:
    """An Initial packet that closes a connection with CONNECTION_REFUSED (RFC 9000, section 20.1)."""
    assert header.version is not None
    crypto = CryptoPair()
    crypto.setup_initial(cid=header.destination_cid, is_client=False, version=header.version)
    builder = QuicPacketBuilder(
        host_cid=header.destination_cid,
        peer_cid=header.source_cid,
        is_client=False,
        max_datagram_size=SMALLEST_MAX_DATAGRAM_SIZE,
        version=header.version,
    )
    reason = b"too many connections"
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    buffer = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY + len(reason))
    for value in (QuicErrorCode.CONNECTION_REFUSED, QuicFrameType.PADDING, len(reason)):
        buffer.push_uint_var(value)
    buffer.push_bytes(reason)
    datagrams, _ = builder.flush()
    return datagrams[0]


_REMEDIES = {
    errno.EADDRINUSE: "stop what uses the port, or give another one with --quic-port",
    errno.EADDRNOTAVAIL: "give an address of this machine with --quic-host",
    errno.EACCES: "give a port above 1023 with --quic-port",
}


def _bind_failure(host: str, port: int, error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        reason = error.strerror if isinstance(error, OSError) else "empty or too long a label"
        return f"cannot listen on {host}: no such host name ({reason}); give an address with --quic-host"
    code = error.errno or 0
    remedy = _REMEDIES.get(code, "give another address with --quic-host and --quic-port")
    return f"cannot listen on {host}:{port} (UDP): {os.strerror(code) if code else error}; {remedy}"
