"""Time limits of off-chain runs: one thread that looks at the clock while any run has a deadline.

wasmtime ends a run when its engine's epoch reaches a number. All runs of an engine share the epoch, so it advances by
one when the deadline of any has passed, or was cancelled; each run then looks at its own, and ends or goes on for
another epoch (chain.zvm.runtime.instance).
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.concurrency.shared import ends_with
from zevm.chain.zvm.runtime import capi

TICK_SECONDS = 0.01
NEXT_EPOCH = 1
"""Epochs after which a run with a deadline looks at it."""
FOREVER = 1 << 62
"""Epochs that a run without a deadline may last: block execution is never interrupted."""


class _Ticker:
    """Looks at the deadlines of the runs every tick; sleeps without a tick when there are none.

    The runs of one call share its deadline: they are counted by engine and deadline. A tick, and no wait until the next
    deadline: most runs are shorter than one, and none of them then wakes this thread as it begins.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[int, int], tuple[Deadline, int]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        ends_with(self.end_idle)

    @contextlib.contextmanager
    def watch(self, engine: int, deadline: Deadline) -> Iterator[None]:
        """Tick for a run of the engine at this address; the caller keeps the engine alive so long."""
        self.begin(engine, deadline)
        try:
            yield
        finally:
            self.end(engine, deadline)

    def begin(self, engine: int, deadline: Deadline) -> None:
        """Tick for a run of the engine at this address, which the caller keeps alive until `end`."""
        with self._changed:
            was_idle = not self._runs
            self._count((engine, id(deadline)), deadline, 1)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="zvm-deadlines", daemon=True)
                self._thread.start()
            if was_idle:
                self._changed.notify_all()

    def end(self, engine: int, deadline: Deadline) -> None:
        """A run that began is over."""
        with self._changed:
            self._count((engine, id(deadline)), deadline, -1)

    def end_idle(self) -> None:
        """End the thread, where no run has a deadline; the next run that has one starts it again."""
        with self._changed:
            thread = self._thread
            if thread is None or self._runs:
                return
            self._thread = None
            self._changed.notify_all()
        thread.join()

    def _count(self, key: tuple[int, int], deadline: Deadline, change: int) -> None:
        _, count = self._runs.pop(key, (deadline, 0))
        if count + change:
            self._runs[key] = deadline, count + change

    def _run(self) -> None:
        this = threading.current_thread()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._runs or self._thread is not this)
                if self._thread is not this:
                    return
                for engine in {engine for (engine, _), (deadline, _) in self._runs.items() if deadline.expired()}:
                    capi.engine_increment_epoch(engine)
            time.sleep(TICK_SECONDS)


ticker = _Ticker()
