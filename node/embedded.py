"""A node inside a Python program: `zevm.Node`. Its event loop runs on a thread of its own, and it takes no signals."""

import asyncio
import atexit
import json
import os
import threading
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import uvloop

from zevm.analysis.catalogue import Catalogue
from zevm.chain.blockchain import Chain
from zevm.chain.concurrency import shared
from zevm.chain.concurrency.recursion import deep_recursion
from zevm.chain.errors import GenesisError
from zevm.chain.rules.genesis import Genesis
from zevm.chain.vm.tracer import Watcher
from zevm.node.advice import for_a_program
from zevm.node.client import CallFailedError
from zevm.node.config import program_settings
from zevm.node.core import NodeCore, told_as_node_errors
from zevm.node.errors import NodeError, SettingsError
from zevm.node.extras import of_extra
from zevm.node.hints import told
from zevm.node.preflight import check_start
from zevm.node.settings import NodeSettings
from zevm.node.wallet import address_of, checksum_address
from zevm.rpc import methods
from zevm.rpc.server import Server
from zevm.rpc.transport.in_process import DoorClosedError, InProcess

AUTO: Literal["auto"] = "auto"
MANUAL: Literal["manual"] = "manual"
Mining = Literal["auto", "manual"] | float
"""When blocks are made: at once for each transaction, only on request (evm_mine), or at an interval in seconds."""

_KEYWORDS = {"init": "genesis", "hardfork": "fork", "block_time": "mining"}
"""Settings that have a parameter of another name here."""

_OF_MINING = frozenset({"block_time", "no_mining"})
_GIVEN_AS = _KEYWORDS | dict.fromkeys(_OF_MINING, "mining")

_OF_SERVE = frozenset({"host", "port"})


@contextmanager
def _told_to_a_program() -> Iterator[None]:
    """Let a NodeError name parameters where it names flags."""
    try:
        yield
    except NodeError as error:
        error.args = (for_a_program(str(error), _KEYWORDS),)
        raise


class NodeClosedError(NodeError, DoorClosedError):
    """The node is not open, or was closed before it answered; a ConnectionError too, as web3.py expects one."""


@dataclass(frozen=True, slots=True)
class Account:
    """A funded development account: its address with EIP-55's checksum, and its 32-byte key."""

    address: str
    private_key: bytes = field(repr=False)


