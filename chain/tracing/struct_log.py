"""The default tracer: every instruction with gas, stack, memory and storage, each encoded once and as it comes.

Of a WebAssembly contract it shows the host functions that are called, in the same list: see docs/tracing.md.
"""

from collections.abc import Callable
from typing import Any

import orjson

from zevm.chain.tracing.encoded import Parts, enclosed, take_text
from zevm.chain.tracing.errors import TraceError, TraceSizeError
from zevm.chain.tracing.memory import take
from zevm.chain.tracing.settings import TRACE_BYTES_LIMIT, Options, TraceContext, count, flag
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.interface import Outcome, VmError, VmErrorKind
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.operations import OPCODE_NAMES
from zevm.chain.vm.tracer import HostCall, TransactionStart, WatchedFrame

SLOAD, SSTORE = 0x54, 0x55
_STORAGE = (SLOAD, SSTORE)
_GETH_NAMES = {0x44: "DIFFICULTY"}
NAMES = tuple(
    _GETH_NAMES.get(opcode, OPCODE_NAMES.get(opcode, f"opcode {opcode:#x} not defined")) for opcode in range(256)
)
"""Every opcode as geth calls it."""

SHOWN_FAULTS = (VmErrorKind.OUT_OF_GAS, VmErrorKind.STACK_UNDERFLOW, VmErrorKind.STACK_OVERFLOW)
"""Faults before the instruction runs; geth's log shows no others, as REVERT or a bad jump."""

_OWNER = "Config"
_ENTRIES_TOGETHER = 1_000


