"""The Covenant VM: contracts in this process, over a state in memory or in a directory; no chain, no server."""

import threading
from collections.abc import Callable, Sequence
from itertools import count
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from zevm.chain.canonical.patches import PatchedState
from zevm.chain.concurrency import shared
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.concurrency.writer import Writer
from zevm.chain.options import COMPILED_NAME
from zevm.chain.rules.forks import ForkRules, fork_by_name
from zevm.chain.rules.genesis import DEFAULT_CHAIN_ID
from zevm.chain.types.selectors import SELECTOR_BYTES
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import active_precompiles
from zevm.chain.vm.interface import CallRequest
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.price_table import COVENANT
from zevm.contracts.revert_reasons import Decoder
from zevm.covenant import wasm
from zevm.covenant.context import ExecutionContext
from zevm.covenant.contract import Contract, creation_code
from zevm.covenant.errors import (
    AccessDenied,
    CompilationFailed,
    InvalidParameters,
    error_of,
    translated,
)
from zevm.covenant.execution import Effects, deadline_of, environment_of, least_gas, run
from zevm.covenant.open_vms import OPEN_VMS
from zevm.covenant.state import ContractState
from zevm.covenant.values import (
    GAS_COSTS,
    MAXIMUM_GAS,
    WORD_BYTES,
    ContractAddress,
    GasLimit,
    StateHash,
    checked_address,
    checked_bytes,
    checked_call_data,
    checked_data,
    checked_integer,
)
from zevm.covenant.world import World
from zevm.covenant.zig import ZVMRuntime
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import ZERO_ADDRESS, Address
from zevm.storage.state import StateBase

DEPLOYMENT_GAS_LIMIT = 100_000_000
"""Gas of a deployment without a context of its own: several times what the largest module needs."""
ESTIMATE_GAS_LIMIT = 1_000_000_000
"""The most gas that an estimate tries."""

Result = TypeVar("Result")


