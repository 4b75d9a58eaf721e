"""HTTP/3: the node's web application, JSON-RPC by POST above all, over QUIC.

Each request is one call of the same ASGI application that HTTP/1.1 reaches, so that limits, Host and Origin checks and
answers are the same. aioquic's state machine reads and writes the frames (RFC 9114).
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic import events

from zevm.rpc.memory.gathered import Gathered
from zevm.rpc.transport.asgi import OUTPUT_EXTENSION, Endpoint, Message, Scope
from zevm.rpc.transport.guard import Refusal
from zevm.rpc.transport.http_bodies import refuse
from zevm.rpc.transport.quic.connection import Connection, ProtocolFactory
from zevm.rpc.transport.quic.h3_memory import Account, Allowance, Body, UnreadAnswersError
from zevm.rpc.transport.quic.streams import WRITE_PART_BYTES, SendRoom, StreamResetError

LOGGER = logging.getLogger("zevm.rpc")
ALPN = "h3"
FRAME_BYTES = 64 * 1024
"""Size of a frame other than DATA; a longer one closes the connection (H3_EXCESSIVE_LOAD)."""

_OF_A_CONNECTION = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"proxy-connection"})
"""Headers that HTTP/3 forbids (RFC 9114, section 4.2)."""

_PATH = re.compile(rb"[!-~]*")
_BAD_PATH = Refusal(400, "the path and the query must be visible ASCII: write other bytes as %XX (RFC 3986)")
_UNREAD = Refusal(503, "this connection leaves too much unread (--rpc-quic-output-bytes): read it, and ask again")


def served_by_application(application: Endpoint, *, body_seconds: float, allowance: Allowance) -> ProtocolFactory:
    """A row of the ALPN table: every request is a call of an ASGI application, and is whole within `body_seconds`."""

    def factory(connection: Connection) -> H3Protocol:
        return H3Protocol(connection, application, body_seconds, allowance)

    return factory


class H3Protocol:
    """The requests of one connection (connection.EventReceiver)."""

    def __init__(
        self, connection: Connection, application: Endpoint, body_seconds: float, allowance: Allowance
    ) -> None:
        self._connection = connection
        self._application = application
        self._body_seconds = body_seconds
        self._allowance = allowance
        self._http = H3Connection(connection.quic)
        self._exchanges: dict[int, _Exchange] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def received(self, event: events.QuicEvent) -> None:
        """An event of the connection."""
        for http_event in self._http.handle_event(event):
            self._handle(http_event)
        if isinstance(event, events.StreamDataReceived):
            self._check_frame(event.stream_id)
        elif isinstance(event, events.StreamReset | events.StopSendingReceived):
            exchange = self._exchanges.get(event.stream_id)
            if exchange is not None:
                exchange.disconnected(StreamResetError("the client gave up the request", event.error_code))

    def closed(self, error: StreamResetError) -> None:
        """The connection has ended."""
        for exchange in list(self._exchanges.values()):
            exchange.disconnected(error)

    def _handle(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            exchange = self._exchanges.get(event.stream_id)
            if exchange is None:
                # trailers may come after an early answer; they have no method
                if any(name == b":method" for name, _ in event.headers):
                    self._begin(event)
            elif event.stream_ended:  # trailers
                exchange.feed(b"", ended=True)
        elif isinstance(event, DataReceived):
            exchange = self._exchanges.get(event.stream_id)
            if exchange is not None:
                exchange.feed(event.data, ended=event.stream_ended)

    def _check_frame(self, stream_id: int) -> None:
        """Refuse a frame whose unread part has grown too long."""
        stream = cast(Any, self._http)._stream.get(stream_id)
        if stream is not None and len(stream.buffer) > FRAME_BYTES:
            reason = f"a frame of more than {FRAME_BYTES} bytes that is not DATA"
            self._connection.close(ErrorCode.H3_EXCESSIVE_LOAD, reason)

    def _begin(self, event: HeadersReceived) -> None:
        body = Body(self._connection, self._allowance.input_bytes)
        exchange = _Exchange(self._connection, self._http, event.stream_id, self._body_seconds, body)
        self._exchanges[event.stream_id] = exchange
        exchange.feed(b"", ended=event.stream_ended)
        task = asyncio.get_running_loop().create_task(self._serve(exchange, self._scope(event)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _scope(self, event: HeadersReceived) -> Scope:
        pseudo = {name: value for name, value in event.headers if name.startswith(b":")}
        path, _, query = pseudo.get(b":path", b"/").partition(b"?")
        headers = [(name, value) for name, value in event.headers if not name.startswith(b":")]
        authority = pseudo.get(b":authority")
        if authority is not None:
            # a Host header beside it is judged as the second one
            headers = [(b"host", authority), *(item for item in headers if item != (b"host", authority))]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "3",
            "method": pseudo.get(b":method", b"").decode("ascii", "replace"),
            "scheme": "https",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self._connection.address,
            "server": None,
            "extensions": {OUTPUT_EXTENSION: lambda: self._account(event.stream_id)},
        }

    async def _serve(self, exchange: "_Exchange", scope: Scope) -> None:
        try:
            if _PATH.fullmatch(scope["raw_path"] + scope["query_string"]):
                await self._application(scope, exchange.receive, exchange.send)
                exchange.finish()
            else:
                await refuse(exchange.send, _BAD_PATH)
        except UnreadAnswersError:
            await refuse(exchange.send, _UNREAD)
        except StreamResetError:
            exchange.abort(ErrorCode.H3_REQUEST_CANCELLED)
        except Exception:
            LOGGER.exception("a request over HTTP/3 failed")
            exchange.abort(ErrorCode.H3_INTERNAL_ERROR)
        finally:
            self._exchanges.pop(exchange.stream_id, None)
            exchange.close()

    def _account(self, stream_id: int) -> Account:
        return Account(self._allowance, self._connection, stream_id, ErrorCode.H3_EXCESSIVE_LOAD)


class _Exchange:
    """One request and its response, as ASGI's `receive` and `send`."""

    def __init__(
        self, connection: Connection, http: H3Connection, stream_id: int, body_seconds: float, held: Body
    ) -> None:
        self.stream_id = stream_id
        self._held = held
        self._connection = connection
        self._http = http
        self._room = SendRoom(connection, stream_id)
        self._parts = Gathered()
        self._complete = False
        self._delivered_end = False
        self._error: StreamResetError | None = None
        self._news = asyncio.Event()
        self._started = False
        self._finished = False
        self._body_end = asyncio.get_running_loop().time() + body_seconds
        self._failure = ErrorCode.H3_INTERNAL_ERROR

    # called by the connection

    def feed(self, data: bytes, *, ended: bool) -> None:
        """More of the body."""
        self._parts.add(data)
        self._complete = self._complete or ended
        self._connection.count_unread(self.stream_id, len(self._parts))
        self._news.set()

    def disconnected(self, error: StreamResetError) -> None:
        """The client has left."""
        self._error = self._error or error
        self._room.fail(error)
        self._news.set()

    # ASGI

    async def receive(self) -> Message:
        """The next part of the body, or the end of the connection."""
        while self._error is None and not self._parts and (not self._complete or self._delivered_end):
            self._news.clear()
            try:
                async with asyncio.timeout_at(None if self._complete else self._body_end):
                    await self._news.wait()
            except TimeoutError:
                self._failure = ErrorCode.H3_REQUEST_CANCELLED
                self.disconnected(StreamResetError("the request did not arrive in time"))
        if self._error is not None:
            return {"type": "http.disconnect"}
        body = self._parts.take()
        if not self._held.take(len(body)):
            self._failure = ErrorCode.H3_EXCESSIVE_LOAD
            self.disconnected(StreamResetError("too many bytes of unfinished requests (--rpc-quic-input-bytes)"))
            return {"type": "http.disconnect"}
        self._connection.count_unread(self.stream_id, 0)
        self._connection.widen_windows(self.stream_id)
        self._delivered_end = self._complete
        return {"type": "http.request", "body": body, "more_body": not self._complete}

    async def send(self, message: Message) -> None:
        """Send a part of the response; waits for the client. Raises StreamResetError if it has left."""
        if message["type"] == "http.response.start":
            fields = [(name.lower(), value) for name, value in message.get("headers", ())]
            kept = [item for item in fields if item[0] not in _OF_A_CONNECTION]
            self._write(
                lambda: self._http.send_headers(self.stream_id, [(b":status", b"%d" % message["status"]), *kept])
            )
            self._started = True
            return
        body, more = memoryview(message.get("body", b"")), message.get("more_body", False)
        for start in range(0, len(body), WRITE_PART_BYTES):
            await self._room.wait()
            part = bytes(body[start : start + WRITE_PART_BYTES])
            ends = not more and start + WRITE_PART_BYTES >= len(body)
            self._send_data(part, ends=ends)
        if not len(body) and not more:
            self._send_data(b"", ends=True)

    def _send_data(self, data: bytes, *, ends: bool) -> None:
        self._write(lambda: self._http.send_data(self.stream_id, data, ends))
        self._finished = self._finished or ends

    def _write(self, write: Callable[[], None]) -> None:
        self._room.check()
        try:
            write()
        except (RuntimeError, ValueError, AssertionError) as error:
            raise StreamResetError(f"the stream takes no more bytes: {error}") from error
        self._connection.send_soon()

    def finish(self) -> None:
        """The application is done; a response that it has not completed is cut off."""
        if not self._finished:
            self.abort(self._failure)

    def abort(self, code: int) -> None:
        """Give up the response."""
        self._connection.reset_stream(self.stream_id, code)

    def close(self) -> None:
        """Drop the unread rest of the request."""
        self._parts.clear()
        self._held.release()
        self._connection.count_unread(self.stream_id, 0)
        if not self._complete:
            self._connection.stop_stream(self.stream_id, ErrorCode.H3_NO_ERROR)
