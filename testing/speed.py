"""How fast this machine is, for tests whose bounds are times: a slower or busier machine gets more of it."""

import time

_ROUNDS = 100_000
_NOMINAL_SECONDS = 0.009
"""The rounds' time on the machine that the bounds were chosen on."""
PATIENCE_SECONDS = 40.0
"""Until a test says that what it waits for never ends: a busy machine may need it, and what hangs takes longer."""
_SHARED = 3.0
"""For all that short rounds do not show: probes of coverage, caches that others fill, processors that others have."""


def slowness() -> float:
    """The factor by which code may take longer here than alone on the bounds' machine; at least 3."""

    def seconds() -> float:
        began = time.process_time()
        total = 0
        for number in range(_ROUNDS):
            total = (total + number) & 0xFFFF
        return time.process_time() - began

    return _SHARED * max(1.0, min(seconds() for _ in range(5)) / _NOMINAL_SECONDS)
