"""Statistics of the executions of zvm/1."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Statistics:
    """The server's executions: those under way with the time of their begin (time.monotonic), and totals."""

    total_executions_started: int = 0
    total_gas_consumed: int = 0
    refused_busy: int = 0
    refused_authentications: int = 0
    _running: dict[object, float] = field(default_factory=dict)

    @property
    def active_executions(self) -> int:
        """Executions under way."""
        return len(self._running)

    @property
    def oldest_execution_age_ms(self) -> int:
        """Age of the oldest execution under way; 0 without one."""
        first = next(iter(self._running.values()), None)
        return 0 if first is None else int((time.monotonic() - first) * 1_000)

    def values(self) -> tuple[int, int, int, int]:
        """As the answer has them."""
        started, gas = self.total_executions_started, self.total_gas_consumed
        return self.active_executions, started, gas, self.oldest_execution_age_ms

    def begin(self) -> object:
        """Count an execution that begins; what `end` or `withdraw` is given."""
        key = object()
        self._running[key] = time.monotonic()
        self.total_executions_started += 1
        return key

    def end(self, key: object) -> None:
        """An execution is over."""
        del self._running[key]

    def withdraw(self, key: object) -> None:
        """An execution has not come about: another one takes its place, or its client has left before it ran."""
        del self._running[key]
        self.total_executions_started -= 1

    @contextmanager
    def execution(self) -> Iterator[None]:
        """Frame one execution."""
        key = self.begin()
        try:
            yield
        finally:
            self.end(key)
