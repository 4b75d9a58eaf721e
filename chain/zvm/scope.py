"""Shared data of one transaction's WebAssembly frames: memory pages, stack words, prices, the first called account."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.zvm.faults import OutOfPagesError
from zevm.chain.zvm.module.rules import ENTRYPOINT
from zevm.chain.zvm.price_table import PriceTable

FRAME_STACK_WORDS = 65_536
"""Stack words of one frame. A word covers at most 64 bytes of native stack."""
TRANSACTION_STACK_WORDS = 1_048_576
"""Stack words of all open frames together."""
INTEGER_BYTES = 8
"""An integer among arguments that are bytes, big-endian."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The function that the outermost frame calls: by its name, with integers or as the entry point is called.

    arguments: None for the length of the call data. library: the module need not be a contract (off chain alone).
    may_take_integers: a function of other parameters than the entry point's takes the call data as its integers, of
    INTEGER_BYTES each.
    """

    name: str = ENTRYPOINT
    arguments: Sequence[int] | None = None
    library: bool = False
    may_take_integers: bool = False


ENTRY = Entry()


class Programs(Protocol):
    """Compiled programs by the keccak of their code: runtime.program_cache.ProgramCache, which says the rest.

    That module loads wasmtime, which no chain does before its first WebAssembly contract runs: hence Any where it has
    a runtime.engine.Program, or what makes one.
    """

    def get(
        self, code_hash: bytes, prepare: Callable[[], Any], *, of_chain: bool = False, deadline: Deadline | None = None
    ) -> Any:
        """The program, made where there is none yet."""
        ...

    @property
    def answers(self) -> dict[bytes, tuple[Any, tuple[object, ...]]]:
        """Answers that `publish` took, of programs that are the chain's and still kept."""
        ...

    def publish(self, code_hash: bytes, answer: tuple[Any, tuple[object, ...]]) -> None:
        """Let the core take a program, with the facts of it, without asking."""
        ...

    def ready(self, code_hash: bytes, *, of_chain: bool) -> Any:
        """The program, if `get` would give it without any other effect; None otherwise."""
        ...

    def keep(self, code_hash: bytes, program: Any) -> None:
        """The code is the chain's now."""
        ...

    def kept(self) -> tuple[int, int]:
        """(programs in memory, bytes of their modules)."""
        ...

    def close(self) -> None:
        """End the compilation in the background."""
        ...


class Lender(Protocol):
    """Lends compiled programs to the frames of one thread, from the outermost one's begin to its end."""

    def borrow(self) -> Programs: ...
    def give_back(self, programs: Programs) -> None: ...


class TransactionScope:
    """Counters of one transaction or call. The outermost frame makes it; nothing of it outlives the transaction.

    Each frame enters it, as a context manager: what the frames have borrowed goes back when the outermost one ends.
    instance_pages_limit: pages that one instance may have, at most the price table's.
    """

    __slots__ = (
        "_frames",
        "_lender",
        "_programs",
        "entry",
        "ever_pages",
        "instance_pages_limit",
        "open_pages",
        "price_table",
        "stack_words",
    )

    def __init__(
        self, price_table: PriceTable, lender: Lender, *, entry: Entry = ENTRY, pages_limit: int | None = None
    ) -> None:
        limit = price_table.pages.instance_pages_limit
        self.price_table = price_table
        self.entry = entry
        self._lender = lender
        self._frames = 0
        self._programs: Programs | None = None
        self.instance_pages_limit = limit if pages_limit is None else min(limit, pages_limit)
        self.stack_words = TRANSACTION_STACK_WORDS
        self.open_pages = 0
        self.ever_pages = 0

    def __enter__(self) -> "TransactionScope":
        self._frames += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._frames -= 1
        if not self._frames and self._programs is not None:
            self._lender.give_back(self._programs)
            self._programs = None

    @property
    def programs(self) -> Programs:
        """The compiled programs, for a frame that has entered."""
        assert self._frames
        if self._programs is None:
            self._programs = self._lender.borrow()
        return self._programs

    def open(self, added: int, instance_pages: int) -> int:
        """Open pages in an instance that has `instance_pages`: their price in gas. Raises OutOfPagesError."""
        model = self.price_table.pages
        if instance_pages + added > self.instance_pages_limit:
            raise OutOfPagesError(
                f"{instance_pages + added} pages in one instance, the limit is {self.instance_pages_limit}"
            )
        total = self.open_pages + added
        if total > model.transaction_pages_limit:
            raise OutOfPagesError(
                f"{total} pages open in the transaction, the limit is {model.transaction_pages_limit}"
            )
        gas = model.gas(added, self.open_pages, self.ever_pages)
        self.open_pages = total
        self.ever_pages = max(self.ever_pages, total)
        return gas

    def close(self, pages: int) -> None:
        """Release the pages of an ended instance."""
        self.open_pages -= pages
