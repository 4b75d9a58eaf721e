"""The direct way of POST /: from the parser to the dispatcher, and back in one write, without the application.

It is for requests whose length is known and whose head the guard admits. All others, refusals and large answers take
the application's way (rpc.transport.http). A client gets the same bytes by both.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, cast

from lru import LRU
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from zevm.rpc.dispatch.dispatcher import Dispatcher, Pending
from zevm.rpc.execution.pending import ClientsAnswer
from zevm.rpc.execution.writes import Reply
from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import InputBudget
from zevm.rpc.memory.sources import CLIENT
from zevm.rpc.transport.asgi import Endpoint, Receive, Scope, Send
from zevm.rpc.transport.guard import Guard, Headers, Refusal, header
from zevm.rpc.transport.http_bodies import BODY_TOO_SLOW, PIECE_BYTES, TOO_MUCH_INPUT, Bodies, refuse, send_json

KNOWN_HEADS = 512
"""Heads of requests that are kept: a client sends the same one for each body of a length."""
KNOWN_HEAD_BYTES = 1_024
"""Maximum size of a kept head."""
END_OF_HEAD = b"\r\n\r\n"

DIRECT_BODY_BYTES = 65_536
"""Maximum size of a body that arrives in parts; a larger one takes the application's way."""

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
_CLOSE = b"connection: close\r\n\r\n"


class KnownHead(NamedTuple):
    """The reading of a head whose bytes came before: a direct request with a body of this size.

    data: those bytes. answer: the beginning of the answer, up to its length.
    """

    data: bytes
    headers: Headers
    body_bytes: int
    answer: bytes


class Door:
    """The part that the direct requests of all connections share."""

    def __init__(self, dispatcher: Dispatcher, guard: Guard, limits: Limits, budget: InputBudget) -> None:
        self.dispatcher = dispatcher
        self.guard = guard
        self.budget = budget
        self.body_seconds = limits.http_header_seconds
        self._bodies = Bodies(limits, budget)
        self._heads: LRU[bytes, KnownHead] = LRU(KNOWN_HEADS)

    def known(self, data: bytes) -> KnownHead | None:
        """The head of what is one whole request, if a head of the very same bytes was kept."""
        end = data.find(END_OF_HEAD, 0, KNOWN_HEAD_BYTES) + 4
        head: KnownHead | None = self._heads.get(data[:end])
        return None if head is None or len(data) - end != head.body_bytes else head

    def keep(self, data: bytes, headers: Headers, body_bytes: int) -> None:
        """Keep the head of a direct request that came alone, and whole, and whose connection stays open."""
        size = len(data) - body_bytes
        if size <= KNOWN_HEAD_BYTES and data.find(END_OF_HEAD) == size - len(END_OF_HEAD):
            self._heads[data[:size]] = KnownHead(data[:size], headers, body_bytes, self.answer_to(headers))

    def answer_to(self, headers: Headers) -> bytes:
        """The beginning of the answer to an admitted request, up to its length."""
        cors = b"".join([b"%b: %b\r\n" % pair for pair in self.guard.cors_headers(headers)])
        return b"%b%bcontent-length: " % (_HEAD, cors)

    def admits(self, headers: Headers) -> bool:
        """Whether a POST / with these headers may go the direct way. Names are lower case."""
        return (
            header(headers, b"content-length") is not None
            and self.guard.check(headers) is None
            and self._bodies.check(headers) is None
        )


class Line(Protocol):
    """The connection of a direct request."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: FlowControl
    tasks: set[asyncio.Task[None]]
    client: tuple[str, int] | None

    def on_response_complete(self) -> None:
        """The answer is written: the connection goes on to its next request."""

    def run_application(
        self, application: Endpoint, headers: Headers, keep_alive: bool, done: Callable[[], None]
    ) -> RequestResponseCycle:
        """Let an ASGI application answer a request whose body has been read; `done` is called once it has."""


class _Unheard:
    """Takes uvicorn's news of the connection, which a direct request hears from the connection itself."""

    def set(self) -> None:
        pass


