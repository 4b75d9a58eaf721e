"""The life of a node: open the chain, serve it, stop it cleanly."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import uvloop
from coincurve import PrivateKey

from zevm import __version__
from zevm.chain.blockchain import Chain
from zevm.chain.errors import ChainError
from zevm.chain.native.process import BLOBS
from zevm.chain.rules.forks import Fork
from zevm.node.banner import BannerFacts, banner, engine_listening, farewell, listening, write_config
from zevm.node.colours import painter
from zevm.node.commands.account import unlock_keys
from zevm.node.errors import NodeError, reason_of
from zevm.node.forwarding import Forwarder
from zevm.node.hints import told
from zevm.node.keystore import FOLDER_NAME, Keystore
from zevm.node.logs import Formatter, JsonFormatter, NodeLog, configure_logging
from zevm.node.metrics import Metrics
from zevm.node.mnemonic import derive_keys, random_mnemonic
from zevm.node.network import limits_for, open_chain, opened_database
from zevm.node.preflight import check_drivable, check_start, ipc_path, jwt_secret_path, read_jwt_secret
from zevm.node.settings import NodeSettings
from zevm.node.state_file import StateFile, dump_path
from zevm.node.wallet import KeyWallet, address_of
from zevm.rpc import methods
from zevm.rpc.codec.revert_reasons import Decoder
from zevm.rpc.methods.support.instance import load_instance_id
from zevm.rpc.registry import AUTHENTICATED_NAMESPACES, namespace_of
from zevm.rpc.server import AddressInUseError, Server, ServerOptions
from zevm.rpc.services import Services
from zevm.rpc.transport.engine_port import EnginePortOptions
from zevm.rpc.transport.ipc import IpcError
from zevm.storage.errors import StorageError

LOGGER = logging.getLogger("zevm.node")
STOP_SECONDS = 4.5
"""A stop takes no longer; a write that is not done by then is left to the recovery at the next start."""

STOP_WITH_STATE_SECONDS = 60.0
"""The same where a state file is written."""

SLOW_ENGINE_SECONDS = 1.0
"""A call of the consensus client that takes longer is warned of; its specification has it give up after 8 s."""


def run_node(settings: NodeSettings) -> int:
    """Serve until a signal comes; the process's exit code. Raises NodeError for what prevents the start."""
    configure_logging(as_json=settings.json_logs)
    methods.load()
    node = Node(settings)
    try:
        check_start(settings)
        with node.opened(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(node.serve())
    except (AddressInUseError, IpcError, StorageError, ChainError) as error:
        raise NodeError(told(error)) from error
    return 0


class Observers:
    """Tells each call to the log and the metrics (rpc.services.CallLog)."""

    def __init__(self, count: Callable[[str, object, float, Exception | None], None], log: NodeLog | None) -> None:
        self._count = count
        self._log = log

    def called(self, method: str, params: object, seconds: float, error: Exception | None) -> None:
        """An answered call."""
        self._count(method, params, seconds, error)
        if seconds > SLOW_ENGINE_SECONDS and namespace_of(method) in AUTHENTICATED_NAMESPACES:
            LOGGER.warning("%s took %.1f s: the consensus client may miss a slot over it", method, seconds)
        if self._log is not None:
            self._log.called(method, params, seconds, error)

    def set_logging(self, enabled: bool) -> None:
        """Switch the log of calls and blocks."""
        if self._log is not None:
            self._log.enabled = enabled


class Node:
    """Everything that one process holds. `opened` frames the chain's life, `serve` the server's."""

    def __init__(self, settings: NodeSettings) -> None:
        words = settings.mnemonic_random
        self._settings = settings
        self._mnemonic = settings.mnemonic if words is None else random_mnemonic(words)
        self._keys = derive_keys(self._mnemonic, settings.derivation_path, settings.accounts)
        self._wallet = KeyWallet([*self._keys, *self._unlocked_keys()])
        self._decoder = Decoder(settings.artifacts)
        self._log = None if settings.quiet else self._new_log()
        self._chain: Chain | None = None
        self._is_new = False

    @property
    def chain(self) -> Chain:
        """The open chain."""
        assert self._chain is not None
        return self._chain

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the chain open; closes it, and the database, within the time that a stop may take."""
        settings = self._settings
        with ExitStack() as stack:
            database = stack.enter_context(opened_database(settings))
            for warning in database.warnings:
                LOGGER.warning("%s", warning)
            if database.unclean_stop:
                LOGGER.warning("the node was not stopped cleanly; the newest blocks have been checked")
            self._is_new = database.ledger.head() is None
            self._chain = open_chain(database, settings, [address_of(key) for key in self._keys])
            stack.callback(self._chain.close)
            if self._log is not None:
                self._log.start()
                stack.callback(self._log.close)
                stack.callback(self._chain.events.subscribe(self._log.on_event))
            yield

    async def serve(self) -> None:
        """Listen until SIGINT or SIGTERM."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        seconds = STOP_SECONDS if dump_path(self._settings) is None else STOP_WITH_STATE_SECONDS
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop_by_signal, stopping, seconds)
        services, server = self._server()
        state_file = StateFile(self._settings, services)
        state_file.load(is_new=self._is_new)
        forwarder = self._forwarder()
        self.chain.take_up()
        await server.start()
        self.chain.database.keep()
        if self.chain.spec.of(self.chain.next_header()).fork >= Fork.CANCUN:
            BLOBS.prepare()
        settle_memory()
        try:
            self._announce(server)
            self.chain.start()
            await state_file.keep_until(stopping)
            self._say(farewell(None if self._settings.memory else self._settings.datadir))
        finally:
            forwarder.close()
            # requests that are cut off are what a stop is; no tracebacks of them
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await server.stop()
        state_file.dump()

    def _forwarder(self) -> Forwarder:
        forwarder = Forwarder(self.chain, self._settings.forward_transactions, self._settings.limits)
        self.chain.events.subscribe(forwarder.on_event)
        forwarder.start()
        return forwarder

    def _server(self) -> tuple[Services, Server]:
        settings = self._settings
        folder = None if settings.memory else settings.datadir
        # the metrics count the server's connections, and the server tells the metrics of its calls
        servers: list[Server] = []
        metrics = Metrics(self.chain, folder, lambda: servers[0].connection_count())
        services = Services(
            chain=self.chain,
            wallet=self._wallet,
            limits=limits_for(settings, self.chain),
            client_version=settings.client_version or default_client_version(),
            signs_as_geth=settings.sign_transaction_object,
            throws_on_failure=settings.throw_on_transaction_failure,
            instance_id=load_instance_id(self.chain.database),
            announced_version=announced_version(settings),
            call_log=Observers(metrics.called, self._log),
            decoder=self._decoder,
        )
        options = ServerOptions(
            hosts=settings.host,
            port=settings.port,
            allow_origins=settings.allow_origin,
            allow_hosts=settings.allow_host,
            ipc_path=ipc_path(settings),
            engine=self._engine_port(),
        )
        servers.append(Server(services, options))
        servers[0].app.add_route("/metrics", metrics.endpoint())  # type: ignore[arg-type]
        self.chain.events.subscribe(metrics.on_event)
        return services, servers[0]

    def _engine_port(self) -> EnginePortOptions | None:
        """The consensus client's port, if one is asked for. Raises NodeError where this chain cannot have it."""
        settings, chain = self._settings, self.chain
        if not settings.external_consensus:
            return None
        head = chain.head.header
        check_drivable(chain.schedule, head.number, head.timestamp)
        secret = read_jwt_secret(settings)
        LOGGER.info("the Engine API's secret is in %s", jwt_secret_path(settings))
        return EnginePortOptions(secret, settings.authrpc_addr, settings.authrpc_port, settings.authrpc_vhosts)

    def _announce(self, server: Server) -> None:
        settings = self._settings
        facts = self._facts()
        if settings.config_out is not None:
            try:
                write_config(settings.config_out, facts)
            except OSError as error:
                raise NodeError(f"--config-out {settings.config_out}: {reason_of(error)}") from error
        lines = [
            banner(facts),
            *(listening(host, port) for host, port in server.addresses),
            *(engine_listening(host, port) for host, port in server.engine_addresses),
        ]
        self._say("\n".join(lines))

    def _say(self, text: str) -> None:
        """Print for people, unless they asked for quiet."""
        if not self._settings.quiet:
            print(painter(sys.stdout, self._settings.color)(text), flush=True)

    def _facts(self) -> BannerFacts:
        chain, settings = self.chain, self._settings
        genesis = chain.header_by_number(chain.genesis.number)
        assert genesis is not None
        header = chain.next_header()
        accounts = [chain.head.state.account(address_of(key)) for key in self._keys]
        return BannerFacts(
            keys=self._keys,
            balances_wei=[0 if account is None else account.balance for account in accounts],
            mnemonic=self._mnemonic,
            derivation_path=settings.derivation_path,
            chain_id=chain.chain_id,
            hardfork=fork_title(chain.schedule.fork_at(header.number, header.timestamp)),
            base_fee_wei=chain.head.header.base_fee_per_gas,
            gas_price_wei=settings.gas_price or 0,
            gas_limit=header.gas_limit,
            genesis_timestamp=genesis.timestamp,
            genesis_number=genesis.number,
            head_number=chain.head.number,
            hosts=settings.host,
            data="memory" if settings.memory else str(settings.datadir.absolute()),
        )

    def _unlocked_keys(self) -> Sequence[PrivateKey]:
        settings = self._settings
        if not settings.unlock:
            return ()
        return unlock_keys(Keystore(settings.datadir / FOLDER_NAME), settings.unlock, settings.password_file)

    def _new_log(self) -> NodeLog:
        kind: Callable[..., Formatter] = JsonFormatter if self._settings.json_logs else Formatter
        settings = self._settings
        console = not settings.disable_console_log
        paint = str if settings.json_logs else painter(sys.stdout, settings.color)
        return NodeLog(
            kind(self._decoder.revert_reason, console=console, external_consensus=settings.external_consensus),
            paint=paint,
        )


