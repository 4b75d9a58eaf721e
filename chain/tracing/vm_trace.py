"""Parity's vmTrace: for every instruction what it pushed, wrote and left, frames within the calls that made them."""

# ruff: noqa: ARG002  one signature for all tracers, used or not

from typing import Any

import orjson

from zevm.chain.tracing.settings import Budget
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.interface import FrameStart, VmError
from zevm.chain.vm.operations import OPCODE_NAMES, STACK_EFFECTS

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
    """A frame that runs: its JSON, and the operation that is not finished."""

    __slots__ = ("frame", "gas", "node", "operation", "pushed", "written")

    def __init__(self, code: bytes) -> None:
        self.node: dict[str, Any] = {"code": "0x" + code.hex(), "ops": []}
        self.operation: dict[str, Any] | None = None
        self.frame: Frame | None = None
        self.gas = self.pushed = 0
        self.written: tuple[int, int] | None = None


class VmTracer(ResultTracer):
    """{code, ops: [{cost, ex: {mem, push, store, used}, pc, sub}]}; ex is null for what failed."""

    wants_steps = True

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._root: dict[str, Any] | None = None
        self._budget = Budget()

    def on_enter(self, start: FrameStart) -> None:
        """A frame hangs on the operation that made it; its price shows now."""
        if start.kind == "SELFDESTRUCT":
            self._open.append(_Open(b""))
            return
        code = start.data if start.kind.startswith("CREATE") else b""
        opened = _Open(code)
        if self._root is None:
            self._root = opened.node
        elif self._open[-1].operation is not None and self._open[-1].frame is not None:
            parent = self._open[-1]
            assert parent.operation is not None
            assert parent.frame is not None
            passed_on = start.gas_limit if start.kind.startswith("CREATE") else 0
            parent.operation["cost"] = parent.gas - parent.frame.gas_left - passed_on
            parent.operation["sub"] = opened.node
        self._open.append(opened)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Close the frame."""
        self._open.pop()

    def on_step(self, frame: Frame, program_counter: int, opcode: int) -> None:
        """Finish the operation before, and begin the next."""
        top = self._open[-1]
        if top.operation is None:
            top.node["code"] = "0x" + frame.msg.code.hex()
            self._budget.take(2 * len(frame.msg.code))
        else:
            self._finish(top, frame)
        self._budget.take(_OPERATION_BYTES)
        stack = frame.stack
        top.frame, top.gas, top.pushed = frame, frame.gas_left, _PUSHED.get(opcode, 0)
        top.written = _written(opcode, stack)
        store = None
        if opcode == SSTORE and len(stack) > 1:
            store = {"key": hex(stack[-1]), "val": hex(stack[-2])}
        top.operation = {"cost": None, "ex": {"store": store}, "pc": program_counter, "sub": None}
        top.node["ops"].append(top.operation)

    def _finish(self, top: _Open, frame: Frame) -> None:
        operation = top.operation
        assert operation is not None
        if operation["cost"] is None:
            operation["cost"] = top.gas - frame.gas_left
        memory = None
        if top.written is not None and top.written[1]:
            start, size = top.written
            self._budget.take(2 * size)
            memory = {"data": "0x" + bytes(frame.memory[start : start + size]).hex(), "off": start}
        pushed = [hex(word) for word in frame.stack[-top.pushed :]] if top.pushed else []
        operation["ex"] = {"mem": memory, "push": pushed, "store": operation["ex"]["store"], "used": frame.gas_left}

    def on_halt(self, frame: Frame) -> None:
        """Finish the last operation."""
        top = self._open[-1]
        if top.operation is not None:
            top.pushed = 0
            self._finish(top, frame)

    def on_fault(self, frame: Frame, error: VmError, gas_cost: int) -> None:
        """Record no effect for a failed instruction."""
        operation = self._open[-1].operation
        if operation is not None:
            operation["cost"] = gas_cost if operation["cost"] is None else operation["cost"]
            operation["ex"] = None

    def result(self) -> Json:
        """The outermost frame."""
        return encode_nested(self._root or {"code": "0x", "ops": []})


def _written(opcode: int, stack: list[int]) -> tuple[int, int] | None:
    places = _WRITES.get(opcode)
    if places is not None:
        start, size = places
        return (stack[-start], stack[-size]) if len(stack) >= size else None
    width = _WORDS.get(opcode)
    return (stack[-1], width) if width is not None and stack else None


def encode_nested(root: dict[str, Any]) -> orjson.Fragment:
    """Frames within frames as JSON, from the innermost outwards: 1,024 levels are more than orjson nests."""
    order, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting.extend(operation["sub"] for operation in node["ops"] if operation["sub"] is not None)
    encoded: dict[int, orjson.Fragment] = {}
    for node in reversed(order):
        for operation in node["ops"]:
            called = operation["sub"]
            if called is not None:
                fragment = encoded.pop(id(called))
                operation["sub"] = fragment if called["ops"] else None
        encoded[id(node)] = orjson.Fragment(orjson.dumps(node))
    return encoded[id(root)]
