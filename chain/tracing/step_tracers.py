"""keccak256PreimageTracer and erc7562Tracer, which read single instructions."""

# ruff: noqa: ARG002  one signature for all tracers, used or not

from collections.abc import Sequence
from typing import Any

from zevm.chain.tracing.call_tree import CallNode, CallTree, encode_tree
from zevm.chain.tracing.errors import TraceError
from zevm.chain.tracing.settings import Budget, Options, TraceContext, count, flag, json_kind
from zevm.chain.tracing.tracer import Json, ResultTracer
from zevm.chain.vm.instructions import ADDRESS_MASK
from zevm.chain.vm.interface import Outcome, VmError, VmErrorKind
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import HostCall, TransactionStart, WatchedFrame
from zevm.storage.keccak import keccak256

KECCAK256, GAS, ISZERO, EXTCODESIZE = 0x20, 0x5A, 0x15, 0x3B
SLOAD, SSTORE, TLOAD, TSTORE, RETURN, REVERT = 0x54, 0x55, 0x5C, 0x5D, 0xF3, 0xFD
_STORAGE = (SLOAD, SSTORE, TLOAD, TSTORE)
_CALLS = (0xF1, 0xF2, 0xF4, 0xFA)
_EXTERNAL = (0x3B, 0x3C, 0x3F)
PADDING_LIMIT_BYTES = 1024 * 1024
"""Past the end of memory, so far and no further, a preimage is filled up with zeros."""


def preimage_in(frame: WatchedFrame) -> bytes | None:
    """The input of the coming KECCAK256, or None if it fails."""
    stack, memory = frame.stack, frame.memory
    if len(stack) < 2:
        return None
    start, size = stack[-1], stack[-2]
    if start + size - len(memory) > PADDING_LIMIT_BYTES:
        return None
    return bytes(memory[start : start + size]).ljust(size, b"\0")


def _hashed_by(call: HostCall) -> bytes | None:
    """The input of a hashing host call, or None for other calls."""
    return call.peek(call.arguments[0], call.arguments[1]) if call.name == "native_keccak256" else None


class KeccakPreimageTracer(ResultTracer):
    """The inputs of KECCAK256 by their hashes. No options."""

    wants_steps = True

    def __init__(self, options: Options, context: TraceContext) -> None:
        self._preimages: dict[str, str] = {}
        self._budget = Budget()

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Note what is hashed."""
        if opcode == KECCAK256:
            self._note(preimage_in(frame))

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """The same by a WebAssembly contract."""
        self._note(_hashed_by(call))

    def _note(self, preimage: bytes | None) -> None:
        if preimage is not None:
            self._budget.take(2 * len(preimage) + 80)
            self._preimages["0x" + keccak256(preimage).hex()] = "0x" + preimage.hex()

    def result(self) -> Json:
        """{hash: preimage}."""
        return dict(sorted(self._preimages.items()))


_ERC7562 = "erc7562TracerConfig"
_IGNORED = frozenset(range(0x5F, 0xA0)) | frozenset(
    (0x50, 0x01, 0x03, 0x02, 0x04, 0x14, 0x10, 0x11, 0x12, 0x13, 0x1B, 0x1C, 0x16, 0x17, 0x19, 0x15)
)
"""PUSH, DUP and SWAP; POP, ADD, SUB, MUL, DIV, EQ, LT, GT, SLT, SGT, SHL, SHR, AND, OR, NOT, ISZERO."""


class _Details:
    """ERC-7562's information about one frame."""

    __slots__ = (
        "code_accesses",
        "code_sizes",
        "out_of_gas",
        "reads",
        "transient_reads",
        "transient_writes",
        "used",
        "writes",
    )

    def __init__(self) -> None:
        self.reads: dict[str, list[str]] = {}
        self.writes: dict[str, int] = {}
        self.transient_reads: dict[str, int] = {}
        self.transient_writes: dict[str, int] = {}
        self.code_accesses: list[str] = []
        self.code_sizes: dict[str, dict[str, int]] = {}
        self.used: dict[int, int] = {}
        self.out_of_gas = False

    def to_json(self) -> dict[str, Any]:
        """Geth's fields."""
        return {
            "accessedSlots": {
                "reads": self.reads,
                "writes": self.writes,
                "transientReads": self.transient_reads,
                "transientWrites": self.transient_writes,
            },
            "extCodeAccessInfo": self.code_accesses,
            "usedOpcodes": {hex(opcode): times for opcode, times in sorted(self.used.items())},
            "contractSize": self.code_sizes,
            "outOfGas": self.out_of_gas,
        }


