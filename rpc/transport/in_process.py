"""JSON-RPC for callers in this process, without a socket: from any thread, and from any event loop.

The methods run where they run for every transport; bytes of JSON go in and out, so that answers and errors are those
that come over HTTP and WebSocket.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

from zevm.rpc.dispatch import Dispatcher, Reply
from zevm.rpc.services import Services
from zevm.rpc.transport.connections import Connection
from zevm.rpc.transport.websocket import Session

Result = TypeVar("Result")


class InProcess:
    """The door for callers in this process. `loop` is the one that the dispatcher is used on."""

    def __init__(self, services: Services, dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._loop = loop

    def submit(self, body: bytes) -> "Future[Reply]":
        """The answer to a body; cancelling gives it up. Raises RuntimeError once the loop is closed."""
        return self._begin(self._dispatcher.answer(body))

    def connect(self, deliver: Callable[[bytes], Awaitable[None]], cut: Callable[[], None]) -> "InProcessConnection":
        """A connection that the node can push to.

        deliver: takes one message, on the node's loop, and returns when there is room for the next one. cut: the node
        drops the connection, since too much waits unread.
        """
        return InProcessConnection(self._services, self._dispatcher, self._begin, deliver, cut)

    def _begin(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise


class InProcessConnection:
    """Calls, batches and subscriptions of one client. All methods may be called from any thread."""

    def __init__(
        self,
        services: Services,
        dispatcher: Dispatcher,
        begin: Callable[[Coroutine[Any, Any, None]], "Future[None]"],
        deliver: Callable[[bytes], Awaitable[None]],
        cut: Callable[[], None],
    ) -> None:
        self._begin = begin
        self._deliver = deliver
        limits = services.limits
        self._connection = Connection(self._write, cut, limits, services.budgets.output)
        self._session = Session(dispatcher, self._connection, limits.websocket_calls)
        self._pump = begin(self._connection.pump())

    def send(self, body: bytes) -> "Future[None]":
        """Begin to answer a message; done when the next one may be sent."""
        return self._begin(self._session.handle(body))

    def close(self) -> "Future[None]":
        """End subscriptions and calls under way. Idempotent."""
        return self._begin(self._close())

    async def _close(self) -> None:
        self._connection.close()
        self._session.close()
        self._pump.cancel()

    async def _write(self, pieces: Iterable[bytes]) -> None:
        await self._deliver(b"".join(pieces))
