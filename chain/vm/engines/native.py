"""The engine in Zig: an outermost message on a state of the core's own, which stands on the ExecutionState."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from eth.exceptions import VMError

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.types import Log
from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.execution_state import Effects
from zevm.chain.vm.faults import MemoryWordsError, describe_fault
from zevm.chain.vm.frame import (
    UNLIMITED_GAS,
    UNLIMITED_WORDS,
    CoreWasm,
    Frame,
    Precompile,
    TransactionContext,
    WasmTerms,
)
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.message import NOBODY, Message
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.core import CORE
from zevm.storage.primitives import Address, Hash32

GAS_LIMIT = 1 << 63
"""The core counts gas below it."""

ASKED_PRECOMPILE, FOREIGN_PRECOMPILE = 0, 255
"""One that only Python has; one that works on the state, which the core refuses to call (core/zig/host.zig)."""

_KINDS = ("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL", "CREATE", "CREATE2")
_STATUSES: tuple[VmErrorKind | None, ...] = (
    None,
    VmErrorKind.REVERT,
    VmErrorKind.OUT_OF_GAS,
    VmErrorKind.INVALID_OPCODE,
    VmErrorKind.INVALID_JUMP,
    VmErrorKind.STACK_UNDERFLOW,
    VmErrorKind.STACK_OVERFLOW,
    VmErrorKind.WRITE_PROTECTION,
    VmErrorKind.DEPTH,
    VmErrorKind.INSUFFICIENT_BALANCE,
    VmErrorKind.BALANCE_OVERFLOW,
    VmErrorKind.ADDRESS_COLLISION,
    VmErrorKind.CODE_SIZE,
    VmErrorKind.INITCODE_SIZE,
    VmErrorKind.CODE_STORE_OUT_OF_GAS,
    VmErrorKind.INVALID_CODE,
    VmErrorKind.RETURN_DATA_OUT_OF_BOUNDS,
    VmErrorKind.NONCE_OVERFLOW,
    VmErrorKind.PRECOMPILE,
    VmErrorKind.PRECOMPILE_INPUT_LENGTH,
    VmErrorKind.OUT_OF_MEMORY,
    VmErrorKind.TRAP,
    VmErrorKind.OUT_OF_STACK,
    VmErrorKind.CALL_DATA_SIZE,
)
"""The order of Status in core/zig/host.zig; None for success."""
_STATUS_OF = {kind: status for status, kind in enumerate(_STATUSES)}


class NativeRun(NamedTuple):
    """A finished run, whose effects are in no state yet. spare_gas: see TransactionContext."""

    ending: Ending
    spare_gas: int
    effects: Effects


def takes(evm_state: PyEvmState, message: Message, context: TransactionContext) -> bool:
    """Whether the core may try the message: it has no tracer, its state no listener, and its code is the core's."""
    return (
        context.tracer is None
        and evm_state.block_state.observer is None
        and message.gas < GAS_LIMIT
        and takes_code(context, message.code, is_create=message.is_create)
    )


def takes_code(context: TransactionContext, code: bytes, *, is_create: bool) -> bool:
    """Whether code is not another machine's, or a contract of it that the core runs."""
    machine = context.wasm_machine
    return machine is None or not machine.claims(code) or (not is_create and machine.runs_in_core(context))


def precompile_entries(
    own: Mapping[Address, Precompile], of_machine: Mapping[Address, Precompile], callable_: Mapping[Address, Precompile]
) -> bytes:
    """Precompiles as core/zig/host.zig reads them: 21 bytes each, an address and a number.

    own: the fork's, at their own addresses. of_machine: those that work on the state. callable_: what answers to calls.
    """
    numbers = {id(body): int.from_bytes(address, "big") for address, body in own.items()}
    foreign = {id(body) for body in of_machine.values()}

    def number(body: Precompile) -> int:
        if id(body) in foreign:
            return FOREIGN_PRECOMPILE
        found = numbers.get(id(body), ASKED_PRECOMPILE)
        return found if found < FOREIGN_PRECOMPILE else ASKED_PRECOMPILE

    return b"".join([address + bytes((number(body),)) for address, body in callable_.items()])


