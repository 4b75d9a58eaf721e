"""The rate at which a node of the origin may be asked, in the compute units by which providers count."""

import threading
import time
from collections.abc import Callable

UNITS_OF_A_CALL = 20
"""Units of an average call, as Anvil has it (alloy's RetryBackoffLayer). Providers count each method by itself."""

BURST_SECONDS = 1.0
"""Units of this much time may be spent at once, after as long a pause: providers count by the second."""


class CallBudget:
    """Spends a provider's units a second. Any thread may call. clock: monotonic seconds."""

    def __init__(self, units_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_of_a_call = UNITS_OF_A_CALL / units_per_second
        self._clock = clock
        self._lock = threading.Lock()
        self._spent_until = clock()
        """The time at which all calls so far are paid for."""

    def free_from(self, calls: int) -> float:
        """The time by the clock from which this many more calls are within the budget."""
        return self._after(calls) - BURST_SECONDS

    def spend(self, calls: int) -> float:
        """Take this many calls; seconds to wait before they are made."""
        with self._lock:
            self._spent_until = self._after(calls)
            return max(0.0, self._spent_until - BURST_SECONDS - self._clock())

    def _after(self, calls: int) -> float:
        return max(self._spent_until, self._clock()) + calls * self._seconds_of_a_call