class StructLogTracer(ResultTracer):
    """Options: enableMemory, disableStack, disableStorage, enableReturnData, limit (bytes of entries, 0 for none).

    An entry waits for its cost, which shows when the next instruction, a call's frame or the frame's end comes:
    `_frame` is the frame of the one that waits, `_gas` what that frame had, `_head` and `_tail` its JSON before and
    after the cost.
    """

    wants_steps = True

    def __init__(self, options: Options, context: TraceContext) -> None:  # noqa: ARG002  one signature
        self._with_memory = flag(options, "enableMemory", _OWNER)
        self._with_stack = not flag(options, "disableStack", _OWNER)
        self._with_storage = not flag(options, "disableStorage", _OWNER)
        self._with_return_data = flag(options, "enableReturnData", _OWNER)
        self._limit = count(options, "limit", _OWNER)
        self._full = False
        self._entries: list[str] = []
        self._texts: list[bytes] = []
        self._size = 0
        self._threshold = min(self._limit or TRACE_BYTES_LIMIT, TRACE_BYTES_LIMIT)
        self._storage: dict[bytes, dict[int, int]] = {}
        self._memory = (b"", "")
        self._get_refund: Callable[[], int] = int
        self._frame: WatchedFrame | None = None
        self._gas = 0
        self._head = self._tail = ""
        self._is_store = False
        self._refund_before = 0
        self._host_calls: list[tuple[int, HostCall, int]] = []
        self._outcome: Outcome | None = None

    def on_begin(self, start: TransactionStart) -> None:
        """Remember where the refund counter is."""
        self._get_refund = start.state.get_refund

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Finish the entry before, and begin the next."""
        gas = frame.gas_left
        if self._frame is not None:
            self._finish(self._gas - gas)
        if self._full:
            return
        self._frame, self._gas = frame, gas
        self._head = f'{{"pc":{program_counter},"op":"{NAMES[opcode]}","gas":{gas},"gasCost":'
        stack = frame.stack
        tail = f',"depth":{frame.msg.depth + 1}'
        if self._with_stack:
            tail += ',"stack":["' + '","'.join(map(hex, stack)) + '"]' if stack else ',"stack":[]'
        if self._with_return_data and frame.return_data:
            tail += f',"returnData":"0x{frame.return_data.hex()}"'
        if self._with_memory and frame.memory:
            tail += self._encode_memory(frame.memory)
        if self._with_storage and opcode in _STORAGE:
            tail += self._note_storage(frame, opcode)
        self._tail = tail
        self._is_store = opcode == SSTORE
        self._refund_before = self._get_refund()

    def _encode_memory(self, memory: bytearray) -> str:
        known, text = self._memory
        if known != memory:
            digits = memory.hex()
            words = '","0x'.join([digits[start : start + 64] for start in range(0, len(digits), 64)])
            text = f',"memory":["0x{words}"]'
            self._memory = (bytes(memory), text)
        return text

    def _note_storage(self, frame: WatchedFrame, opcode: int) -> str:
        """The slots of the account that were read or written so far, with this one."""
        stack = frame.stack
        if len(stack) < (1 if opcode == SLOAD else 2):
            return ""
        slots = self._storage.setdefault(frame.address, {})
        slot = stack[-1]
        slots[slot] = frame.block_state.get_storage(frame.address, slot) if opcode == SLOAD else stack[-2]
        pairs = ",".join([f'"0x{key:064x}":"0x{value:064x}"' for key, value in sorted(slots.items())])
        return f',"storage":{{{pairs}}}'

    def _finish(self, cost: int, error: str | None = None) -> None:
        """Put the waiting entry into the list."""
        tail = self._tail
        # geth's counter has the refund of an SSTORE in it before that runs
        refund = self._get_refund() if self._is_store else self._refund_before
        if refund:
            tail += f',"refund":{refund}'
        if error is not None:
            tail += f',"error":{orjson.dumps(error).decode()}'
        self._frame = None
        entry = f"{self._head}{cost}{tail}}}"
        self._entries.append(entry)
        self._note_size(len(entry))
        if len(self._entries) >= _ENTRIES_TOGETHER and not self._host_calls:
            self._fold()

    def _fold(self) -> None:
        """Make one text of the entries so far: a million of them would be joined, and freed, in one long step."""
        text = ",".join([entry for entry in self._entries if entry])
        self._entries.clear()
        if text:
            self._texts.append(text.encode())

    def _note_size(self, size: int) -> None:
        """Count the bytes of an entry. Raises TraceSizeError, TraceMemoryError."""
        take(size)
        self._size += size
        if self._size > self._threshold:
            self._full = 0 < self._limit < self._size
            self._threshold = TRACE_BYTES_LIMIT
            if self._size > TRACE_BYTES_LIMIT:
                raise TraceSizeError(TRACE_BYTES_LIMIT)

    def on_enter(self, start: FrameStart) -> None:
        """A call has its price now; a creation's gas is taken from its caller, but is no part of the price."""
        frame = self._frame
        if frame is not None:
            passed_on = start.gas_limit if start.kind in CREATIONS else 0
            self._finish(self._gas - frame.gas_left - passed_on)

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """Finish the entry of the instruction that failed; one that ran a child has been finished."""
        if self._frame is frame:
            self._finish(gas_cost, error.message if error.kind in SHOWN_FAULTS else None)

    def on_halt(self, frame: WatchedFrame) -> None:
        """Finish the frame's last entry."""
        if self._frame is frame:
            self._finish(self._gas - frame.gas_left)

    # Host functions of WebAssembly contracts

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """Keep the place of the call: what it calls comes after it."""
        if not self._full:
            self._entries.append("")
            self._host_calls.append((len(self._entries) - 1, call, frame.msg.depth + 1))

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:
        """Fill the place in."""
        if not self._host_calls or self._host_calls[-1][2] != frame.msg.depth + 1:
            return
        index, call, depth = self._host_calls.pop()
        gas = call.ink_left // call.ink_per_gas
        entry: dict[str, Any] = {
            "pc": 0,
            "op": call.name,
            "gas": gas,
            "gasCost": gas - ink_left // call.ink_per_gas,
            "depth": depth,
        }
        if error is not None:
            entry["error"] = error
        if self._with_stack:
            entry["stack"] = [hex(argument) for argument in call.arguments]
        refund = self._get_refund()
        if refund:
            entry["refund"] = refund
        entry["hostCall"] = {"result": result, "inkLeft": call.ink_left, "inkCost": call.ink_left - ink_left}
        text = orjson.dumps(entry).decode()
        self._entries[index] = text
        self._note_size(len(text))

    def on_end(self, outcome: Outcome) -> None:
        """Keep how it ended."""
        self._outcome = outcome

    def result(self) -> Json:
        """{gas, failed, returnValue, structLogs}."""
        return orjson.Fragment(take_text(self.encode()))

    def encode(self) -> Parts:
        """The same as JSON text."""
        outcome = self._outcome
        if outcome is None:
            raise TraceError("the transaction has not ended")
        reverted = outcome.error is not None and outcome.error.kind is VmErrorKind.REVERT
        output = outcome.output if outcome.error is None or reverted else b""
        failed = "false" if outcome.error is None else "true"
        self._fold()
        head = f'{{"gas":{outcome.gas_used},"failed":{failed},"returnValue":"0x{output.hex()}","structLogs":['
        return enclosed(head.encode(), ((text,) for text in self._texts), b"]}")
