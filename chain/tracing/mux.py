"""muxTracer: several tracers of one execution."""

from collections.abc import Callable, Sequence

import orjson

from zevm.chain.tracing.encoded import take_text
from zevm.chain.tracing.settings import Options, TraceContext
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import HostCall, Recording, Tracer, TransactionStart, WatchedFrame
from zevm.storage.primitives import Address

Maker = Callable[[str, object, TraceContext], ResultTracer]


class MuxTracer(ResultTracer):
    """Options: {tracer: its options}. Every event goes to every tracer, steps to those that want them."""

    def __init__(self, options: Options, context: TraceContext, make: Maker) -> None:
        self._tracers: dict[str, ResultTracer] = {}
        try:
            for name, inner in options.items():
                self._tracers[name] = make(name, inner, context)
        except BaseException:
            self.close()
            raise
        self._all = tuple(self._tracers.values())
        self._stepping = tuple(tracer for tracer in self._all if tracer.wants_steps)
        self._hosting = tuple(tracer for tracer in self._all if tracer.wants_steps or tracer.wants_host_calls)
        self.wants_steps = bool(self._stepping)
        self.wants_host_calls = bool(self._hosting)
        self.recording = _shared(self._all)

    def on_begin(self, start: TransactionStart) -> None:
        """To all, as the next two."""
        for tracer in self._all:
            tracer.on_begin(start)

    def on_enter(self, start: FrameStart) -> None:
        """A frame begins."""
        for tracer in self._all:
            tracer.on_enter(start)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """A frame ended."""
        for tracer in self._all:
            tracer.on_exit(gas_used, output, error)

    def on_look(self, address: Address, slot: int | None) -> None:
        """An instruction looked at an account or a slot."""
        for tracer in self._all:
            tracer.on_look(address, slot)

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """To those that want steps, as the next four."""
        for tracer in self._stepping:
            tracer.on_step(frame, program_counter, opcode)

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """An instruction failed."""
        for tracer in self._stepping:
            tracer.on_fault(frame, error, gas_cost)

    def on_halt(self, frame: WatchedFrame) -> None:
        """The code ended."""
        for tracer in self._stepping:
            tracer.on_halt(frame)

    def on_host_instruction(self, frame: WatchedFrame, opcode: int, stack: Sequence[int]) -> None:
        """An instruction on behalf of a WebAssembly contract."""
        for tracer in self._stepping:
            tracer.on_host_instruction(frame, opcode, stack)

    def on_program_start(self, frame: WatchedFrame, size: int, ink_left: int) -> None:
        """To those that want host calls, as the next four."""
        for tracer in self._hosting:
            tracer.on_program_start(frame, size, ink_left)

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:
        """A WebAssembly contract's function stops before its end."""
        for tracer in self._hosting:
            tracer.on_program_stop(frame, offsets)

    def on_program_end(self, frame: WatchedFrame, status: int | None, ink_left: int) -> None:
        """A WebAssembly contract's function ended."""
        for tracer in self._hosting:
            tracer.on_program_end(frame, status, ink_left)

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """A host function begins."""
        for tracer in self._hosting:
            tracer.on_host_call(frame, call)

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:
        """A host function ended."""
        for tracer in self._hosting:
            tracer.on_host_return(frame, result, ink_left, error)

    def on_end(self, outcome: Outcome) -> None:
        """To all."""
        for tracer in self._all:
            tracer.on_end(outcome)

    def close(self) -> None:
        """Close all."""
        for tracer in self._tracers.values():
            tracer.close()

    def result(self) -> Json:
        """{tracer: result}."""
        return {name: orjson.Fragment(take_text(tracer.encode())) for name, tracer in sorted(self._tracers.items())}


def _shared(tracers: Sequence[Tracer]) -> Recording | None:
    """The recording that serves all tracers; None if one of them watches live, or there is none."""
    recordings = [tracer.recording for tracer in tracers]
    first = recordings[0] if recordings else None
    for recording in recordings:
        if first is None or recording is None:
            return None
        first = Recording(
            min(first.limit_bytes, recording.limit_bytes),
            first.with_logs or recording.with_logs,
            first.with_looks or recording.with_looks,
        )
    return first
