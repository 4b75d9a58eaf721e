"""The core of every node: keys, chain and server, and the order in which they start and stop."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from typing import Protocol

from coincurve import PrivateKey

from zevm import __version__
from zevm.analysis.catalogue import Catalogue
from zevm.analysis.debug_log import DebugLog
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Timeline
from zevm.chain.canonical.old_nodes import remove_old_nodes
from zevm.chain.canonical.pruning import prune_in_steps
from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.threads import on_own_thread
from zevm.chain.errors import ChainError
from zevm.chain.events import Event, HeadChanged, PayloadExecuted, TransactionAdded, TransactionsDropped
from zevm.chain.vm.engines.engine import engine_named
from zevm.chain.vm.tracer import Watcher
from zevm.contracts.revert_reasons import Decoder
from zevm.node.colours import painter
from zevm.node.consensus_watch import ConsensusWatch
from zevm.node.contract_verifier import contract_verifier
from zevm.node.errors import NodeError
from zevm.node.forks import Forks
from zevm.node.forwarding import Forwarder
from zevm.node.hints import told
from zevm.node.keystore import FOLDER_NAME, Keystore
from zevm.node.logs import Formatter, JsonFormatter, NodeLog
from zevm.node.metrics import Metrics
from zevm.node.mnemonic import derive_keys, random_mnemonic
from zevm.node.network import forget_replaced, give_up_replaced, limits_for, open_chain, opened_database
from zevm.node.origin.fork import Fork
from zevm.node.passwords import unlock_keys
from zevm.node.preflight import check_merged, ipc_path, jwt_secret_path, names_port, quic_port, read_jwt_secret
from zevm.node.replication import dialling
from zevm.node.replication.bootstrap import with_leaders_genesis
from zevm.node.replication.service import Replication
from zevm.node.replication.stream import Dial
from zevm.node.settings import NodeSettings
from zevm.node.state_file import StateFile
from zevm.node.wallet import KeyWallet, address_of
from zevm.node.zig_compiler import compile_service
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.registry import AUTHENTICATED_NAMESPACES, namespace_of
from zevm.rpc.server import AddressInUseError, Server, ServerOptions
from zevm.rpc.services import Services
from zevm.rpc.transport.engine_port import EnginePortOptions
from zevm.rpc.transport.ipc import IpcError
from zevm.rpc.transport.quic.options import QuicError
from zevm.storage.errors import StorageError

LOGGER = logging.getLogger("zevm.node")
SLOW_ENGINE_SECONDS = 1.0
"""A longer call of the consensus client logs a warning; by its specification, the client gives up after 8 s."""


@contextmanager
def told_as_node_errors() -> Iterator[None]:
    """Turn errors of the lower packages at a start into NodeError."""
    try:
        yield
    except (AddressInUseError, IpcError, QuicError, StorageError, ChainError) as error:
        raise NodeError(told(error)) from error


class Spans(Protocol):
    """Receives calls and events for traces (node.telemetry.Telemetry)."""

    def called(self, method: str, seconds: float, error: Exception | None) -> None: ...

    def on_event(self, event: Event) -> None: ...

    def close(self) -> None: ...


class Observers:
    """Tells each call to log, metrics and traces, and each call of the consensus client to its watch (CallLog)."""

    def __init__(
        self,
        count: Callable[[str, object, float, Exception | None], None],
        log: NodeLog | None,
        watch: ConsensusWatch | None = None,
        spans: Spans | None = None,
    ) -> None:
        self._count = count
        self._log = log
        self._watch = watch
        self._spans = spans

    def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:
        """An answered call."""
        self._count(method, params, seconds, error)
        if seconds > SLOW_ENGINE_SECONDS and namespace_of(method) in AUTHENTICATED_NAMESPACES:
            LOGGER.warning("%s took %.1f s: the consensus client may miss a slot over it", method, seconds)
        if self._watch is not None and namespace_of(method) in AUTHENTICATED_NAMESPACES:
            self._watch.called()
        if self._log is not None:
            self._log.called(method, params, seconds, error)
        if self._spans is not None:
            self._spans.called(method, seconds, error)

    def set_logging(self, enabled: bool) -> None:
        """Switch the log of calls and blocks."""
        if self._log is not None:
            self._log.enabled = enabled


class Serving:
    """A node that answers requests. `until` starts timed blocks and holds the tasks that run with the server."""

    def __init__(self, settings: NodeSettings, chain: Chain, server: Server, state_file: StateFile) -> None:
        self._settings = settings
        self._chain = chain
        self._state_file = state_file
        self.server = server

    async def until(self, stopping: asyncio.Event) -> None:
        """Go on until the event comes: the start has succeeded, and what it made stays. Raises StorageError."""
        self._chain.database.keep()
        give_up_replaced(self._settings)
        ending = Cancellation()
        removal = partial(remove_old_nodes, self._chain, ending)
        pruning = partial(prune_in_steps, self._chain, ending)
        deletions = [asyncio.create_task(on_own_thread(work)) for work in (self._forget_replaced, removal, pruning)]
        try:
            self._chain.start()
            await self._state_file.keep_until(stopping)
        finally:
            ending.cancel()
            await asyncio.gather(*deletions)

    def _forget_replaced(self) -> None:
        try:
            forget_replaced(self._settings)
        except StorageError as error:
            LOGGER.warning("%s; the next start deletes it", error)


class NodeCore:
    """Everything that one node holds. `opened` frames the chain's life, and in it `served` the server's."""

    def __init__(
        self,
        settings: NodeSettings,
        *,
        listens: bool = True,
        watcher: Watcher | None = None,
        name: str = "",
        timeline: Timeline | None = None,
    ) -> None:
        """`listens`: whether the server takes the port of the settings by itself. watcher: in place of --debug's.

        name, timeline: one of several chains of the process, by which its log is told from the others', and their time.
        """
        self.name = name
        self._timeline = timeline
        words = settings.mnemonic_random
        self.settings = settings
        self._listens = listens
        self._watcher = watcher
        self.mnemonic = settings.mnemonic if words is None else random_mnemonic(words)
        self.keys = derive_keys(self.mnemonic, settings.derivation_path, settings.accounts)
        self._wallet = KeyWallet([*self.keys, *self._unlocked_keys()])
        self._decoder = Decoder(*settings.artifacts)
        self.catalogue = Catalogue(settings.artifacts)
        self._log = None if settings.quiet else self._new_log()
        self._chain: Chain | None = None
        self._dial: Dial | None = None
        self.replication: Replication | None = None
        self.watch: ConsensusWatch | None = None
        self._forks: Forks | None = None
        self._is_new = False

    @property
    def chain(self) -> Chain:
        """The open chain."""
        assert self._chain is not None
        return self._chain

    @property
    def fork(self) -> Fork | None:
        """The fork that the chain is, None for a chain of its own."""
        return None if self._forks is None else self._forks.current

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the chain open; on exit, close it and the database within the time limit of a stop."""
        self._dial = dialling.dial_of(self.settings)
        with ExitStack() as stack:
            accounts = [address_of(key) for key in self.keys]
            forks = self._forks = Forks(self.settings, accounts)
            stack.callback(forks.close)
            fork = forks.begin()
            database = stack.enter_context(opened_database(self.settings, None if fork is None else fork.origin))
            for warning in database.warnings:
                LOGGER.warning("%s", warning)
            if database.unclean_stop:
                LOGGER.warning("the node was not stopped cleanly; the newest blocks have been checked")
            self._is_new = database.ledger.head() is None
            if self._dial is not None and self._is_new:
                self.settings = with_leaders_genesis(self.settings, self._dial, default_client_version())
            settings = self.settings
            self._chain = open_chain(
                database,
                settings,
                accounts,
                watcher=self._watcher or self._debug_log(),
                forked=None if fork is None else fork.genesis,
                timeline=self._timeline,
            )
            stack.callback(self._chain.close)
            forks.serve(self._chain)
            if self._log is not None:
                self._log.start()
                stack.callback(self._log.close)
                stack.callback(self._chain.events.subscribe(self._log.on_event, HeadChanged, PayloadExecuted))
            yield

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Serving]:
        """Answer requests, in process and where the settings say to listen; the state file is read and written here."""
        replication = self.replication = Replication(self.chain, self.settings, self._dial, default_client_version())
        spans = self._spans()
        services, server = self._server(replication, spans)
        state_file = StateFile(self.settings, services)
        state_file.load(is_new=self._is_new)
        async with AsyncExitStack() as stack:
            if spans is not None:
                stack.push_async_callback(on_own_thread, spans.close)
                self.chain.events.subscribe(spans.on_event, PayloadExecuted)
            stack.callback(self._forwarder().close)
            if self.settings.zig_compiler:
                services.compiler = compiler = stack.enter_context(closing(compile_service(services.limits)))
                compiler.begin()
            if not self.settings.no_verifier:
                verifier = contract_verifier(self.settings, services.limits, self.catalogue)
                services.verifier = stack.enter_context(closing(verifier))
                verifier.begin()
            self.chain.take_up()
            await server.start()
            stack.push_async_callback(server.stop)
            stack.push_async_callback(replication.close)
            replication.start()
            if self.watch is not None:
                self.watch.start()
                stack.callback(self.watch.close)
            yield Serving(self.settings, self.chain, server, state_file)
        state_file.dump()

    def _forwarder(self) -> Forwarder:
        forwarder = Forwarder(self.chain, self.settings.forward_transactions, self.settings.limits)
        self.chain.events.subscribe(forwarder.on_event, TransactionAdded)
        forwarder.start()
        return forwarder

    def _spans(self) -> Spans | None:
        """Traces for the collector that the settings name."""
        if self.settings.otlp_endpoint is None:
            return None
        from zevm.node.telemetry import Telemetry

        return Telemetry(self.settings.otlp_endpoint, __version__)

    def _server(self, replication: Replication, spans: Spans | None) -> tuple[Services, Server]:
        settings = self.settings
        folder = None if settings.memory else settings.datadir
        metrics = Metrics(self.chain, folder)
        if settings.external_consensus:
            self.watch = ConsensusWatch(self.chain, jwt_secret_path(settings))
        services = Services(
            chain=self.chain,
            wallet=self._wallet,
            limits=limits_for(settings, self.chain),
            client_version=settings.client_version or own_version(settings),
            signs_as_geth=settings.sign_transaction_object,
            throws_on_failure=settings.throw_on_transaction_failure,
            instance_id=load_instance_id(self.chain.database),
            announced_version=announced_version(settings),
            call_log=Observers(metrics.called, self._log, self.watch, spans),
            decoder=self._decoder,
            catalogue=self.catalogue,
            leader=replication.follower,
            forking=self._forks,
        )
        options = ServerOptions(
            hosts=settings.host if self._listens else (),
            port=settings.port,
            allow_origins=settings.allow_origin,
            allow_hosts=settings.allow_host,
            ipc_path=ipc_path(settings),
            engine=self._engine_port(),
            quic=quic_port(settings),
            names=names_port(settings),
            direct_http=not settings.no_direct_http,
            explorer=False if settings.no_explorer else settings.explorer or None,
            verifier=settings.verifier or None,
        )
        server = Server(services, options)
        if settings.quic_port is not None:
            services.serve_replica = replication.lead(server.dispatcher.answer)
        metrics.watch_connections(server.connection_count)
        metrics.watch_brief_executions(server.dispatcher.brief)
        if options.quic is not None:
            metrics.watch_quic(server.quic_figures)
        metrics.watch_replication(replication)
        server.app.add_route("/metrics", metrics.endpoint())
        self.chain.events.subscribe(metrics.on_event, HeadChanged, TransactionsDropped)
        return services, server

    def _engine_port(self) -> EnginePortOptions | None:
        """The consensus client's port, if one is asked for. Raises NodeError if this chain does not allow it."""
        settings, chain = self.settings, self.chain
        if not settings.external_consensus:
            return None
        head = chain.head.header
        check_merged(chain.schedule, head.number, head.timestamp)
        secret = read_jwt_secret(settings)
        LOGGER.info("the Engine API's secret is in %s", jwt_secret_path(settings))
        return EnginePortOptions(secret, settings.authrpc_addr, settings.authrpc_port, settings.authrpc_vhosts)

    def _unlocked_keys(self) -> Sequence[PrivateKey]:
        settings = self.settings
        if not settings.unlock:
            return ()
        return unlock_keys(Keystore(settings.datadir / FOLDER_NAME), settings.unlock, settings.password_file)

    def _debug_log(self) -> DebugLog | None:
        """The tracers of all executions, under --debug."""
        if self._log is None or not self.settings.debug:
            return None
        return DebugLog(self.catalogue, self._decoder, self._log.executed)

    def _new_log(self) -> NodeLog:
        kind: Callable[..., Formatter] = JsonFormatter if self.settings.json_logs else Formatter
        settings = self.settings
        console = not settings.disable_console_log
        paint = str if settings.json_logs else painter(sys.stdout, settings.color)
        reason, external_consensus = self._decoder.revert_reason, settings.external_consensus
        return NodeLog(
            kind(reason, console=console, external_consensus=external_consensus, chain_name=self.name), paint=paint
        )


def announced_version(settings: NodeSettings) -> str:
    """The answer of web3_clientVersion.

    Hardhat's network helpers and other tools refuse a node whose answer does not begin with the name of a development
    node that they know. The answer begins with Anvil's name if the development methods are available (the node itself
    makes the blocks) and the operator has not set a name.
    """
    if settings.client_version is not None:
        return settings.client_version
    return own_version(settings) if settings.external_consensus else f"anvil/{own_version(settings)}"


def own_version(settings: NodeSettings) -> str:
    """The node's own name, and what runs the EVM's code: zEVM/v1.2.3/linux-x86_64/python3.11.7/evm-native."""
    return f"{default_client_version()}/evm-{engine_named(settings.evm).value}"


def default_client_version() -> str:
    """The node's own name: name, version, platform, language, as geth's."""
    machine = os.uname().machine
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"zEVM/v{__version__}/{sys.platform}-{machine}/python{python}"
