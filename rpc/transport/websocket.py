"""JSON-RPC over WebSocket: calls, batches and subscriptions on one connection, for many connections.

Light calls are answered as they are read; others run concurrently, up to the limit. The protocol (websocket_protocol)
handles pings, the pong deadline, the bounds of a message and stalled readers; Connection disconnects a client with too
much unread output.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch import Caller, Dispatcher, Reply
from zevm.rpc.services import Services
from zevm.rpc.transport.connections import Connection
from zevm.rpc.transport.guard import Guard, Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOGGER = logging.getLogger("zevm.rpc")
ABORT_EXTENSION = "zevm.abort"
"""The scope extension that holds the function that drops the connection."""
TEXT_EXTENSION = "zevm.text"
"""The scope extension that holds the function that sends one text message from pieces of UTF-8, a frame for each."""


class Session:
    """Reads requests and answers them over a Connection; WebSocket and IPC share it."""

    def __init__(self, dispatcher: Dispatcher, connection: Connection, calls: int) -> None:
        self._dispatcher = dispatcher
        self._connection = connection
        self._slots = asyncio.Semaphore(calls)
        self._tasks: set[asyncio.Future[Reply]] = set()

    async def handle(self, body: bytes) -> None:
        """Start answering a message. Returns once the next one may be read."""
        await self._connection.ready()
        caller = Caller(self._connection)
        if len(body) > LOOP_BODY_BYTES:
            # the next message waits: what a client sends in order is begun in order
            reply = self._dispatcher.begin_received(await self._dispatcher.receive_apart(body), caller)
        else:
            reply = self._dispatcher.begin(body, caller)
        if reply is None or isinstance(reply, bytes):
            self._deliver(reply, caller)
            return
        try:
            await self._slots.acquire()
        except BaseException:
            asyncio.ensure_future(reply).cancel()
            raise
        task = asyncio.ensure_future(reply)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, caller))

    def close(self) -> None:
        """Cancel the running calls."""
        for task in self._tasks:
            task.cancel()

    def _done(self, task: asyncio.Future[Reply], caller: Caller) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled():
            self._deliver(task.result(), caller)

    def _deliver(self, reply: Reply, caller: Caller) -> None:
        if reply is not None:
            self._connection.send(reply)
        for subscription in caller.created:
            subscription.activate()


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
        extensions = scope.get("extensions", {})
        send_text = extensions.get(TEXT_EXTENSION)

        async def write(pieces: Iterable[bytes]) -> None:
            if send_text is not None:
                await send_text(pieces)
            else:
                await send({"type": "websocket.send", "text": b"".join(pieces).decode()})

        abort = extensions.get(ABORT_EXTENSION, _nothing)
        connection = Connection(write, abort, self._limits, self._budget)
        session = Session(self._dispatcher, connection, self._limits.websocket_calls)
        pump = asyncio.get_running_loop().create_task(_pump(connection))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                await session.handle(message["bytes"] if text is None else text.encode())
        finally:
            connection.close()
            session.close()
            pump.cancel()


def _nothing() -> None:
    """Abort function of an in-process connection."""


async def _pump(connection: Connection) -> None:
    try:
        await connection.pump()
    except Exception as error:  # the client left in the middle of a write: its end is seen by the reader
        LOGGER.debug("a WebSocket write failed: %r", error)


async def refuse_websocket(send: Send, refusal: Refusal) -> None:
    """Answer a handshake with a refusal as plain text."""
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": refusal.reason.encode() + b"\n"})
