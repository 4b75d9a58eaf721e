"""JSON-RPC and GraphQL over HTTP, and the web pages, as one application.

POST / and WebSockets bypass FastAPI's routing and middleware, since they have most of the traffic. Everything
passes the Guard first. Status codes are geth's; a JSON-RPC error is always HTTP 200.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.pending import ClientsAnswer
from zevm.rpc.execution.writes import Reply
from zevm.rpc.memory.sources import CLIENT
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Endpoint, Receive, Scope, Send
from zevm.rpc.transport.guard import ALLOW, Guard, Headers, Refusal, is_browser
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
    """POST /, /graphql, the sites' pages, and WebSocket JSON-RPC on every path; the FastAPI application for all else.

    A short way in front of that, which is whole: served alone, by any ASGI server, it answers everything alike.

    graphql: serves /graphql. sites: serve paths of their own, as the pages for browsers; the first that wants a request
    has it. The guard has let their requests in.
    """

    def __init__(
        self, services: Services, dispatcher: Dispatcher, graphql: Endpoint, sites: Sequence[Site], guard: Guard
    ) -> None:
        self._services = services
        self._added: dict[str, Endpoint] = {}
        self._fastapi: Any = None
        self._loading = asyncio.Lock()
        self.endpoint = HttpEndpoint(services, dispatcher, guard)
        self.graphql_endpoint = graphql
        self.sites = tuple(sites)
        self.websocket_endpoint = WebSocketEndpoint(services, dispatcher, guard)
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket (ASGI)."""
        refusal = self._guard.check(scope["headers"]) if scope["type"] == "http" else None
        if refusal is not None:
            await refuse(send, refusal)
            return
        endpoint = self.endpoint_of(scope) or self._fastapi or await self._loaded()
        await endpoint(scope, receive, send)

    def endpoint_of(self, scope: Scope) -> Endpoint | None:
        """The endpoint of a WebSocket, or of a request that the guard has let in; None where FastAPI's routes do."""
        if scope["type"] != "http":
            return self.websocket_endpoint if scope["type"] == "websocket" else None
        method, path = scope["method"], scope["path"]
        if path == "/" and method == "POST":
            return self.endpoint
        if method == "OPTIONS":
            return self._answer_options
        if path in GRAPHQL_PATHS and not (method == "GET" and _asks_for_help(scope)):
            return self.graphql_endpoint
        for site in self.sites:
            if site.serves(scope):
                return site
        return _refuse_method if path == "/" and method not in ("GET", "HEAD") else None

    def add_route(self, path: str, endpoint: Endpoint) -> None:
        """Serve a path by an application of its own."""
        self._added[path] = endpoint
        if self._fastapi is not None:
            self._fastapi.add_route(path, endpoint)

    def fastapi(self) -> Any:
        """The whole application, of FastAPI's class. The library takes a while to import."""
        if self._fastapi is None:
            from zevm.rpc.transport.routes import create_fastapi

            self._fastapi = create_fastapi(self._services, self._guard, self.endpoint_of, self._added)
        return self._fastapi

    async def _loaded(self) -> Endpoint:
        async with self._loading:
            application: Endpoint = self._fastapi or await asyncio.to_thread(self.fastapi)
            return application

    async def _answer_options(self, scope: Scope, _: Receive, send: Send) -> None:
        await respond(send, 204, [*self._guard.preflight_headers(scope["headers"]), ALLOW], b"")


async def _refuse_method(_: Scope, __: Receive, send: Send) -> None:
    await refuse(send, Refusal(405, "method not allowed"), [ALLOW])


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
        if isinstance(reply, asyncio.Future) and not isinstance(reply, ClientsAnswer):
            return True, await reply
        if reply is None or isinstance(reply, bytes):
            return True, reply
        return await unless_left(reply, receive)


def _asks_for_help(scope: Scope) -> bool:
    """Whether a GET of /graphql comes from a browser without a query."""
    return not scope["query_string"] and is_browser(scope["headers"])
