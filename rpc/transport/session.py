"""The conversation over one connection, WebSocket or IPC: requests in, answers and events out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.writes import Reply
from zevm.rpc.notifications.subscriptions import Caller
from zevm.rpc.transport.connections import Connection

LOGGER = logging.getLogger("zevm.rpc")


class Session:
    """Reads requests and answers them over a Connection."""

    def __init__(self, dispatcher: Dispatcher, connection: Connection, calls: int) -> None:
        self._dispatcher = dispatcher
        self._connection = connection
        self._slots = asyncio.Semaphore(calls)
        self._tasks: set[asyncio.Future[Reply]] = set()
        self._holding: asyncio.Future[Reply] | None = None

    async def handle(self, body: bytes) -> None:
        """Start answering a message. Returns once the next one may be read."""
        await self._connection.ready()
        while self._holding is not None:
            await asyncio.wait((self._holding,))
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
        if caller.holds_back:
            self._holding = task
        task.add_done_callback(lambda done: self._done(done, caller))
        if task is not reply:
            # a coroutine gives its work to the chain's writer in its task's first turn, a write behind it at once
            await asyncio.sleep(0)

    def close(self) -> None:
        """Cancel the running calls."""
        for task in self._tasks:
            task.cancel()

    def _done(self, task: asyncio.Future[Reply], caller: Caller) -> None:
        self._tasks.discard(task)
        self._slots.release()
        if task is self._holding:
            self._holding = None
        if not task.cancelled():
            self._deliver(task.result(), caller)

    def _deliver(self, reply: Reply, caller: Caller) -> None:
        if reply is not None:
            self._connection.send(reply)
        for subscription in caller.created:
            subscription.activate()


@asynccontextmanager
async def open_session(dispatcher: Dispatcher, connection: Connection, calls: int) -> AsyncIterator[Session]:
    """A session whose answers are written until the context ends; the connection is closed with it.

    calls: how many may be under way at once.
    """
    session = Session(dispatcher, connection, calls)
    pump = asyncio.get_running_loop().create_task(_pump(connection))
    try:
        yield session
    finally:
        connection.close()
        session.close()
        pump.cancel()


async def _pump(connection: Connection) -> None:
    try:
        await connection.pump()
    except Exception as error:  # the client left in the middle of a write: its end is seen by the reader
        LOGGER.debug("a write failed: %r", error)
