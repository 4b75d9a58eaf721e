"""The EVM's interface for a WebAssembly machine: frames, instructions of the frame's fork, calls, creations, faults.

Everything here charges `frame.gas_left` as the EVM does and raises VMError where the EVM's frame would end.
"""

from eth.exceptions import OutOfGas, VMError

from zevm.chain.vm.calls import CallRules, charge_creation, create_account, send
from zevm.chain.vm.faults import (
    CallDataSizeError,
    CodeSizeError,
    CodeStoreError,
    InvalidModuleError,
    MemoryPagesError,
    NoSuchFunctionError,
    PrecompileError,
    StackWordsError,
    StatusError,
    TrapError,
)
from zevm.chain.vm.frame import CoreWasm, Frame, Precompile, TransactionContext, WasmProgram, WasmTerms
from zevm.chain.vm.instructions import invalid
from zevm.chain.vm.opcodes import Operation
from zevm.storage.primitives import Address, Gas, Wei

__all__ = [
    "CALL",
    "CREATE",
    "CREATE2",
    "DELEGATECALL",
    "STATICCALL",
    "CallDataSizeError",
    "CodeSizeError",
    "CodeStoreError",
    "CoreWasm",
    "Frame",
    "InvalidModuleError",
    "MemoryPagesError",
    "NoSuchFunctionError",
    "OutOfGas",
    "Precompile",
    "PrecompileError",
    "StackWordsError",
    "StatusError",
    "TransactionContext",
    "TrapError",
    "VMError",
    "WasmProgram",
    "WasmTerms",
    "call",
    "create",
    "instruct",
    "memory_gas",
]

CREATE = 0xF0
CALL = 0xF1
DELEGATECALL = 0xF4
CREATE2 = 0xF5
STATICCALL = 0xFA


def instruct(frame: Frame, opcode: int, *words: int) -> int:
    """Run one instruction of the frame's fork on these words, the top one last; the word that it pushes, or 0.

    For instructions without memory and code: storage, balances, code sizes and hashes, block data, SELFDESTRUCT.
    """
    operation, stack = frame.operations[opcode], frame.stack
    tracer = frame.transaction_context.step_tracer
    if tracer is not None:
        tracer.on_host_instruction(frame, opcode, words)
    frame.consume_gas(operation.gas, operation.name)
    stack[:] = words
    assert operation.body is not None
    operation.body(frame, stack, operation.operand)
    return stack.pop() if stack else 0


def call(
    frame: Frame, opcode: int, gas: Gas, target: Address, value: Wei, data: bytes, access_gas: int | None = None
) -> bool:
    """CALL, DELEGATECALL or STATICCALL at its price; whether it succeeded. The output is the frame's return_data.

    gas: as much as the caller asks for; the fork keeps a 64th back. access_gas: a flat price in place of the fork's
    for reaching the account, None for the fork's. Raises OutOfGas, and InvalidInstruction where the fork does not
    have it.
    """
    operation = _operation(frame, opcode)
    rules: CallRules = operation.operand
    if access_gas is None:
        frame.consume_gas(operation.gas, operation.name)
    else:
        frame.consume_gas(access_gas, operation.name)
        frame.block_state.warm_address(target)
        rules = rules._replace(charges_access=False)
    return send(frame, rules, gas, target, value, data)


def create(frame: Frame, opcode: int, value: Wei, code: bytes, salt: int | None) -> Address | None:
    """CREATE or CREATE2 at its price: the new address, or None. Revert data is the frame's return_data.

    Raises OutOfGas, and InvalidInstruction where the fork does not have it.
    """
    rules = _operation(frame, opcode).operand
    charge_creation(frame, rules, len(code))
    return create_account(frame, rules, value, code, salt)


def _operation(frame: Frame, opcode: int) -> Operation:
    """The instruction. Raises InvalidInstruction where the fork does not have it yet."""
    operation = frame.operations[opcode]
    if operation.body is invalid:
        invalid(frame, frame.stack, operation.operand)
    return operation


def memory_gas(size: int) -> int:
    """The EVM's gas for memory of this size in bytes (Yellow Paper, C_mem)."""
    words = (size + 31) >> 5
    return 3 * words + (words * words >> 9)
