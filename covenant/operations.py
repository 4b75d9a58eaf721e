"""The guide's API reference as functions, over the classes' methods."""

from collections.abc import Sequence
from os import PathLike

from zevm.chain.rules.genesis import DEFAULT_CHAIN_ID
from zevm.covenant.context import ExecutionContext
from zevm.covenant.contract import Contract
from zevm.covenant.state import ContractState
from zevm.covenant.values import ContractAddress, GasLimit, StateHash
from zevm.covenant.vm import CovenantVM
from zevm.covenant.wasm import DEFAULT_OPTIONS, ExecutionOptions, WasmExecutionResult, WasmValidator
from zevm.covenant.zig import ZVMRuntime
from zevm.storage.primitives import ZERO_ADDRESS


def create_vm(
    directory: str | PathLike[str] | None = None,
    *,
    sync: bool = True,
    chain_id: int = DEFAULT_CHAIN_ID,
    hardfork: str = "latest",
    expected_state: StateHash | None = None,
    artifacts: str | PathLike[str] | None = None,
) -> CovenantVM:
    """A VM over the state in a directory, or an empty one in memory. Close it, or use it in a `with` statement."""
    return CovenantVM(
        directory, sync=sync, chain_id=chain_id, hardfork=hardfork, expected_state=expected_state, artifacts=artifacts
    )


def deploy_contract(
    vm: CovenantVM, code: bytes, constructor_params: bytes = b"", deployer: ContractAddress = ZERO_ADDRESS
) -> ContractAddress:
    """As CovenantVM.deploy_contract."""
    return vm.deploy_contract(code, constructor_params, deployer)


def deploy_zig_contract(
    vm: CovenantVM,
    runtime: ZVMRuntime,
    name: str,
    contract_source: str = "",
    deployer: ContractAddress = ZERO_ADDRESS,
    constructor_params: bytes = b"",
) -> ContractAddress:
    """As CovenantVM.deploy_zig_contract, with a runtime that VMs may share."""
    return vm.deploy_zig_contract(name, contract_source, deployer, constructor_params, runtime=runtime)


def validate_contract_source(source: str, name: str = "Contract") -> None:
    """Compile a Zig source without deploying it. Raises CompilationFailed with the compiler's text."""
    with ZVMRuntime() as runtime:
        runtime.compile(name, source)


def call(
    vm: CovenantVM, target: ContractAddress, context: ExecutionContext, function_sig: bytes, params: bytes = b""
) -> bytes:
    """As CovenantVM.call."""
    return vm.call(target, context, function_sig, params)


def estimate_gas(vm: CovenantVM, target: ContractAddress, function_data: bytes) -> GasLimit:
    """As CovenantVM.estimate_gas."""
    return vm.estimate_gas(target, function_data)


def get_contract(vm: CovenantVM, address: ContractAddress) -> Contract | None:
    """As CovenantVM.get_contract."""
    return vm.get_contract(address)


def execute_function(
    vm: CovenantVM,
    module_bytecode: bytes,
    function_name: str,
    arguments: bytes | Sequence[int] = b"",
    options: ExecutionOptions = DEFAULT_OPTIONS,
) -> WasmExecutionResult:
    """As CovenantVM.execute_function."""
    return vm.execute_function(module_bytecode, function_name, arguments, options)


def validate_module(module_bytecode: bytes) -> bool:
    """As WasmValidator.validate_module."""
    return WasmValidator.validate_module(module_bytecode)


def estimate_gas_usage(module_bytecode: bytes, function_name: str = "") -> GasLimit:
    """As WasmValidator.estimate_gas_usage."""
    return WasmValidator.estimate_gas_usage(module_bytecode, function_name)


def get(state: ContractState, key: bytes) -> bytes | None:
    """As ContractState.get."""
    return state.get(key)


def set(state: ContractState, key: bytes, value: bytes) -> None:  # noqa: A001  the guide's name
    """As ContractState.set."""
    state.set(key, value)


def consume_gas(context: ExecutionContext, amount: GasLimit) -> None:
    """As ExecutionContext.consume_gas."""
    context.consume_gas(amount)
