"""Time limits of off-chain runs: one thread that counts wasmtime's epochs while any run has a deadline."""

import contextlib
import math
import threading
import time
from collections.abc import Iterator

from chain.zvm import capi

TICK_SECONDS = 0.01
FOREVER = 1 << 62
"""Epochs that a run without a deadline may last: block execution is never interrupted."""


class _Ticker:
    """Increments the epoch of the engines in use every tick; sleeps without a tick when there are none."""

    def __init__(self) -> None:
        self._runs: dict[int, int] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watch(self, engine: int) -> Iterator[None]:
        """Tick for a run of the engine at this address; the caller keeps the engine alive so long."""
        with self._changed:
            self._runs[engine] = self._runs.get(engine, 0) + 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="zvm-deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._runs[engine] -= 1
                if not self._runs[engine]:
                    del self._runs[engine]

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._runs:
                    self._changed.wait()
                for engine in self._runs:
                    capi.engine_increment_epoch(engine)
            time.sleep(TICK_SECONDS)


ticker = _Ticker()


def epochs_until(deadline: float | None) -> int:
    """Epochs from now to `deadline`, a time.monotonic() value; at most one tick early, 0 when it has passed."""
    if deadline is None:
        return FOREVER
    return max(0, math.ceil((deadline - time.monotonic()) / TICK_SECONDS))
