"""The ways a frame fails, and geth's text for each.

They extend py-evm's VMError where geth tells more apart than py-evm does, or says it with figures.
"""

from eth.exceptions import (
    ContractCreationCollision,
    FullStack,
    InsufficientFunds,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfBoundsRead,
    OutOfGas,
    ReservedBytesInCode,
    Revert,
    StackDepthLimit,
    VMError,
    WriteProtection,
)

# what programs that were written for py-evm catch (node/eth_tester)
from eth.exceptions import UnrecognizedTransactionType as UnrecognizedTransactionType

from zevm.chain.vm.interface import VmError, VmErrorKind


class CodeSizeError(OutOfGas):
    """The code to be stored is over the limit (EIP-170)."""


class InitcodeSizeError(OutOfGas):
    """The creation code is over the limit (EIP-3860)."""


class CodeStoreError(OutOfGas):
    """The gas left does not pay for storing the code (EIP-2)."""


class GasShortageError(OutOfGas):
    """An amount of gas that is not there. amount: what was to be paid at once."""

    def __init__(self, reason: str, amount: int) -> None:
        super().__init__(reason)
        self.amount = amount


class BalanceOverflowError(VMError):
    """The value would lift the recipient's balance past 256 bits: only a development request can bring it near."""


class MemoryWordsError(VMError):
    """An EVM frame would have more memory than the execution allows, whatever its gas. Off chain alone."""

    def __init__(self, words: int, limit: int) -> None:
        super().__init__(f"out of memory: {words * 32} bytes in one frame, the limit is {limit * 32}")


class StoreSentryError(OutOfGas):
    """SSTORE with no more gas left than a stipend (EIP-2200)."""


_PY_EVM_SENTRY = "Net-metered SSTORE always fails below 2300 gas"
"""How py-evm's SSTORE of Istanbul begins to say the same."""


class PrecompileError(VMError):
    """A precompile refused its input."""


class InputLengthError(PrecompileError):
    """A precompile was given more or fewer bytes than it takes."""


class StatusError(Revert):
    """A WebAssembly contract returned a status other than 0: its output is revert data."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class TrapError(Revert):
    """A WebAssembly contract trapped or was refused by the host: no output, the gas left comes back."""

    erases_return_data = True


class StackWordsError(VMError):
    """A WebAssembly contract used up its stack words."""


class MemoryPagesError(VMError):
    """A WebAssembly contract would open more memory than the chain allows."""


class InvalidModuleError(VMError):
    """Code that begins as a WebAssembly module breaks a rule."""


class NoSuchFunctionError(VMError):
    """A WebAssembly module has no function of that name and type: nothing ran. Off chain, and in a precompile."""

    burns_gas = False


class CallDataSizeError(VMError):
    """More call data than a WebAssembly contract takes."""


_KINDS: dict[type[Exception], VmErrorKind] = {
    Revert: VmErrorKind.REVERT,
    CodeSizeError: VmErrorKind.CODE_SIZE,
    InitcodeSizeError: VmErrorKind.INITCODE_SIZE,
    CodeStoreError: VmErrorKind.CODE_STORE_OUT_OF_GAS,
    OutOfGas: VmErrorKind.OUT_OF_GAS,
    GasShortageError: VmErrorKind.OUT_OF_GAS,
    StoreSentryError: VmErrorKind.OUT_OF_GAS,
    InvalidInstruction: VmErrorKind.INVALID_OPCODE,
    InvalidJumpDestination: VmErrorKind.INVALID_JUMP,
    InsufficientStack: VmErrorKind.STACK_UNDERFLOW,
    FullStack: VmErrorKind.STACK_OVERFLOW,
    WriteProtection: VmErrorKind.WRITE_PROTECTION,
    StackDepthLimit: VmErrorKind.DEPTH,
    InsufficientFunds: VmErrorKind.INSUFFICIENT_BALANCE,
    BalanceOverflowError: VmErrorKind.BALANCE_OVERFLOW,
    ContractCreationCollision: VmErrorKind.ADDRESS_COLLISION,
    ReservedBytesInCode: VmErrorKind.INVALID_CODE,
    OutOfBoundsRead: VmErrorKind.RETURN_DATA_OUT_OF_BOUNDS,
    StatusError: VmErrorKind.REVERT,
    TrapError: VmErrorKind.TRAP,
    StackWordsError: VmErrorKind.OUT_OF_STACK,
    MemoryPagesError: VmErrorKind.OUT_OF_MEMORY,
    MemoryWordsError: VmErrorKind.OUT_OF_MEMORY,
    InvalidModuleError: VmErrorKind.INVALID_MODULE,
    NoSuchFunctionError: VmErrorKind.NO_SUCH_FUNCTION,
    CallDataSizeError: VmErrorKind.CALL_DATA_SIZE,
    InputLengthError: VmErrorKind.PRECOMPILE_INPUT_LENGTH,
}

_WITH_FIGURES = {
    VmErrorKind.STACK_UNDERFLOW,
    VmErrorKind.STACK_OVERFLOW,
    VmErrorKind.INVALID_OPCODE,
    VmErrorKind.TRAP,
    VmErrorKind.OUT_OF_STACK,
    VmErrorKind.OUT_OF_MEMORY,
    VmErrorKind.INVALID_MODULE,
    VmErrorKind.NO_SUCH_FUNCTION,
    VmErrorKind.CALL_DATA_SIZE,
}
"""Kinds whose exception already carries geth's whole text."""


def describe_fault(fault: VMError) -> VmError:
    """The fault with geth's text; any other exception of a precompile counts as its failure."""
    kind = _KINDS.get(type(fault), VmErrorKind.PRECOMPILE)
    if isinstance(fault, StoreSentryError) or (kind is VmErrorKind.OUT_OF_GAS and _is_py_evm_sentry(fault)):
        return VmError(kind, "out of gas: not enough gas for reentrancy sentry")
    if kind in _WITH_FIGURES:
        return VmError(kind, str(fault))
    if kind is VmErrorKind.PRECOMPILE:
        return VmError(kind, str(fault) or kind.value)
    return VmError(kind, kind.value, fault.status if isinstance(fault, StatusError) else None)


def _is_py_evm_sentry(fault: VMError) -> bool:
    return bool(fault.args) and str(fault.args[0]).startswith(_PY_EVM_SENTRY)