class Answers(ABC):
    """Answers to the core's questions that the state has not: of the deadline, and of WebAssembly."""

    __slots__ = ("_deadline", "_wasm")

    def __init__(self, deadline: Deadline | None) -> None:
        self._deadline = deadline
        self._wasm: CoreWasm | None = None

    @abstractmethod
    def lend(self) -> CoreWasm | None:
        """The answers about WebAssembly in this run; None where Python has to run it."""

    @abstractmethod
    def block_terms(self) -> WasmTerms | None:
        """See WasmMachine; None where this run may not have them."""

    def look(self) -> None:
        """Raise ExecutionTimeoutError when the deadline has passed."""
        if self._deadline is not None:
            self._deadline.check()

    def bound(self, size: int, most: int) -> None:
        """See Deadline.bound."""
        if self._deadline is not None:
            self._deadline.bound(size, most)

    def wasm_terms(self) -> WasmTerms | None:
        """How WebAssembly runs, before its first program is asked for; None where Python has to run it."""
        terms = self.block_terms()
        if terms is None and (wasm := self._lent()) is not None:
            return wasm.terms()
        return terms

    def _lent(self) -> CoreWasm | None:
        if self._wasm is None:
            self._wasm = self.lend()
        return self._wasm

    def wasm_program(self, address: Address) -> tuple[object, tuple[object, ...]] | None:
        """The compiled WebAssembly code of an account; None where Python has to run it."""
        wasm = self._lent()
        return None if wasm is None else wasm.program(address)

    def print(self, text: bytes) -> None:
        """A line that a WebAssembly contract prints."""
        if (wasm := self._lent()) is not None:
            wasm.print(text)

    def close(self) -> None:
        """The run has ended, however it did."""
        wasm, self._wasm = self._wasm, None
        # it may ask for this run's context, and hold the run so
        if wasm is not None:
            wasm.close()


class Helper(Answers):
    """The answers for a run on frames' state and context (core/zig/host_objects.zig). context: the run's."""

    __slots__ = ("_evm_state", "_frames", "block_hash", "context")

    def __init__(self, frames: type[Frame], evm_state: PyEvmState, context: TransactionContext) -> None:
        super().__init__(context.deadline)
        self._frames, self._evm_state, self.context = frames, evm_state, context
        self.block_hash = evm_state.get_ancestor_hash

    def lend(self) -> CoreWasm | None:
        """Those of the context's machine."""
        context, state = self.context, self._evm_state.block_state
        machine = context.wasm_machine
        if machine is None or not machine.runs_in_core(context):
            return None
        return machine.lend(state, lambda: context, context.deadline, context.wasm_scope)

    def block_terms(self) -> WasmTerms | None:
        """Those of the context's machine."""
        context = self.context
        machine = context.wasm_machine
        if machine is None or context.deadline is not None or context.wasm_scope is not None:
            return None
        return machine.block_terms() if context.host_tracer is None else None

    def precompile(self, address: Address, gas: int, data: bytes | memoryview) -> tuple[int, int, bytes, str]:
        """Call one: status, gas left, output, the text of a failure. data: a view only until the call ends."""
        if isinstance(data, bytes):
            return self._call(address, gas, data)
        with data:
            return self._call(address, gas, data)

    def _call(self, address: Address, gas: int, data: bytes | memoryview) -> tuple[int, int, bytes, str]:
        message = Message(gas, address, NOBODY, 0, data, b"")
        frame = self._frames(self._evm_state, message, self.context)
        self.context.check_deadline()
        try:
            frame.run_precompile(self.context.precompiles[address])
        except VMError as fault:
            frame.fail(fault)
            error = describe_fault(fault)
            return _STATUS_OF[error.kind], frame.gas_left, frame.output, error.message
        return 0, frame.gas_left, bytes(frame.output), ""

    @property
    def console(self) -> list[bytes]:
        """The inputs of console calls so far."""
        return self.context.console

    def abandon(self) -> None:
        """Let go of all after the run was given up."""
        self.context.abandon()


