"""Executions over a forked chain, tried until what they read is at hand (storage.read_ahead).

Where a trial lacks something, the entries of the message's access list are fetched with it, and what the last call of
the same function has read: of the same account, else the slots of one with the same code. So slots that name each
other, which trials find one after the other, come at once.
"""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol, TypeVar

from lru import LRU

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.types.transaction import AccessListEntry
from zevm.chain.vm.overlay_reader import OverlayReader
from zevm.storage.account import Account, StateReader
from zevm.storage.errors import OriginError
from zevm.storage.primitives import Address
from zevm.storage.read_ahead import Read, Trial, TrialReader, on_trial
from zevm.storage.state_readers import OverOrigin, UpdateReader

MOST_TRIALS = 8
"""Trials of one execution: each finds what depends on what the one before has found. The rest is read one by one."""

TRIAL_SECONDS = 0.25
"""Time of a trial that lacks something: what it does then may be far from what the execution will do."""

REMEMBERED_FUNCTIONS = 256
"""Functions whose last reads are remembered, of accounts and of codes together: about 10 MB at most."""

REMEMBERED_READS = 256
"""Reads of one function that are remembered, the first."""

SELECTOR_BYTES = 4

Result = TypeVar("Result")
_last_reads: "LRU[bytes, tuple[Read, ...]]" = LRU(REMEMBERED_FUNCTIONS)


class Message(Protocol):
    """A call or a transaction. to: None for a creation."""

    @property
    def to(self) -> Address | None: ...

    @property
    def data(self) -> bytes: ...

    @property
    def access_list(self) -> Sequence[AccessListEntry]: ...


class _TrialDeadline(Deadline):
    """The execution's own deadline, and an earlier one once the trial has lacked something."""

    __slots__ = ("_ends_at", "_trial")

    def __init__(self, deadline: Deadline, trial: Trial) -> None:
        super().__init__(deadline.at, deadline.cancellation)
        self._trial = trial
        self._ends_at = time.monotonic() + TRIAL_SECONDS - deadline.cancellation.waited_seconds

    def expired(self) -> bool:
        """Whether either has come."""
        if self._trial.wanted:
            self.at = min(self.at, self._ends_at)
        return super().expired()


_OVER_ANOTHER = OverlayReader, UpdateReader


def is_over_origin(reader: StateReader) -> bool:
    """Whether reads of a state may wait for the node of a forked chain."""
    return isinstance(_lowest(reader), OverOrigin)


def _lowest(reader: StateReader) -> StateReader:
    """The reader beneath all unwritten changes."""
    while isinstance(reader, _OVER_ANOTHER):
        reader = reader.beneath
    return reader


def run_ahead(
    reader: StateReader,
    run: Callable[[StateReader, Deadline | None], Result],
    deadline: Deadline | None,
    message: Message,
) -> Result:
    """The result of `run`, which executes on a state of its own over the reader and under the deadline of its turn.

    message: what it executes.
    """
    if not is_over_origin(reader) or isinstance(deadline, BriefDeadline):
        return run(reader, deadline)
    for turn in range(MOST_TRIALS):
        with on_trial() as trial:
            tried = TrialReader(reader)
            try:
                result = run(tried, None if deadline is None else _TrialDeadline(deadline, trial))
            except Exception:
                if not trial.wanted:
                    raise
            if not trial.wanted:
                if turn:
                    _remember(tried, message)
                return result
            _look_for_expected(TrialReader(_lowest(reader)), message)
        try:
            trial.fetch()
        except OriginError:
            # the trial may have asked for what the execution never reads
            break
    return run(reader, deadline)


def _look_for_expected(tried: TrialReader, message: Message) -> None:
    """Read in a trial what the message will probably read, so that it is noted if it is not at hand."""
    for entry in message.access_list:
        tried.account(entry.address)
        for key in entry.storage_keys:
            tried.storage(entry.address, int.from_bytes(key, "big"))
    if message.to is None:
        return
    known = _last_reads.get(_of_account(message.to, message))
    if known is None:
        account = tried.account(message.to)
        known = () if account is None else _last_reads.get(_of_code(account, message)) or ()
    for address, slot in known:
        if slot is None:
            tried.account(address or message.to)
        else:
            tried.storage(address or message.to, slot)


def _remember(tried: TrialReader, message: Message) -> None:
    """Keep what a call of a function has read, and for other accounts with its code the slots of its own."""
    account = None if message.to is None else tried.account(message.to)
    if message.to is None or account is None:
        return
    own = [Read(None, read.slot) for read in tried.reads if read.address == message.to and read.slot is not None]
    _last_reads[_of_account(message.to, message)] = tuple(islice(tried.reads, REMEMBERED_READS))
    _last_reads[_of_code(account, message)] = tuple(own[:REMEMBERED_READS])


def _of_account(address: Address, message: Message) -> bytes:
    return address + message.data[:SELECTOR_BYTES]


def _of_code(account: Account, message: Message) -> bytes:
    return account.code_hash + message.data[:SELECTOR_BYTES]
