"""Parity's vmTrace: for every instruction what it pushed, wrote and left, frames within the calls that made them."""

# ruff: noqa: ARG002  one signature for all tracers, used or not

import orjson

from zevm.chain.tracing.settings import Budget
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.interface import VmError
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.operations import OPCODE_NAMES, STACK_EFFECTS
from zevm.chain.vm.tracer import WatchedFrame

SSTORE = 0x55
_PUSHED = {
    opcode: STACK_EFFECTS.get({"KECCAK256": "SHA3"}.get(name, name), (0, 0))[1] for opcode, name in OPCODE_NAMES.items()
}
_WRITES = {
    0x37: (1, 3),
    0x39: (1, 3),
    0x3E: (1, 3),
    0x3C: (2, 4),
    0x5E: (1, 3),
    0xF1: (6, 7),
    0xF2: (6, 7),
    0xF4: (5, 6),
    0xFA: (5, 6),
}
"""Opcode -> where on the stack the start and the size of what it writes to memory stand, 1 for the top."""
_WORDS = {0x51: 32, 0x52: 32, 0x53: 1}
"""Bytes that MLOAD, MSTORE and MSTORE8 touch at the address on top of the stack."""
_OPERATION_BYTES = 160


class _Open:
    """A frame that runs: where its text begins, and the operation that waits for what it did.

    belongs: whether an operation of the frame above, or nothing, made it; a WebAssembly contract has no operations.
    cost: of the waiting operation, once a call or a fault has shown it. ex: its effects as JSON, once they are known.
    called: whether its `sub` is written.
    """

    __slots__ = ("belongs", "called", "cost", "ex", "frame", "gas", "has_steps", "place", "pushed", "store", "written")

    def __init__(self, place: int, *, belongs: bool) -> None:
        self.place, self.belongs = place, belongs
        self.frame: WatchedFrame | None = None
        self.has_steps = self.called = False
        self.gas = self.pushed = 0
        self.cost: int | None = None
        self.ex: bytes | None = None
        self.store = b"null"
        self.written: tuple[int, int] | None = None


class VmTracer(ResultTracer):
    """{code, ops: [{pc, sub, cost, ex: {mem, push, store, used}}]}; ex is null for what failed.

    The text is written as the operations come. Objects for each of them would be millions, and what is freed of those
    is not given back to the system.
    """

    wants_steps = True

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._text = bytearray()
        self._code = b""
        self._budget = Budget()

    def on_enter(self, start: FrameStart) -> None:
        """A frame hangs on the operation that made it; its price shows now."""
        belongs = not self._open
        if belongs and start.kind.startswith("CREATE"):
            self._code = start.data
        elif not belongs and start.kind != "SELFDESTRUCT" and self._open[-1].frame is not None:
            parent, belongs = self._open[-1], True
            assert parent.frame is not None
            passed_on = start.gas_limit if start.kind.startswith("CREATE") else 0
            parent.cost = parent.gas - parent.frame.gas_left - passed_on
            parent.called = True
        self._open.append(_Open(len(self._text), belongs=belongs))

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Close the frame. One without operations is null."""
        closed = self._open.pop()
        if closed.has_steps:
            self._end_operation(closed)
            self._text += b"]}"
        if not closed.belongs:
            del self._text[closed.place :]
        elif self._open and not closed.has_steps:
            self._text += b"null"

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Finish the operation before, and begin the next."""
        top = self._open[-1]
        self._budget.take(_OPERATION_BYTES)
        if top.has_steps:
            self._finish(top, frame)
            self._end_operation(top)
            self._text += b',{"pc":%d,"sub":' % program_counter
        else:
            self._budget.take(2 * len(frame.msg.code))
            top.has_steps = True
            self._text += b'{"code":"0x%b","ops":[{"pc":%d,"sub":' % (frame.msg.code.hex().encode(), program_counter)
        stack = frame.stack
        top.frame, top.gas, top.pushed = frame, frame.gas_left, _PUSHED.get(opcode, 0)
        top.written = _written(opcode, stack)
        top.called, top.cost, top.ex, top.store = False, None, None, b"null"
        if opcode == SSTORE and len(stack) > 1:
            top.store = b'{"key":"%#x","val":"%#x"}' % (stack[-1], stack[-2])

    def _finish(self, top: _Open, frame: WatchedFrame) -> None:
        if top.cost is None:
            top.cost = top.gas - frame.gas_left
        memory = b"null"
        if top.written is not None and top.written[1]:
            start, size = top.written
            self._budget.take(2 * size)
            memory = b'{"data":"0x%b","off":%d}' % (bytes(frame.memory[start : start + size]).hex().encode(), start)
        words = frame.stack[-top.pushed :] if top.pushed else ()
        pushed = b",".join([b'"%#x"' % word for word in words])
        top.ex = b'{"mem":%b,"push":[%b],"store":%b,"used":%d}' % (memory, pushed, top.store, frame.gas_left)

    def _end_operation(self, top: _Open) -> None:
        """Write what is known of the waiting operation by now."""
        if not top.called:
            self._text += b"null"
        cost = b"null" if top.cost is None else b"%d" % top.cost
        self._text += b',"cost":%b,"ex":%b}' % (cost, top.ex or b"null")

    def on_halt(self, frame: WatchedFrame) -> None:
        """Finish the last operation."""
        top = self._open[-1]
        if top.has_steps:
            top.pushed = 0
            self._finish(top, frame)

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """Record no effect for a failed instruction."""
        top = self._open[-1]
        if top.has_steps:
            top.cost = gas_cost if top.cost is None else top.cost
            top.ex = None

    def result(self) -> Json:
        """The outermost frame."""
        return orjson.Fragment(bytes(self._text) or b'{"code":"0x%b","ops":[]}' % self._code.hex().encode())


def _written(opcode: int, stack: list[int]) -> tuple[int, int] | None:
    places = _WRITES.get(opcode)
    if places is not None:
        start, size = places
        return (stack[-start], stack[-size]) if len(stack) >= size else None
    width = _WORDS.get(opcode)
    return (stack[-1], width) if width is not None and stack else None
