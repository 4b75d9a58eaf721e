"""How fast this machine is, for tests whose bounds are times: a slower machine gets more of it."""

import time

_ROUNDS = 100_000
_NOMINAL_SECONDS = 0.009
"""The rounds' time on the machine that the bounds were chosen on."""


def slowness() -> float:
    """The factor by which this machine is slower now than the bounds' machine; at least 1."""

    def seconds() -> float:
        began = time.process_time()
        total = 0
        for number in range(_ROUNDS):
            total = (total + number) & 0xFFFF
        return time.process_time() - began

    return max(1.0, min(seconds() for _ in range(5)) / _NOMINAL_SECONDS)
