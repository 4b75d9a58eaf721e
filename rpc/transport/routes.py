"""The FastAPI application: everything that a node answers over HTTP and WebSocket, behind the Guard.

Most requests go a shorter way (transport.http) to the same endpoints. The library takes a while to import, so that this
module is imported with the first request that needs it.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.rpc.errors import told
from zevm.rpc.services import Services
from zevm.rpc.transport import pages
from zevm.rpc.transport.asgi import Endpoint, Message, Receive, Scope, Send
from zevm.rpc.transport.guard import Guard
from zevm.rpc.transport.http_bodies import refuse

EndpointOf = Callable[[Scope], Endpoint | None]


def create_fastapi(services: Services, guard: Guard, endpoint_of: EndpointOf, added: Mapping[str, Endpoint]) -> FastAPI:
    """The application, whole. endpoint_of: what serves a request in place of the routes here. added: more, by path."""
    application = FastAPI(title="zEVM", docs_url=None, redoc_url=None, openapi_url=None)
    application.add_middleware(_Guarded, guard, endpoint_of)
    application.router.routes.append(_Endpoints(endpoint_of))
    for path, endpoint in added.items():
        application.add_route(path, endpoint)  # type: ignore[arg-type]

    @application.api_route("/", methods=["GET", "HEAD"])
    async def front_page(request: Request) -> Response:
        return pages.front_page(services, request)

    @application.get("/graphql")
    async def graphql_help(request: Request) -> Response:
        return pages.graphql_help(request)

    @application.exception_handler(404)
    async def nothing_here(request: Request, _: Exception) -> Response:
        return pages.nothing_here(request)

    retry = _Retry(services.chain)

    # a probe lets a database that refuses writes try again, so that one comes back that nobody writes to
    @application.get("/health")
    def health() -> JSONResponse:
        report, healthy = health_report(services)
        retry.begin()
        return JSONResponse(report, status_code=200 if healthy else 503)

    return application


class _Retry:
    """Tries whether a database that refuses writes takes them again: one try at a time, however many ask."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._last: Future[None] | None = None

    def begin(self) -> None:
        """Have the chain's writer try, where that helps."""
        if self._chain.database.fault is None or not (self._last is None or self._last.done()):
            return
        with suppress(WriterStoppedError):
            self._last = self._chain.writer.submit(self._chain.database.resume)


class _Guarded:
    """Middleware: refuses what the guard refuses, and lets pages of other sites read what the routes here answer."""

    def __init__(self, app: Endpoint, guard: Guard, endpoint_of: EndpointOf) -> None:
        self._app = app
        self._guard = guard
        self._endpoint_of = endpoint_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = scope["headers"]
            refusal = self._guard.check(headers)
            if refusal is not None:
                await refuse(send, refusal)
                return
            if self._endpoint_of(scope) is None:
                send = _with_headers(send, self._guard.cors_headers(headers))
        await self._app(scope, receive, send)


class _Endpoints(BaseRoute):
    """One route for all that has an endpoint of its own, WebSockets on every path too."""

    def __init__(self, endpoint_of: EndpointOf) -> None:
        self._endpoint_of = endpoint_of

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether there is one."""
        endpoint = self._endpoint_of(scope)
        return (Match.NONE, {}) if endpoint is None else (Match.FULL, {"endpoint": endpoint})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        await scope["endpoint"](scope, receive, send)


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
