"""JSON-RPC over a Unix socket, like geth's IPC: consecutive JSON values, with or without newlines."""

import asyncio
import contextlib
import errno
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from zevm.rpc.codec.answers import failure
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.errors import LimitExceededError, ParseError, RpcError
from zevm.rpc.services import Services
from zevm.rpc.transport.connections import Connection
from zevm.rpc.transport.session import Session, open_session
from zevm.rpc.transport.stall import StallWatch

LOGGER = logging.getLogger("zevm.rpc")
_STRUCTURE = re.compile(rb'["{}\[\]\\]')
_SPACE = re.compile(rb"[ \t\r\n]*")
_OPENING = frozenset(b"{[")
READ_BYTES = 16_384
"""Bytes scanned in one step, before the loop yields."""

PATH_BYTES = 107
"""Linux's maximum for a socket's path: sun_path has 108 bytes, the last one zero."""


class IpcError(RuntimeError):
    """The socket cannot be created; the message says why and what to do."""


class MessageTooLargeError(RpcError):
    """A message exceeds the size limit; nothing after it can be read."""

    code = -32600


class SlowMessageError(RpcError):
    """A message remains incomplete for too long."""

    code = -32600


class Splitter:
    """Cuts a stream of bytes into JSON objects and arrays, without parsing them."""

    def __init__(self, limit_bytes: int) -> None:
        self._buffer = bytearray()
        self._limit_bytes = limit_bytes
        self._position = 0
        self._depth = 0
        self._in_string = False
        self.begun_at = 0.0
        """When the incomplete value began, on the event loop's clock (time.monotonic)."""

    @property
    def unfinished_bytes(self) -> int:
        """Bytes held of an incomplete value."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The values that `data` completes. Raises ParseError if a value is neither object nor array."""
        if not self._buffer:
            self.begun_at = time.monotonic()
        self._buffer += data
        values = []
        while (value := self._next()) is not None:
            values.append(value)
            self.begun_at = time.monotonic()
        if len(self._buffer) > self._limit_bytes:
            raise MessageTooLargeError(f"message too large (limit {self._limit_bytes} bytes)")
        return values

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if self._depth == 0:
            del buffer[: _SPACE.match(buffer).end()]  # type: ignore[union-attr]
            if not buffer:
                return None
            if buffer[0] not in _OPENING:
                raise ParseError
        end = self._find_end()
        if end is None:
            return None
        value = bytes(buffer[:end])
        del buffer[:end]
        self._position = 0
        return value

    def _find_end(self) -> int | None:
        """Continue the scan; return the index behind the value, or None if it is incomplete."""
        buffer = self._buffer
        while (match := _STRUCTURE.search(buffer, self._position)) is not None:
            index = match.start()
            character = buffer[index]
            if character == 0x5C:  # a backslash hides the next byte, inside strings
                if index + 1 >= len(buffer):
                    self._position = index
                    return None
                self._position = index + 2
                continue
            self._position = index + 1
            if character == 0x22:
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if character in _OPENING else -1
                if self._depth == 0:
                    return self._position
        self._position = len(buffer)
        return None


class IpcServer:
    """Listens on a Unix socket that only the node's user can open."""

    def __init__(self, services: Services, dispatcher: Dispatcher, path: Path) -> None:
        self._limits = services.limits
        self._budgets = services.budgets
        self._dispatcher = dispatcher
        self.path = path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Bind. A socket without a listener is replaced. Raises IpcError."""
        _remove_stale(self.path)
        previous_mask = os.umask(0o177)
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._protocol, str(self.path))
        except OSError as error:
            raise IpcError(f"cannot listen on {self.path}: {error.strerror or error}") from error
        finally:
            os.umask(previous_mask)

    async def stop(self) -> None:
        """Close the socket and every connection. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _protocol(self) -> "_Protocol":
        return _Protocol(self._accept, self._limits.websocket_write_seconds)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= self._limits.ipc_connections:
            writer.transport.abort()
            return
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(pieces: Iterable[bytes]) -> None:
            for piece in (*pieces, b"\n"):
                writer.write(piece)
                await writer.drain()

        connection = Connection(write, writer.transport.abort, self._limits, self._budgets.output)
        try:
            async with open_session(self._dispatcher, connection, self._limits.websocket_calls) as session:
                try:
                    await self._read(reader, session)
                except RpcError as error:
                    writer.write(failure(None, error) + b"\n")
                except OSError:
                    pass  # the client is gone
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, session: Session) -> None:
        splitter = Splitter(self._limits.ipc_message_bytes)
        held_bytes = 0
        try:
            while data := await self._next(reader, splitter):
                for value in splitter.feed(data):
                    await session.handle(value)
                grown_bytes = splitter.unfinished_bytes - held_bytes
                if not self._budgets.input.take(grown_bytes):
                    raise LimitExceededError("too much unfinished input of all clients (--rpc-input-bytes)")
                held_bytes += grown_bytes
                await asyncio.sleep(0)
        finally:
            self._budgets.input.give_back(held_bytes)

    async def _next(self, reader: asyncio.StreamReader, splitter: Splitter) -> bytes:
        """The next data; a message that has begun must be complete in time. Raises SlowMessageError."""
        if not splitter.unfinished_bytes:
            return await reader.read(READ_BYTES)
        try:
            async with asyncio.timeout_at(splitter.begun_at + self._limits.websocket_message_seconds):
                return await reader.read(READ_BYTES)
        except TimeoutError:
            raise SlowMessageError(
                f"the message was not whole after {self._limits.websocket_message_seconds:g} s"
            ) from None


class _Protocol(asyncio.StreamReaderProtocol):
    """Streams; a client that reads nothing is disconnected."""

    def __init__(self, accept: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None], seconds: float) -> None:
        super().__init__(asyncio.StreamReader(limit=READ_BYTES), accept)
        self._seconds = seconds
        self._stall: StallWatch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection."""
        writing = cast(asyncio.Transport, transport)

        def cut(reason: str) -> None:
            LOGGER.info("an IPC client was cut off: %s", reason)
            writing.abort()

        self._stall = StallWatch(writing, self._seconds, cut)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_watch()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has stopped reading."""
        if self._stall is not None:
            self._stall.blocked()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read everything."""
        self._stop_watch()
        super().resume_writing()

    def _stop_watch(self) -> None:
        if self._stall is not None:
            self._stall.free()


def check_path(path: Path) -> None:
    """Raises IpcError if a socket cannot be created at a path, apart from its folder."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise IpcError(f"cannot listen on {path}: longer than {PATH_BYTES} bytes; give a shorter one with --ipc PATH")
    if path.exists() and not path.is_socket():
        raise IpcError(f"cannot listen on {path}: a file that is no socket is in the way; remove it or give --ipc PATH")
    if _probe(path) == 0:
        raise IpcError(f"cannot listen on {path}: another node answers there; stop it or give --ipc PATH")


def _probe(path: Path) -> int:
    """The errno of connecting to a socket; 0 if one answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path))


def _remove_stale(path: Path) -> None:
    check_path(path)
    if _probe(path) == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
