"""JSON-RPC over WebSocket: calls, batches and subscriptions on one connection, for many connections.

Light calls are answered as they are read; others run concurrently, up to the limit. The protocol (websocket_protocol)
handles pings, the pong deadline, the bounds of a message and stalled readers; Connection disconnects a client with too
much unread output.
"""

from collections.abc import Iterable

from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.memory.sources import CLIENT
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import ABORT_EXTENSION, TEXT_EXTENSION, Receive, Scope, Send
from zevm.rpc.transport.connections import Connection
from zevm.rpc.transport.guard import Guard, Refusal
from zevm.rpc.transport.session import open_session


class WebSocketEndpoint:
    """The ASGI application of every WebSocket."""

    def __init__(self, services: Services, dispatcher: Dispatcher, guard: Guard) -> None:
        self._limits = services.limits
        self._budget = services.budgets.output
        self._dispatcher = dispatcher
        self._guard = guard
        self.open_connections = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket (ASGI) until either side ends it."""
        await receive()
        refusal = self._guard.check(scope["headers"])
        if refusal is None and self.open_connections >= self._limits.websocket_connections:
            refusal = Refusal(503, f"too many WebSocket connections (limit {self._limits.websocket_connections})")
        if refusal is not None:
            await refuse_websocket(send, refusal)
            return
        self.open_connections += 1
        try:
            await send({"type": "websocket.accept"})
            await self._converse(scope, receive, send)
        finally:
            self.open_connections -= 1

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        CLIENT.set(scope["client"][0] if scope.get("client") else None)
        extensions = scope.get("extensions", {})
        send_text = extensions.get(TEXT_EXTENSION)

        async def write(pieces: Iterable[bytes]) -> None:
            if send_text is not None:
                await send_text(pieces)
            else:
                await send({"type": "websocket.send", "text": b"".join(pieces).decode()})

        abort = extensions.get(ABORT_EXTENSION, _nothing)
        connection = Connection(write, abort, self._limits, self._budget)
        async with open_session(self._dispatcher, connection, self._limits.websocket_calls) as session:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                await session.handle(message["bytes"] if text is None else text.encode())


def _nothing() -> None:
    """Abort function of an in-process connection."""


async def refuse_websocket(send: Send, refusal: Refusal) -> None:
    """Answer a handshake with a refusal as plain text."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": refusal.reason.encode() + b"\n"})