def settle_memory() -> None:
    """Let the garbage collector pass over what the imports left, which lives as long as the process."""
    gc.freeze()
    gc.enable()


def announced_version(settings: NodeSettings) -> str:
    """What web3_clientVersion answers.

    Hardhat's network helpers and others refuse a node whose answer does not begin with the name of a development
    node that they know. Anvil's stands before our own where the development methods serve: where the node itself
    makes the blocks, unless the operator has named it.
    """
    if settings.client_version is not None:
        return settings.client_version
    return default_client_version() if settings.external_consensus else f"anvil/{default_client_version()}"


def default_client_version() -> str:
    """The node's own name: name, version, platform, language, as geth's."""
    machine = os.uname().machine
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"zEVM/v{__version__}/{sys.platform}-{machine}/python{python}"


def fork_title(fork: Fork) -> str:
    """A fork's name for people: Osaka, SpuriousDragon."""
    if fork in (Fork.BPO1, Fork.BPO2):
        return fork.name
    return "".join(word.capitalize() for word in fork.name.split("_"))


def _stop_by_signal(stopping: asyncio.Event, seconds: float) -> None:
    """Begin to stop; a second signal, or the end of the time for it, ends the process as it stands."""
    if stopping.is_set():
        os._exit(130)
    stopping.set()
    watchdog = threading.Timer(seconds, _give_up, [seconds])
    watchdog.daemon = True
    watchdog.start()


def _give_up(seconds: float) -> None:
    LOGGER.warning("a block was still being made after %s s; it is dropped, acknowledged ones are safe", seconds)
    os._exit(0)
