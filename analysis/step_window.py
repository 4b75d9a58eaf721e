"""Instructions of one execution, and host calls of its WebAssembly contracts: a few of them, from one number on."""

# ruff: noqa: ARG002  one signature for all tracers, used or not

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zevm.analysis.catalogue import Catalogue
from zevm.analysis.profile.sites import Places, SiteFinder
from zevm.chain.tracing.hostio import Hostio, HostioReader
from zevm.chain.tracing.struct_log import NAMES, SLOAD, SSTORE
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.vm.interface import VmError
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import HostCall, TransactionStart, WatchedFrame
from zevm.contracts.source_maps import Place

STACK_WORDS: Final = 4
"""Words of a stack that are kept, from its top."""
VALUE_BYTES: Final = 1_024
"""Bytes of a change of memory, or of a host call's input or output, that are kept."""
TLOAD, TSTORE = 0x5C, 0x5D
_READS: Final = {SLOAD: "slot", TLOAD: "transient slot"}
_WRITES: Final = {SSTORE: "slot", TSTORE: "transient slot"}
_HOST_SLOTS: Final = {
    "storage_load_bytes32": "slot",
    "storage_cache_bytes32": "slot",
    "transient_load_bytes32": "transient slot",
    "transient_store_bytes32": "transient slot",
}
"""Host functions whose input begins with a slot."""


class Change(NamedTuple):
    """An effect of an instruction, or a value that it read. before: None where it is not known, or only read."""

    what: str
    before: str | None
    after: str


@dataclass(slots=True)
class Step:
    """An instruction, or a host call. number: in the execution, from 0. depth: of its frame, from 0 for the outermost.

    counter: the program counter, None for a host call. gas: before it; of a host call in ink, as the cost. cost: None
    where the execution did not come to its end. stack: the top first, at most STACK_WORDS of stack_size. error: why it
    ended its frame.
    """

    number: int
    depth: int
    account: bytes
    counter: int | None
    name: str
    gas: int
    cost: int | None = None
    stack: tuple[int, ...] = ()
    stack_size: int = 0
    changes: list[Change] = field(default_factory=list)
    place: Place | None = None
    error: str | None = None


class _Waiting(NamedTuple):
    """A step whose effect is not known yet, its frame, and the frame's memory before it."""

    step: Step
    frame: WatchedFrame
    memory: bytes


