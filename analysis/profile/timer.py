"""Time of each frame at full speed: instructions are not watched, so that the code runs as it does in blocks."""

import time

from zevm.chain.tracing.settings import Budget
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.interface import VmError
from zevm.chain.vm.message import FrameStart

_FRAME_BYTES = 64


class FrameTimer(QuietTracer):
    """self_ns: nanoseconds of each frame without its calls, in the order in which the frames begin."""

    def __init__(self) -> None:
        self.self_ns: list[int] = []
        self._open: list[int] = []
        self._budget = Budget()
        self._last = time.perf_counter_ns()

    def on_enter(self, start: FrameStart) -> None:  # noqa: ARG002  one signature
        """Give the time so far to the frame that calls."""
        now = time.perf_counter_ns()
        if self._open:
            self.self_ns[self._open[-1]] += now - self._last
        self._budget.take(_FRAME_BYTES)
        self._open.append(len(self.self_ns))
        self.self_ns.append(0)
        self._last = time.perf_counter_ns()

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002
        """Give the time since the last event to the frame that ends."""
        now = time.perf_counter_ns()
        self.self_ns[self._open.pop()] += now - self._last
        self._last = time.perf_counter_ns()
