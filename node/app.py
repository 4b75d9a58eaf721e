"""The process of `zevm run`: what every node consists of, with a banner, signals and a time to stop in."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

import uvloop

from zevm.chain.blocks.clock import Timeline
from zevm.chain.errors import NodeFaultError
from zevm.chain.native.process import BLOBS
from zevm.chain.rules.forks import Fork
from zevm.node.banner import (
    BannerFacts,
    banner,
    engine_listening,
    farewell,
    listening,
    names_listening,
    quic_listening,
    write_config,
)
from zevm.node.bytecode import write_none
from zevm.node.chains import NamedChain
from zevm.node.colours import painter
from zevm.node.core import NodeCore, told_as_node_errors
from zevm.node.errors import NodeError, reason_of
from zevm.node.logs import configure_logging
from zevm.node.preflight import check_start
from zevm.node.state_file import dump_path
from zevm.node.wallet import address_of
from zevm.rpc import methods
from zevm.rpc.server import SWITCH_INTERVAL_SECONDS, Server
from zevm.storage.private_files import open_special

LOGGER = logging.getLogger("zevm.node")
LIBRARIES_AFTER_SECONDS = 5.0
"""Time after the start at which the node imports libraries that the start has left out."""

BLOBS_AFTER_SECONDS = 60.0
"""The same for KZG's trusted setup, which takes a processor for three seconds: a node of a test suite, or of one of its
modules, ends before. Who sends a blob earlier waits for it."""

STOP_SECONDS = 4.5
"""Time limit of a stop; the next start recovers from a write that is unfinished by then."""

STOP_WITH_STATE_SECONDS = 60.0
"""Time limit of a stop that writes a state file."""


def run_nodes(chains: Sequence[NamedChain]) -> int:
    """Serve until a signal arrives; return the process's exit code. Several chains have one timeline.

    Raises NodeError if a node cannot start; the others' starts end then, too.
    """
    timeline = Timeline()
    nodes = [NodeProcess(NodeCore(settings, name=name, timeline=timeline)) for name, settings in chains]
    configure_logging(as_json=any(node.settings.json_logs for node in nodes))
    methods.load()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    with told_as_node_errors(), ExitStack() as stack:
        for node in nodes:
            check_start(node.settings)
        write_none()
        for node in nodes:
            stack.enter_context(node.core.opened())
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        runner.run(_serve(nodes))
    return 0


async def _serve(nodes: Sequence["NodeProcess"]) -> None:
    """Listen until SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    writes_state = any(dump_path(node.settings) is not None for node in nodes)
    seconds = STOP_WITH_STATE_SECONDS if writes_state else STOP_SECONDS
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop_by_signal, stopping, seconds)
    loop.call_later(LIBRARIES_AFTER_SECONDS, loop.run_in_executor, None, _import_libraries)
    loop.call_later(BLOBS_AFTER_SECONDS, _prepare_for_blobs, nodes)
    try:
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                group.create_task(node.serve(stopping))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _import_libraries() -> None:
    """Import the libraries of WebSockets and of GET, which the first such client would wait for."""
    from zevm.rpc.transport import routes, websocket_protocol  # noqa: F401


def _prepare_for_blobs(nodes: Sequence["NodeProcess"]) -> None:
    """Load the setup on a worker, if a chain takes blobs."""
    if any(node.takes_blobs for node in nodes):
        asyncio.get_running_loop().run_in_executor(None, _load_blobs)


def _load_blobs() -> None:
    # the first blob tries again, and tells
    with suppress(NodeFaultError):
        BLOBS.prepare()


class NodeProcess:
    """A node that a terminal or a service manager runs."""

    def __init__(self, core: NodeCore) -> None:
        self.settings = core.settings
        self.core = core

    @property
    def takes_blobs(self) -> bool:
        """Whether the next block may have blobs."""
        chain = self.core.chain
        return chain.spec.of(chain.next_header()).fork >= Fork.CANCUN

    async def serve(self, stopping: asyncio.Event) -> None:
        """Listen until the event comes."""
        config = self._config_pipe()
        async with self.core.served() as serving:
            settle_memory()
            try:
                self._announce(serving.server, config)
                await serving.until(stopping)
                self._say(farewell(None if self.settings.memory else self.settings.datadir))
            finally:
                # requests that are cut off are what a stop is; no tracebacks of them
                logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    def _config_pipe(self) -> BinaryIO | None:
        """The pipe or device of --config-out, opened before the node listens. Raises NodeError."""
        with self._config_errors():
            return None if self.settings.config_out is None else open_special(self.settings.config_out)

    @contextmanager
    def _config_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise NodeError(f"--config-out {self.settings.config_out}: {reason_of(error)}") from error

    def _announce(self, server: Server, config: BinaryIO | None) -> None:
        settings = self.settings
        facts = self._facts()
        if settings.config_out is not None:
            with self._config_errors():
                write_config(settings.config_out, facts, config)
        lines = [
            banner(facts),
            *(listening(host, port) for host, port in server.addresses),
            *(engine_listening(host, port) for host, port in server.engine_addresses),
            *(quic_listening(host, port, server.quic_key_hash) for host, port in server.quic_addresses),
            *(() if self.core.watch is None else (self.core.watch.waiting(),)),
            *(names_listening(host, port) for host, port in server.names_addresses),
        ]
        self._say("\n".join(lines))

    def _say(self, text: str) -> None:
        """Print for people, unless they asked for quiet."""
        if not self.settings.quiet:
            heading = f"== {self.core.name}\n" if self.core.name else ""
            print(painter(sys.stdout, self.settings.color)(heading + text), flush=True)

    def _facts(self) -> BannerFacts:
        chain, settings = self.core.chain, self.settings
        genesis = chain.header_by_number(chain.genesis.number)
        assert genesis is not None
        header = chain.next_header()
        accounts = [chain.head.state.account(address_of(key)) for key in self.core.keys]
        return BannerFacts(
            keys=self.core.keys,
            balances_wei=[0 if account is None else account.balance for account in accounts],
            mnemonic=self.core.mnemonic,
            derivation_path=settings.derivation_path,
            chain_id=chain.chain_id,
            hardfork=chain.schedule.fork_at(header.number, header.timestamp).title,
            base_fee_wei=chain.head.header.base_fee_per_gas,
            gas_price_wei=settings.gas_price or 0,
            gas_limit=header.gas_limit,
            genesis_timestamp=genesis.timestamp,
            genesis_number=genesis.number,
            head_number=chain.head.number,
            hosts=settings.host,
            engine=chain.options.engine,
            leader=settings.follow,
            fork=None if self.core.fork is None else self.core.fork.described,
            data="memory" if settings.memory else str(settings.datadir.absolute()),
        )


def settle_memory() -> None:
    """Exempt the imported modules from garbage collection: they live as long as the process."""
    gc.freeze()
    gc.enable()


def _stop_by_signal(stopping: asyncio.Event, seconds: float) -> None:
    """Begin to stop; a second signal, or the time limit, ends the process at once."""
    if stopping.is_set():
        os._exit(130)
    stopping.set()
    watchdog = threading.Timer(seconds, _give_up, [seconds])
    watchdog.daemon = True
    watchdog.start()


def _give_up(seconds: float) -> None:
    LOGGER.warning("a block was still being made after %s s; it is dropped, acknowledged ones are safe", seconds)
    os._exit(0)