class StepWindow(QuietTracer):
    """Watches one execution. steps: those of the numbers in `wanted`. count: of all that have begun.

    The cost of a call has the gas in it that it passes on, as in geth's struct logs; that of a creation has not.
    """

    wants_steps = True

    def __init__(self, catalogue: Catalogue, wanted: range) -> None:
        self._finder = SiteFinder(catalogue)
        self._wanted = wanted
        self._places: list[Places | None] = []
        self._waiting: dict[int, _Waiting] = {}
        self._reader = HostioReader()
        self._calls: list[tuple[Step | None, HostCall]] = []
        self.steps: list[Step] = []
        self.count = 0

    def on_begin(self, start: TransactionStart) -> None:
        """Keep the state, for codes."""
        self._finder.begin(start.state, start.precompiles)

    def on_enter(self, start: FrameStart) -> None:
        """A call has its cost now; look up the frame's source map."""
        waiting = self._waiting.get(start.depth - 1)
        if waiting is not None and waiting.step.cost is None:
            passed_on = start.gas_limit if start.kind in CREATIONS else 0
            waiting.step.cost = waiting.step.gas - waiting.frame.gas_left - passed_on
        is_shown = self.count < self._wanted.stop
        self._places.append(self._finder.of_frame(start).places if is_shown else None)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Forget the frame."""
        self._places.pop()
        self._waiting.pop(len(self._places), None)

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Settle the frame's step before, and begin the next."""
        depth = frame.msg.depth
        waiting = self._waiting.pop(depth, None) if self._waiting else None
        if waiting is not None:
            self._settle(waiting, frame.gas_left)
        number = self.count
        self.count += 1
        if number not in self._wanted:
            return
        stack = frame.stack
        step = Step(
            number, depth, frame.address, program_counter, NAMES[opcode], frame.gas_left,
            stack=tuple(reversed(stack[-STACK_WORDS:])), stack_size=len(stack), place=self._place(program_counter),
        )  # fmt: skip
        self._note_slot(step, frame, opcode)
        self.steps.append(step)
        self._waiting[depth] = _Waiting(step, frame, bytes(frame.memory))

    def on_halt(self, frame: WatchedFrame) -> None:
        """Settle the frame's last step."""
        waiting = self._waiting.pop(frame.msg.depth, None)
        if waiting is not None:
            self._settle(waiting, frame.gas_left)

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """The same of one that failed."""
        waiting = self._waiting.pop(frame.msg.depth, None)
        if waiting is not None:
            waiting.step.error = error.message
            if waiting.step.cost is None:
                waiting.step.cost = gas_cost

    def on_program_start(self, frame: WatchedFrame, size: int, ink_left: int) -> None:
        """A WebAssembly contract's function begins."""
        self._reader.start(size, ink_left)

    def on_program_end(self, frame: WatchedFrame, status: int | None, ink_left: int) -> None:
        """It ended."""
        self._reader.end(status, ink_left)

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """Begin a step; those of what it calls come after it."""
        self._reader.called(call)
        step = None
        if self.count in self._wanted:
            step = Step(self.count, frame.msg.depth, frame.address, None, call.name, call.ink_left + call.fixed_ink)
            self.steps.append(step)
        self.count += 1
        self._calls.append((step, call))

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:
        """Settle it."""
        step, _ = self._calls.pop()
        hostio = self._reader.returned(result, ink_left, error)
        if step is not None:
            step.cost, step.error = step.gas - ink_left, error
            step.changes += [] if hostio is None else _changes_of(hostio)

    def on_program_stop(self, frame: WatchedFrame, offsets: Callable[[], tuple[int, ...]]) -> None:
        """A WebAssembly contract tells where it is only when it stops: the place is its last host call's."""
        last = self.steps[-1] if self.steps else None
        if last is not None and last.number == self.count - 1 and last.counter is None:
            last.place = next((place for offset in offsets() if (place := self._place(offset)) is not None), None)

    def _place(self, offset: int) -> Place | None:
        places = self._places[-1]
        found = () if places is None else places.frames(offset)
        return found[0] if found else None

    def _note_slot(self, step: Step, frame: WatchedFrame, opcode: int) -> None:
        """Note the slot that the coming instruction reads or writes."""
        stack = frame.stack
        what = _READS.get(opcode) or _WRITES.get(opcode)
        if what is None or len(stack) < (1 if opcode in _READS else 2):
            return
        kept = frame.block_state.get_storage if opcode in (SLOAD, SSTORE) else None
        before = None if kept is None else hex(kept(frame.address, stack[-1]))
        name = f"{what} {hex(stack[-1])}"
        if opcode in _WRITES:
            step.changes.append(Change(name, before, hex(stack[-2])))
        elif before is not None:
            step.changes.append(Change(name, None, before))

    def _settle(self, waiting: _Waiting, gas_left: int) -> None:
        """Note the cost, and what became of the memory."""
        step, frame, memory = waiting
        if step.cost is None:
            step.cost = step.gas - gas_left
        changed = changed_range(memory, frame.memory)
        if changed is not None:
            start, end = changed
            cut = min(end, start + VALUE_BYTES)
            step.changes.append(
                Change(f"memory {hex(start)}", _hexadecimal(memory[start:cut]), _hexadecimal(frame.memory[start:cut]))
            )


def changed_range(before: bytes, after: bytes | bytearray) -> tuple[int, int] | None:
    """The words of a memory that differ, as start and end in bytes; None where there are none. It only grows."""
    old = before.ljust(len(after), b"\0")
    if old == after:
        return None
    start = common_length(old, after)
    end = len(old) - common_length(old[::-1], after[::-1])
    return start // 32 * 32, -(-end // 32) * 32


def common_length(one: bytes, other: bytes | bytearray) -> int:
    """Bytes that two different texts of one length have in common at their begin."""
    low, high = 0, len(one)
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _changes_of(hostio: Hostio) -> list[Change]:
    inputs, outputs = hostio.inputs, hostio.outputs
    kind = _HOST_SLOTS.get(hostio.name)
    if kind is not None:
        name = f"{kind} {hex(int.from_bytes(inputs[:32], 'big'))}"
        return [Change(name, None, hex(int.from_bytes(outputs or inputs[32:], "big")))]
    return [
        Change(what, None, _hexadecimal(value[:VALUE_BYTES]))
        for what, value in (("in", inputs), ("out", outputs))
        if value
    ]


def _hexadecimal(value: bytes | bytearray) -> str:
    return f"0x{value.hex()}"
