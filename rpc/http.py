"""JSON-RPC over HTTP, and the pages beside it, as one FastAPI application.

POST / takes a short cut past routing and middleware: it is where the traffic is. Everything passes
the Guard first. Status codes are geth's; a JSON-RPC error is always HTTP 200.
"""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse

from rpc.dispatch import Dispatcher, Reply
from rpc.security import Guard, Headers, Refusal, header
from rpc.services import Services
from rpc.websocket import WebSocketEndpoint

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONTENT_TYPES = frozenset({b"application/json", b"application/json-rpc", b"application/jsonrequest"})
COMPRESS_BYTES = 65_536
"""Answers from this size on are compressed for clients on other machines that accept gzip."""

_CLOSE = (b"connection", b"close")
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class BodyError(Exception):
    """The body cannot be taken: too large, too slow, or cut short."""

    def __init__(self, refusal: Refusal | None) -> None:
        super().__init__("" if refusal is None else refusal.reason)
        self.refusal = refusal


class NodeApplication(FastAPI):
    """FastAPI with the Guard in front, POST / beside the router, and JSON-RPC over WebSocket on every path."""

    def __init__(self, services: Services, dispatcher: Dispatcher, guard: Guard) -> None:
        super().__init__(title="zEVM", docs_url=None, redoc_url=None, openapi_url=None)
        self.endpoint = HttpEndpoint(services, dispatcher, guard)
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
        elif scope["path"] == "/" and method not in ("GET", "HEAD"):
            await refuse(send, Refusal(405, "method not allowed"), [(b"allow", b"POST, GET, OPTIONS")])
        else:
            await super().__call__(scope, receive, _with_headers(send, self._guard.cors_headers(headers)))


class HttpEndpoint:
    """POST /: reads the body within its limits, answers it, and gives up waiting calls when the client leaves."""

    def __init__(self, services: Services, dispatcher: Dispatcher, guard: Guard) -> None:
        self._limits = services.limits
        self._dispatcher = dispatcher
        self._guard = guard
        self._content_types: dict[bytes | None, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers: Headers = scope["headers"]
        refusal = self._check(headers)
        if refusal is not None:
            await refuse(send, refusal, self._guard.cors_headers(headers))
            return
        try:
            body = await self._read(receive)
        except BodyError as error:
            if error.refusal is not None:
                await refuse(send, error.refusal, self._guard.cors_headers(headers))
            return
        reply = self._dispatcher.begin(body)
        if isinstance(reply, asyncio.Future):
            reply = await reply
        elif reply is not None and not isinstance(reply, bytes):
            answered, reply = await self._wait(reply, receive)
            if not answered:
                return
        await self._send(scope, send, reply or b"")

    def _check(self, headers: Headers) -> Refusal | None:
        length = content_type = None
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = value
        if length is not None and not length.isdigit():
            return Refusal(400, "invalid content length")
        if length is not None and int(length[:20]) > self._limits.http_body_bytes:
            return self._too_large(int(length[:20]))
        if not self._is_json(content_type):
            return Refusal(415, "invalid content type, only application/json is supported")
        return None

    def _is_json(self, content_type: bytes | None) -> bool:
        known = self._content_types.get(content_type)
        if known is None:
            essence = (content_type or b"").partition(b";")[0].strip().lower()
            known = essence in CONTENT_TYPES
            if len(self._content_types) < 256:
                self._content_types[content_type] = known
        return known

    def _too_large(self, size: int) -> Refusal:
        return Refusal(413, f"content length too large ({size}>{self._limits.http_body_bytes})")

    async def _read(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > self._limits.http_body_bytes:
                raise BodyError(self._too_large(len(body)))
            return body
        try:
            async with asyncio.timeout(self._limits.http_header_seconds):
                return await self._read_rest(message, receive)
        except TimeoutError:
            raise BodyError(Refusal(408, "the body did not arrive in time")) from None

    async def _read_rest(self, message: Message, receive: Receive) -> bytes:
        parts = []
        size = 0
        while True:
            if message["type"] != "http.request":
                raise BodyError(None)
            part = message.get("body", b"")
            size += len(part)
            if size > self._limits.http_body_bytes:
                raise BodyError(self._too_large(size))
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()

    async def _wait(self, pending: Coroutine[Any, Any, Reply], receive: Receive) -> tuple[bool, Reply]:
        """Run a call; (False, None) when the client left before its end."""
        loop = asyncio.get_running_loop()
        work = loop.create_task(pending)
        left = loop.create_task(_disconnect(receive))
        try:
            await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return True, work.result()
            return False, None
        finally:
            work.cancel()
            left.cancel()

    async def _send(self, scope: Scope, send: Send, body: bytes) -> None:
        headers: Headers = scope["headers"]
        extra = self._guard.cors_headers(headers)
        if len(body) >= COMPRESS_BYTES and _wants_gzip(scope):
            body = await asyncio.to_thread(_gzip, body)
            extra = [*extra, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        await respond(send, 200, [_JSON, *extra], body)


def create_app(services: Services, dispatcher: Dispatcher, guard: Guard | None = None) -> FastAPI:
    """The application: POST /, WebSockets, GET / and GET /health. More routes (metrics) may be added to it."""
    application = NodeApplication(services, dispatcher, guard or Guard())

    @application.api_route("/", methods=["GET", "HEAD"])
    def greeting() -> PlainTextResponse:
        return PlainTextResponse(f"{services.client_version}: send JSON-RPC with POST, or open a WebSocket\n")

    @application.get("/health")
    def health() -> JSONResponse:
        report, healthy = health_report(services)
        return JSONResponse(report, status_code=200 if healthy else 503)

    return application


def health_report(services: Services) -> tuple[dict[str, object], bool]:
    """Head number, its age in seconds, and whether the database still gives the head back intact."""
    head = services.chain.head.header
    try:
        stored = services.chain.header_by_number(head.number)
        database = "ok" if stored is not None and stored.hash == head.hash else "the head block is not readable"
    except Exception as error:
        database = str(error)
    healthy = database == "ok"
    return {
        "status": "ok" if healthy else "failing",
        "client": services.client_version,
        "head": head.number,
        "headHash": "0x" + head.hash.hex(),
        "ageSeconds": max(0, int(time.time()) - head.timestamp),
        "database": database,
    }, healthy


async def respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole response."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refusal: Refusal, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Send a refusal as plain text and close the connection: the rest of its body is not wanted."""
    await respond(send, refusal.status, [*(headers or ()), _TEXT, _CLOSE], refusal.reason.encode() + b"\n")


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wants_gzip(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None or str(client[0]).startswith("127.") or client[0] == "::1":
        return False
    return b"gzip" in (header(scope["headers"], b"accept-encoding") or b"")


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def _with_headers(send: Send, extra: list[tuple[bytes, bytes]]) -> Send:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *extra]
        await send(message)

    return forward if extra else send
