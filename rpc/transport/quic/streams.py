"""A bidirectional stream as its handler sees it: reads and writes that wait for the peer."""

import asyncio
from typing import Any, Protocol

from zevm.rpc.memory.gathered import Gathered
from zevm.rpc.transport.quic.codes import DEADLINE

WRITE_PART_BYTES = 64 * 1024
UNACKNOWLEDGED_BYTES = 256 * 1024
"""Sent or waiting bytes of one stream, past which a write waits for the peer's acknowledgements."""


class StreamResetError(ConnectionError):
    """The peer gave up the stream, or its connection ended. `code`: the peer's application error code, if it sent one.

    In a handler, the cancellation of its task comes before it.
    """

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code

    def again(self) -> "StreamResetError":
        """The same error to raise once more: an object that several tasks raise would hold the frames of all."""
        return StreamResetError(str(self), self.code)


class StreamRefusedError(Exception):
    """A handler takes nothing more of its stream: both directions are reset with an application error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Carrier(Protocol):
    """A stream's connection, as streams and their handlers use it (connection.Connection)."""

    alpn: str | None
    address: tuple[str, int]
    """The peer's address at its first datagram."""
    write_seconds: float
    held_bytes: int
    """Bytes of requests that the connection's handlers hold, for their limits."""
    pending_bytes: int
    """Bytes of replies that the connection's handlers hold, for their limits."""

    def widen_windows(self, stream_id: int) -> None:
        """Let the peer send more if reading from a stream has made space for it."""
        ...

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Queue bytes. Raises RuntimeError, ValueError if the stream is finished."""
        ...

    def reset_stream(self, stream_id: int, code: int) -> None:
        """Reset the sending direction and ask the peer to stop the other one."""
        ...

    def unacknowledged_bytes(self, stream_id: int) -> int:
        """Bytes of a stream that the peer has not acknowledged."""
        ...

    def count_unread(self, stream_id: int, count: int) -> None:
        """Say how many delivered bytes of a stream are unread."""
        ...

    def wait_for_room(self, room: "SendRoom", *, waits: bool) -> None:
        """Tell of acknowledgements, or no longer."""
        ...


class SendRoom:
    """Waits of one stream's writer until the peer has acknowledged enough."""

    def __init__(self, connection: Carrier, stream_id: int) -> None:
        self.stream_id = stream_id
        self._connection = connection
        self._relief: asyncio.Future[None] | None = None
        self._error: StreamResetError | None = None

    async def wait(self) -> None:
        """Wait while more than UNACKNOWLEDGED_BYTES are on their way. Raises StreamResetError."""
        self.check()
        while self._unacknowledged() > UNACKNOWLEDGED_BYTES:
            self._relief = asyncio.get_running_loop().create_future()
            self._connection.wait_for_room(self, waits=True)
            seconds = self._connection.write_seconds
            try:
                async with asyncio.timeout(seconds):
                    await self._relief
            except TimeoutError:
                error = StreamResetError(f"the peer took nothing for {seconds:g} s", DEADLINE)
                self._connection.reset_stream(self.stream_id, DEADLINE)
                self.fail(error)
                raise error from None
            finally:
                self._relief = None
                self._connection.wait_for_room(self, waits=False)
            self.check()

    def check(self) -> None:
        """Raises StreamResetError if the peer takes no more."""
        if self._error is not None:
            raise self._error.again()

    def acknowledged(self) -> None:
        """The peer has acknowledged something of the connection."""
        if self._unacknowledged() <= UNACKNOWLEDGED_BYTES:
            _wake(self._relief)

    def fail(self, error: StreamResetError) -> None:
        """The peer takes no more, for this reason."""
        self._error = self._error or error
        _wake(self._relief)

    def _unacknowledged(self) -> int:
        return self._connection.unacknowledged_bytes(self.stream_id)


