"""Connections of this side to a QUIC port."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography import x509

from zevm.rpc.transport.quic.certificates import key_hash
from zevm.rpc.transport.quic.connection import Connection, ConnectionLimits
from zevm.rpc.transport.quic.key_exchange import X25519MLKEM768, offer_groups
from zevm.rpc.transport.quic.options import QuicError
from zevm.rpc.transport.quic.stream_protocol import StreamProtocol
from zevm.rpc.transport.quic.streams import Stream, StreamResetError

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Trust:
    """How a client knows the server: by its authority's file, or by SHA-256 of its public key (or both).

    With neither, by the authorities that the system trusts. is_first_use: any server is taken, and the caller compares
    its key with the one that it had before.
    """

    authority: Path | None = None
    server_key_hash: bytes | None = None
    is_first_use: bool = False


class ClientConnection:
    """An open connection; `open_stream` begins a request."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def group(self) -> int | None:
        """The number of the TLS group of the key exchange."""
        return self._connection.group

    @property
    def server_key_hash(self) -> bytes:
        """SHA-256 of the server's public key (SubjectPublicKeyInfo, DER)."""
        return _server_key_hash(self._connection)

    @property
    def is_open(self) -> bool:
        """Whether streams can be opened."""
        return not self._connection.has_ended

    async def ping(self) -> None:
        """Let the server know that this side is there. Raises ConnectionError if the connection has ended."""
        await self._connection.ping()

    def open_stream(self) -> Stream:
        """A new bidirectional stream. Raises StreamResetError if the connection has ended."""
        return cast(StreamProtocol, self._connection.receiver).open()

    def close_stream(self, stream: Stream) -> None:
        """Give back a stream that is done with."""
        if not self._connection.has_ended:
            cast(StreamProtocol, self._connection.receiver).forget(stream)


@asynccontextmanager
async def connect(
    host: str,
    port: int,
    *,
    alpn: str,
    trust: Trust,
    allow_classical: bool = False,
    idle_seconds: float = IDLE_SECONDS,
    timeout_seconds: float = CONNECT_SECONDS,
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[ClientConnection]:
    """A connection for the length of the block. Raises QuicError if none comes about."""
    limits = limits or ConnectionLimits(streams=0, unidirectional_streams=0)
    configuration = _configuration(host, alpn, trust, idle_seconds, limits)
    loop = asyncio.get_running_loop()
    address = await _resolve(host, port)
    quic = QuicConnection(configuration=configuration)
    offer_groups(quic, allow_classical=allow_classical)
    try:
        transport, connection = await loop.create_datagram_endpoint(
            lambda: Connection(quic, {alpn: StreamProtocol}, limits), remote_addr=address[:2]
        )
    except OSError as error:
        raise QuicError(f"no QUIC connection to {host}:{port}: {error.strerror or error}") from error
    try:
        connection.connect(_as_received(transport))
        await _wait_until_open(connection, host, port, timeout_seconds)
        _check_server(connection, trust, host, port)
        opened = ClientConnection(connection)
        if not allow_classical and opened.group != X25519MLKEM768:
            raise QuicError(f"the key exchange with {host}:{port} used group {opened.group}, not 0x11ec")
        yield opened
    finally:
        connection.close()
        connection.abandon()
        transport.close()


async def _resolve(host: str, port: int) -> tuple[str, int]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a host"
        raise QuicError(f"{host}: no such host name ({reason})") from error
    address = found[0][4]
    return str(address[0]), int(address[1])


def _as_received(transport: asyncio.DatagramTransport) -> Any:
    """The peer's address in the form in which datagrams carry it."""
    return transport.get_extra_info("peername")


async def _wait_until_open(connection: Connection, host: str, port: int, timeout_seconds: float) -> None:
    try:
        async with asyncio.timeout(timeout_seconds):
            await connection.wait_connected()
    except TimeoutError:
        raise QuicError(
            f"no QUIC connection to {host}:{port}: no answer within {timeout_seconds:g} s; "
            "is the node run with --quic-port, and does UDP get through?"
        ) from None
    except ConnectionError:
        reason = connection.end_reason or "refused"
        raise QuicError(f"no QUIC connection to {host}:{port}: {reason}") from None


def _check_server(connection: Connection, trust: Trust, host: str, port: int) -> None:
    if trust.server_key_hash is None:
        return
    present = _server_key_hash(connection)
    if present != trust.server_key_hash:
        raise QuicError(
            f"the server at {host}:{port} has the key 0x{present.hex()}, not 0x{trust.server_key_hash.hex()}"
        )


def _server_key_hash(connection: Connection) -> bytes:
    return key_hash(cast(Any, connection.quic).tls._peer_certificate)


def _configuration(
    host: str, alpn: str, trust: Trust, idle_seconds: float, limits: ConnectionLimits
) -> QuicConfiguration:
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=[alpn],
        idle_timeout=idle_seconds,
        server_name=host,
        max_data=limits.connection_window_bytes,
        max_stream_data=limits.stream_window_bytes,
    )
    if trust.authority is not None:
        configuration.load_verify_locations(cadata=_authority(trust.authority))
    elif trust.server_key_hash is not None or trust.is_first_use:
        # the key's hash is compared before anything is sent
        configuration.verify_mode = ssl.CERT_NONE
    return configuration


def _authority(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        x509.load_pem_x509_certificates(content)
    except OSError as error:
        raise QuicError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise QuicError(f"{file}: no certificate in PEM, as the node's quic-ca.pem is") from error
    return content


__all__ = ["ClientConnection", "StreamResetError", "Trust", "connect"]
