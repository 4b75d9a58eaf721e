"""Uvicorn's WebSocket protocol with additional bounds.

Input: bytes, fragments and time of an incomplete message, pings and pongs in a second; input is parsed in slices,
yielding in between. Output: as fast as the client reads; the node reads nothing from a client that does not read.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from zevm.rpc.transport.asgi import ABORT_EXTENSION, TEXT_EXTENSION
from zevm.rpc.transport.protocols import SharedState
from zevm.rpc.transport.stall import StallWatch

LOGGER = logging.getLogger("zevm.rpc")
SLICE_BYTES = 8_192
"""Bytes parsed in one step; they may hold a thousand frames."""


HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 49\r\nConnection: close\r\n\r\nat most 128 headers of 8192 bytes in a handshake\n"
)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        shared = cast(SharedState, server_state)
        self._limits = shared.limits
        self._budget = shared.budgets.input
        self._unparsed = bytearray()
        self._parsing: asyncio.Handle | None = None
        self._message_bytes = 0
        self._fragments = 0
        self._delivered_bytes = 0
        self._taken_bytes = 0
        self._controls = 0
        self._controls_since = 0.0
        self._message_timer: asyncio.TimerHandle | None = None
        self._stall: StallWatch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection."""
        super().connection_made(transport)
        self._stall = StallWatch(self.transport, self._limits.websocket_write_seconds, self._cut)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unparsed.clear()
        self._message_bytes = self._delivered_bytes = 0
        self._budget.give_back(self._taken_bytes)
        self._taken_bytes = 0
        self._stop_message_timer()
        if self._stall is not None:
            self._stall.free()
        super().connection_lost(exc)

    # Input

    def data_received(self, data: bytes) -> None:
        """Parse a slice; the rest follows in later turns of the event loop, before anything more is read."""
        self._unparsed += data
        if self._parsing is None:
            self._parse()

    def _parse(self) -> None:
        self._parsing = None
        if not self._may_parse():
            self._set_reading()
            return
        data = bytes(self._unparsed[:SLICE_BYTES])
        del self._unparsed[:SLICE_BYTES]
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse_head()
            return
        self._bound_message()
        self._go_on()

    def _refuse_head(self) -> None:
        """Answer a handshake with too many or too long headers, for which the library sends nothing."""
        self.handshake_complete = self.close_sent = True
        self.transport.write(HEAD_TOO_LARGE)
        self.transport.close()

    def _may_parse(self) -> bool:
        return bool(self._unparsed) and not self.read_paused and self.writable.is_set() and not self.close_sent

    def _go_on(self) -> None:
        """Parse the available bytes, or read more."""
        if self.close_sent:
            self._unparsed.clear()
        if self._parsing is None and self._may_parse():
            self._parsing = self.loop.call_soon(self._parse)
        self._set_reading()

    def _set_reading(self) -> None:
        if self._unparsed or self.read_paused or not self.writable.is_set():
            self.transport.pause_reading()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def _bound_message(self) -> None:
        """Count the held bytes of messages, and start the time limit of a message."""
        if self.disconnected or self.close_sent:
            return
        unfinished_bytes = self._message_bytes + len(self.conn.reader.buffer)
        held_bytes = unfinished_bytes + self._delivered_bytes
        if held_bytes > self._taken_bytes and not self._budget.take(held_bytes - self._taken_bytes):
            self._fail(CloseCode.TRY_AGAIN_LATER, "too much unfinished input of all clients (--rpc-input-bytes)")
            return
        if held_bytes < self._taken_bytes:
            self._budget.give_back(self._taken_bytes - held_bytes)
        self._taken_bytes = held_bytes
        if not (unfinished_bytes or self._fragments):
            self._stop_message_timer()
        elif self._message_timer is None:
            self._message_timer = self.loop.call_later(self._limits.websocket_message_seconds, self._too_slow)

    def _too_slow(self) -> None:
        seconds = self._limits.websocket_message_seconds
        if self.read_paused or not self.writable.is_set():
            # it is the node that does not read on
            self._message_timer = self.loop.call_later(seconds, self._too_slow)
            return
        self._message_timer = None
        self._fail(CloseCode.POLICY_VIOLATION, f"a message was not whole after {seconds:g} s")

    def _stop_message_timer(self) -> None:
        if self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None

    def handle_text(self, event: Frame) -> None:
        """Begin a message."""
        self._count_fragment(event)
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Begin a message."""
        self._count_fragment(event)
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        """Continue a message."""
        if self.close_sent:
            return
        self._count_fragment(event)
        if self._fragments > self._limits.websocket_fragments:
            self._fail(CloseCode.POLICY_VIOLATION, f"more than {self._limits.websocket_fragments} fragments")
            return
        super().handle_cont(event)

    def _count_fragment(self, event: Frame) -> None:
        self._fragments += 1
        self._message_bytes += len(event.data)

    def handle_ping(self) -> None:
        """Answer, unless there are too many."""
        if self._admit_control():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Note that the client lives."""
        if self._admit_control():
            super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        """Drop a client that did not answer the ping, unless the node has not read since."""
        if self.read_paused:
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def _admit_control(self) -> bool:
        if self.close_sent:
            return False
        now = self.loop.time()
        if now - self._controls_since >= 1:
            self._controls, self._controls_since = 0, now
        self._controls += 1
        if self._controls <= self._limits.websocket_controls:
            return True
        self._fail(CloseCode.POLICY_VIOLATION, f"more than {self._limits.websocket_controls} pings and pongs a second")
        return False

    def send_receive_event_to_app(self) -> None:
        """Deliver a complete message, as bytes for the parser."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        self._fragments = self._message_bytes = 0
        self._stop_message_timer()
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text" and not _is_utf8(data):
            self._fail(CloseCode.INVALID_DATA, "invalid UTF-8")
            return
        self._delivered_bytes += len(data)
        self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        self.read_paused = True

    async def receive(self) -> ASGIReceiveEvent:
        """The next message. The application has finished the previous ones, so the client may send more."""
        if self.queue.empty():
            self._delivered_bytes = 0
            self._bound_message()
        message = await super().receive()
        self._go_on()
        return message

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Close the connection with a code that says why."""
        LOGGER.info("a WebSocket client was cut off: %s", reason)
        self._stop_message_timer()
        if not self.handshake_complete:
            self.transport.abort()
            return
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    # Output

    def pause_writing(self) -> None:
        """The client has stopped reading: read nothing from it meanwhile."""
        super().pause_writing()
        if self._stall is not None:
            self._stall.blocked()
        self._set_reading()

    def resume_writing(self) -> None:
        """The client has read everything."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.free()
        self._go_on()

    def handle_connect(self, event: Request) -> None:
        """Start the application, with the means to drop the connection."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[ABORT_EXTENSION] = self.transport.abort
            extensions[TEXT_EXTENSION] = self.send_text

    async def send(self, message: ASGISendEvent) -> None:
        """Send the application's message."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # a refused handshake is complete: uvicorn would log that the application forgot it
            self.handshake_complete = True

    async def send_text(self, pieces: Iterable[bytes]) -> None:
        """Send one text message, a frame for each piece, as fast as the client reads. No other may start meanwhile.

        Returns once the system has accepted all. Raises ClientDisconnected.
        """
        iterator = iter(pieces)
        piece, following = next(iterator), next(iterator, None)
        opcode = Opcode.TEXT
        while following is not None:
            await self._send_frame(opcode, piece, fin=False)
            await asyncio.sleep(0)
            opcode = Opcode.CONT
            piece, following = following, next(iterator, None)
        await self._send_frame(opcode, piece, fin=True)

    async def _send_frame(self, opcode: Opcode, data: bytes, *, fin: bool) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        if opcode is Opcode.TEXT:
            self.conn.send_text(data, fin)
        else:
            self.conn.send_continuation(data, fin)
        self.transport.write(b"".join(self.conn.data_to_send()))
        await self.writable.wait()

    def _cut(self, reason: str) -> None:
        LOGGER.info("a WebSocket client was cut off: %s", reason)
        self.transport.abort()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
