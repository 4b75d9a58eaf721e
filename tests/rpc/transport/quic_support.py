"""A QUIC port with protocols of a test's own, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from zevm.rpc.limits import Limits
from zevm.rpc.transport.quic.certificates import identity_of
from zevm.rpc.transport.quic.client import ClientConnection, Trust, connect
from zevm.rpc.transport.quic.options import QuicPortOptions
from zevm.rpc.transport.quic.server import QuicPort
from zevm.rpc.transport.quic.stream_protocol import StreamHandler, served_by
from zevm.rpc.transport.quic.streams import Stream


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        await stream.write(data)


@asynccontextmanager
async def quic_port(
    handler: StreamHandler = echo, *, options: dict[str, Any] | None = None, **limits: Any
) -> AsyncIterator[QuicPort]:
    given = QuicPortOptions(**{"hosts": ("127.0.0.1",), "port": 0, **(options or {})})
    port = QuicPort(given, replace(Limits(), **limits), {"test/1": served_by(handler)}, identity_of(given))
    await port.start()
    try:
        yield port
    finally:
        port.close()


def dial(port: QuicPort, **options: Any) -> Any:
    """Connect to a port; an async context manager."""
    trust = Trust(server_key_hash=port.identity.server_key_hash)
    host, number = port.addresses[0]
    return connect(host, number, **{"alpn": "test/1", "trust": trust, **options})


async def exchange(client: ClientConnection, data: bytes) -> bytes:
    """Send bytes on a new stream and read all that comes back."""
    stream = client.open_stream()
    await stream.write(data)
    stream.write_eof()
    answer = bytearray()
    while part := await stream.read():
        answer += part
    return bytes(answer)
