"""The counter of executed instructions: a watcher of a node's executions, each of which adds to the same counts."""

from collections import defaultdict
from collections.abc import Iterator
from threading import Lock
from typing import Final

from zevm.analysis.catalogue import CODES_KEPT, Catalogue
from zevm.analysis.known_contract import KnownContract
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import TransactionStart, WatchedFrame

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Bytes of these codes."""


Counts = defaultdict[int, int]
"""Program counter -> how often the instruction there ran."""


class ExecutedCode:
    """Counts of a contract's instructions. is_creation: of its creation code, whose places are others."""

    __slots__ = ("contract", "counts", "is_creation")

    def __init__(self, contract: KnownContract, is_creation: bool) -> None:
        self.contract, self.is_creation = contract, is_creation
        self.counts: Counts = defaultdict(int)


class CoverageRecorder:
    """Makes the tracer of each execution (chain.vm.tracer.Watcher). Executions run on several threads at once."""

    def __init__(self) -> None:
        self.catalogue: Catalogue | None = None
        self._lock = Lock()
        self._by_code: dict[tuple[bytes, bool], ExecutedCode | None] = {}
        self._bytes_kept = 0
        self._executed: dict[tuple[int, bool], ExecutedCode] = {}

    def __call__(self, _: str) -> "ExecutionCounter":
        return ExecutionCounter(self)

    def executed(self) -> Iterator[ExecutedCode]:
        """The codes of known contracts that ran."""
        yield from self._executed.values()

    def of_code(self, code: bytes, is_creation: bool) -> ExecutedCode | None:
        """The counts of a code that is about to run; None for one of no known contract."""
        if self.catalogue is None or not code:
            return None
        key = (code, is_creation)
        with self._lock:
            if key in self._by_code:
                return self._by_code[key]
        contract = _contract(self.catalogue, code, is_creation)
        with self._lock:
            if len(self._by_code) >= CODES_KEPT or self._bytes_kept + len(code) > KEPT_BYTES:
                self._by_code.clear()
                self._bytes_kept = 0
            found = None
            if contract is not None:
                found = self._executed.setdefault((id(contract), is_creation), ExecutedCode(contract, is_creation))
            if key not in self._by_code:
                self._bytes_kept += len(code)
            self._by_code[key] = found
            return found

    def add(self, code: ExecutedCode, counts: Counts) -> None:
        """Add what one execution ran."""
        with self._lock:
            for program_counter, times in counts.items():
                code.counts[program_counter] += times


class ExecutionCounter(QuietTracer):
    """Counts the instructions of one execution."""

    wants_steps = True

    def __init__(self, recorder: CoverageRecorder) -> None:
        self._recorder = recorder
        self._state: ExecutionState | None = None
        self._used: dict[ExecutedCode, Counts] = {}
        self._left_out: Counts = defaultdict(int)
        self._open: list[Counts] = [self._left_out]
        self._counts = self._left_out

    def on_begin(self, start: TransactionStart) -> None:
        """Keep the state, for codes."""
        self._state = start.state

    def on_enter(self, start: FrameStart) -> None:
        """Count for the frame's code."""
        assert self._state is not None
        is_creation = start.kind in CREATIONS
        code = start.data if is_creation else self._state.get_code(start.code_address)
        executed = self._recorder.of_code(code, is_creation)
        if executed is None:
            self._left_out.clear()
            self._counts = self._left_out
        else:
            self._counts = self._used.setdefault(executed, defaultdict(int))
        self._open.append(self._counts)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002
        """Count for the caller again."""
        self._open.pop()
        self._counts = self._open[-1]

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:  # noqa: ARG002
        """Count an instruction."""
        self._counts[program_counter] += 1

    def on_end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """Hand the counts over."""
        for code, counts in self._used.items():
            self._recorder.add(code, counts)


def _contract(catalogue: Catalogue, code: bytes, is_creation: bool) -> KnownContract | None:
    if not is_creation:
        return catalogue.identify(code)
    found = catalogue.of_creation(code)
    return None if found is None else found[0]