class Node:
    """A whole node in this process; a context manager, or `open` and `close`.

    datadir: the folder that keeps the chain; None keeps it in memory. genesis: a file in geth's format, or its content.
    fork: the newest fork to have active, such as "cancun"; the newest known one by default. accounts: how many
    development accounts are funded; 10 by default. mining: see Mining. settings: any row of docs/settings.md, as
    `chain_id=1` for --chain-id; neither the environment nor zevm.toml is read.

    All methods may be called from any thread, and several nodes may be open at once. Raises SettingsError for a wrong
    value, and NodeError where the node cannot be opened.
    """

    @_told_to_a_program()
    def __init__(
        self,
        datadir: str | PathLike[str] | None = None,
        *,
        genesis: str | PathLike[str] | Mapping[str, Any] | None = None,
        fork: str | None = None,
        accounts: int | None = None,
        mining: Mining = AUTO,
        **settings: Any,
    ) -> None:
        parameters = {
            "datadir": _path(datadir),
            "init": _genesis(genesis),
            "hardfork": fork,
            "accounts": accounts,
            **_mining_settings(mining),
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        for name in settings:
            _refuse_setting(name, given.keys() | (frozenset() if mining == AUTO else _OF_MINING))
        if datadir is not None and settings.get("memory"):
            raise SettingsError(f"datadir: {str(datadir)!r} keeps the chain, memory=True does not: give one of them")
        defaults = {"quiet": not settings.get("debug"), **({"memory": True} if datadir is None else {})}
        self._settings = program_settings({**defaults, **given, **settings}, _KEYWORDS)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._watcher: Watcher | None = None

    def __repr__(self) -> str:
        place = "memory" if self._settings.memory else repr(str(self._settings.datadir))
        return f"<zevm.Node in {place}, {'closed' if self._running is None else 'open'}>"

    @_told_to_a_program()
    def open(self) -> Self:
        """Open the chain and begin to answer. Raises NodeError, also where it is open already."""
        with self._lock:
            if self._running is not None:
                raise NodeError("the node is open already")
            running = _Running(self._settings, self._watcher)
            running.open()
            self._running = running
            _OPEN_NODES.add(self)
            atexit.register(self.close)
        return self

    @_told_to_a_program()
    def close(self) -> None:
        """Stop serving and close the chain: no thread, lock or process of the node is left. Idempotent.

        Requests under way end with NodeClosedError. Raises NodeError where a state file cannot be written.
        """
        with self._lock:
            running = self._running
            if running is None:
                return
            if running.thread is threading.current_thread() or running.core.chain.writer.is_current:
                raise RuntimeError("a node cannot be closed by a listener of its chain; close it from another thread")
            self._running = None
            atexit.unregister(self.close)
            try:
                running.close()
            finally:
                _OPEN_NODES.remove(self)

    def forget(self) -> None:
        """Be closed in a copy of the process (os.fork), where the node has no thread; the node itself goes on."""
        running, self._running, self._lock = self._running, None, threading.Lock()
        if running is not None:
            atexit.unregister(self.close)
            running.server.in_process.forget()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.open)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    @property
    def provider(self) -> Any:
        """A provider for `web3.Web3`, without a socket; a new one each time. Raises MissingExtraError without web3."""
        with of_extra("web3", "node.provider"):
            from zevm.node.web3_providers import InProcessProvider
        return InProcessProvider(self._door())

    @property
    def async_provider(self) -> Any:
        """A provider for `web3.AsyncWeb3` on any event loop; as `provider`."""
        with of_extra("web3", "node.async_provider"):
            from zevm.node.web3_providers import AsyncInProcessProvider
        return AsyncInProcessProvider(self._door())

    @property
    def persistent_provider(self) -> Any:
        """A provider for `async with web3.AsyncWeb3(...)`, whose connection has subscriptions; as `provider`."""
        with of_extra("web3", "node.persistent_provider"):
            from zevm.node.web3_providers import PersistentInProcessProvider
        return PersistentInProcessProvider(self._door())

    @property
    def catalogue(self) -> Catalogue:
        """The contracts that the node knows by name: of the folders in `artifacts`, and added ones. Not when closed."""
        return self._opened().core.catalogue

    def request(self, method: str, *params: object) -> Any:
        """The result of one RPC call, as JSON has it.

        Raises CallFailedError with the code and data of an error, TypeError for a parameter that is no JSON, and
        NodeClosedError.
        """
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        body = json.dumps(call, default=partial(_no_json, method)).encode()
        text = self._door().answer(body) or b""
        with deep_recursion:  # a call's trace nests as deep as its calls
            answer = json.loads(text)
        if "error" in answer:
            raise CallFailedError(method, answer["error"])
        return answer["result"]

    @contextmanager
    def anchor(self) -> Iterator[None]:
        """Take back at the end whatever happens inside: blocks, state, pool, clock, mining mode (evm_snapshot).

        Anchors nest. Raises NodeError at the end where the chain was reverted to before the anchor, or reset.
        """
        chain = self.chain
        snapshot = chain.writer.run_short(chain.snapshot)
        try:
            yield
        except BaseException:
            if self._running is not None:
                chain.writer.run_short(chain.revert, snapshot)
            raise
        if not chain.writer.run_short(chain.revert, snapshot):
            raise NodeError("the chain cannot return to the anchor: it was reverted to an earlier point, or reset")

    @_told_to_a_program()
    def serve(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Answer HTTP and WebSocket on a port as well, until the node is closed; the URL. port: 0 chooses a free one.

        Raises SettingsError for a wrong host or port, and NodeError where it cannot be listened on.
        """
        server = self._opened().server
        address = program_settings({"host": host, "port": port}, _KEYWORDS)
        with told_as_node_errors():
            self._door().run(server.listen(address.host, address.port)).result()
        return _url(server.addresses[-1])

    @property
    def url(self) -> str:
        """The node's URL. Raises NodeError before `serve`."""
        addresses = self._opened().server.addresses
        if not addresses:
            raise NodeError("the node listens on no port; call node.serve() first, or use node.provider")
        return _url(addresses[0])

    @property
    def chain(self) -> Chain:
        """The chain below the RPC. Reads are for any thread; writes go through `chain.writer.run(chain.mine)`."""
        return self._opened().core.chain

    @property
    def accounts(self) -> list[Account]:
        """The development accounts, whose transactions the node signs."""
        return [Account(checksum_address(address_of(key)), bytes(key.secret)) for key in self._opened().core.keys]

    def _opened(self) -> "_Running":
        running = self._running
        if running is None:
            raise NodeClosedError("the node is not open: use `with zevm.Node() as node:`, or call open()")
        return running

    def _door(self) -> InProcess:
        return self._opened().server.in_process


class _Running:
    """A node from its opening to its closing, and the thread that it lives on."""

    core: NodeCore
    server: Server

    def __init__(self, settings: NodeSettings, watcher: Watcher | None) -> None:
        self.thread = threading.Thread(target=self._live, name="zevm-node", daemon=True)
        self._settings, self._watcher = settings, watcher
        self._ready: Future[None] = Future()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def open(self) -> None:
        """Start; returns when the node answers. Raises NodeError."""
        self.thread.start()
        try:
            self._ready.result()
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """End; raises what went wrong."""
        self._end()
        if self._failure is not None:
            raise self._failure

    def _live(self) -> None:
        try:
            methods.load()
            with told_as_node_errors():
                self._run()
        except BaseException as error:
            if self._ready.done():
                self._failure = error
            else:
                self._ready.set_exception(error)

    def _run(self) -> None:
        check_start(self._settings, listens=False)
        self.core = NodeCore(self._settings, listens=False, watcher=self._watcher)
        with self.core.opened():
            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(self._serve())
            finally:
                # a worker must not find the database closed
                if self._stopping is not None:
                    self.server.join()

    async def _serve(self) -> None:
        async with self.core.served() as serving:
            self.server = serving.server
            self.server.in_process.closed_error = NodeClosedError
            self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
            self._ready.set_result(None)
            await serving.until(self._stopping)

    def _end(self) -> None:
        if self._loop is not None and self._stopping is not None:
            # the loop is closed where the thread has failed
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        self.thread.join()


class _OpenNodes:
    """The open nodes of this process: with the last one goes what they share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: set[Node] = set()

    def add(self, node: Node) -> None:
        with self._lock:
            self._nodes.add(node)

    def remove(self, node: Node) -> None:
        with self._lock:
            self._nodes.remove(node)
            if not self._nodes:
                shared.end_all()

    def forget(self) -> None:
        """Leave the nodes to the process that this one is a copy of: none of their threads is here."""
        for node in tuple(self._nodes):
            node.forget()
        # another thread may have held the lock when the process was copied
        self._lock, self._nodes = threading.Lock(), set()


_OPEN_NODES = _OpenNodes()
os.register_at_fork(after_in_child=_OPEN_NODES.forget)


def _path(given: object) -> object:
    """A Path for the name of one; the settings refuse what is none."""
    return Path(given) if isinstance(given, str | PathLike) else given


def _genesis(given: object) -> object:
    """A Genesis for its content, and a Path for a file's name."""
    if not isinstance(given, Mapping):
        return _path(given)
    try:
        return Genesis.from_json(dict(given))
    except GenesisError as error:
        raise SettingsError(f"genesis: {told(error)}") from error


def _mining_settings(mining: Mining) -> dict[str, object]:
    if mining == AUTO:
        return {}
    if mining == MANUAL:
        return {"no_mining": True}
    if isinstance(mining, str | bool):
        raise SettingsError(f"mining: {mining!r}: want 'auto', 'manual' or seconds between blocks")
    return {"block_time": mining}


def _refuse_setting(name: str, given: Container[str]) -> None:
    if name in _OF_SERVE:
        raise SettingsError(f"{name}: a node in a program listens only after node.serve({name}=...)")
    if name in given:
        raise SettingsError(f"{name}: given twice, as {_GIVEN_AS.get(name, name)} too")


def _no_json(method: str, value: object) -> object:
    hint = f": give '0x{bytes(value).hex()[:64]}'" if isinstance(value, bytes | bytearray | memoryview) else ""
    raise TypeError(f"{method}: a parameter of type {type(value).__name__} is no JSON{hint}")


def _url(address: tuple[str, int]) -> str:
    host, port = address
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