class Erc7562Tracer(CallTree):
    """callTracer's frames with what account abstraction's rules ask: slots, opcodes, code sizes, preimages.

    Options: stackTopItemsSize (taken for geth's sake, shown nowhere), ignoredOpcodes, withLog.
    """

    wants_steps = True

    def __init__(self, options: Options, context: TraceContext) -> None:
        super().__init__(context, with_log=flag(options, "withLog", _ERC7562))
        count(options, "stackTopItemsSize", _ERC7562)
        self._ignored = _read_opcodes(options.get("ignoredOpcodes"))
        self._last: tuple[int, int] | None = None
        self._preimages: set[bytes] = set()
        self._sizes: Any = None

    def on_begin(self, start: TransactionStart) -> None:
        """Keep the state, for sizes of code."""
        super().on_begin(start)
        self._sizes = start.state

    def on_enter(self, start: FrameStart) -> None:
        """Open a frame with its details."""
        super().on_enter(start)
        self.open[-1].details = _Details()

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:
        """Note whether it ran out of gas; of the outermost frame geth does not say."""
        node = self.open[-1]
        super().on_exit(gas_used, output, error)
        shortages = (VmErrorKind.OUT_OF_GAS, VmErrorKind.CODE_STORE_OUT_OF_GAS)
        if self.open and error is not None and error.kind in shortages:
            node.details.out_of_gas = True

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:
        """Count the instruction and what it looks at; the one before it too, where this one gives it its meaning."""
        details: _Details = self.open[-1].details
        if opcode in (RETURN, REVERT):
            self._last = None
        if self._last is not None:
            self._judge_last(details, opcode)
        self._note_size(details, opcode, frame.stack)
        if opcode != GAS and opcode not in self._ignored:
            details.used[opcode] = details.used.get(opcode, 0) + 1
        self._note_storage(details, frame, opcode, frame.stack)
        if opcode == KECCAK256:
            self._note_preimage(preimage_in(frame))
        self._last = (opcode, frame.stack[-1] if frame.stack else 0)

    def _judge_last(self, details: _Details, opcode: int) -> None:
        assert self._last is not None
        last, top = self._last
        if last in _EXTERNAL and not (last == EXTCODESIZE and opcode == ISZERO):
            details.code_accesses.append(f"0x{top & ADDRESS_MASK:040x}")
        if last == GAS and opcode not in _CALLS:
            details.used[GAS] = details.used.get(GAS, 0) + 1

    def _note_size(self, details: _Details, opcode: int, stack: Sequence[int]) -> None:
        position = 1 if opcode in _EXTERNAL else 2 if opcode in _CALLS else 0
        if not position or len(stack) < position:
            return
        address = stack[-position] & ADDRESS_MASK
        key = f"0x{address:040x}"
        if key not in details.code_sizes:
            size = len(self._sizes.get_code(address.to_bytes(20, "big")))
            details.code_sizes[key] = {"contractSize": size, "opcode": opcode}

    def _note_storage(self, details: _Details, frame: WatchedFrame, opcode: int, stack: Sequence[int]) -> None:
        if opcode not in _STORAGE or not stack:
            return
        slot = f"0x{stack[-1]:064x}"
        if opcode == SLOAD:
            if slot not in details.reads and slot not in details.writes:
                details.reads[slot] = [f"0x{frame.block_state.get_storage(frame.address, stack[-1]):064x}"]
            return
        counts = {SSTORE: details.writes, TLOAD: details.transient_reads, TSTORE: details.transient_writes}[opcode]
        counts[slot] = counts.get(slot, 0) + 1

    def _note_preimage(self, preimage: bytes | None) -> None:
        if preimage is not None and preimage not in self._preimages:
            self._budget.take(2 * len(preimage) + 4)
            self._preimages.add(preimage)

    def on_host_instruction(self, frame: WatchedFrame, opcode: int, stack: Sequence[int]) -> None:
        """The slots and the code sizes that a WebAssembly contract looks at."""
        details: _Details = self.open[-1].details
        self._note_size(details, opcode, stack)
        self._note_storage(details, frame, opcode, stack)

    def on_host_call(self, frame: WatchedFrame, call: HostCall) -> None:
        """The hashed input."""
        self._note_preimage(_hashed_by(call))

    def on_end(self, outcome: Outcome) -> None:
        """Settle the tree."""
        super().on_end(outcome)
        self._sizes = None

    def result(self) -> Json:
        """The outermost frame with its calls; the preimages of all stand in it."""
        if self.root is None:
            raise TraceError("incorrect number of top-level calls")
        root = self.root
        preimages = ["0x" + preimage.hex() for preimage in sorted(self._preimages)]

        def encode(node: CallNode) -> dict[str, Any]:
            details: _Details = node.details
            encoded = node.to_json() | details.to_json()
            if node is root and preimages:
                encoded["keccak"] = preimages
            return encoded

        return encode_tree(root, encode)


def _read_opcodes(value: object) -> frozenset[int]:
    """`ignoredOpcodes`: hex numbers; geth's own list where absent."""
    if value is None:
        return _IGNORED
    name = f"{_ERC7562}.ignoredOpcodes"
    if type(value) is not list:
        raise TraceError(f"json: cannot unmarshal {json_kind(value)} into Go struct field {name} of type []hexutil")
    try:
        return frozenset(int(item, 16) & 0xFF for item in value)
    except (TypeError, ValueError):
        raise TraceError(f"json: cannot unmarshal into Go struct field {name}: want hex numbers as 0x54") from None
