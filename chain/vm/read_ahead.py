"""Executions over a forked chain, tried until what they read is at hand (storage.read_ahead)."""

import time
from collections.abc import Callable
from typing import TypeVar

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.vm.overlay_reader import OverlayReader
from zevm.storage.account import StateReader
from zevm.storage.errors import OriginError
from zevm.storage.read_ahead import Trial, TrialReader, begin_trial, end_trial
from zevm.storage.state_readers import OverOrigin, UpdateReader

MOST_TRIALS = 8
"""Trials of one execution: each finds what depends on what the one before has found. The rest is read one by one."""

TRIAL_SECONDS = 0.25
"""Time of a trial that lacks something: what it does then may be far from what the execution will do."""

Result = TypeVar("Result")


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


def is_over_origin(reader: StateReader) -> bool:
    """Whether reads of a state may wait for the node of a forked chain."""
    while isinstance(reader, OverlayReader | UpdateReader):
        reader = reader.beneath
    return isinstance(reader, OverOrigin)


def run_ahead(
    reader: StateReader, run: Callable[[StateReader, Deadline | None], Result], deadline: Deadline | None
) -> Result:
    """The result of `run`, which executes on a state of its own over the reader and under the deadline of its turn."""
    if not is_over_origin(reader) or isinstance(deadline, BriefDeadline):
        return run(reader, deadline)
    for _ in range(MOST_TRIALS):
        trial = begin_trial()
        try:
            result = run(TrialReader(reader), None if deadline is None else _TrialDeadline(deadline, trial))
        except Exception:
            if not trial.wanted:
                raise
        else:
            if not trial.wanted:
                return result
        finally:
            end_trial()
        try:
            trial.fetch()
        except OriginError:
            # the trial may have asked for what the execution never reads
            break
    return run(reader, deadline)
