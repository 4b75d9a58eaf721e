"""The Covenant VM: contracts in Zig, WebAssembly and EVM bytecode in this process, without a chain or a server.

with create_vm() as vm: ... (docs/covenant.md). Names and values are those of the SHROUD guide (docs/guide-map.md).
"""

from zevm.chain.types import Log
from zevm.covenant.context import ExecutionContext
from zevm.covenant.contract import Contract
from zevm.covenant.errors import (
    COVENANT_ERRORS,
    AccessDenied,
    CompilationFailed,
    ContractExecutionFailed,
    CovenantError,
    InsufficientGas,
    InvalidOpcode,
    InvalidParameters,
    OutOfMemory,
    StackOverflow,
    StackUnderflow,
    StateCorrupted,
    StateMismatch,
)
from zevm.covenant.operations import (
    call,
    consume_gas,
    create_vm,
    deploy_contract,
    deploy_zig_contract,
    estimate_gas,
    estimate_gas_usage,
    execute_function,
    get,
    get_contract,
    set,  # noqa: A004  the guide's name
    validate_contract_source,
    validate_module,
)
from zevm.covenant.profiler import Profiler
from zevm.covenant.state import ContractState
from zevm.covenant.values import GAS_COSTS, ContractAddress, GasLimit, MemoryLimits, StateHash
from zevm.covenant.vm import CovenantVM
from zevm.covenant.wasm import (
    ExecutionOptions,
    ExecutionStatus,
    WasmExecutionRequest,
    WasmExecutionResult,
    WasmValidator,
)
from zevm.covenant.zig import ZVMRuntime

__all__ = [
    "COVENANT_ERRORS",
    "GAS_COSTS",
    "AccessDenied",
    "CompilationFailed",
    "Contract",
    "ContractAddress",
    "ContractExecutionFailed",
    "ContractState",
    "CovenantError",
    "CovenantVM",
    "ExecutionContext",
    "ExecutionOptions",
    "ExecutionStatus",
    "GasLimit",
    "InsufficientGas",
    "InvalidOpcode",
    "InvalidParameters",
    "Log",
    "MemoryLimits",
    "OutOfMemory",
    "Profiler",
    "StackOverflow",
    "StackUnderflow",
    "StateCorrupted",
    "StateHash",
    "StateMismatch",
    "WasmExecutionRequest",
    "WasmExecutionResult",
    "WasmValidator",
    "ZVMRuntime",
    "call",
    "consume_gas",
    "create_vm",
    "deploy_contract",
    "deploy_zig_contract",
    "estimate_gas",
    "estimate_gas_usage",
    "execute_function",
    "get",
    "get_contract",
    "set",
    "validate_contract_source",
    "validate_module",
]
