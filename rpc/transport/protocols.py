"""Uvicorn's HTTP protocol with additional bounds, and a direct way for what most clients send.

Time and size of the request's head, the Host header that HTTP/1.1 requires, the number of connections, disconnection of
clients that do not read, and answers with head and body in one write.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import Budgets, OutputAccount
from zevm.rpc.transport.asgi import OUTPUT_EXTENSION, Endpoint
from zevm.rpc.transport.direct import DirectRequest, Door, KnownHead
from zevm.rpc.transport.guard import Headers, Refusal, header
from zevm.rpc.transport.http_bodies import PIECE_BYTES, check_coding
from zevm.rpc.transport.idle import IdleWatch
from zevm.rpc.transport.joining import JoiningTransport
from zevm.rpc.transport.stall import StallWatch
from zevm.rpc.transport.unparsed import Turns, Unparsed

LOGGER = logging.getLogger("zevm.rpc")
REQUEST_HEAD_BYTES = 65_536
"""Maximum size of request line, headers and trailers; a longer head gets 431."""

PARTS_AT_ONCE = 16
"""Parts of what a client has sent that are parsed in one turn of the event loop, if none completes a request."""

CHUNKED_BYTES = 2_048
"""Minimum size of a part within a body of unknown length: what follows the body in it are a few dozen requests."""

_HEAD_TOO_LARGE = Refusal(431, f"request head too large (limit {REQUEST_HEAD_BYTES} bytes)")


class SharedState(ServerState):
    """The shared state of one server's connections. door: of direct requests; None if there are none."""

    def __init__(self, limits: Limits, budgets: Budgets, door: Door | None = None) -> None:
        super().__init__()
        self.limits = limits
        self.budgets = budgets
        self.door = door
        self.turns = Turns()
        self.http: set[HttpProtocol] = set()
        self.has_no_http = asyncio.Event()
        self.has_no_http.set()

    def enter(self, connection: "HttpProtocol") -> None:
        """Count an HTTP connection."""
        self.http.add(connection)
        self.has_no_http.clear()

    def leave(self, connection: "HttpProtocol") -> None:
        """Count an HTTP connection no more, also one that was never counted."""
        self.http.discard(connection)
        if not self.http:
            self.has_no_http.set()


