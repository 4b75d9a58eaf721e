"""The guide's eleven errors, and which of them an outcome of the machine, the state or the store is."""

from zevm.chain.concurrency.deadline import ExecutionTimeoutError
from zevm.chain.concurrency.writer import WriterStoppedError
from zevm.chain.errors import ChainError, ExecutionRevertedError
from zevm.chain.types.selectors import signature_selector
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.outcomes import NO_SUCH_FUNCTION
from zevm.contracts.revert_reasons import Decoder
from zevm.storage.errors import (
    CorruptionError,
    DatabaseLockedError,
    ForeignDatabaseError,
    MissingNodeError,
    StorageError,
)


class CovenantError(Exception):
    """Root of the guide's errors. output: the revert data of a contract, b"" unless one has reverted."""

    def __init__(self, message: str = "", output: bytes = b"") -> None:
        super().__init__(message or type(self).__name__)
        self.output = output


class ContractExecutionFailed(CovenantError):  # noqa: N818  the guide's name, as are the next ten
    """A contract has reverted or trapped, or its time is over."""


class InvalidParameters(CovenantError):  # noqa: N818
    """An argument is wrong: its size, its range, an unknown contract or function, or wei that the sender lacks."""


class StateMismatch(CovenantError):  # noqa: N818
    """The state is not the expected one: another root, or something at the address of a new contract."""


class CompilationFailed(CovenantError):  # noqa: N818
    """A source does not compile, or bytes are no contract that may be deployed."""


class InsufficientGas(CovenantError):  # noqa: N818
    """The gas limit does not suffice."""


class AccessDenied(CovenantError):  # noqa: N818
    """A static call has tried to write, or the VM or its directory is closed, locked, or cannot be written."""


class StateCorrupted(CovenantError):  # noqa: N818
    """The directory's files are damaged."""


class InvalidOpcode(CovenantError):  # noqa: N818
    """EVM code has run into an undefined instruction or an invalid jump."""


class StackOverflow(CovenantError):  # noqa: N818
    """More than 1,024 words or calls, or all stack words of a WebAssembly contract."""


class StackUnderflow(CovenantError):  # noqa: N818
    """An EVM instruction takes more words than there are."""


class OutOfMemory(CovenantError):  # noqa: N818
    """More memory than MemoryLimits.MAX_MEMORY."""


COVENANT_ERRORS: tuple[type[CovenantError], ...] = (
    ContractExecutionFailed,
    InvalidParameters,
    StateMismatch,
    CompilationFailed,
    InsufficientGas,
    AccessDenied,
    StateCorrupted,
    InvalidOpcode,
    StackOverflow,
    StackUnderflow,
    OutOfMemory,
)
"""In the guide's order."""

ERROR_OF_KIND: dict[VmErrorKind, type[CovenantError]] = {
    VmErrorKind.REVERT: ContractExecutionFailed,
    VmErrorKind.OUT_OF_GAS: InsufficientGas,
    VmErrorKind.INVALID_OPCODE: InvalidOpcode,
    VmErrorKind.INVALID_JUMP: InvalidOpcode,
    VmErrorKind.STACK_UNDERFLOW: StackUnderflow,
    VmErrorKind.STACK_OVERFLOW: StackOverflow,
    VmErrorKind.WRITE_PROTECTION: AccessDenied,
    VmErrorKind.DEPTH: StackOverflow,
    VmErrorKind.INSUFFICIENT_BALANCE: InvalidParameters,
    VmErrorKind.BALANCE_OVERFLOW: InvalidParameters,
    VmErrorKind.ADDRESS_COLLISION: StateMismatch,
    VmErrorKind.CODE_SIZE: CompilationFailed,
    VmErrorKind.INITCODE_SIZE: CompilationFailed,
    VmErrorKind.CODE_STORE_OUT_OF_GAS: InsufficientGas,
    VmErrorKind.INVALID_CODE: CompilationFailed,
    VmErrorKind.RETURN_DATA_OUT_OF_BOUNDS: ContractExecutionFailed,
    VmErrorKind.NONCE_OVERFLOW: StateMismatch,
    VmErrorKind.PRECOMPILE: ContractExecutionFailed,
    VmErrorKind.PRECOMPILE_INPUT_LENGTH: InvalidParameters,
    VmErrorKind.TRAP: ContractExecutionFailed,
    VmErrorKind.OUT_OF_STACK: StackOverflow,
    VmErrorKind.OUT_OF_MEMORY: OutOfMemory,
    VmErrorKind.INVALID_MODULE: CompilationFailed,
    VmErrorKind.NO_SUCH_FUNCTION: InvalidParameters,
    VmErrorKind.CALL_DATA_SIZE: InvalidParameters,
}
"""Error of a failed execution, by its kind. A revert with the selector of one of the eleven, as
`InvalidParameters()`, is that one."""

_ERROR_OF_STORE: tuple[tuple[type[Exception], type[CovenantError]], ...] = (
    (CorruptionError, StateCorrupted),
    (MissingNodeError, StateCorrupted),
    (DatabaseLockedError, AccessDenied),
    (ForeignDatabaseError, AccessDenied),
    (StorageError, AccessDenied),
    (OSError, AccessDenied),
    (ExecutionTimeoutError, ContractExecutionFailed),
    (ModuleRefusedError, CompilationFailed),
    (ChainError, InvalidParameters),
    (WriterStoppedError, AccessDenied),
)
"""Errors of exceptions before or around an execution; the first row that fits."""

_BY_SELECTOR = {signature_selector(f"{error.__name__}()"): error for error in COVENANT_ERRORS}


def error_of(fault: VmError, output: bytes, decoder: Decoder) -> CovenantError:
    """The error for a failed execution. output: its revert data. decoder: of the reason in it."""
    named = _BY_SELECTOR.get(output) if fault.kind is VmErrorKind.REVERT else None
    if named is not None:
        return named(f"{fault.message}: {named.__name__}", output)
    if fault.status == NO_SUCH_FUNCTION and not output:
        return InvalidParameters(f"{fault.message}: the contract has no function with this selector", output)
    reason = decoder.revert_reason(output) if fault.kind is VmErrorKind.REVERT else None
    message = fault.message if reason is None else f"{fault.message}: {reason}"
    return ERROR_OF_KIND[fault.kind](message, output)


def translated(error: Exception) -> CovenantError:
    """The error for an exception of the packages below. Other exceptions are faults of this program, and raised."""
    if isinstance(error, CovenantError):
        return error
    for kind, covenant_error in _ERROR_OF_STORE:
        if isinstance(error, kind):
            output = error.output if isinstance(error, ExecutionRevertedError) else b""
            return covenant_error(str(error), output)
    raise error
