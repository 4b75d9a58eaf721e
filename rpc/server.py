"""The listening server: HTTP and WebSocket on every host's port, and the IPC socket.

It runs inside the node's event loop on uvicorn's protocols, and leaves signals to the node. Stopping
closes every connection itself, so that a thousand open sockets do not keep the process.
"""

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import FastAPI
from uvicorn.config import Config

from chain.events import Event, HeadChanged, TransactionAdded
from rpc import methods
from rpc.dispatch import Dispatcher
from rpc.events import HeadEvent, TransactionEvent
from rpc.http import create_app
from rpc.ipc import IpcServer
from rpc.limits import Limits
from rpc.protocols import HttpProtocol, SharedState, WebSocketProtocol
from rpc.registry import REGISTRY, Registry
from rpc.security import Guard
from rpc.services import Services
from rpc.workers import Workers

LOGGER = logging.getLogger("zevm.rpc")
SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a running execution may keep the interpreter while the event loop waits for it."""

DRAIN_SECONDS = 1.5
"""What requests under way get to end in, once the server stops."""


class AddressInUseError(RuntimeError):
    """The address cannot be bound; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where to listen and whom to let in.

    hosts: names or addresses. port: 0 takes a free one. allow_origins, allow_hosts: see rpc.security.Guard.
    ipc_path: the Unix socket, or None.
    """

    hosts: Sequence[str] = ("127.0.0.1",)
    port: int = 8545
    allow_origins: Sequence[str] = field(default=())
    allow_hosts: Sequence[str] = field(default=())
    ipc_path: Path | None = None


class Server:
    """Everything between the sockets and the methods. Made and used on the event loop."""

    def __init__(self, services: Services, options: ServerOptions, registry: Registry | None = None) -> None:
        if registry is None:
            methods.load()
            registry = REGISTRY
        limits = services.limits
        self._services = services
        self._options = options
        self._workers = Workers(
            limits.evm_workers, queue_ms=limits.evm_queue_ms, timeout_seconds=limits.evm_timeout_seconds
        )
        self.dispatcher = Dispatcher(registry, services, self._workers)
        self.app: FastAPI = create_app(services, self.dispatcher, Guard(options.allow_origins, options.allow_hosts))
        self._state = SharedState(limits)
        self._listeners: list[asyncio.Server] = []
        self._ipc: IpcServer | None = None
        self._cancel_events: Callable[[], None] | None = None
        self.addresses: list[tuple[str, int]] = []

    async def start(self) -> None:
        """Bind and serve. Raises AddressInUseError or IpcError; nothing stays open then."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        self._listen_to_chain()
        try:
            await self._bind()
            if self._options.ipc_path is not None:
                self._ipc = IpcServer(self._services, self.dispatcher, self._options.ipc_path)
                await self._ipc.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Refuse new connections, let requests under way end shortly, close every connection. Idempotent."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        if self._cancel_events is not None:
            self._cancel_events()
            self._cancel_events = None
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._ipc is not None:
            await self._ipc.stop()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=DRAIN_SECONDS)
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=DRAIN_SECONDS)
        self._workers.close()

    def connection_count(self) -> int:
        """Open HTTP and WebSocket connections, for metrics."""
        return len(self._state.connections)

    def _listen_to_chain(self) -> None:
        loop = asyncio.get_running_loop()

        def listener(event: Event) -> None:
            # waking the event loop costs the writer its turn; who begins to listen now is not owed this event
            if not (self._services.filters.any_open or self._services.subscriptions.any_open):
                return
            # after the loop's end there is nobody left to tell
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._publish, event)

        self._cancel_events = self._services.chain.events.subscribe(listener)

    def _publish(self, event: Event) -> None:
        if isinstance(event, HeadChanged):
            translated: HeadEvent | TransactionEvent = HeadEvent(event)
        elif isinstance(event, TransactionAdded):
            translated = TransactionEvent(event.transaction)
        else:
            return
        self._services.filters.publish(translated)
        self._services.subscriptions.publish(translated)

    async def _bind(self) -> None:
        config = _uvicorn_config(self.app, self._services.limits)
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return HttpProtocol(config, self._state, {}, loop)

        port = self._options.port
        for host in self._options.hosts:
            try:
                listener = await loop.create_server(protocol, host, port, backlog=2_048)
            except OSError as error:
                raise AddressInUseError(_bind_failure(host, port, error)) from error
            self._listeners.append(listener)
            bound = listener.sockets[0].getsockname()
            self.addresses.append((bound[0], bound[1]))
            port = bound[1]


def _bind_failure(host: str, port: int, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"cannot listen on {host}: no such host name ({error.strerror})"
    reason = error.strerror or str(error)
    return f"cannot listen on {host}:{port}: {reason}; stop what uses the port, or give another one with --port"


def _uvicorn_config(app: FastAPI, limits: Limits) -> Config:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = Config(
        app,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=limits.websocket_message_bytes,
        ws_ping_interval=limits.websocket_ping_seconds,
        ws_ping_timeout=limits.websocket_ping_seconds,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=limits.http_idle_seconds,  # type: ignore[arg-type]
    )
    config.load()
    return config
