"""Tracers that a client writes in JavaScript, as geth takes them; they run in a process of their own.

A step is known whole, with its cost, only after it. It is shown then, with stack and memory as they were; what its
instruction has changed of the state since is kept for a script that asks.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from zevm.chain.tracing.hostio import Hostio, HostioReader
from zevm.chain.tracing.script_process import ScriptProcess
from zevm.chain.tracing.settings import Options, TraceContext
from zevm.chain.tracing.struct_log import NAMES, SHOWN_FAULTS
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.calls import contract_address
from zevm.chain.vm.instructions import ADDRESS_MASK
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.message import CREATIONS, FrameStart
from zevm.chain.vm.tracer import HostCall, TransactionStart, WatchedFrame
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

SSTORE, SELFDESTRUCT = 0x55, 0xFF
_CREATION_OPCODES = (0xF0, 0xF5)
BATCH_EVENTS = 512
BATCH_BYTES = 256 * 1024
"""Bytes of events that a script without access to the state gets in one batch."""

_Question = tuple[str | int, ...]


class ScriptTracer(ResultTracer):
    """Calls a script's functions. Raises TraceError when it does not load, and when a function of it throws.

    `_frame`, `_gas`, `_head`, `_tail`: the step that waits for its cost, as in StructLogTracer. `_before`: answers to
    questions about what that step changes.
    """

    def __init__(self, code: str, options: Options | None, context: TraceContext) -> None:
        self._context = context
        self._state: Any = None
        self._before: dict[_Question, Any] = {}
        self._events: list[bytes] = []
        self._size = 0
        self._frame: WatchedFrame | None = None
        self._gas = self._refund_before = 0
        self._head = self._tail = ""
        self._is_store = False
        self._get_refund: Callable[[], int] = int
        self._memory: bytearray | None = None
        self._contract: WatchedFrame | None = None
        self._gas_limit = 0
        self._depths: list[int] = []
        self._is_live = False
        self._hostio = HostioReader()
        self.script = ScriptProcess(context.deadline)
        try:
            config = orjson.dumps({} if options is None else options).decode()
            facts = self._exchange([orjson.dumps(["load", code, config])])
        except BaseException:
            self.close()
            raise
        self.wants_steps = facts["steps"]
        self.wants_host_calls = self._shows_host_calls = facts["hostio"]
        self._wants_frames = facts["frames"]
        self._is_live = facts["state"]
        self._with_stack, self._with_memory = facts["stack"], facts["memory"]
        self._with_contract = facts["contract"]

    # Events

    def _exchange(self, events: list[bytes]) -> Any:
        return self.script.exchange(b"[" + b",".join(events) + b"]", self._answer)

    def _send(self, event: bytes) -> None:
        self._events.append(event)
        self._size += len(event)
        if self._is_live or len(self._events) >= BATCH_EVENTS or self._size >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        events, self._events, self._size = self._events, [], 0
        if events:
            self._exchange(events)

    def _answer(self, question: list[Any]) -> Any:
        """A script's queries; the state is the one before the current step."""
        key = tuple(question)
        return self._before[key] if key in self._before else self._look_up(*question)

    def _look_up(self, name: str, first: str, *rest: Any) -> Any:
        address = Address(bytes.fromhex(first))
        if name == "toContract":
            return contract_address(address, int(rest[0])).hex()
        if name == "toContract2":
            salt, code = map(bytes.fromhex, rest)
            return keccak256(b"\xff" + address + salt + keccak256(code))[12:].hex()
        state = self._state
        if state is None:
            return {"getState": "0" * 64, "getCode": "", "exists": False}.get(name, 0)
        if name == "getState":
            return f"{state.get_storage(address, int(rest[0], 16)):064x}"
        if name == "getCode":
            return state.get_code(address).hex()
        if name == "getBalance":
            return hex(state.get_balance(address))
        return state.get_nonce(address) if name == "getNonce" else state.account_exists(address)

    # The transaction

    def on_begin(self, start: TransactionStart) -> None:
        """Tell which precompiles there are, and what is known of the transaction."""
        self._state = start.state
        self._get_refund = start.state.get_refund
        self._gas_limit = start.gas_limit
        self._send(orjson.dumps(["begin", [address.hex() for address in start.precompiles], NAMES]))
        fields: dict[str, tuple[str, Any]] = {
            "type": ("plain", "CREATE" if start.to is None else "CALL"),
            "gas": ("plain", start.gas_limit),
            "gasPrice": ("big", hex(start.gas_price)),
            "block": ("plain", start.block_number),
            "time": ("plain", start.timestamp),
            "coinbase": ("bytes", start.coinbase.hex()),
        }
        context = self._context
        if context.block_hash is not None:
            fields["blockHash"] = ("bytes", context.block_hash.hex())
            if context.transaction_hash is not None:
                fields["txHash"] = ("bytes", context.transaction_hash.hex())
                fields["txIndex"] = ("plain", context.transaction_index)
        self._tell(fields)

    def _tell(self, fields: Mapping[str, tuple[str, Any]]) -> None:
        self._send(orjson.dumps(["context", fields]))

    def on_enter(self, start: FrameStart) -> None:
        """Finish the step that opens the frame; show a frame within another to `enter`."""
        frame = self._frame
        if frame is not None:
            passed_on = start.gas_limit if start.kind in CREATIONS else 0
            self._finish(self._gas - frame.gas_left - passed_on)
        if start.depth == 0:
            self._tell(
                {
                    "from": ("bytes", start.sender.hex()),
                    "to": ("bytes", start.target.hex()),
                    "input": ("bytes", start.data.hex()),
                    "value": ("big", hex(start.value)),
                    "intrinsicGas": ("plain", self._gas_limit - start.gas_limit),
                }
            )
        elif self._wants_frames:
            value = None if start.kind == "STATICCALL" else hex(start.value)
            addresses = (start.sender.hex(), start.target.hex())
            self._send(orjson.dumps(["enter", start.kind, *addresses, start.data.hex(), start.gas_limit, value]))
        self._depths.append(start.depth)

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Show how a frame ended."""
        message = None if error is None else error.message
        if self._depths.pop() == 0:
            fields = {"output": ("bytes", output.hex())}
            self._tell(fields if message is None else fields | {"error": ("plain", message)})
        elif self._wants_frames:
            self._send(orjson.dumps(["exit", gas_used, output.hex(), message]))

    def on_end(self, outcome: Outcome) -> None:
        """Tell what gas it took."""
        self._tell({"gasUsed": ("plain", outcome.gas_used)})

    # Instructions

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Finish the step before, and begin the next."""
        gas = frame.gas_left
        if self._frame is not None:
            self._finish(self._gas - gas)
        self._frame, self._gas = frame, gas
        self._head = f'["step",{program_counter},{opcode},{gas},'
        stack = '["' + '","'.join(map(hex, frame.stack)) + '"]' if self._with_stack and frame.stack else "[]"
        self._tail = f",{stack},{self._changed_memory(frame)},{self._changed_contract(frame)}]"
        self._is_store = opcode == SSTORE
        self._refund_before = self._get_refund()
        if self._is_live:
            self._remember(frame, opcode)

    def _changed_memory(self, frame: WatchedFrame) -> str:
        if not self._with_memory or self._memory == frame.memory:
            return "null"
        self._memory = bytearray(frame.memory)
        return f'"{self._memory.hex()}"'

    def _changed_contract(self, frame: WatchedFrame) -> str:
        if not self._with_contract or self._contract is frame:
            return "null"
        self._contract = frame
        message = frame.msg
        fields = (message.sender.hex(), frame.address.hex(), hex(message.value), bytes(message.data).hex())
        return orjson.dumps(fields).decode()

    def _remember(self, frame: WatchedFrame, opcode: int) -> None:
        """Ask beforehand what the instruction may change before it is shown."""
        own, stack = frame.address.hex(), frame.stack
        questions: list[_Question] = []
        if opcode == SSTORE and stack:
            questions = [("getState", own, f"{stack[-1]:064x}")]
        elif opcode in _CREATION_OPCODES:
            questions = [("getNonce", own)]
        elif opcode == SELFDESTRUCT and stack:
            heir = f"{stack[-1] & ADDRESS_MASK:040x}"
            questions = [("getBalance", own), ("getBalance", heir), ("exists", heir)]
        self._before = {question: self._look_up(*question) for question in questions}  # type: ignore[arg-type]

    def _finish(self, cost: int, error: str | None = None) -> None:
        """Show the waiting step."""
        refund = self._get_refund() if self._is_store else self._refund_before
        text = "null" if error is None else orjson.dumps(error).decode()
        depth = 0 if self._frame is None else self._frame.msg.depth + 1
        self._frame = None
        self._send(f"{self._head}{cost},{depth},{refund},{text}{self._tail}".encode())
        self._before = {}

    def on_fault(self, frame: WatchedFrame, error: VmError, gas_cost: int) -> None:
        """Show an instruction that could not begin as a step with an error, and others to `fault`."""
        if self._frame is frame:
            if error.kind in SHOWN_FAULTS:
                self._finish(gas_cost, error.message)
                return
            self._finish(gas_cost)
        self._send(orjson.dumps(["fault", error.message]))

    def on_halt(self, frame: WatchedFrame) -> None:
        """Finish the frame's last step."""
        if self._frame is frame:
            self._finish(self._gas - frame.gas_left)

    # Host calls of WebAssembly contracts

    def _show(self, hostio: Hostio | None) -> None:
        if hostio is not None:
            inks = (hostio.start_ink, hostio.end_ink)
            self._send(orjson.dumps(["hostio", hostio.name, hostio.inputs.hex(), hostio.outputs.hex(), *inks]))

    def on_program_start(self, frame: WatchedFrame, size: int, ink_left: int) -> None:  # noqa: ARG002
        """Show the begin of a program to `hostio`, as the next three show what it does."""
        if self._shows_host_calls:
            self._show(self._hostio.start(size, ink_left))

    def on_program_end(self, frame: WatchedFrame, status: int | None, ink_left: int) -> None:  # noqa: ARG002
        """Show its end."""
        if self._shows_host_calls:
            self._show(self._hostio.end(status, ink_left))

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:  # noqa: ARG002
        """Keep what goes in."""
        if self._shows_host_calls:
            self._hostio.called(call)

    def on_host_return(self, frame: WatchedFrame, result: int | None, ink_left: int, error: str | None) -> None:  # noqa: ARG002
        """Show a host function that is done."""
        if self._shows_host_calls:
            self._show(self._hostio.returned(result, ink_left, error))

    # The end

    def result(self) -> Json:
        """The value of the script's `result`."""
        text = self._exchange([*self._events, b'["result"]'])
        self._events = []
        return orjson.Fragment(text)

    def close(self) -> None:
        """End the script's process."""
        self.script.close()
