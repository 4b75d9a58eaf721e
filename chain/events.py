"""Events of the chain: new heads, removed blocks, pool arrivals.

Callbacks run with the writer's role once what they tell of is on the medium, in order, and must be quick.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from zevm.chain.types import Block, Receipt, Transaction
from zevm.chain.vm.interface import VmError
from zevm.core.records import quick_init
from zevm.storage.primitives import Hash32

LOGGER = logging.getLogger("zevm.chain")


@quick_init
@dataclass(frozen=True, slots=True)
class BlockAndReceipts:
    """A block with its receipts, in transaction order; `reports` only where this node executed it just now."""

    block: Block
    receipts: tuple[Receipt, ...]
    reports: tuple["TransactionReport", ...] = ()


@quick_init
@dataclass(frozen=True, slots=True)
class TransactionReport:
    """Data that only the execution has: console lines, returned data, and the cause of a failure."""

    console: tuple[str, ...]
    output: bytes
    fault: VmError | None = None


@dataclass(frozen=True, slots=True)
class HeadChanged:
    """The canonical chain moved: `removed` newest first, then `added` oldest first."""

    added: tuple[BlockAndReceipts, ...]
    removed: tuple[BlockAndReceipts, ...] = ()


@dataclass(frozen=True, slots=True)
class PayloadExecuted:
    """A consensus client's block was executed and lies on the disk; `seconds` of wall time that took."""

    block: Block
    seconds: float


@dataclass(frozen=True, slots=True)
class TransactionAdded:
    """A transaction entered the pool, or went straight into a block."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class TransactionsDropped:
    """Transactions left the pool without being mined."""

    hashes: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class StatePatched:
    """Accounts of the latest state changed outside of blocks."""


Event = HeadChanged | StatePatched | PayloadExecuted | TransactionAdded | TransactionsDropped
Listener = Callable[[Event], None]
KINDS: tuple[type[Event], ...] = (HeadChanged, StatePatched, PayloadExecuted, TransactionAdded, TransactionsDropped)


class Events:
    """A list of listeners; and another one of those who hear of an event before it is on the medium."""

    def __init__(self) -> None:
        self._subscribed: tuple[tuple[Listener, tuple[type[Event], ...]], ...] = ()
        self._listeners: dict[type[Event], tuple[Listener, ...]] = dict.fromkeys(KINDS, ())
        self._early: tuple[Listener, ...] = ()
        self._held: list[Event] | None = None

    def subscribe(self, listener: Listener, *kinds: type[Event]) -> Callable[[], None]:
        """Call `listener` with every later event, or those of some kinds; the returned function ends that."""
        entry = (listener, kinds or KINDS)
        self._change((*self._subscribed, entry))
        return lambda: self._change(tuple(item for item in self._subscribed if item is not entry))

    def _change(self, subscribed: tuple[tuple[Listener, tuple[type[Event], ...]], ...]) -> None:
        self._subscribed = subscribed
        self._listeners = {kind: tuple(listener for listener, kinds in subscribed if kind in kinds) for kind in KINDS}

    def subscribe_early(self, listener: Listener) -> Callable[[], None]:
        """As `subscribe`, but call it as soon as an event has happened in memory.

        For a command of the writer that looks at its own work: clients learn of it only once it is synced.
        """
        self._early = (*self._early, listener)

        def cancel() -> None:
            self._early = tuple(item for item in self._early if item is not listener)

        return cancel

    def publish(self, event: Event) -> None:
        """Tell every listener, in the order of subscription. A listener's error is logged: the event has happened."""
        if self._early:
            _tell(self._early, event)
        if self._held is None:
            _tell(self._listeners[type(event)], event)
        else:
            self._held.append(event)

    def hold(self) -> None:
        """Keep events from now on until `release` tells of them, or `forget_held` does away with them."""
        self._held = []

    def release(self) -> None:
        """Tell the listeners of the held events."""
        held, self._held = self._held or (), None
        for event in held:
            _tell(self._listeners[type(event)], event)

    def forget_held(self) -> None:
        """Drop the held events: they were undone."""
        self._held = None


def _tell(listeners: tuple[Listener, ...], event: Event) -> None:
    for listener in listeners:
        try:
            listener(event)
        except Exception:
            LOGGER.exception("a listener of the chain failed on %s", type(event).__name__)
