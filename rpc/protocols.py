"""Uvicorn's HTTP and WebSocket protocols with the bounds that they lack.

HTTP: time and size of the request's head, number of connections, a way out for answers nobody reads.
WebSocket: a function in the scope that drops the connection.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Opcode
from websockets.http11 import Request

from rpc.limits import Limits
from rpc.websocket import ABORT_EXTENSION, TEXT_EXTENSION

REQUEST_HEAD_BYTES = 65_536
"""Request line and headers together; a longer head closes the connection."""


class SharedState(ServerState):
    """What the connections of one server share."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.http: set[HttpProtocol] = set()


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
        self._shared = cast(SharedState, server_state)
        self._in_head = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or drop it when there are too many."""
        super().connection_made(transport)
        shared = self._shared
        if len(shared.http) >= shared.limits.http_connections:
            transport.abort()
            return
        shared.http.add(self)
        self._head_timer = self.loop.call_later(shared.limits.http_header_seconds, self._drop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._shared.http.discard(self)
        self._cancel_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a head that does not end is bounded in bytes and time."""
        super().data_received(data)
        if not self._in_head:
            if self._head_timer is not None:
                self._cancel_head_timer()
            return
        self._head_bytes += len(data)
        if self._head_bytes > REQUEST_HEAD_BYTES:
            self._drop()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._shared.limits.http_header_seconds, self._drop)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the transport over."""
        self._shared.http.discard(self)
        self._cancel_head_timer()
        super().handle_websocket_upgrade()

    def timeout_keep_alive_handler(self) -> None:
        """The idle time is over. What is still unread after it will not be read."""
        self._drop()

    def _drop(self) -> None:
        self._cancel_head_timer()
        self.transport.abort()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    def handle_connect(self, event: Request) -> None:
        """Start the application, with the means to drop the connection."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[ABORT_EXTENSION] = self.transport.abort
            extensions[TEXT_EXTENSION] = self.send_text

    async def send_text(self, pieces: Iterable[bytes]) -> None:
        """Send one text message, a frame for each piece, as fast as the client reads. No other may be begun meanwhile.

        Raises ClientDisconnected.
        """
        opcode = Opcode.TEXT
        for piece in pieces:
            await self._send_frame(opcode, piece, fin=False)
            opcode = Opcode.CONT
            await asyncio.sleep(0)
        await self._send_frame(opcode, b"", fin=True)

    async def _send_frame(self, opcode: Opcode, data: bytes, *, fin: bool) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        if opcode is Opcode.TEXT:
            self.conn.send_text(data, fin)
        else:
            self.conn.send_continuation(data, fin)
        for part in self.conn.data_to_send():
            self.transport.write(part)
