"""JSON-RPC over a Unix socket, as geth's IPC: JSON values one after another, with or without newlines."""

import asyncio
import contextlib
import errno
import os
import re
import socket
from pathlib import Path

from rpc.bodies import pieces_of
from rpc.connections import Connection
from rpc.dispatch import Dispatcher, failure
from rpc.errors import ParseError, RpcError
from rpc.services import Services
from rpc.websocket import Session

_STRUCTURE = re.compile(rb'["{}\[\]\\]')
_WHITESPACE = b" \t\r\n"
_OPENING = frozenset(b"{[")
READ_BYTES = 65_536


PATH_BYTES = 107
"""Linux's bound of a socket's path: sun_path has 108 bytes, the last one zero."""


class IpcError(RuntimeError):
    """The socket cannot be made; the message says why and what to do."""


class MessageTooLargeError(RpcError):
    """A message passes the size limit; nothing after it can be read."""

    code = -32600


class Splitter:
    """Cuts a stream of bytes into JSON objects and arrays, without looking at their sense."""

    def __init__(self, limit_bytes: int) -> None:
        self._buffer = bytearray()
        self._limit_bytes = limit_bytes
        self._position = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[bytes]:
        """The values that `data` completes. Raises ParseError where a value can be neither object nor array."""
        self._buffer += data
        values = []
        while (value := self._next()) is not None:
            values.append(value)
        if len(self._buffer) > self._limit_bytes:
            raise MessageTooLargeError(f"message too large (limit {self._limit_bytes} bytes)")
        return values

    def _next(self) -> bytes | None:
        buffer = self._buffer
        if self._depth == 0:
            start = len(buffer) - len(buffer.lstrip(_WHITESPACE))
            if start:
                del buffer[:start]
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
        """Continue the scan; the index behind the value, or None where it goes on."""
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
        self._dispatcher = dispatcher
        self.path = path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Bind. A socket that nobody answers on any more is replaced. Raises IpcError."""
        _remove_stale(self.path)
        previous_mask = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, str(self.path), limit=READ_BYTES)
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

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= self._limits.ipc_connections:
            writer.transport.abort()
            return
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def write(frame: bytes) -> None:
            for piece in pieces_of(frame):
                writer.write(piece)
                await writer.drain()
            writer.write(b"\n")
            await writer.drain()

        connection = Connection(write, writer.transport.abort, self._limits)
        session = Session(self._dispatcher, connection, self._limits.websocket_calls)
        pump = asyncio.get_running_loop().create_task(_pump(connection))
        try:
            await self._read(reader, session)
        except RpcError as error:
            writer.write(failure(None, error) + b"\n")
        except OSError:
            pass  # the client is gone
        finally:
            connection.close()
            session.close()
            pump.cancel()
            self._writers.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, session: Session) -> None:
        splitter = Splitter(self._limits.ipc_message_bytes)
        while data := await reader.read(READ_BYTES):
            for value in splitter.feed(data):
                await session.handle(value)


async def _pump(connection: Connection) -> None:
    with contextlib.suppress(OSError):
        await connection.pump()


def check_path(path: Path) -> None:
    """Raises IpcError where a socket cannot be made at a path, its folder apart."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise IpcError(f"cannot listen on {path}: longer than {PATH_BYTES} bytes; give a shorter one with --ipc PATH")
    if path.exists() and not path.is_socket():
        raise IpcError(f"cannot listen on {path}: a file that is no socket is in the way; remove it or give --ipc PATH")
    if _probe(path) == 0:
        raise IpcError(f"cannot listen on {path}: another node answers there; stop it or give --ipc PATH")


def _probe(path: Path) -> int:
    """The errno of connecting to a socket; 0 where one answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path))


def _remove_stale(path: Path) -> None:
    check_path(path)
    if _probe(path) == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
