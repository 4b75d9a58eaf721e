"""The consensus client's port: JSON-RPC over HTTP and WebSocket with a token, for the methods of engine and eth only.

The token is checked first, then the Host header and web origins.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.workers import Workers
from zevm.rpc.limits import Limits
from zevm.rpc.registry import Registry
from zevm.rpc.services import Services
from zevm.rpc.transport.asgi import Receive, Scope, Send
from zevm.rpc.transport.guard import Guard, Refusal
from zevm.rpc.transport.http import HttpEndpoint
from zevm.rpc.transport.http_bodies import refuse, respond
from zevm.rpc.transport.jwt import Authenticator
from zevm.rpc.transport.websocket import WebSocketEndpoint, refuse_websocket

LOGGER = logging.getLogger("zevm.rpc")
TELL_SECONDS = 60.0
"""Least time between two lines of the log about refused tokens: a client with a wrong secret tries every second."""

NAMESPACES = ("engine", "eth")
"""As in geth; the specification requires nine methods of eth."""


@dataclass(frozen=True, slots=True)
class EnginePortOptions:
    """hosts: names or addresses to listen on. port: 0 chooses one. allow_hosts: see rpc.transport.guard.Guard."""

    secret: bytes = field(repr=False)
    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 8551
    allow_hosts: tuple[str, ...] = ()


def engine_limits(limits: Limits) -> Limits:
    """The limits of the consensus client's port: payloads are larger than other requests."""
    size = max(limits.engine_body_bytes, limits.http_body_bytes)
    return replace(
        limits,
        http_body_bytes=size,
        input_bytes=max(4 * size, limits.input_bytes),
        websocket_message_bytes=max(limits.engine_body_bytes, limits.websocket_message_bytes),
    )


class RefusedTokens:
    """Tells of refused tokens in the log, at most once a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told_at: float | None = None

    def tell(self, reason: str) -> None:
        """A token was refused."""
        now = self._now()
        if self._told_at is not None and now - self._told_at < TELL_SECONDS:
            return
        self._told_at = now
        LOGGER.warning(
            "a consensus client was refused: %s; give it the secret's file of this node, and check both clocks", reason
        )


class EngineApplication:
    """The ASGI application of the port."""

    def __init__(self, services: Services, registry: Registry, workers: Workers, options: EnginePortOptions) -> None:
        own = services.with_limits(engine_limits(services.limits))
        guard = Guard(allow_hosts=options.allow_hosts, host_flag="--authrpc-vhosts", origin_flag=None)
        self.dispatcher = Dispatcher(registry.within(NAMESPACES), own, workers)
        self.limits, self.budgets = own.limits, own.budgets
        self._authenticator = Authenticator(options.secret)
        self._guard = guard
        self._refused = RefusedTokens()
        self._http = HttpEndpoint(own, self.dispatcher, guard)
        self._websocket = WebSocketEndpoint(own, self.dispatcher, guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        refusal = self._authenticator.check(scope["headers"])
        if refusal is not None:
            self._refused.tell(refusal.reason)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._websocket(scope, receive, send)
                return
            await receive()
            await refuse_websocket(send, refusal)
            return
        await self._serve_http(scope, receive, send, refusal or self._guard.check(scope["headers"]))

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send, refusal: Refusal | None) -> None:
        if refusal is not None:
            await refuse(send, refusal)
        elif scope["method"] == "POST":
            await self._http(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            # geth's answer to a probe: an empty 200
            await respond(send, 200, [], b"")
        else:
            await refuse(send, Refusal(405, "method not allowed"), [(b"allow", b"POST, GET")])