def run(frames: type[Frame], evm_state: PyEvmState, message: Message, context: TransactionContext) -> NativeRun | None:
    """Run an outermost message without a change of the state; None where the core refuses it.

    Raises what the state and the deadline raise.
    """
    assert CORE.library is not None
    helper = Helper(frames, evm_state, context)
    try:
        found = CORE.library.run_message(
            evm_state.block_state,
            helper,
            block_fields(evm_state, context),
            transaction_fields(evm_state, context),
            _message(message),
        )
    finally:
        helper.close()
    if found is None:
        context.take_console()
        return None
    status, gas_left, output, detail, spare_gas, effects = found
    ending = Ending(gas_left, output, error_of(frames, status, detail))
    return NativeRun(ending, UNLIMITED_GAS if spare_gas is None else spare_gas, _effects(effects))


def block_fields(evm_state: PyEvmState, context: TransactionContext) -> tuple[Any, ...]:
    """The block as core/zig/run_objects.zig reads it; made once for a state, whose fees are settled before."""
    if evm_state.block_fields is None:
        evm_state.block_fields = _block_fields(evm_state, context)
    return evm_state.block_fields


def _block_fields(evm_state: PyEvmState, context: TransactionContext) -> tuple[Any, ...]:
    return (
        evm_state.fork,
        evm_state.coinbase,
        evm_state.block_number,
        evm_state.timestamp,
        evm_state.gas_limit,
        evm_state.base_fee,
        evm_state.mix_hash,
        evm_state.difficulty,
        evm_state.blob_base_fee,
        evm_state.execution_context.chain_id,
        evm_state.code_size_limit,
        context.precompile_entries,
        context.wasm_machine is not None,
    )


def transaction_fields(evm_state: PyEvmState, context: TransactionContext) -> tuple[Any, ...]:
    """The values that all messages of a transaction share, as core/zig/run_objects.zig reads it."""
    words = None if context.memory_words == UNLIMITED_WORDS else context.memory_words
    return (
        context.origin,
        context.gas_price,
        context.blob_versioned_hashes,
        words,
        evm_state.block_state.has_warm_slots(),
        # a brief run is over before another thread would have begun
        not isinstance(context.deadline, BriefDeadline),
    )


def _message(message: Message) -> tuple[Any, ...]:
    return (
        _KINDS.index(message.kind),
        message.gas,
        message.sender,
        message.storage_address,
        message.storage_address if message.is_create else message.code_address,
        message.value,
        bytes(message.data),
        message.code,
        message.is_static,
        message.is_delegation,
    )


def error_of(frames: type[Frame], status: int, detail: Any) -> VmError | None:
    """Why the outermost frame failed, with geth's text."""
    kind = _STATUSES[status]
    if kind is None:
        return None
    if isinstance(detail, str) and kind is not VmErrorKind.OUT_OF_GAS:
        # the whole text, of a precompile or of WebAssembly
        return VmError(kind, detail or kind.value)
    if kind is VmErrorKind.REVERT:
        return VmError(kind, kind.value, detail)
    text = _TEXTS.get(kind)
    if text is not None:
        return VmError(kind, text(frames, detail))
    return VmError(kind, kind.value)


def _opcode_text(frames: type[Frame], opcode: int) -> str:
    return f"invalid opcode: {frames.operations[opcode].operand}"


_SENTRY = "out of gas: not enough gas for reentrancy sentry"

_TEXTS = {
    VmErrorKind.OUT_OF_GAS: lambda _, detail: _SENTRY if detail == "sentry" else VmErrorKind.OUT_OF_GAS.value,
    VmErrorKind.STACK_UNDERFLOW: lambda _, detail: f"stack underflow ({detail[0]} <=> {detail[1]})",
    VmErrorKind.STACK_OVERFLOW: lambda _, detail: f"stack limit reached {detail[0]} ({detail[1]})",
    VmErrorKind.OUT_OF_MEMORY: lambda _, detail: str(MemoryWordsError(*detail)),
    VmErrorKind.INVALID_OPCODE: _opcode_text,
}


def logs_of(found: Iterable[tuple[bytes, tuple[bytes, ...], bytes]]) -> tuple[Log, ...]:
    """Logs of the core's."""
    return tuple([Log(Address(address), tuple(map(Hash32, topics)), data) for address, topics, data in found])


def _effects(found: tuple[Any, ...]) -> Effects:
    accounts, slots, codes, touched, destroyed, logs, added, taken = found
    return Effects(
        accounts,
        slots,
        codes,
        frozenset(touched),
        frozenset(destroyed),
        logs_of(logs),
        added - taken,
    )
