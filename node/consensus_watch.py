"""The watch over the consensus client: says what a driven node waits for, at the start and when no call comes."""

import logging
import threading
import time
from pathlib import Path

from zevm.chain.blockchain import Chain

LOGGER = logging.getLogger("zevm.node")
SILENCE_SECONDS = 120.0
"""By execution-apis (src/engine/paris.md), a consensus client calls at least this often; it calls in every slot."""


class ConsensusWatch:
    """Warns once when the consensus client is silent, and says when it is back."""

    def __init__(self, chain: Chain, secret_file: Path, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._chain = chain
        self._secret_file = secret_file
        self._seconds = silence_seconds
        self._called_at = time.monotonic()
        self._is_silent = False
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="consensus-watch", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._called_at = time.monotonic()
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def called(self) -> None:
        """The client has called. Called from any thread, on each call."""
        now = time.monotonic()
        if not self._is_silent:
            self._called_at = now
            return
        with self._changed:
            if not self._is_silent:
                return
            silence, self._called_at, self._is_silent = now - self._called_at, now, False
            self._changed.notify_all()
        LOGGER.warning("the consensus client calls again, after %.0f s", silence)

    def waiting(self) -> str:
        """One line on where the chain stands and what moves it on."""
        return (
            f"Waiting for the consensus client: {self._place()}, and the client needs the secret in {self._secret_file}"
        )

    def _place(self) -> str:
        canonical = self._chain.canonical
        head = self._chain.head.header
        finalized = canonical.checkpoints.finalized
        number = None if finalized is None else self._chain.database.ledger.number_of(finalized)
        final = "no block is final" if number is None else f"block {number} is final"
        return f"the head is block {head.number} 0x{head.hash.hex()}, {final}"

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                remaining = self._called_at + self._seconds - time.monotonic()
                if remaining > 0:
                    self._changed.wait(remaining)
                    continue
                self._is_silent = True
                LOGGER.warning("no call of the consensus client for %.0f s: %s", self._seconds, self._place())
                self._changed.wait_for(lambda: self._stopped or not self._is_silent)