class HeadRefusedError(Exception):
    """The request's head is refused; ends its parsing."""


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # not by uvicorn's setting, which takes the handlers from an importer's own server too
        self.access_log = False
        self._shared = cast(SharedState, server_state)
        self._in_head = False
        self._has_host = False
        self._head_bytes = 0
        self._unfinished_bytes = 0
        self._body_bytes = 0
        """Bytes that are known to be of the present body, and not parsed yet."""
        self._is_body_counted = False
        self._unparsed = Unparsed(self._shared.budgets.input)
        self._is_stopping = False
        self._is_one_request = True
        self._has_begun = False
        self._is_between = True
        self._kept: tuple[Headers, int] | None = None
        self._known: KnownHead | None = None
        self._incoming: DirectRequest | None = None
        self._running: DirectRequest | None = None
        self._before: RequestResponseCycle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal: Refusal | None = None
        self._is_ending = False
        self._is_upgraded = False
        self._stall: StallWatch | None = None
        self._idle = IdleWatch(self.loop, config.timeout_keep_alive, self.timeout_keep_alive_handler)
        self._extensions: Any = {OUTPUT_EXTENSION: self._open_account}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or drop it if there are too many."""
        super().connection_made(transport)
        shared = self._shared
        if len(shared.http) >= shared.limits.http_connections:
            transport.abort()
            return
        shared.enter(self)
        self._stall = StallWatch(transport, shared.limits.http_write_seconds, self._cut)
        self._head_timer = self.loop.call_later(shared.limits.http_header_seconds, self._drop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget()
        for request in (self._running, self._incoming):
            if request is not None:
                request.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, one request in a turn of the event loop, and no further one until its answer is written."""
        if self._is_ending or (not self._unparsed and self._is_between and self._take_known(data)):
            return
        self._unparsed.add(data)
        if self not in self._shared.turns:
            self._parse_some()

    def _parse_some(self) -> None:
        self._has_begun = False
        for _ in range(PARTS_AT_ONCE):
            if not self._unparsed or self._has_begun or self._is_answering:
                break
            self._parse(self._unparsed.take(self._body_bytes))
        if not self._unparsed:
            self._all_parsed()
            return
        self.flow.pause_reading()
        if not self._unparsed.hold():
            self._cut("too many requests wait unread (--rpc-input-bytes)")
        elif not self._is_answering:
            self._shared.turns.wait(self, self._parse_some)

    @property
    def _is_answering(self) -> bool:
        """Whether all that is parsed is whole requests, of which one waits for its answer at least."""
        return self._is_between and self.cycle is not None and not self.cycle.response_complete

    def _all_parsed(self) -> None:
        cycle = self.cycle
        if self._is_stopping:
            super().shutdown()
        elif not self.pipeline and (cycle is None or cycle.response_complete or len(cycle.body) <= HIGH_WATER_LIMIT):
            # where requests wait, the next answer lets the reading go on; with a long body, who takes it does
            self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        """Parse. Nothing is read behind a refused request."""
        self._is_one_request = True
        self._kept = None
        begins = self._is_between
        super().data_received(data)
        if begins and self._kept is not None and self._shared.door is not None:
            self._shared.door.keep(data, *self._kept)
        if self._incoming is not None and not self._incoming.hold():
            self._hand_over(self._incoming)
        if self._is_ending or self._is_upgraded:
            self._unparsed.clear()
        self._bound(len(data), is_blank=begins and self._is_between and self._is_one_request)

    def _bound(self, size_bytes: int, *, is_blank: bool) -> None:
        """Bound the time of a head, of blank lines before it, and of the rest of a body whose request is answered.

        size_bytes: of what has just been parsed. is_blank: it is blank lines between two requests.
        """
        is_answered = self.cycle is None or self.cycle.response_complete
        is_over = self._is_ending or self._is_upgraded
        if self._in_head or (is_blank and is_answered and not is_over):
            if self._is_one_request:
                self._unfinished_bytes += size_bytes
            if self._unfinished_bytes > REQUEST_HEAD_BYTES:
                # a line without end, which the parser keeps for itself
                self._drop()
                return
        elif self._is_between or is_over or not is_answered:
            self._cancel_head_timer()
            return
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._shared.limits.http_header_seconds, self._drop)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._is_between = False
        self._has_host = False
        self._head_bytes = self._unfinished_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_url(self, url: bytes) -> None:
        """A part of the address. Raises HeadRefusedError."""
        self._head_bytes += len(url)
        if self._head_bytes > REQUEST_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer behind a body. Raises HeadRefusedError."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > REQUEST_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)
        super().on_header(name, value)
        if not self._has_host and self.headers[-1][0] == b"host":
            self._has_host = True

    def on_headers_complete(self) -> None:
        """The head is complete. Raises HeadRefusedError."""
        self._in_head = False
        # an earlier request of the same read may have been answered already
        self._unset_keepalive_if_required()
        version = self.parser.get_http_version()
        if not self._has_host and version == "1.1":
            self._refuse(Refusal(400, "missing required Host header"))
        refusal = check_coding(self.headers, version)
        if refusal is not None:
            self._refuse(refusal)
        length = header(self.headers, b"content-length")
        self._is_body_counted = length is not None and length.isdigit()
        self._body_bytes = int(length[:20]) if length is not None and self._is_body_counted else CHUNKED_BYTES
        door = self._shared.door
        if door is not None and self._is_plain() and door.admits(self.headers):
            self._begin_direct(door, version != "1.0" and self.parser.should_keep_alive())
        else:
            self._begin_by_application()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._is_body_counted:
            self._body_bytes -= len(body)
        if self._incoming is None:
            super().on_body(body)
        else:
            self._incoming.feed(body)

    def on_message_complete(self) -> None:
        """The request is complete; further bytes in the same read belong to another."""
        self._is_one_request = False
        self._is_between = True
        self._body_bytes = 0
        request, self._incoming, self._before = self._incoming, None, None
        if request is None:
            super().on_message_complete()
            return
        if request.keep_alive:
            self._kept = self.headers, len(request.body)
        # the further ones of one read are begun one in each turn of the event loop
        at_once, self._has_begun = not self._has_begun, True
        request.complete(at_once=at_once)

    def run_application(
        self, application: Endpoint, headers: Headers, keep_alive: bool, done: Callable[[], None]
    ) -> RequestResponseCycle:
        """As Line.run_application."""
        scope = {"type": "http", "method": "POST", "headers": headers, "client": self.client}
        cycle = RequestResponseCycle(
            scope=cast(Any, scope | {"extensions": self._extensions}),
            transport=cast(asyncio.Transport, JoiningTransport(self.transport)),
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            # the direct way writes no access log, whatever the program has made of uvicorn's logger
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=done,
        )
        super()._start_asgi_task(cycle, cast(Any, application))
        return cycle

    def _take_known(self, data: bytes) -> bool:
        """Begin a request whose head came before, in these very bytes, without the parser; False if it is none.

        The parser stands between two requests, where it keeps nothing of the one before.
        """
        door, before, head = self._shared.door, self.cycle, self._known
        if door is None or (before is not None and not before.response_complete):
            return False
        if head is None or len(data) - len(head.data) != head.body_bytes or not data.startswith(head.data):
            # another than the one before
            head = self._known = door.known(data)
            if head is None:
                return False
        if self._head_timer is not None:
            self._cancel_head_timer()
        self._idle.since = None
        reply, failure = None, None
        try:
            reply = door.dispatcher.begin(data[len(head.data) :])
        except Exception as error:
            failure = error
        is_free = not (self.flow.write_paused or self.transport.is_closing())
        if is_free and type(reply) is bytes and len(reply) < PIECE_BYTES:
            # most requests: no object is made for them
            self.transport.write(b"%b%d\r\n\r\n%b" % (head.answer, len(reply), reply))
            self.on_response_complete()
            return True
        request = DirectRequest(self, door, head.headers, keep_alive=True, is_turn=True)
        request.more_body = False
        self.cycle, self._running = cast(Any, request), request
        if failure is None:
            request.settle(reply)
        else:
            request.fail(failure)
        return True

    def _is_plain(self) -> bool:
        return (
            self.url == b"/"
            and self.parser.get_method() == b"POST"
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
        )

    def _begin_direct(self, door: Door, keep_alive: bool) -> None:
        before = self.cycle
        is_turn = before is None or before.response_complete
        request = DirectRequest(self, door, self.headers, keep_alive=keep_alive, is_turn=is_turn)
        self._before, self.cycle, self._incoming = before, cast(Any, request), request
        if is_turn:
            self._running = request
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cast(Any, request), self.app))

    def _begin_by_application(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        self.scope["extensions"] = self._extensions
        previous = self.cycle
        super().on_headers_complete()
        if self.cycle is not previous and self.scope["method"] != "HEAD":
            self.cycle.transport = cast(asyncio.Transport, JoiningTransport(self.transport))

    def _hand_over(self, request: DirectRequest) -> None:
        """Let the application take a request whose body is not whole yet."""
        self._incoming = None
        if self._running is request:
            self._running = None
        else:
            self.pipeline.popleft()
        self.cycle = cast(Any, self._before)
        self._begin_by_application()
        super().on_body(request.release())

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin a request of the pipeline."""
        if isinstance(cycle, DirectRequest):
            self._running = cycle
            cycle.take_turn()
        else:
            super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request, or one with a refused head, after the earlier ones, and close."""
        self._refusal = self._refusal or Refusal(400, msg)
        self._is_ending = True
        # bytes that nobody reads would reset the connection when it closes, and the answers with it
        self.flow.resume_reading()
        last = self.cycle
        if last is not None and last.more_body and self.pipeline and self.pipeline[0][0] is last:
            # what is refused is the body of a request that waits for its turn
            self.pipeline.popleft()
        elif last is None or last.response_complete or last.more_body:
            self._end()

    def on_response_complete(self) -> None:
        """Go on to the next request of the pipeline, or to the refusal that ends it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        is_last = not self.pipeline
        if self.flow.read_paused:
            self.flow.resume_reading()
        if is_last:
            self._idle.begin()
        else:
            self._unset_keepalive_if_required()
            self._start_asgi_task(*self.pipeline.pop())
        if self.transport.is_closing():
            return
        if self._is_ending and is_last:
            self._end()
        elif self._unparsed:
            self.flow.pause_reading()
            if is_last:
                self._unset_keepalive_if_required()
                self._shared.turns.wait(self, self._parse_some)

    def shutdown(self) -> None:
        """Close once what was received is answered (uvicorn)."""
        if self._unparsed:
            self._is_stopping = True
        else:
            super().shutdown()

    def _end(self) -> None:
        assert self._refusal is not None
        body = self._refusal.reason.encode() + b"\n"
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[self._refusal.status] + head + body)
        self.transport.close()

    def pause_writing(self) -> None:
        """The client has stopped reading."""
        super().pause_writing()
        if self._stall is not None:
            self._stall.blocked()

    def resume_writing(self) -> None:
        """The client has read everything."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.free()

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport over, unless an earlier request waits for its answer, which would come in between."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.send_400_response("an upgrade before the answers to earlier requests")
            return
        self._forget()
        self._is_upgraded = True
        self.flow.resume_reading()
        super().handle_websocket_upgrade()

    def _unset_keepalive_if_required(self) -> None:
        """The connection is at work (uvicorn)."""
        self._idle.since = None

    def timeout_keep_alive_handler(self) -> None:
        """Close after the idle time; later bytes are not read."""
        self._drop()

    def _refuse(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise HeadRefusedError(refusal.reason)

    def _open_account(self) -> OutputAccount:
        return self._shared.budgets.output.open(self._cut)

    def _cut(self, reason: str) -> None:
        LOGGER.info("an HTTP client was cut off: %s", reason)
        self._drop()

    def _drop(self) -> None:
        self._cancel_head_timer()
        self.transport.abort()

    def _forget(self) -> None:
        self._shared.leave(self)
        self._unparsed.clear()
        self._shared.turns.leave(self)
        self._cancel_head_timer()
        self._idle.close()
        if self._stall is not None:
            self._stall.free()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
