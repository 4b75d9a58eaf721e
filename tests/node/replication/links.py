"""Links of TCP connections, one for each stream: what the protocol needs of a transport, without QUIC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from zevm.node.replication.stream import Dial, Link, Stream

Serve = Callable[[Stream], Awaitable[None]]


class TcpStream:
    """A connection as a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def read(self, size: int) -> bytes:
        return await self._reader.read(size)

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        self.writer.close()


class TcpLink:
    """Opens a connection for each stream."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.streams: list[TcpStream] = []

    async def open(self) -> Stream:
        stream = TcpStream(*await asyncio.open_connection(self._host, self._port))
        self.streams.append(stream)
        return stream


def dial_to(address: str) -> Dial:
    """Links to whoever listens there."""
    host, _, port = address.rpartition(":")

    @asynccontextmanager
    async def dial() -> AsyncIterator[Link]:
        link = TcpLink(host, int(port))
        try:
            yield link
        finally:
            for stream in link.streams:
                stream.close()

    return dial


class Door:
    """A port where streams are served until it is shut; on the running loop."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_shut = False
        self.port = 0

    async def open(self, port: int = 0) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def cut(self) -> None:
        """Cut every connection, as a link that fails; new ones are served."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def shut(self) -> None:
        """Listen no more, cut every connection, and wait for the ends of what was served."""
        self._is_shut = True
        if self._server is not None:
            self._server.close()
        await self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            # it had been accepted already
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        # the event loop itself keeps tasks weakly
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._serve(TcpStream(reader, writer))
        finally:
            self._writers.discard(writer)
            writer.close()


class MemoryStream:
    """One end of a stream within the process."""

    def __init__(self) -> None:
        self._reader = asyncio.StreamReader()
        self.other = self

    async def read(self, size: int) -> bytes:
        return await self._reader.read(size)

    async def write(self, data: bytes) -> None:
        self.other._reader.feed_data(data)

    def close(self) -> None:
        for end in (self, self.other):
            if not end._reader.at_eof():
                end._reader.feed_eof()


def stream_pair() -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a stream, on the running loop."""
    one, other = MemoryStream(), MemoryStream()
    one.other, other.other = other, one
    return one, other
