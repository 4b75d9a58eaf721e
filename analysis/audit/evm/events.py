"""Effects of a path in their order: conditions, storage accesses, calls, destruction."""

from dataclasses import dataclass

from zevm.analysis.audit.evm.terms import Taint, Term


@dataclass(frozen=True, slots=True)
class Condition:
    """A branch: the word is zero (holds: False) or not."""

    offset: int
    term: Term
    holds: bool


@dataclass(frozen=True, slots=True)
class Load:
    """A storage read. transient: of TLOAD."""

    offset: int
    key: Term
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """A storage write."""

    offset: int
    key: Term
    value: Term
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A message call. kind: mnemonic. value: wei. payload: words of its input. result: 1 for success."""

    offset: int
    kind: str
    gas: Term
    target: Term
    value: Term
    payload: tuple[Term, ...]
    result: Term

    @property
    def payload_taint(self) -> int:
        """Origins of the input."""
        taint = Taint.NONE
        for word in self.payload:
            taint |= word.taint
        return taint


@dataclass(frozen=True, slots=True)
class Destruction:
    """SELFDESTRUCT."""

    offset: int
    heir: Term


@dataclass(frozen=True, slots=True)
class Round:
    """A loop's condition, met again on the same path."""

    offset: int
    term: Term


Event = Condition | Load | Store | Call | Destruction | Round


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a function that ends without a revert. output: words that it returns or leaves in memory."""

    events: tuple[Event, ...]
    output: tuple[Term, ...] = ()

    def before(self, event: Event) -> tuple[Event, ...]:
        """The events before one of them."""
        return self.events[: next(place for place, found in enumerate(self.events) if found is event)]

    def after(self, event: Event) -> tuple[Event, ...]:
        """The events behind one of them."""
        return self.events[next(place for place, found in enumerate(self.events) if found is event) + 1 :]