class Stream:
    """One stream: `read`, `readexactly`, `write`, `write_eof`, `reset`. Used on the event loop only."""

    def __init__(self, connection: Carrier, stream_id: int) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self._parts = bytearray()
        self._ended = False
        self._error: StreamResetError | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._room = SendRoom(connection, stream_id)
        self._finished_writing = False
        self.was_reset = False
        """Whether this side gave the stream up."""

    async def read(self, limit_bytes: int = WRITE_PART_BYTES) -> bytes:
        """At least one byte and at most `limit_bytes`; b"" at the peer's end of the stream. Raises StreamResetError."""
        while not self._parts and not self._ended:
            await self._wait_for_more()
        data = bytes(self._parts[:limit_bytes])
        del self._parts[: len(data)]
        self._took(len(data))
        return data

    async def readexactly(self, count: int) -> bytes:
        """`count` bytes, of any number: they are taken as they arrive. Raises StreamResetError, IncompleteReadError."""
        whole = Gathered()
        while len(whole) < count:
            part = await self.read(count - len(whole))
            if not part:
                raise asyncio.IncompleteReadError(whole.take(), count)
            whole.add(part)
        return whole.take()

    async def has_more(self) -> bool:
        """Wait for a byte, which stays unread, or the peer's end of the stream. Raises StreamResetError."""
        while not self._parts and not self._ended:
            await self._wait_for_more()
        return bool(self._parts)

    async def write(self, data: bytes | memoryview) -> None:
        """Send bytes; waits while more than UNACKNOWLEDGED_BYTES are on their way. Raises StreamResetError."""
        view = memoryview(data)
        for start in range(0, len(view), WRITE_PART_BYTES):
            await self._room.wait()
            self._send(bytes(view[start : start + WRITE_PART_BYTES]))

    def write_eof(self, data: bytes = b"") -> None:
        """Send a few last bytes and the end of the stream, without waiting. Raises StreamResetError."""
        self._send(data, end=True)
        self._finished_writing = True

    def reset(self, code: int) -> None:
        """Give up the stream in both directions with an application error code. Idempotent."""
        if self.was_reset:
            return
        self.was_reset = True
        self.connection.reset_stream(self.stream_id, code)
        self._finished_writing = True
        self._fail(StreamResetError("the stream was reset here", code))

    @property
    def peer_ended(self) -> bool:
        """Whether the peer has ended its direction, read or not."""
        return self._ended

    @property
    def at_end(self) -> bool:
        """Whether the peer has ended its direction and all of it was read."""
        return self._ended and not self._parts

    @property
    def unfinished(self) -> bool:
        """Whether this side has neither ended nor reset the stream."""
        return not self._finished_writing and self._error is None

    # called by the connection

    def received(self, data: bytes, *, ended: bool) -> None:
        """Take bytes of the peer."""
        self._parts += data
        self._ended = self._ended or ended
        self.connection.count_unread(self.stream_id, len(self._parts))
        _wake(self._arrival)

    def stopped(self, error: StreamResetError) -> None:
        """The peer reset the stream or stopped reading it, or the connection has ended."""
        self._fail(error)

    def stopped_writing(self, error: StreamResetError) -> None:
        """The peer reads no more of the stream."""
        self._room.fail(error)

    def _fail(self, error: StreamResetError) -> None:
        if self._error is None:
            self._error = error
        self._parts.clear()
        self.connection.count_unread(self.stream_id, 0)
        _wake(self._arrival)
        self._room.fail(error)

    def _took(self, count: int) -> None:
        if count:
            self.connection.count_unread(self.stream_id, len(self._parts))
            self.connection.widen_windows(self.stream_id)

    async def _wait_for_more(self) -> None:
        self._raise_error()
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None
        if not self._parts:
            self._raise_error()

    def _send(self, data: bytes, *, end: bool = False) -> None:
        self._room.check()
        try:
            self.connection.send(self.stream_id, data, end=end)
        except (RuntimeError, ValueError) as error:
            raise StreamResetError(f"the stream takes no more bytes: {error}") from error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error.again()


def _wake(future: "asyncio.Future[Any] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
