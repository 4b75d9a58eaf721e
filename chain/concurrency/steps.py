"""Long work in steps, which leaves other work its turns."""

import time
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work for the writer in parts; its return value is the result."""

TURN_SECONDS = 0.05
"""How long one part of long work may keep other writes waiting."""


class Turn:
    """Time that a part of long work may take before others are to have theirs."""

    def __init__(self, seconds: float = TURN_SECONDS) -> None:
        self._ends_at = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it is time to yield."""
        return time.monotonic() > self._ends_at


def run_through(steps: Steps[Result]) -> Result:
    """Run work in parts at one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
