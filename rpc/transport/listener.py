"""One listening port inside the node's event loop, on uvicorn's protocols; it stops without waiting for clients."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config

from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import Budgets
from zevm.rpc.transport.direct import Door
from zevm.rpc.transport.protocols import HttpProtocol, SharedState


class AddressInUseError(RuntimeError):
    """The address cannot be bound; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class AddressFlags:
    """The flags that choose an address, for messages."""

    host: str
    port: str


HTTP_FLAGS = AddressFlags("--host", "--port")
ENGINE_FLAGS = AddressFlags("--authrpc-addr", "--authrpc-port")
NAMES_FLAGS = AddressFlags("--zns-host", "--zns-port")

# it tells each WebSocket's beginning and end; an importer's own choice stays
_LIBRARY_LOGGER = logging.getLogger("uvicorn.error")
if _LIBRARY_LOGGER.level == logging.NOTSET:
    _LIBRARY_LOGGER.setLevel(logging.ERROR)

_REMEDIES = {
    errno.EADDRINUSE: "stop what uses the port, or give another one with {port}",
    errno.EADDRNOTAVAIL: "give an address of this machine with {host}",
    errno.EACCES: "give a port above 1023 with {port}",
}
"""Reason of the operating system -> what the operator can do; for any other reason, another address."""


class Listener:
    """Serves an ASGI application over HTTP and WebSocket. door: of requests that need no application, or None."""

    def __init__(
        self,
        app: Callable[..., Any],
        limits: Limits,
        budgets: Budgets,
        flags: AddressFlags,
        door: Door | None = None,
    ) -> None:
        self._app = app
        self._limits = limits
        self._flags = flags
        self._state = SharedState(limits, budgets, door)
        self._listeners: list[asyncio.Server] = []
        self.addresses: list[tuple[str, int]] = []

    @property
    def tasks(self) -> list["asyncio.Task[None]"]:
        """Running requests."""
        return list(self._state.tasks)

    @property
    def connection_count(self) -> int:
        """Open HTTP and WebSocket connections."""
        return len(self._state.connections)

    async def bind(self, hosts: Sequence[str], port: int) -> None:
        """Listen on every host, on the same port; 0 chooses a free one. Raises AddressInUseError."""
        config = _uvicorn_config(self._app, self._limits)
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return HttpProtocol(config, self._state, {}, loop)

        for host in hosts:
            try:
                listener = await loop.create_server(protocol, host, port, backlog=2_048)
            except OSError as error:
                raise AddressInUseError(_bind_failure(host, port, self._flags, error)) from error
            self._listeners.append(listener)
            bound = listener.sockets[0].getsockname()
            self.addresses.append((bound[0], bound[1]))
            port = bound[1]

    def close(self) -> None:
        """Accept no more connections, and close each one after its request."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for connection in list(self._state.connections):
            connection.shutdown()

    async def drain(self) -> None:
        """Wait until every request is answered and its connection closed, WebSockets too."""
        await self._state.has_no_http.wait()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks)

    def abort(self) -> None:
        """Abort the open connections."""
        for task in self.tasks:
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()


def check_addresses(hosts: Sequence[str], port: int, flags: AddressFlags) -> None:
    """Raises AddressInUseError if a port cannot be bound now."""
    for host in hosts:
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                with socket.socket(family, kind, protocol) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind(address)
        except (OSError, UnicodeError) as error:
            raise AddressInUseError(_bind_failure(host, port, flags, error)) from error


def _bind_failure(host: str, port: int, flags: AddressFlags, error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        told = error.strerror if isinstance(error, OSError) else "empty or too long a label"
        reason, code = f"{host}: no such host name ({told})", errno.EADDRNOTAVAIL
    else:
        # the event loop's text repeats the address; from Python 3.13 on it has no number for an address of elsewhere
        code = error.errno or errno.EADDRNOTAVAIL
        reason = f"{host}:{port}: {os.strerror(code)}"
    remedy = _REMEDIES.get(code, "give another address with {host} and {port}")
    return f"cannot listen on {reason}; {remedy.format(host=flags.host, port=flags.port)}"


def _websocket_protocol(**parts: Any) -> asyncio.Protocol:
    """A connection that becomes a WebSocket. The first one imports the library, which many a node never needs."""
    from zevm.rpc.transport.websocket_protocol import WebSocketProtocol

    return WebSocketProtocol(**parts)


def _uvicorn_config(app: Callable[..., Any], limits: Limits) -> Config:
    config = Config(
        app,
        http=HttpProtocol,
        ws=_websocket_protocol,  # type: ignore[arg-type]
        ws_max_size=limits.websocket_message_bytes,
        ws_ping_interval=limits.websocket_ping_seconds,
        ws_ping_timeout=limits.websocket_ping_seconds,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=limits.http_idle_seconds,  # type: ignore[arg-type]
    )
    config.load()
    return config
