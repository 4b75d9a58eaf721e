"""The services of a method: the chain, the wallet, limits, filters, subscriptions."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from zevm.chain.tracing.address_search import AddressSearch
from zevm.chain.tracing.memory import TraceMemory
from zevm.rpc.limits import Limits
from zevm.rpc.notifications.filters import Filters
from zevm.rpc.notifications.subscriptions import Subscriptions
from zevm.rpc.transport.budgets import Budgets
from zevm.rpc.wallet import Wallet

if TYPE_CHECKING:
    from zevm.chain.blockchain import Chain


class CallLog(Protocol):
    """Receives every answered call, for the node's log and metrics. Must be quick; called from any thread."""

    def called(self, method: str, params: object, seconds: float, error: "Exception | None") -> None:
        """`error` is the sent RpcError, or None."""
        ...

    def set_logging(self, enabled: bool) -> None:
        """Switch the node's log of calls and blocks; metrics keep counting."""
        ...


class ErrorDecoder(Protocol):
    """Turns revert data into text."""

    def revert_reason(self, output: bytes) -> str | None:
        """The text after `execution reverted: `, or None if the data has none."""
        ...


@dataclass(slots=True)
class Services:
    """The first argument of every method.

    instance_id: 32 bytes, stable across restarts, new after a reset (rpc.methods.support.instance). announced_version:
    the answer of web3_clientVersion; None for `client_version`. signs_as_geth: eth_signTransaction answers {raw, tx}
    instead of the bytes. throws_on_failure: sending a transaction that fails is an error, as with Hardhat's node.
    """

    chain: "Chain"
    wallet: Wallet
    limits: Limits
    client_version: str
    instance_id: bytes
    announced_version: str | None = None
    signs_as_geth: bool = False
    throws_on_failure: bool = False
    call_log: CallLog | None = None
    decoder: ErrorDecoder | None = None
    budgets: Budgets = field(init=False)
    filters: Filters = field(init=False)
    subscriptions: Subscriptions = field(init=False)
    address_search: AddressSearch = field(init=False)
    trace_memory: TraceMemory = field(init=False)

    def __post_init__(self) -> None:
        self.budgets = Budgets(self.limits)
        self.filters = Filters(self.limits, budget=self.budgets.output)
        self.subscriptions = Subscriptions(self.limits)
        self.address_search = AddressSearch(self.chain)
        self.trace_memory = TraceMemory(self.limits.trace_memory_bytes)
