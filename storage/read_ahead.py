"""Reading ahead beneath a fork: an execution runs on trial, and all that it lacked is fetched at once.

In a trial an account or slot that is not at hand is taken for absent, and noted. The outcome counts only if nothing was
noted. It is the outermost reader, that of the trial's own state, which takes it for absent: what lies beneath sees an
error, and so keeps nothing false.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from zevm.storage.account import Account, StateReader
from zevm.storage.errors import OriginError
from zevm.storage.primitives import Address, Hash32


class Wanted(NamedTuple):
    """An account after a block with this state root, or a slot of it."""

    number: int
    root: Hash32
    address: bytes
    slot: int | None


Fetch = Callable[[Sequence[Wanted]], None]
"""Has all of them, in as few requests as it can. Raises OriginError."""


class NotReadError(OriginError):
    """A value is not at hand, and the trial goes on without it."""


class Trial:
    """The values that an execution on trial lacked."""

    __slots__ = ("wanted",)

    def __init__(self) -> None:
        self.wanted: dict[Wanted, Fetch] = {}

    def note(self, wanted: Wanted, fetch: Fetch) -> None:
        """Take a value for absent; `fetch` can have it."""
        self.wanted[wanted] = fetch

    def fetch(self) -> None:
        """Have all of them. Raises OriginError."""
        for fetch in dict.fromkeys(self.wanted.values()):
            fetch([wanted for wanted, by in self.wanted.items() if by == fetch])


class _OfThread(threading.local):
    trial: Trial | None = None


_of_thread = _OfThread()


@contextmanager
def on_trial() -> Iterator[Trial]:
    """Let what this thread executes be a trial: it does not wait for what it reads."""
    trial = _of_thread.trial = Trial()
    try:
        yield trial
    finally:
        _of_thread.trial = None


def check_trial(wanted: Wanted, fetch: Fetch) -> None:
    """Ahead of a request for one value. Raises NotReadError in a trial, which `fetch` is for."""
    if _of_thread.trial is not None:
        _of_thread.trial.note(wanted, fetch)
        raise NotReadError("not read yet")


class Read(NamedTuple):
    """An account that was read, or a slot of it. address: None for one that is told apart from this."""

    address: Address | None
    slot: int | None


class TrialReader:
    """The reader beneath the state of a trial, over any other. reads: what it was asked for, in this order."""

    __slots__ = ("_reader", "code", "reads", "root")

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self.root = reader.root
        self.code = reader.code
        self.reads: dict[Read, None] = {}

    def account(self, address: Address) -> Account | None:
        """The account at `address`; None where it is absent or not at hand."""
        self.reads[Read(address, None)] = None
        try:
            return self._reader.account(address)
        except NotReadError:
            return None

    def storage(self, address: Address, slot: int) -> int:
        """The value of a slot; 0 where it is absent or not at hand."""
        self.reads[Read(address, slot)] = None
        try:
            return self._reader.storage(address, slot)
        except NotReadError:
            return 0
