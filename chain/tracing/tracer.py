"""The base of every tracer: it ignores every event."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from zevm.chain.tracing.encoded import Parts
from zevm.chain.tracing.memory import take
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import HostCall, Recording, TransactionStart, WatchedFrame
from zevm.storage.primitives import Address

Json = dict[str, Any] | list[Any] | orjson.Fragment


class QuietTracer:
    """A chain.vm.interface.Tracer that does nothing; tracers override what they watch."""

    wants_steps = False
    wants_host_calls = False
    wants_blocks = False
    recording: Recording | None = None

    def hold(self, size_bytes: int) -> None:
        """Count it as memory of the traces under way. Raises TraceMemoryError."""
        take(size_bytes)

    def on_begin(self, start: TransactionStart) -> None:
        """See Tracer, as for the others."""

    def on_enter(self, start: FrameStart) -> None:
        """A frame begins."""

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """A frame ended."""

    def on_look(self, address: Address, slot: int | None) -> None:
        """An instruction of a recorded run looked at an account or a slot."""

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """An instruction is about to run."""

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """An instruction failed."""

    def on_halt(self, frame: WatchedFrame) -> None:
        """The code ended."""

    def on_host_instruction(self, frame: WatchedFrame, opcode: int, stack: Sequence[int]) -> None:
        """An instruction on behalf of a WebAssembly contract."""

    def on_program_start(self, frame: WatchedFrame, size: int, ink_left: int) -> None:
        """A WebAssembly contract's function begins."""

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:
        """It stops before its end."""

    def on_program_block(self, frame: WatchedFrame, offset: int, ink_left: int, stack_words: int) -> None:
        """A block of a WebAssembly contract begins."""

    def on_program_end(self, frame: WatchedFrame, status: int | None, ink_left: int) -> None:
        """It ended."""

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """A host function begins."""

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:
        """A host function ended."""

    def on_end(self, outcome: Outcome) -> None:
        """The transaction ended."""


class ResultTracer(QuietTracer, ABC):
    """A tracer that a client can ask for by name."""

    @abstractmethod
    def result(self) -> Json:
        """The result, once the transaction has ended: a JSON value for orjson."""

    def close(self) -> None:
        """Let go of what it holds, whether the transaction ended or not. Idempotent."""

    def encode(self) -> Parts:
        """The same as JSON text."""
        return [orjson.dumps(self.result())]
