"""Protocols of bidirectional streams: one task of a coroutine function for each stream of the peer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aioquic.quic import events
from aioquic.quic.connection import stream_is_client_initiated, stream_is_unidirectional

from zevm.rpc.transport.quic.codes import BAD_FRAME, INTERNAL, code_text
from zevm.rpc.transport.quic.connection import Connection, ProtocolFactory
from zevm.rpc.transport.quic.streams import Stream, StreamResetError

LOGGER = logging.getLogger("zevm.rpc")
StreamHandler = Callable[[Stream], Coroutine[Any, Any, None]]


def served_by(handler: StreamHandler) -> ProtocolFactory:
    """A row of the ALPN table: `handler(stream)` runs for each bidirectional stream that the peer opens.

    Its task is cancelled when the peer gives up the stream (reset or stop) or vanishes. What it leaves open is ended
    after it; a stream whose handler fails is reset with INTERNAL, and the log tells the failure.
    """

    def factory(connection: Connection) -> StreamProtocol:
        return StreamProtocol(connection, handler)

    return factory


class StreamProtocol:
    """The streams of one connection. Without a handler, streams of the peer are refused: a client's side."""

    def __init__(self, connection: Connection, handler: StreamHandler | None = None) -> None:
        self._connection = connection
        self._handler = handler
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
            stream = self._streams.get(event.stream_id) or self._accept(event.stream_id)
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
        for stream_id in list(self._streams):
            self._stop(stream_id, error)

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
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.stopped(error)
        task = self._tasks.get(stream_id)
        if task is not None:
            task.cancel()
