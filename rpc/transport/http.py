"""JSON-RPC and GraphQL over HTTP, and the web pages, as one application.

POST / bypasses FastAPI's routing and middleware, since it has most of the traffic. Everything passes
the Guard first. Status codes are geth's; a JSON-RPC error is always HTTP 200.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.writes import LongWrite, Reply
from zevm.rpc.memory.sources import CLIENT
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Endpoint, Message, Receive, Scope, Send
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


class Site(Protocol):
    """Serves some paths, as the explorer's and the verifier's (rpc.explorer)."""

    def serves(self, scope: Scope) -> bool:
        """Whether a request is the site's; otherwise it is answered as if there were no site."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        ...


class NodeApplication:
    """POST /, /graphql, the site's pages, WebSocket JSON-RPC on every path; for all else FastAPI, behind the Guard.

    graphql: serves /graphql. sites: serve paths of their own, as the pages for browsers; the first that wants a request
    has it. The guard has let their requests in.
    """

    def __init__(
        self, services: Services, dispatcher: Dispatcher, graphql: Endpoint, sites: Sequence[Site], guard: Guard
    ) -> None:
        self._services = services
        self._added: dict[str, Endpoint] = {}
        self._routes: Endpoint | None = None
        self._loading = asyncio.Lock()
        self.endpoint = HttpEndpoint(services, dispatcher, guard)
        self.graphql_endpoint = graphql
        self.sites = tuple(sites)
        self.websocket_endpoint = WebSocketEndpoint(services, dispatcher, guard)
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket (ASGI)."""
        kind = scope["type"]
        if kind == "http":
            await self._serve_http(scope, receive, send)
        elif kind == "websocket":
            await self.websocket_endpoint(scope, receive, send)
        else:
            raise ValueError(f"neither a request nor a WebSocket: {kind}")

    def add_route(self, path: str, endpoint: Endpoint) -> None:
        """Serve a path by an application of its own, as long as no request has come."""
        self._added[path] = endpoint

    async def _routed(self) -> Endpoint:
        """The application of the other paths."""
        async with self._loading:
            if self._routes is None:
                self._routes = await asyncio.to_thread(_load_routes, self._services, self._added)
            return self._routes

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
        elif (site := next((site for site in self.sites if site.serves(scope)), None)) is not None:
            await site(scope, receive, send)
        elif scope["path"] == "/" and method not in ("GET", "HEAD"):
            await refuse(send, Refusal(405, "method not allowed"), [(b"allow", b"POST, GET, OPTIONS")])
        else:
            routes = self._routes or await self._routed()
            await routes(scope, receive, _with_headers(send, self._guard.cors_headers(headers)))


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
        CLIENT.set(scope["client"][0] if scope.get("client") else None)
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


def _load_routes(services: Services, added: Mapping[str, Endpoint]) -> Endpoint:
    from zevm.rpc.transport.routes import create_routes

    return create_routes(services, added)


def _asks_for_help(scope: Scope) -> bool:
    """Whether a GET of /graphql comes from a browser without a query."""
    return not scope["query_string"] and is_browser(scope["headers"])


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return forward if extra else send
