"""Streams of QUIC as the protocol uses them; without an import of the QUIC library."""

from contextlib import suppress
from typing import Protocol

from zevm.rpc.transport.quic.streams import Stream as TransportStream


class Opener(Protocol):
    """The side that has opened a stream (rpc.transport.quic.client.ClientConnection)."""

    def close_stream(self, stream: TransportStream) -> None:
        """Give back a stream that is done with."""
        ...


class QuicStream:
    """A stream of the transport as the protocol uses it."""

    def __init__(self, stream: TransportStream, connection: Opener | None = None) -> None:
        self._stream = stream
        self._connection = connection

    async def read(self, size: int) -> bytes:
        """See Stream."""
        return await self._stream.read(size)

    async def write(self, data: bytes) -> None:
        """See Stream."""
        await self._stream.write(data)

    def close(self) -> None:
        """See Stream."""
        if self._stream.unfinished:
            with suppress(OSError):
                self._stream.write_eof()
        if self._connection is not None:
            self._connection.close_stream(self._stream)
