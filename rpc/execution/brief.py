"""Short executions on the event loop, or on their caller's thread, which saves them two changes of the thread.

Nothing is known of an execution's time for certain: the code may take another way than before. So it runs under a
BriefDeadline, and what does not end by then is done again on a worker. The same holds for transactions that are
executed and mined at once, which are done again on the writer's thread.
"""

import time
from collections.abc import Callable
from typing import Any

from zevm.chain.concurrency.deadline import BriefDeadline, Cancellation, Deadline, NotBriefError
from zevm.chain.concurrency.writer import Work
from zevm.rpc.execution.durations import Durations, Kind
from zevm.rpc.execution.turns import Turns

SHORT_SHARE = 0.9
"""Part of the budget that an execution may have taken on a worker to be expected within it here."""

SEND_BUDGETS = 2
"""Budgets of an execution that a transaction has up to the end of its execution: before it come its signature, its
admission and its block's beginning, which take as long as a short execution. What comes after it is bounded by what it
has changed (chain.blocks.brief_sends).
"""

WHOLE_SENDS = 2.5
"""Those budgets of a transaction that one may take as a whole on the writer's thread to be expected to be short. There
it takes about twice as long as here, as both threads want the interpreter.
"""

OWN_THREAD_BUDGETS = 200
"""Budgets that an execution or a transaction has on its caller's thread, for which no client waits."""

NOT_BRIEF = object()
"""The result of an execution that did not end within the budget."""


class BriefExecutions:
    """Runs executions within a budget on a thread that others wait for.

    budget_seconds: of one; 0 leaves all to the workers. kinds: see Durations. whole: budgets that it may take on
    another thread, with what no deadline watches. of_processor: the budget is the thread's time of a processor, as the
    executions wait for no medium. here, overran: how many have ended on that thread since the start, and how many began
    there and were done again.
    """

    def __init__(self, budget_seconds: float, kinds: int, *, whole: float = 1, of_processor: bool = False) -> None:
        self._budget_seconds = budget_seconds
        self._of_processor = of_processor
        self._durations = Durations(SHORT_SHARE * whole * budget_seconds, kinds)
        self.turns = Turns()
        self.here = 0
        self.overran = 0

    @property
    def is_on(self) -> bool:
        """Whether any execution runs so."""
        return self._budget_seconds > 0

    def expects(self, kind: Kind) -> bool:
        """Whether an execution of this kind is expected to end within the budget."""
        return self._durations.is_short(kind)

    def run(self, kind: Kind, job: Work) -> Any:
        """The result of `job`, which takes `deadline` by keyword, or its error; NOT_BRIEF where it takes too long."""
        function, *arguments = job
        deadline = self.begin(kind)
        try:
            result = function(*arguments, deadline=deadline)
        except NotBriefError:
            self.give_up(kind, deadline)
            return NOT_BRIEF
        self.end(kind)
        return result

    def begin(self, kind: Kind) -> BriefDeadline:
        """The deadline of an execution that begins now. `end` follows, or `give_up` where it takes too long."""
        seconds, begun = self._budget_seconds, None
        # to ask for the thread's time takes as long as a part of a short execution
        if self._of_processor or self._durations.is_doubtful(kind):
            begun = time.thread_time()
        processor_at = begun + seconds if begun is not None and self._of_processor else None
        self.here += 1
        return BriefDeadline(time.monotonic() + seconds, Cancellation(), processor_at, begun)

    def end(self, kind: Kind) -> None:
        """An execution has ended within the budget."""
        self._durations.kept(kind)

    def give_up(self, kind: Kind, deadline: BriefDeadline) -> None:
        """An execution has not ended within the budget, and will be done again."""
        self.here -= 1
        self.overran += 1
        begun = deadline.begun
        # a thread that had to wait for the processor says nothing about the kind
        if not deadline.expired() or (
            begun is not None and time.thread_time() - begun > SHORT_SHARE * self._budget_seconds
        ):
            self._durations.overran(kind)
        elif begun is None:
            self._durations.doubt(kind)

    def timed(self, kind: Kind | None, job: Work) -> tuple[Work, Callable[[], None]]:
        """A job for another thread that does the same, and a function that notes afterwards how long it took."""
        if kind is None:
            return job, _nothing
        timing = _Timing()
        return (timing.run, *job), lambda: self._note(kind, timing)

    def took(self, kind: Kind, seconds: float) -> None:
        """An execution of this kind took this processor time on a worker."""
        self._durations.took(kind, seconds)

    def _note(self, kind: Kind, timing: "_Timing") -> None:
        if timing.seconds is not None:
            self.took(kind, timing.seconds)


class _Timing:
    """The processor time of a job; None unless it has ended by itself."""

    def __init__(self) -> None:
        self.seconds: float | None = None

    def run(self, function: Callable[..., Any], *arguments: Any, deadline: Deadline | None = None) -> Any:
        """Run it, on a worker or, without a deadline, on the writer's thread."""
        begun = time.thread_time()
        try:
            return function(*arguments) if deadline is None else function(*arguments, deadline=deadline)
        finally:
            if deadline is None or not deadline.expired():
                self.seconds = time.thread_time() - begun


def _nothing() -> None:
    """Nothing to note."""