class DirectRequest:
    """One request and its answer, in the place of uvicorn's RequestResponseCycle.

    is_turn: whether no earlier request of the connection waits for its answer.
    """

    __slots__ = (
        "_cycle", "_door", "_ends_with_client", "_headers", "_held_bytes", "_late", "_line", "_work",
        "body", "disconnected", "is_refused", "is_turn", "keep_alive", "more_body", "response_complete",
    )  # fmt: skip
    message_event = _Unheard()

    def __init__(self, line: Line, door: Door, headers: Headers, *, keep_alive: bool, is_turn: bool) -> None:
        self._line = line
        self._door = door
        self._headers = headers
        self._held_bytes = 0
        self._late: asyncio.TimerHandle | None = None
        self._work: asyncio.Future[Reply] | None = None
        self._ends_with_client = False
        self._cycle: RequestResponseCycle | None = None
        self.keep_alive = keep_alive
        self.is_turn = is_turn
        self.is_refused = False
        self.body: bytes | bytearray = b""
        self.more_body = True
        self.response_complete = False
        self.disconnected = False

    def feed(self, part: bytes) -> None:
        """The next part of the body; of a refused one nothing is kept."""
        if self.is_refused:
            return
        if not self.body:
            self.body = part
        elif type(self.body) is bytes:
            self.body = bytearray(self.body + part)
        else:
            self.body += part

    def hold(self) -> bool:
        """Count what has arrived of an unfinished body, and bound its time; False if it must go the other way."""
        length = int(header(self._headers, b"content-length") or 0)
        if length > DIRECT_BODY_BYTES or not self._count():
            return False
        if self.is_turn:
            self._bound()
        return True

    def _count(self) -> bool:
        size = len(self.body) - self._held_bytes
        if not self._door.budget.take(size):
            return False
        self._held_bytes += size
        return True

    def release(self) -> bytes:
        """End the hold on the body, and return the part that has arrived."""
        if self._held_bytes:
            self._door.budget.give_back(self._held_bytes)
            self._held_bytes = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None
        body, self.body = bytes(self.body), b""
        return body

    def take_turn(self) -> None:
        """The answers to all earlier requests are written."""
        self.is_turn = True
        if self.more_body:
            self._bound()
        else:
            self._line.loop.call_soon(self._begin)

    def complete(self, *, at_once: bool) -> None:
        """The body is whole. Without `at_once`, it is begun after what else the event loop has to do."""
        self.more_body = False
        if self._held_bytes and self.is_turn and not self._count():
            self._refuse(TOO_MUCH_INPUT)
        elif self.is_turn and at_once:
            self._begin()
        elif self.is_turn:
            self._line.loop.call_soon(self._begin)

    def leave(self) -> None:
        """The client is gone. What it waits for ends, a write apart."""
        self.disconnected = True
        self.release()
        if self._cycle is not None:
            self._cycle.disconnected = True
            self._cycle.message_event.set()
        if self._work is not None and self._ends_with_client:
            self._work.cancel()

    def _bound(self) -> None:
        if self._late is None and not self.is_refused:
            self._late = self._line.loop.call_later(self._door.body_seconds, self._refuse, BODY_TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        self.release()
        self.is_refused = True

        async def application(_: Scope, __: Receive, send: Send) -> None:
            await refuse(send, refusal, self._door.guard.cors_headers(self._headers))

        self._answer_by(application)

    def _begin(self) -> None:
        body = self.release()
        if self.is_refused or self.disconnected or self._line.transport.is_closing():
            return
        try:
            reply = self._door.dispatcher.begin(body)
        except Exception as error:
            self.fail(error)
            return
        self.settle(reply)

    def settle(self, reply: Reply | Pending) -> None:
        """Answer with what the dispatcher has begun."""
        if reply is None or isinstance(reply, bytes):
            self._answer(reply or b"")
        else:
            self._wait(reply)

    def _wait(self, reply: Pending) -> None:
        if isinstance(reply, asyncio.Future):
            # a write goes on without its client
            self._work, self._ends_with_client = reply, isinstance(reply, ClientsAnswer)
        else:
            before = CLIENT.set(self._line.client[0] if self._line.client else None)
            self._work, self._ends_with_client = self._line.loop.create_task(reply), True
            CLIENT.reset(before)
        self._line.tasks.add(cast("asyncio.Task[None]", self._work))
        self._work.add_done_callback(self._done)

    def _done(self, work: asyncio.Future[Reply]) -> None:
        self._line.tasks.discard(cast("asyncio.Task[None]", work))
        self._work = None
        if work.cancelled():
            self._line.transport.close()
            return
        error = work.exception()
        if error is None:
            self._answer(work.result() or b"")
        else:
            self.fail(error)

    def _answer(self, body: bytes) -> None:
        line = self._line
        if self.disconnected or line.transport.is_closing():
            return
        if len(body) >= PIECE_BYTES or line.flow.write_paused:
            cors = self._door.guard.cors_headers(self._headers)

            async def application(scope: Scope, _: Receive, send: Send) -> None:
                await send_json(scope, send, body, cors)

            self._answer_by(application)
            return
        end = b"\r\n" if self.keep_alive else _CLOSE
        line.transport.write(b"%b%d\r\n%b%b" % (self._door.answer_to(self._headers), len(body), end, body))
        self._complete()

    def fail(self, error: BaseException) -> None:
        """Let the application answer for an error that has no answer."""

        async def application(*_: Any) -> None:
            raise error

        if not self.disconnected:
            self._answer_by(application)

    def _answer_by(self, application: Endpoint) -> None:
        self._cycle = self._line.run_application(application, self._headers, self.keep_alive, self._complete)

    def _complete(self) -> None:
        self.response_complete, self._cycle = True, None
        if not self.keep_alive:
            self._line.transport.close()
        self._line.on_response_complete()
