"""JSON-RPC, GraphQL and the web pages over HTTP, as one application.

Everything passes the Guard first. FastAPI serves the web pages, and is imported for the first of them: it takes a
tenth of a start. Status codes are geth's; a JSON-RPC error is always HTTP 200.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable

from zevm.rpc.dispatch import Dispatcher, LongWrite, Reply
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Message, Receive, Scope, Send
from zevm.rpc.transport.guard import Guard, Headers, Refusal, is_browser
from zevm.rpc.transport.http_bodies import (
    Bodies,
    BodyError,
    refuse,
    respond,
    send_json,
    unless_left,
)
from zevm.rpc.transport.websocket import WebSocketEndpoint

GRAPHQL_PATHS = frozenset({"/graphql", "/graphql/"})
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
"""Serves one request (ASGI)."""


class NodeApplication:
    """The node's HTTP behind the Guard, and WebSocket JSON-RPC on every path (ASGI)."""

    def __init__(self, services: Services, dispatcher: Dispatcher, graphql: Endpoint, guard: Guard) -> None:
        """Serve /graphql with `graphql`; the guard has let its requests in."""
        self.endpoint = HttpEndpoint(services, dispatcher, guard)
        self.graphql_endpoint = graphql
        self.websocket_endpoint = WebSocketEndpoint(services, dispatcher, guard)
        self._guard = guard
        self._services = services
        self._added: dict[str, Endpoint] = {}
        self._pages: Endpoint | None = None
        self._loading = threading.Lock()

    def add_route(self, path: str, endpoint: Endpoint) -> None:
        """Serve one more path, an ASGI application. Before the first request."""
        self._added[path] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket (ASGI)."""
        if scope["type"] == "websocket":
            await self.websocket_endpoint(scope, receive, send)
        else:
            await self._serve_http(scope, receive, send)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = scope["headers"]
        refusal = self._guard.check(headers)
        if refusal is not None:
            await refuse(send, refusal)
            return
        method = scope["method"]
        if scope["path"] == "/" and method == "POST":
            await self.endpoint(scope, receive, send)
        elif method == "OPTIONS":
            await respond(send, 204, [*self._guard.preflight_headers(headers), (b"allow", b"POST, GET, OPTIONS")], b"")
        elif scope["path"] in GRAPHQL_PATHS and not (method == "GET" and _asks_for_help(scope)):
            await self.graphql_endpoint(scope, receive, send)
        elif scope["path"] == "/" and method not in ("GET", "HEAD"):
            await refuse(send, Refusal(405, "method not allowed"), [(b"allow", b"POST, GET, OPTIONS")])
        else:
            serve = self._pages
            if serve is None:
                serve = await asyncio.to_thread(self._load_pages)
            await serve(scope, receive, _with_headers(send, self._guard.cors_headers(headers)))

    def _load_pages(self) -> Endpoint:
        """The web pages, once for all. On a thread: the import would hold up the event loop."""
        with self._loading:
            if self._pages is None:
                from zevm.rpc.transport.web import create_web_application

                self._pages = create_web_application(self._services, self._added)
            return self._pages


class HttpEndpoint:
    """POST /: reads the body within its limits, answers it, and cancels waiting calls when the client disconnects."""

    def __init__(self, services: Services, dispatcher: Dispatcher, guard: Guard) -> None:
        self._bodies = Bodies(services.limits, services.budgets.input)
        self._dispatcher = dispatcher
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers: Headers = scope["headers"]
        refusal = self._bodies.check(headers)
        if refusal is not None:
            await refuse(send, refusal, self._guard.cors_headers(headers))
            return
        try:
            body, taken = await self._bodies.read(receive)
        except BodyError as error:
            if error.refusal is not None:
                await refuse(send, error.refusal, self._guard.cors_headers(headers))
            return
        try:
            answered, reply = await self._answer(body, receive)
        finally:
            self._bodies.release(taken)
        if answered:
            await send_json(scope, send, reply or b"", self._guard.cors_headers(headers))

    async def _answer(self, body: bytes, receive: Receive) -> tuple[bool, Reply]:
        """Whether the client is still connected, and its answer."""
        reply = self._dispatcher.begin(body)
        if isinstance(reply, asyncio.Future) and not isinstance(reply, LongWrite):
            return True, await reply
        if reply is None or isinstance(reply, bytes):
            return True, reply
        return await unless_left(reply, receive)


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return forward if extra else send


def _asks_for_help(scope: Scope) -> bool:
    """Whether a GET of /graphql comes from a browser without a query."""
    return not scope["query_string"] and is_browser(scope["headers"])
