"""When blocks are made: at once for each transaction, at an interval, both, or only when told."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from zevm.chain.concurrency.writer import Writer, WriterStoppedError
from zevm.chain.errors import ExternalConsensusError, NodeFaultError, Notice
from zevm.storage.errors import StorageError

LOGGER = logging.getLogger("zevm.chain")


@dataclass(frozen=True, slots=True)
class MiningMode:
    """Two independent switches; an interval of 0 milliseconds means none."""

    automine: bool = True
    interval_ms: int = 0


class Mining:
    """Holds the mode and the interval's timer. Changes are made on the writer thread."""

    def __init__(
        self,
        writer: Writer,
        mine: Callable[[], object],
        mode: MiningMode,
        *,
        external_consensus: bool = False,
        equal_timestamps: bool = False,
    ) -> None:
        """`external_consensus`: a consensus client makes the blocks, not this chain. equal_timestamps: see Clock."""
        self._writer = writer
        self._mine = mine
        self._mode = MiningMode(automine=False) if external_consensus else mode
        self._external_consensus = external_consensus
        self._whole_seconds = not equal_timestamps
        self._warned_ms = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    @property
    def mode(self) -> MiningMode:
        """The switches as they stand."""
        return self._mode

    @property
    def automine(self) -> bool:
        """Whether a transaction is mined as it arrives."""
        return self._mode.automine

    @property
    def interval_ms(self) -> int:
        """Milliseconds between timed blocks; 0 for none."""
        return self._mode.interval_ms

    def start(self) -> None:
        """Start the timer, if the mode asks for one."""
        self.set_mode(self._mode)

    def set_automine(self, enabled: bool) -> None:
        """Switch instant mining; the interval stays as it is."""
        self.set_mode(MiningMode(enabled, self._mode.interval_ms))

    def set_interval_ms(self, interval_ms: int) -> None:
        """Set the interval, 0 to stop timed blocks; instant mining stays as it is."""
        self.set_mode(MiningMode(self._mode.automine, interval_ms))

    def set_mode(self, mode: MiningMode) -> None:
        """Set both switches. Raises ExternalConsensusError where the chain may not make blocks by itself."""
        if self._external_consensus and (mode.automine or mode.interval_ms):
            raise ExternalConsensusError
        self._warn_of_haste(mode.interval_ms)
        with self._changed:
            self._mode = mode
            self._changed.notify_all()
            if mode.interval_ms and self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="interval-mining", daemon=True)
                self._thread.start()

    def _warn_of_haste(self, interval_ms: int) -> None:
        """Once for an interval: timestamps are whole seconds that rise with every block, and so they run ahead."""
        if self._whole_seconds and 0 < interval_ms < 1000 and interval_ms != self._warned_ms:
            self._warned_ms = interval_ms
            LOGGER.warning(
                "a block every %g s: each is a whole second later than the one before, so the chain's time runs ahead "
                "of the clock",
                interval_ms / 1000,
                extra={"notice": Notice.CLOCK_RUNS_AHEAD},
            )

    def stop(self) -> None:
        """End the timer."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        failing = False
        while self._wait_for_tick():
            try:
                self._writer.submit(self._mine).result()
                failing = False
            except WriterStoppedError:
                return
            except StorageError as error:
                # each tick is a write, and so tries whether the medium takes them again
                if not failing:
                    LOGGER.error("timed blocks cannot be made: %s", error)
                failing = True
            except NodeFaultError as fault:
                # no block came of it and nothing is lost: the next tick tries again
                LOGGER.critical("a timed block cannot be made: %s", fault, exc_info=fault)

    def _wait_for_tick(self) -> bool:
        """Wait for one whole interval of an unchanged length; False when stopped."""
        with self._changed:
            while not self._stopped:
                mode = self._mode
                timeout_seconds = min(mode.interval_ms / 1000, threading.TIMEOUT_MAX) if mode.interval_ms else None
                if not self._changed.wait_for(partial(self._has_changed, mode.interval_ms), timeout_seconds):
                    return True
            return False

    def _has_changed(self, interval_ms: int) -> bool:
        return self._stopped or self._mode.interval_ms != interval_ms
