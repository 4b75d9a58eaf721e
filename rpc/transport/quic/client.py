"""Connections of this side to a QUIC port."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicErrorCode
from cryptography import x509

from zevm.rpc.transport.quic.certificates import key_hash
from zevm.rpc.transport.quic.codes import SHUTDOWN
from zevm.rpc.transport.quic.connection import Connection, ConnectionLimits
from zevm.rpc.transport.quic.key_exchange import X25519MLKEM768, offer_groups
from zevm.rpc.transport.quic.options import QuicError
from zevm.rpc.transport.quic.stream_protocol import StreamProtocol
from zevm.rpc.transport.quic.streams import Stream, StreamResetError

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 30.0
NEXT_ADDRESS_SECONDS = 0.25
"""After this time without an answer, a name's next address is tried as well (RFC 8305, section 5)."""
DISTRUST = {QuicErrorCode.CRYPTO_ERROR + alert for alert in (42, 43, 44, 45, 46, 48)}
"""Codes of a connection that ended since a certificate did not pass: alerts of TLS 1.3 (RFC 8446, section 6.2)."""
TRUST_REMEDY = (
    "give a copy of quic-ca.pem from the node's data directory (--ca FILE, authority=), or the key's hash that the "
    "node's start tells (--server-key HASH, server_key_hash=)"
)
MAXIMUM_ADDRESSES = 8
"""Addresses of a name that are tried."""


class AuthorityFileError(QuicError):
    """The authority's file cannot be read, or is none."""


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
    """A connection for the length of the block. Raises QuicError if none comes about.

    The addresses of a name are tried one after another, and the first that answers is taken.
    """
    limits = limits or ConnectionLimits(streams=0, unidirectional_streams=0)
    configuration = _configuration(host, alpn, trust, idle_seconds, limits)

    async def open_at(address: tuple[str, int]) -> _Opened:
        quic = QuicConnection(configuration=configuration)
        offer_groups(quic, allow_classical=allow_classical)
        opened = await _Opened.begin(lambda: Connection(quic, {alpn: StreamProtocol}, limits), address, host)
        try:
            await _wait_until_open(opened.connection, host, port, timeout_seconds)
            _check_server(opened.connection, trust, host, port)
            if not allow_classical and opened.connection.group != X25519MLKEM768:
                used = opened.connection.group
                raise QuicError(f"the key exchange with {host}:{port} used group {used}, not 0x11ec")
        except BaseException:
            opened.close()
            raise
        return opened

    opened = await _first_of(await _resolve(host, port), open_at)
    try:
        yield ClientConnection(opened.connection)
    finally:
        opened.close()


@dataclass(frozen=True, slots=True)
class _Opened:
    """A connection with its socket."""

    connection: Connection
    transport: asyncio.DatagramTransport

    @classmethod
    async def begin(cls, factory: Callable[[], Connection], address: tuple[str, int], host: str) -> Self:
        """Begin a handshake. Raises QuicError."""
        loop = asyncio.get_running_loop()
        try:
            transport, connection = await loop.create_datagram_endpoint(factory, remote_addr=address)
        except OSError as error:
            raise QuicError(f"no QUIC connection to {host}:{address[1]}: {error.strerror or error}") from error
        # the peer's address in the form in which datagrams carry it
        connection.connect(transport.get_extra_info("peername"))
        return cls(connection, transport)

    def close(self) -> None:
        """Tell the peer, and close the socket."""
        self.connection.close()
        self.connection.abandon(StreamResetError("this side has closed the connection", SHUTDOWN))
        self.transport.close()


async def _first_of(
    addresses: Sequence[tuple[str, int]], open_at: Callable[[tuple[str, int]], Coroutine[Any, Any, _Opened]]
) -> _Opened:
    """The first connection that opens. An address is tried when the one before has failed or takes long.

    Raises the QuicError of the first address if none opens.
    """
    left, under_way, failures = list(addresses), set[asyncio.Task[_Opened]](), list[QuicError]()
    try:
        while left or under_way:
            if left:
                under_way.add(asyncio.create_task(open_at(left.pop(0))))
            seconds = NEXT_ADDRESS_SECONDS if left else None
            done, _ = await asyncio.wait(under_way, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                under_way.discard(task)
                try:
                    return task.result()
                except QuicError as error:
                    failures.append(error)
        raise failures[0]
    finally:
        for task in under_way:
            task.cancel()
        for found in await asyncio.gather(*under_way, return_exceptions=True):
            if isinstance(found, _Opened):
                found.close()


async def _resolve(host: str, port: int) -> list[tuple[str, int]]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a host"
        raise QuicError(f"{host}: no such host name ({reason})") from error
    distinct = dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found)
    return list(distinct)[:MAXIMUM_ADDRESSES]


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
        reason = connection.end_reason or "no program listens there; is the node run with --quic-port?"
        if connection.end_code in DISTRUST:
            reason = f"its certificate is not trusted ({reason}); {TRUST_REMEDY}"
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
        raise AuthorityFileError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise AuthorityFileError(f"{file}: no certificate in PEM, as the node's quic-ca.pem is") from error
    return content


__all__ = ["ClientConnection", "StreamResetError", "Trust", "connect"]
