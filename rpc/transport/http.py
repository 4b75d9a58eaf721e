"""JSON-RPC and GraphQL over HTTP, and the web pages, as one FastAPI application.

POST / bypasses routing and middleware, since it has most of the traffic. Everything passes
the Guard first. Status codes are geth's; a JSON-RPC error is always HTTP 200.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.errors import told
from zevm.rpc.execution.writes import LongWrite, Reply
from zevm.rpc.memory.sources import CLIENT
from zevm.rpc.services import Services
from zevm.rpc.transport import pages
from zevm.rpc.transport.asgi import Message, Receive, Scope, Send
from zevm.rpc.transport.guard import Guard, Headers, Refusal
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


class Site(Protocol):
    """Serves some paths, as the explorer's and the verifier's (rpc.explorer)."""

    def serves(self, scope: Scope) -> bool:
        """Whether a request is the site's; otherwise it is answered as if there were no site."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        ...


class NodeApplication(FastAPI):
    """FastAPI behind the Guard, with POST / and /graphql handled directly, and WebSocket JSON-RPC on every path."""

    def __init__(
        self, services: Services, dispatcher: Dispatcher, graphql: Endpoint, sites: Sequence[Site], guard: Guard
    ) -> None:
        super().__init__(title="zEVM", docs_url=None, redoc_url=None, openapi_url=None)
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
            await super().__call__(scope, receive, send)

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
        elif scope["path"] in GRAPHQL_PATHS and not (method == "GET" and pages.asks_for_help(scope)):
            await self.graphql_endpoint(scope, receive, send)
        elif (site := next((site for site in self.sites if site.serves(scope)), None)) is not None:
            await site(scope, receive, send)
        elif scope["path"] == "/" and method not in ("GET", "HEAD"):
            await refuse(send, Refusal(405, "method not allowed"), [(b"allow", b"POST, GET, OPTIONS")])
        else:
            await super().__call__(scope, receive, _with_headers(send, self._guard.cors_headers(headers)))


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


def create_app(
    services: Services, dispatcher: Dispatcher, graphql: Endpoint, sites: Sequence[Site], guard: Guard
) -> FastAPI:
    """The application: POST /, /graphql, WebSockets, GET / and GET /health. More routes may be added to it.

    graphql: serves /graphql. sites: serve paths of their own, as the pages for browsers; the first that wants a request
    has it. The guard has let their requests in.
    """
    application = NodeApplication(services, dispatcher, graphql, sites, guard)

    @application.api_route("/", methods=["GET", "HEAD"])
    async def front_page(request: Request) -> Response:
        return pages.front_page(services, request)

    @application.get("/graphql")
    async def graphql_help(request: Request) -> Response:
        return pages.graphql_help(request)

    @application.exception_handler(404)
    async def nothing_here(request: Request, _: Exception) -> Response:
        return pages.nothing_here(request)

    # a probe lets a database that refuses writes try again, so that one comes back that nobody writes to
    @application.get("/health")
    def health() -> JSONResponse:
        report, healthy = health_report(services)
        if services.chain.database.fault is not None:
            with suppress(WriterStoppedError):
                services.chain.writer.submit(services.chain.database.resume)
        return JSONResponse(report, status_code=200 if healthy else 503)

    return application


def health_report(services: Services) -> tuple[dict[str, object], bool]:
    """Head number, its age in seconds, whether the database returns the head intact, and whether it accepts writes.

    Of a node that follows another, also how far it is.
    """
    head = services.chain.head.header
    try:
        stored = services.chain.header_by_number(head.number)
        intact = stored is not None and stored.hash == head.hash
        fault = services.chain.database.fault
        database = ("ok" if fault is None else told(fault)) if intact else "the head block is not readable"
    except Exception as error:
        database = told(error)
    following, keeps_up = _following(services)
    healthy = database == "ok" and keeps_up
    return {
        "status": "ok" if healthy else "failing",
        "client": services.client_version,
        "head": head.number,
        "headHash": "0x" + head.hash.hex(),
        "ageSeconds": max(0, int(time.time()) - head.timestamp),
        "database": database,
        **following,
    }, healthy


def _following(services: Services) -> tuple[dict[str, object], bool]:
    """How far a follower is, and whether that is near enough: a leader that is gone leaves its followers healthy."""
    if services.leader is None:
        return {}, True
    report = services.leader.report()
    behind = None if report.head is None else max(0, report.head - services.chain.head.number)
    near = behind is None or behind <= services.limits.replica_behind_blocks
    return {
        "leader": services.leader.address,
        "connected": report.connected,
        "behind": behind,
        "heardSeconds": None if report.heard_seconds is None else round(report.heard_seconds, 1),
        "refusal": report.refusal,
    }, near and report.refusal is None


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return forward if extra else send
