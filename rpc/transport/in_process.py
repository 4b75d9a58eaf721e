"""JSON-RPC for callers in this process, without a socket: from any thread, and from any event loop.

Bytes of JSON go in and out, so that answers and errors are those that come over HTTP and WebSocket. The methods run
where they run for every transport; calls that a thread waits for go there without the event loop where they can.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch.calls import Call, Received
from zevm.rpc.dispatch.dispatcher import Dispatcher, Pending
from zevm.rpc.execution.writes import Reply
from zevm.rpc.services import Services
from zevm.rpc.transport.connections import Connection
from zevm.rpc.transport.in_process_calls import DirectCalls, NoDirectWayError
from zevm.rpc.transport.session import Session

LOGGER = logging.getLogger("zevm.rpc")
Result = TypeVar("Result")
Deliver = Callable[[bytes], Awaitable[None]]
"""Takes one message, on the node's loop, and returns when the next one may be sent."""


class DoorClosedError(ConnectionError):
    """The node was closed before it answered."""

    def __init__(self, message: str = "the node is closed") -> None:
        super().__init__(message)


_Submitted = tuple[Callable[[Any], Reply | Pending], object, "Future[Reply]"]


class InProcess:
    """The door for callers in this process. Made and closed on the loop that the dispatcher is used on."""

    closed_error: type[DoorClosedError] = DoorClosedError
    """Raised once the door is closed; who opens it may put a kind of its own here."""

    def __init__(self, services: Services, dispatcher: Dispatcher) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._loop = asyncio.get_running_loop()
        self._direct = DirectCalls(services, dispatcher, self._loop)
        self._thread = threading.current_thread()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._connections: set[InProcessConnection] = set()
        self._held: deque[_Submitted] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, body: bytes) -> "Future[Reply]":
        """The answer to a body; cancelling gives it up. Raises DoorClosedError, as does the future.

        What one thread submits begins in its order, but behind a body of over LOOP_BODY_BYTES, which is read apart.
        """
        return self._submit(self._dispatcher.begin, body)

    def answer(self, body: bytes) -> Reply:
        """Wait for the answer to a body. Raises DoorClosedError, and RuntimeError on the node's own threads."""
        if threading.current_thread() is self._thread or self._services.chain.writer.is_current:
            # the answer may need this thread: who waits for it here waits for ever
            raise RuntimeError(
                "a listener of the chain runs on the node's own thread and cannot wait for an answer of the node; "
                "hand the request to another thread"
            )
        received: bytes | Received = body
        begin: Callable[[Any], Reply | Pending] = self._dispatcher.begin
        if len(body) <= LOOP_BODY_BYTES and not self._closed:
            begin, received = self._dispatcher.begin_received, self._dispatcher.receive(body)
            if isinstance(received, Call):
                with suppress(NoDirectWayError):
                    return self._direct.answer(received)
        future = self._submit(begin, received)
        try:
            return future.result()
        except BaseException:
            # interrupted: nobody waits for the answer any more
            future.cancel()
            raise

    def connect(self, deliver: Deliver, cut: Callable[[], None]) -> "Future[InProcessConnection]":
        """A connection that the node can push to. cut: the node drops it, as too much waits unread or it is closing."""
        return self.run(self._connect(deliver, cut))

    def run(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        """Run a coroutine on the node's loop. Raises DoorClosedError, as does the future."""
        with self._lock:
            if self._closed:
                work.close()
                raise self.closed_error
            return asyncio.run_coroutine_threadsafe(self._watched(work), self._loop)

    async def close(self) -> None:
        """Take no more, end what is under way. Idempotent."""
        with self._lock:
            self._closed = True
        self._direct.close()
        # what was submitted before has begun after one turn of the loop, and a task of it after two
        for _ in range(2):
            await asyncio.sleep(0)
        held, self._held = self._held or (), None
        for _, _, future in held:
            _settle(future, self.closed_error())
        for connection in tuple(self._connections):
            connection.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def listeners(self) -> frozenset[object]:
        """The ids of the node's filters, and the connections within the process. Raises DoorClosedError."""
        if not self._connections and not self._services.filters.any_open:
            return frozenset()
        return self.run(self._listeners()).result()

    def end_listeners_but(self, kept: frozenset[object]) -> None:
        """Uninstall the filters and close the connections that are not among `kept`. Raises DoorClosedError."""
        self.run(self._end_listeners_but(kept)).result()

    def forget(self) -> None:
        """Take no more, in a copy of the process that has none of the node's threads."""
        self._lock, self._closed = threading.Lock(), True
        self._direct.forget()

    def _submit(self, begin: "Callable[[Any], Reply | Pending]", received: object) -> "Future[Reply]":
        """Have `begin(received)` answered on the loop."""
        future: Future[Reply] = Future()
        with self._lock:
            if self._closed:
                raise self.closed_error
            self._loop.call_soon_threadsafe(self._begin, begin, received, future)
        return future

    def _begin(self, begin: "Callable[[Any], Reply | Pending]", received: object, future: "Future[Reply]") -> None:
        """Answer a body on the loop; a task is made only for what cannot be answered at once, and is no write."""
        if self._held is not None:
            self._held.append((begin, received, future))
            return
        try:
            reply = begin(received)
        except Exception as error:
            _settle(future, error)
            return
        if reply is None or isinstance(reply, bytes):
            _settle(future, reply)
            return
        pending = asyncio.ensure_future(reply)
        self._tasks.add(pending)
        pending.add_done_callback(partial(self._end, future))
        future.add_done_callback(partial(self._give_up, pending))
        if pending is not reply:
            # a coroutine gives its work to the chain's writer in its task's first turn, a write behind it at once
            self._held = deque()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Begin what was submitted behind a coroutine, up to the next one."""
        held, self._held = self._held or deque(), None
        while held and self._held is None:
            self._begin(*held.popleft())
        if self._held is not None:
            self._held.extend(held)

    def _end(self, future: "Future[Reply]", pending: "asyncio.Future[Reply]") -> None:
        self._tasks.discard(pending)
        if pending.cancelled():
            _settle(future, self.closed_error())
        else:
            _settle(future, pending.exception() or pending.result())

    def _give_up(self, pending: "asyncio.Future[Reply]", future: "Future[Reply]") -> None:
        if future.cancelled():
            # after the loop's end there is nothing left to end
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(pending.cancel)

    async def _watched(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work
        except asyncio.CancelledError:
            if self._closed:
                raise self.closed_error from None
            raise
        finally:
            self._tasks.discard(task)

    async def _listeners(self) -> frozenset[object]:
        return self._services.filters.identifiers | self._connections

    async def _end_listeners_but(self, kept: frozenset[object]) -> None:
        for identifier in self._services.filters.identifiers - kept:
            self._services.filters.uninstall(identifier)
        for connection in self._connections - kept:
            connection.cut()

    async def _connect(self, deliver: Deliver, cut: Callable[[], None]) -> "InProcessConnection":
        async def write(pieces: Iterable[bytes]) -> None:
            await deliver(b"".join(pieces))

        limits = self._services.limits
        connection = Connection(write, cut, limits, self._services.budgets.output)
        session = Session(self._dispatcher, connection, limits.websocket_calls)
        opened = InProcessConnection(self, connection, session, self._connections.discard)
        self._connections.add(opened)
        return opened


def _settle(future: "Future[Reply]", outcome: Reply | BaseException) -> None:
    """End a future, unless it has been cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class InProcessConnection:
    """Calls, batches and subscriptions of one client. `send` and `close` may be called from any thread."""

    def __init__(
        self,
        door: InProcess,
        connection: Connection,
        session: Session,
        forget: "Callable[[InProcessConnection], None]",
    ) -> None:
        self._door = door
        self._connection = connection
        self._session = session
        self._forget = forget
        self._pump = asyncio.get_running_loop().create_task(self._write_all())

    def send(self, body: bytes) -> "Future[None]":
        """Begin to answer a message; done when the next one may be sent. Raises DoorClosedError, as does the future."""
        return self._door.run(self._session.handle(body))

    def close(self) -> "Future[None]":
        """End subscriptions and calls under way. Idempotent. Raises DoorClosedError, as does the future."""
        return self._door.run(self._close())

    def cut(self) -> None:
        """Drop the client: the node is closing. On the node's loop."""
        self._connection.cut("the node is closing")
        self._end()

    async def _close(self) -> None:
        self._connection.close()
        self._end()

    def _end(self) -> None:
        self._session.close()
        self._pump.cancel()
        self._forget(self)

    async def _write_all(self) -> None:
        try:
            await self._connection.pump()
        except Exception as error:  # the client's loop is closed
            LOGGER.debug("a write within the process failed: %r", error)
            self._connection.close()
            self._session.close()
            self._forget(self)
