"""The services of a method: the chain, the wallet, limits, filters, subscriptions."""

import threading
from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Protocol

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.verification.verifier import Verifier
from zevm.chain.blockchain import Chain
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.engine.driver import Engine
from zevm.chain.engine.limits import EngineLimits
from zevm.chain.tracing.address_search import AddressSearch
from zevm.chain.tracing.memory import TraceMemory
from zevm.contracts.artifact import Artifact
from zevm.rpc.codec.results import encoded_log_record
from zevm.rpc.limits import Limits
from zevm.rpc.memory.budgets import Budgets
from zevm.rpc.memory.encoded_logs import EncodedLogs
from zevm.rpc.notifications.filters import Filters
from zevm.rpc.notifications.subscriptions import Subscriptions
from zevm.rpc.wallet import Wallet


class CallLog(Protocol):
    """Receives every answered call, for the node's log and metrics. Must be quick; called from any thread."""

    def called(self, method: str, params: object, seconds: float, error: "Exception | None") -> None:
        """`error` is the sent RpcError, or None."""
        ...

    def set_logging(self, enabled: bool) -> None:
        """Switch the node's log of calls and blocks; metrics keep counting."""
        ...


class Executions(Protocol):
    """Runs executions off the event loop and the chain's writer (rpc.execution.workers.Workers)."""

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `function(*arguments, deadline=...)`. Raises LimitExceededError where too many run."""
        ...


class Writes(Protocol):
    """The way of all of a port's work to the chain's writer (rpc.execution.writes.Writes)."""

    def submit(self, function: Callable[..., Any], *arguments: Any, shares: bool = False) -> Awaitable[Any]:
        """The result of work of the writer that is begun behind all that came before."""
        ...


class ErrorDecoder(Protocol):
    """Turns revert data into text."""

    def revert_reason(self, output: bytes) -> str | None:
        """The text after `execution reverted: `, or None if the data has none."""
        ...


class SourceCompiler(Protocol):
    """Compiles Zig sources of clients (contracts.sandbox.service.CompileService)."""

    async def compile(self, name: str, source: str, client: str | None) -> Artifact:
        """`client`: whose share of the compiles it is. Raises BuildError, ContractNameError, SandboxError,
        CompilerBusyError.
        """
        ...


@dataclass(frozen=True, slots=True)
class ForkReport:
    """The block of another chain that this one begins on.

    url: of the node that has it, without secrets.
    """

    url: str
    chain_id: int
    number: int
    block_hash: bytes
    retry_backoff_ms: int


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """A block that a chain is to begin on. url: None for the node of the fork so far. number: None for the newest.

    headers: of the requests to the node.
    """

    url: str | None
    number: int | None
    headers: dict[str, str]


class Forking(Protocol):
    """The block that the chain is a fork of, if it is one, and the change of that."""

    @property
    def report(self) -> ForkReport | None:
        """The block, None for a chain of its own."""
        ...

    def ask_instead(self, url: str) -> None:
        """Read the other chain from another node. Raises InvalidParamsError."""
        ...

    def begin_again(self, wanted: ForkRequest | None, told: Callable[[], None], *, deadline: Deadline) -> None:
        """Make the chain a fork of this block, or a new one of its own, on a worker's thread; `told` as it happens.

        Raises InvalidParamsError, ServerError, StorageError; then nothing has changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class FollowReport:
    """How far a follower is.

    head: the newest block that its leader has told of; None before the first word. started_at: the newest block when
    it began to catch up. heard_seconds: since the leader's last word; None before the first. refusal: why it does not
    go on, None if it does.
    """

    connected: bool
    head: int | None
    started_at: int
    heard_seconds: float | None
    refusal: str | None


class LeaderLink(Protocol):
    """The node whose chain this one follows (node.replication.follower)."""

    address: str

    def report(self) -> FollowReport:
        """How far this node is behind it."""
        ...

    async def call(self, method: str, params: list[object]) -> object:
        """The leader's answer to a call. Raises the leader's RpcError, ServerError if it does not answer."""
        ...


@dataclass(slots=True)
class Services:
    """The first argument of every method.

    instance_id: 32 bytes, stable across restarts, new after a reset (rpc.methods.support.instance). announced_version:
    the answer of web3_clientVersion; None for `client_version`. signs_as_geth: eth_signTransaction answers {raw, tx}
    instead of the bytes. throws_on_failure: sending a transaction that fails is an error, as with Hardhat's node.
    compiler: None if the node compiles no sources of clients. executions, writes: of methods that execute and write;
    set by the dispatcher. catalogue: contracts that the node has the names of. verifier: None where none are verified.
    leader: the node that this one follows, if it follows one. forking: None where a chain stays what it is.
    serve_replica: serves a follower's stream.
    """

    chain: Chain
    wallet: Wallet
    limits: Limits
    client_version: str
    instance_id: bytes
    announced_version: str | None = None
    signs_as_geth: bool = False
    throws_on_failure: bool = False
    call_log: CallLog | None = None
    decoder: ErrorDecoder | None = None
    compiler: SourceCompiler | None = None
    executions: Executions | None = None
    writes: Writes | None = None
    leader: LeaderLink | None = None
    forking: Forking | None = None
    serve_replica: Callable[[Any], Coroutine[Any, Any, None]] | None = None
    catalogue: Catalogue = field(default_factory=Catalogue)
    verifier: Verifier | None = None
    engine: Engine | None = field(init=False)
    budgets: Budgets = field(init=False)
    encoded_logs: EncodedLogs = field(init=False)
    filters: Filters = field(init=False)
    subscriptions: Subscriptions = field(init=False)
    address_search: AddressSearch = field(init=False)
    trace_memory: TraceMemory = field(init=False)
    audits: threading.BoundedSemaphore = field(init=False)

    def __post_init__(self) -> None:
        chain, limits = self.chain, self.limits
        engine_limits = EngineLimits(limits.engine_reorg_blocks, limits.engine_side_blocks)
        self.engine = chain.writer.run(Engine, chain, engine_limits) if chain.options.external_consensus else None
        self.budgets = Budgets(limits)
        self.encoded_logs = EncodedLogs(limits.log_cache_bytes, encoded_log_record)
        self.filters = Filters(limits, budget=self.budgets.output)
        self.subscriptions = Subscriptions(limits)
        self.address_search = AddressSearch(chain)
        self.trace_memory = TraceMemory(limits.trace_memory_bytes)
        self.audits = threading.BoundedSemaphore(limits.audits)

    @property
    def fork(self) -> ForkReport | None:
        """The block that the chain is a fork of; None for a chain of its own."""
        return None if self.forking is None else self.forking.report

    def with_limits(self, limits: Limits) -> "Services":
        """The same services for another port: of one chain, but with limits and budgets of its own."""
        own = copy(self)
        own.limits = limits
        own.budgets = Budgets(limits)
        return own
