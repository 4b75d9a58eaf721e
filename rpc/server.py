"""The listening server: HTTP and WebSocket on every host's port, the consensus client's port, and the IPC socket.

It runs inside the node's event loop on uvicorn's protocols, and leaves signals to the node. A stop closes every
connection, so that a thousand open sockets do not keep the process alive.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zevm.chain.events import Event, HeadChanged, TransactionAdded
from zevm.rpc import methods
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.execution.workers import Waits, Workers
from zevm.rpc.explorer.endpoint import Explorer
from zevm.rpc.explorer.verification.endpoint import VerificationEndpoint
from zevm.rpc.graphql.endpoint import GraphqlEndpoint
from zevm.rpc.methods.support.following import registry_of_follower
from zevm.rpc.notifications.events import HeadEvent, TransactionEvent
from zevm.rpc.registry import REGISTRY, Registry
from zevm.rpc.services import Services
from zevm.rpc.transport.direct import Door
from zevm.rpc.transport.engine_port import EngineApplication, EnginePortOptions
from zevm.rpc.transport.guard import Guard
from zevm.rpc.transport.http import NodeApplication
from zevm.rpc.transport.in_process import InProcess
from zevm.rpc.transport.ipc import IpcServer
from zevm.rpc.transport.listener import ENGINE_FLAGS, HTTP_FLAGS, NAMES_FLAGS, AddressInUseError, Listener
from zevm.rpc.transport.names.options import NamesPortOptions
from zevm.rpc.transport.names.port import NamesApplication
from zevm.rpc.transport.quic.options import OpenQuicPort, QuicFigures, QuicPortOptions

__all__ = ["AddressInUseError", "Server", "ServerOptions"]

LOGGER = logging.getLogger("zevm.rpc")
SWITCH_INTERVAL_SECONDS = 0.0005
"""How long a running execution may hold the interpreter while the event loop waits."""

DRAIN_SECONDS = 1.5
"""Time for running requests to finish once the server stops."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Listening addresses and access rules.

    hosts: names or addresses; with none, only callers in this process are served. port: 0 chooses a free one.
    allow_origins, allow_hosts: see rpc.transport.guard.Guard. ipc_path: the Unix socket, or None. engine: the
    consensus client's port, or None. quic: the QUIC port, or None. names: the name resolver's port, or None.
    direct_http: answer POST / without the application (rpc.transport.direct). explorer: whether browsers see the chain;
    None: those of this computer. verifier: whether all clients may have contracts verified; None: those of this
    computer, on chains for development.
    """

    hosts: Sequence[str] = ("127.0.0.1",)
    port: int = 8545
    allow_origins: Sequence[str] = field(default=())
    allow_hosts: Sequence[str] = field(default=())
    ipc_path: Path | None = None
    engine: EnginePortOptions | None = None
    quic: QuicPortOptions | None = None
    names: NamesPortOptions | None = None
    direct_http: bool = True
    explorer: bool | None = None
    verifier: bool | None = None


class Server:
    """Everything between the sockets and the methods. Created and used on the event loop."""

    def __init__(self, services: Services, options: ServerOptions, registry: Registry | None = None) -> None:
        if registry is None:
            methods.load()
            registry = REGISTRY
        public = registry.public()
        if services.leader is not None:
            public = registry_of_follower(public)
        limits = services.limits
        self._services = services
        self._options = options
        self._workers = Workers(
            limits.evm_workers,
            queue_ms=limits.evm_queue_ms,
            timeout_seconds=limits.evm_timeout_seconds,
            waits=Waits(limits.fork_waits, limits.fork_wait_seconds),
        )
        self.dispatcher = Dispatcher(public, services, self._workers)
        guard = Guard(options.allow_origins, options.allow_hosts)
        graphql = GraphqlEndpoint(services, self._workers, guard)
        explorer = Explorer(services, self.dispatcher, is_open=options.explorer)
        verification = VerificationEndpoint(services, self._workers, is_open=options.verifier)
        self.app = NodeApplication(services, self.dispatcher, graphql, (explorer, verification), guard)
        door = Door(self.dispatcher, guard, limits, services.budgets.input) if options.direct_http else None
        self._public = Listener(self.app if door else self.app.fastapi(), limits, services.budgets, HTTP_FLAGS, door)
        self.engine: EngineApplication | None = None
        self._engine_listener: Listener | None = None
        if options.engine is not None:
            self.engine = EngineApplication(services, registry, self._workers, options.engine)
            self._engine_listener = Listener(self.engine, self.engine.limits, self.engine.budgets, ENGINE_FLAGS)
        self._names_listener: Listener | None = None
        if options.names is not None:
            names = NamesApplication(services, self._workers, options.names)
            self._names_listener = Listener(names, limits, services.budgets, NAMES_FLAGS)
        chosen = (self._public, self._engine_listener, self._names_listener)
        self._listeners = [listener for listener in chosen if listener is not None]
        self._ipc: IpcServer | None = None
        self._in_process: InProcess | None = None
        self.quic: OpenQuicPort | None = None
        """The QUIC port, once it is served."""
        self._cancel_events: Callable[[], None] | None = None

    @property
    def in_process(self) -> InProcess:
        """For callers in this process, once the server has started."""
        assert self._in_process is not None
        return self._in_process

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The public addresses: host and port."""
        return self._public.addresses

    @property
    def engine_addresses(self) -> list[tuple[str, int]]:
        """The addresses of the consensus client's port."""
        return [] if self._engine_listener is None else self._engine_listener.addresses

    @property
    def names_addresses(self) -> list[tuple[str, int]]:
        """The addresses of the name resolver's port."""
        return [] if self._names_listener is None else self._names_listener.addresses

    async def start(self) -> None:
        """Bind and serve. Raises AddressInUseError or IpcError, with nothing left open."""
        self._listen_to_chain()
        self._in_process = InProcess(self._services, self.dispatcher)
        try:
            await self.listen(self._options.hosts, self._options.port)
            for listener, port in (
                (self._engine_listener, self._options.engine),
                (self._names_listener, self._options.names),
            ):
                if listener is not None and port is not None:
                    await listener.bind(port.hosts, port.port)
            if self._options.ipc_path is not None:
                self._ipc = IpcServer(self._services, self.dispatcher, self._options.ipc_path)
                await self._ipc.start()
            if self._options.quic is not None:
                await self._start_quic(self._options.quic)
        except BaseException:
            await self.stop()
            raise

    async def listen(self, hosts: Sequence[str], port: int) -> None:
        """Serve everybody on every host, on the same port; 0 takes a free one. Raises AddressInUseError."""
        await self._public.bind(hosts, port)

    async def stop(self) -> None:
        """Refuse new connections, give running requests a short time, close every connection. Idempotent."""
        for listener in self._listeners:
            listener.close()
        if self._cancel_events is not None:
            self._cancel_events()
            self._cancel_events = None
        if self._in_process is not None:
            await self._in_process.close()
        if self._ipc is not None:
            await self._ipc.stop()
        if self.quic is not None:
            self.quic.close()
        await self._drain()
        for listener in self._listeners:
            listener.abort()
        await self._drain()
        self._workers.close()

    def join(self) -> None:
        """Wait until the threads of a stopped server have ended. Not on the event loop."""
        self._workers.join()

    @property
    def quic_addresses(self) -> list[tuple[str, int]]:
        """The addresses of the QUIC port."""
        return [] if self.quic is None else self.quic.addresses

    @property
    def quic_key_hash(self) -> bytes | None:
        """SHA-256 of the QUIC port's public key, by which clients may know it; None if the port is not served."""
        return None if self.quic is None else self.quic.server_key_hash

    def quic_figures(self) -> QuicFigures | None:
        """Figures of the QUIC port, for metrics; None if it is not served."""
        return None if self.quic is None else self.quic.figures()

    def connection_count(self) -> int:
        """Open HTTP and WebSocket connections, for metrics."""
        return sum(listener.connection_count for listener in self._listeners)

    async def _start_quic(self, options: QuicPortOptions) -> None:
        # the QUIC library is an extra's
        from zevm.rpc.transport.quic.certificates import identity_of
        from zevm.rpc.transport.quic.protocols import table_of
        from zevm.rpc.transport.quic.server import QuicPort

        identity = identity_of(options)
        table = table_of(self._services, self.dispatcher, options, identity, self.app)
        services = self._services
        port = QuicPort(
            options, services.limits, table.protocols, identity, table.executions, services.budgets.released
        )
        await port.start()
        self.quic = port

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                for listener in self._listeners:
                    await listener.drain()

    def _listen_to_chain(self) -> None:
        loop = asyncio.get_running_loop()

        def listener(event: Event) -> None:
            # waking the event loop costs the writer time; a listener that subscribes now need not receive this event
            if not (self._services.filters.hears(event) or self._services.subscriptions.hears(event)):
                return
            # after the loop has ended there is no listener
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