class CovenantVM:
    """Contracts in Zig, WebAssembly and EVM bytecode that call each other. Every method may be called from any thread.

    Executions run one after another, each as a whole or not at all: a failed one changes nothing. directory: where the
    state is kept, made if absent; None for memory. sync: whether a change survives a power failure once a method has
    returned. chain_id, hardfork: what contracts see. expected_state: the root that the state must have. artifacts: a
    folder of built contracts, whose errors messages name.
    Raises AccessDenied for a directory that another process holds, or that is not a VM's, StateCorrupted for a damaged
    one, StateMismatch for another state.
    """

    def __init__(
        self,
        directory: str | PathLike[str] | None = None,
        *,
        sync: bool = True,
        chain_id: int = DEFAULT_CHAIN_ID,
        hardfork: str = "latest",
        expected_state: StateHash | None = None,
        artifacts: str | PathLike[str] | None = None,
    ) -> None:
        path = None if directory is None else Path(checked_path(directory, "directory"))
        expected = None if expected_state is None else checked_bytes(expected_state, WORD_BYTES, "expected_state")
        self._rules = _rules(checked_integer(chain_id, MAXIMUM_GAS, "chain_id"), hardfork)
        self._runtime = ZVMRuntime()
        self._decoder = Decoder(*([] if artifacts is None else [Path(checked_path(artifacts, "artifacts"))]))
        self._close_lock = threading.Lock()
        self._closed = False
        self._request_ids = count(1)
        try:
            self._world = World(path, sync=sync, expected=expected)
        except Exception as error:
            raise translated(error) from error
        self._machine = ZvmMachine(COVENANT.name, None if path is None else path / COMPILED_NAME, console=True)
        self._thread = Writer()
        OPEN_VMS.add(self)

    # Deployment

    def deploy_contract(
        self,
        code: bytes,
        constructor_params: bytes = b"",
        deployer: ContractAddress = ZERO_ADDRESS,
        *,
        context: ExecutionContext | None = None,
        address: ContractAddress | None = None,
    ) -> ContractAddress:
        """Deploy a contract and return its address. code: EVM creation bytecode or a WebAssembly module, by its start.

        constructor_params: ABI-encoded. context: gas, wei and block of the constructor, whose sender is the deployer;
        by default DEPLOYMENT_GAS_LIMIT and no wei. address: where the contract goes, the next one of the deployer by
        default. Costs GAS_COSTS.CREATE and what the constructor and the code's storage cost. Raises CovenantError:
        CompilationFailed for code that cannot be a contract, StateMismatch where the address is taken.
        """
        owner = checked_address(deployer, "deployer")
        context = ExecutionContext(owner, DEPLOYMENT_GAS_LIMIT) if context is None else context
        if context.sender != owner:
            raise InvalidParameters(f"the context's sender is 0x{context.sender.hex()}, not the deployer")
        place = None if address is None else checked_address(address)
        data = creation_code(checked_data(code, "code"), checked_call_data(constructor_params, "constructor_params"))
        return self._run(context, GAS_COSTS.CREATE, None, data, creates=place)[1]

    def deploy_wasm_contract(
        self,
        wasm_bytecode: bytes,
        constructor_params: bytes = b"",
        deployer: ContractAddress = ZERO_ADDRESS,
        *,
        context: ExecutionContext | None = None,
    ) -> ContractAddress:
        """Deploy a WebAssembly module, raw or compressed, and return its address. Raises as `deploy_contract`."""
        if not self._machine.claims(checked_data(wasm_bytecode, "wasm_bytecode")):
            start = wasm_bytecode[:4].hex() or "nothing"
            raise CompilationFailed(f"invalid module (malformed): begins with {start}, not with 0061736d or eff000")
        return self.deploy_contract(wasm_bytecode, constructor_params, deployer, context=context)

    def deploy_zig_contract(
        self,
        name: str,
        source: str,
        deployer: ContractAddress = ZERO_ADDRESS,
        constructor_params: bytes = b"",
        *,
        context: ExecutionContext | None = None,
        runtime: ZVMRuntime | None = None,
    ) -> ContractAddress:
        """Compile a contract in Zig and deploy it; return its address.

        source: of the contract; "" for the library's own token of this name. Raises CompilationFailed with the
        compiler's text, and as `deploy_contract`.
        """
        code = (runtime or self._runtime).compile(name, source)
        return self.deploy_contract(code, constructor_params, deployer, context=context)

    # Calls

    def call(
        self, target: ContractAddress, context: ExecutionContext, function_sig: bytes, params: bytes = b""
    ) -> bytes:
        """Call a function of a contract, and return its output. function_sig: the selector, 4 bytes.

        params: ABI-encoded. Costs GAS_COSTS.CALL and what the code costs, from the context. Sends the context's value.
        Raises CovenantError; the state is then as before, and the gas is used.
        """
        address = checked_address(target, "target")
        data = checked_call_data(
            checked_bytes(function_sig, SELECTOR_BYTES, "function_sig") + checked_data(params, "params")
        )
        return self._run(context, GAS_COSTS.CALL, address, data)[0]

    def transfer(self, recipient: ContractAddress, context: ExecutionContext) -> None:
        """Send the context's value, for GAS_COSTS.TRANSFER and what a receiving contract costs. Raises as `call`."""
        self._run(context, GAS_COSTS.TRANSFER, checked_address(recipient, "recipient"), b"")

    def estimate_gas(
        self,
        target: ContractAddress,
        function_data: bytes,
        *,
        sender: ContractAddress = ZERO_ADDRESS,
        value: int = 0,
    ) -> GasLimit:
        """The least gas limit with which a call succeeds now. function_data: selector and parameters.

        Raises as `call`, for a call that fails whatever its gas.
        """
        address, data = checked_address(target, "target"), checked_call_data(function_data, "function_data")

        def attempt(gas_limit: int) -> int:
            context = ExecutionContext(sender, gas_limit, value=value)
            self._run(context, GAS_COSTS.CALL, address, data, keep=False)
            return context.gas_used

        return least_gas(attempt, ESTIMATE_GAS_LIMIT)

    # WebAssembly modules

    def execute_function(
        self,
        module_bytecode: bytes,
        function_name: str,
        arguments: bytes | Sequence[int] = b"",
        options: wasm.ExecutionOptions = wasm.DEFAULT_OPTIONS,
    ) -> wasm.WasmExecutionResult:
        """Run a function of a module that need not be deployed, on this state, and keep no change.

        arguments: call data, or the integers that the function takes. An execution that fails is a result too; see its
        status. Raises InvalidParameters for options out of range.
        """
        request = wasm.WasmExecutionRequest(
            next(self._request_ids),
            module_bytecode,
            function_name,
            arguments,
            options.gas_limit,
            options.memory_limit,
            options.timeout_ms,
            options.caller_address,
        )
        return self.execute(request)

    def execute(self, request: wasm.WasmExecutionRequest) -> wasm.WasmExecutionResult:
        """As `execute_function`, for a request."""
        self._check_open()
        environment = environment_of(self._rules, self._machine, 0, 0)
        with deadline_of(request.timeout_ms) as deadline:
            return self._on_thread(
                lambda: wasm.execute(self._machine, environment, self._world.reader, request, deadline)
            )

    # State

    def get_contract(self, address: ContractAddress) -> Contract | None:
        """The contract at an address; None if there is none."""
        checked = checked_address(address)
        account = self.reader.account(checked)
        if account is None or account.code_hash == EMPTY_KECCAK:
            return None
        return Contract(self, checked, self._world.owner(checked))

    def state_of(self, address: ContractAddress) -> ContractState:
        """Storage, balance and nonce of any account, to read and to change: to fund one, say."""
        return ContractState(self, address)

    @property
    def state_hash(self) -> StateHash:
        """The root of the state: equal states have equal roots, on a node too."""
        return self.reader.root

    @property
    def reader(self) -> StateBase:
        """The latest state. Raises AccessDenied once closed."""
        self._check_open()
        return self._world.reader

    def change(self, change: Callable[[PatchedState], None]) -> None:
        """Change accounts by hand, durably. Raises CovenantError."""
        self._check_open()
        self._on_thread(lambda: self._world.patch(change))

    def close(self) -> None:
        """Finish the running execution and close the directory; idempotent."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
        OPEN_VMS.discard(self)
        self._thread.stop()
        self._machine.close()
        self._runtime.close()
        self._world.close()
        shared.end_all()

    def forget(self) -> None:
        """Be closed in a copy of the process (os.fork), where the VM has no thread; the VM itself goes on."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Executions

    def _check_open(self) -> None:
        if self._closed:
            raise AccessDenied("the VM is closed")

    def _on_thread(self, work: Callable[[], Result]) -> Result:
        """Work on the VM's thread, whose stack is deep enough for 1,024 calls. Raises CovenantError."""
        try:
            return self._thread.run(work)
        except Exception as error:
            raise translated(error) from error

    def _run(
        self,
        context: ExecutionContext,
        price: GasLimit,
        target: Address | None,
        data: bytes,
        *,
        creates: Address | None = None,
        keep: bool = True,
    ) -> tuple[bytes, Address]:
        """Pay, execute, keep the changes: (output, address of the contract). target: None for a creation."""
        self._check_open()
        context.check()
        context.consume_gas(price)
        context.data = data
        with deadline_of(context.timeout_ms) as deadline:
            effects = self._on_thread(lambda: self._execute(context, target, data, creates, deadline, keep=keep))
        outcome = effects.outcome
        address = target or outcome.contract_address
        assert address is not None
        return outcome.output, address

    def _execute(
        self,
        context: ExecutionContext,
        target: Address | None,
        data: bytes,
        creates: Address | None,
        deadline: Deadline | None,
        *,
        keep: bool,
    ) -> Effects:
        environment = environment_of(self._rules, self._machine, context.block_number, context.timestamp)
        if target is not None and data:
            self._require_contract(target, environment)
        request = CallRequest(
            sender=Address(context.sender), to=target, gas_limit=context.gas_left, value=context.value, data=data
        )
        effects = run(environment, self._world.reader, context, request, creates=creates, deadline=deadline)
        outcome = effects.outcome
        context.gas_used += outcome.gas_used
        if outcome.error is not None:
            raise error_of(outcome.error, outcome.output, self._decoder)
        if keep:
            created = outcome.contract_address
            if created is not None and effects.code_hash(created) == EMPTY_KECCAK:
                raise CompilationFailed(
                    "the creation code has returned no code; give creation bytecode (solc --bin), not the runtime's"
                )
            self._world.commit(effects.changes, owned=None if created is None else (created, request.sender))
        context.logs, context.console = outcome.logs, tuple(outcome.console)
        return effects

    def _require_contract(self, target: Address, environment: BlockEnvironment) -> None:
        """Raise InvalidParameters unless code answers at the target."""
        account = self._world.reader.account(target)
        if (account is None or account.code_hash == EMPTY_KECCAK) and target not in active_precompiles(environment):
            raise InvalidParameters(f"no contract at 0x{target.hex()}: deploy one, or send wei with transfer")


def checked_path(given: str | PathLike[str], name: str) -> str:
    """The path. Raises InvalidParameters for one that no folder can have."""
    path = fspath(given)
    if not path or "\0" in path:
        raise InvalidParameters(f"{name} is {path!r}, it takes the path of a folder")
    return path


def _rules(chain_id: int, hardfork: str) -> ForkRules:
    try:
        fork = fork_by_name(hardfork)
    except ValueError as error:
        raise InvalidParameters(f"hardfork {hardfork!r}: {error}") from error
    # blobs belong to transactions, and here are none
    return ForkRules(fork, chain_id, zvm=COVENANT.name, unlimited_transaction_gas=True)
