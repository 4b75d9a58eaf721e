"""Protocols of bidirectional streams: one task of a coroutine function for each stream of the peer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from aioquic.quic import events
from aioquic.quic.connection import stream_is_client_initiated, stream_is_unidirectional

from zevm.rpc.transport.quic.codes import BAD_FRAME, INTERNAL, code_text
from zevm.rpc.transport.quic.connection import Connection, ProtocolFactory
from zevm.rpc.transport.quic.streams import Carrier, Stream, StreamRefusedError, StreamResetError

LOGGER = logging.getLogger("zevm.rpc")
STREAM_KINDS, CLIENTS_STREAM = 4, 0
"""A stream's number modulo 4 tells who opened it; 0 is a client's bidirectional one (RFC 9000, section 2.1)."""

StreamHandler = Callable[[Stream], Coroutine[Any, Any, None]]
Begun = bytes | asyncio.Future[bytes | None] | None
"""The last bytes of this side of a stream, or a future of them; None where the stream's handler has to serve it."""

Beginner = Callable[[Carrier, bytes], Begun]
"""Answers streams whose whole content has come at once. Raises StreamRefusedError, as its future may."""


def served_by(handler: StreamHandler, begin: Beginner | None = None) -> ProtocolFactory:
    """A row of the ALPN table: `handler(stream)` runs for each bidirectional stream that the peer opens.

    `begin(connection, content)` is asked first where a stream comes whole; its future is cancelled if the peer leaves.

    Its task is cancelled when the peer gives up the stream (reset or stop) or vanishes. What it leaves open is ended
    after it; a stream whose handler fails is reset with INTERNAL, and the log tells the failure.
    """

    def factory(connection: Connection) -> StreamProtocol:
        return StreamProtocol(connection, handler, begin)

    return factory


class StreamProtocol:
    """The streams of one connection. Without a handler, streams of the peer are refused: a client's side."""

    def __init__(
        self, connection: Connection, handler: StreamHandler | None = None, begin: Beginner | None = None
    ) -> None:
        self._connection = connection
        self._handler = handler
        self._begin = begin
        self._answers: dict[int, asyncio.Future[bytes | None]] = {}
        self._streams: dict[int, Stream] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._left: set[int] = set()
        """Streams without a reader that the peer has not ended."""

    def open(self) -> Stream:
        """A new stream of this side; the peer's limit of streams may delay its bytes."""
        stream_id = self._connection.quic.get_next_available_stream_id()
        # takes the number
        self._connection.send(stream_id, b"")
        stream = self._streams[stream_id] = Stream(self._connection, stream_id)
        return stream

    def forget(self, stream: Stream) -> None:
        """Drop a stream whose user is done with it; the peer is asked to send no more."""
        if self._streams.pop(stream.stream_id, None) is None:
            return
        self._tasks.pop(stream.stream_id, None)
        self._connection.count_unread(stream.stream_id, 0)
        if not stream.peer_ended:
            self._left.add(stream.stream_id)
            if not stream.was_reset:
                self._connection.stop_stream(stream.stream_id, 0)

    def received(self, event: events.QuicEvent) -> None:
        """An event of the connection."""
        if isinstance(event, events.StreamDataReceived):
            stream = self._streams.get(event.stream_id)
            if stream is None and event.end_stream and self._answers_at_once(event.stream_id, event.data):
                return
            stream = stream or self._accept(event.stream_id)
            if stream is not None:
                stream.received(event.data, ended=event.end_stream)
            elif event.end_stream:
                self._left.discard(event.stream_id)
        elif isinstance(event, events.StreamReset | events.StopSendingReceived):
            text = f"the peer gave up the stream: {code_text(event.error_code)}"
            error = StreamResetError(text, event.error_code)
            if isinstance(event, events.StreamReset):
                self._left.discard(event.stream_id)
            elif event.stream_id in self._streams and event.stream_id not in self._tasks:
                # a server that wants no more of a request may still answer it
                self._streams[event.stream_id].stopped_writing(error)
                return
            self._stop(event.stream_id, error)

    def closed(self, error: StreamResetError) -> None:
        """The connection has ended."""
        for answer in list(self._answers.values()):
            answer.cancel()
        for stream_id in list(self._streams):
            self._stop(stream_id, error)

    def _answers_at_once(self, stream_id: int, content: bytes) -> bool:
        """Whether the whole content of a new stream is answered, or will be, without its handler."""
        if self._begin is None or stream_id in self._left or stream_id % STREAM_KINDS != CLIENTS_STREAM:
            return False
        try:
            answer = self._begin(self._connection, content)
            if answer is None:
                return False
            if isinstance(answer, bytes):
                self._send_last(stream_id, answer)
            else:
                self._answers[stream_id] = answer
                answer.add_done_callback(partial(self._answered, stream_id, content))
        except Exception as error:
            self._refuse(stream_id, error)
        return True

    def _answered(self, stream_id: int, content: bytes, answer: asyncio.Future[bytes | None]) -> None:
        del self._answers[stream_id]
        if answer.cancelled():
            return
        error = answer.exception()
        reply = None if error is not None else answer.result()
        if error is not None:
            self._refuse(stream_id, error)
        elif reply is not None:
            self._send_last(stream_id, reply)
        elif (stream := self._accept(stream_id)) is not None:
            stream.received(content, ended=True)

    def _send_last(self, stream_id: int, data: bytes) -> None:
        # a peer that has stopped the stream takes nothing
        with suppress(RuntimeError, ValueError):
            self._connection.send(stream_id, data, end=True)

    def _refuse(self, stream_id: int, error: BaseException) -> None:
        """Reset a stream whose answer has failed, and log a failure that is no refusal."""
        if not isinstance(error, StreamRefusedError):
            LOGGER.error("a QUIC stream of %s failed", self._connection.alpn, exc_info=error)
        code = error.code if isinstance(error, StreamRefusedError) else INTERNAL
        self._connection.reset_stream(stream_id, code)

    def _accept(self, stream_id: int) -> Stream | None:
        """Begin to serve a stream of the peer; None for one without a server."""
        connection = self._connection
        if stream_id in self._left or stream_is_client_initiated(stream_id) == connection.quic.configuration.is_client:
            return None
        if self._handler is None or stream_is_unidirectional(stream_id):
            self._left.add(stream_id)
            connection.stop_stream(stream_id, BAD_FRAME)
            return None
        stream = self._streams[stream_id] = Stream(connection, stream_id)
        task = asyncio.get_running_loop().create_task(self._serve(self._handler, stream))
        self._tasks[stream_id] = task
        return stream

    async def _serve(self, handler: StreamHandler, stream: Stream) -> None:
        try:
            await handler(stream)
            if stream.unfinished:
                stream.write_eof()
        except StreamResetError:
            pass
        except asyncio.CancelledError:
            # by _stop: the peer has left, and no caller waits for this task
            pass
        except Exception:
            LOGGER.exception("a QUIC stream of %s failed", self._connection.alpn)
            stream.reset(INTERNAL)
        finally:
            self.forget(stream)

    def _stop(self, stream_id: int, error: StreamResetError) -> None:
        answer = self._answers.get(stream_id)
        if answer is not None:
            answer.cancel()
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.stopped(error)
        task = self._tasks.get(stream_id)
        if task is not None:
            task.cancel()
