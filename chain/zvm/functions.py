"""Functions of WebAssembly modules, called off chain: of a contract on a block's state, or of a module's bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from zevm.chain.concurrency.deadline import Deadline, ExecutionTimeoutError, NotBriefError
from zevm.chain.types import Log
from zevm.chain.types.selectors import signature_selector
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.frame import UNLIMITED_WORDS
from zevm.chain.vm.interface import CallRequest, VmErrorKind
from zevm.chain.zvm.inspection import delegate_of
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.module.binary import PAGE_BYTES
from zevm.chain.zvm.module.rules import ENTRYPOINT
from zevm.chain.zvm.outcomes import Status, status_of
from zevm.chain.zvm.scope import Entry
from zevm.storage.account import StateDiff, StateReader
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import ZERO_ADDRESS, Address


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """The call's target.

    address: the contract; with `module`, where that module's code is assumed to be (None for an address of its own).
    name: None or "user_entrypoint" for the entry point; a signature as "transfer(address,uint256)", whose selector
    goes before the arguments; or an export. arguments: bytes, or the integers of an export; packs_integers: the bytes
    are an export's integers, of 8 bytes each, unless it takes bytes.
    memory_limit_bytes: rounded down to pages of 64 KiB; None for the chain's own limit.
    """

    address: Address | None = None
    module: bytes | None = None
    name: str | None = None
    arguments: bytes | Sequence[int] = b""
    sender: Address = ZERO_ADDRESS
    value_wei: int = 0
    gas_limit: int = 50_000_000
    memory_limit_bytes: int | None = None
    packs_integers: bool = False


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """The outcome. error: None for success. changes: its changes to `before`, which are not kept.

    is_revert: it failed with REVERT, and `output` is the revert data.
    """

    status: Status
    output: bytes
    gas_used: int
    error: str | None
    logs: tuple[Log, ...]
    changes: StateDiff
    before: StateReader
    is_revert: bool = False


def run_function(
    machine: ZvmMachine,
    environment: BlockEnvironment,
    reader: StateReader,
    call: FunctionCall,
    *,
    deadline: Deadline | None,
    memory_words: int = UNLIMITED_WORDS,
) -> FunctionResult:
    """Run a function and keep nothing. memory_words: of one EVM frame.

    Raises TransactionError for want of wei, NotBriefError under a BriefDeadline.
    """
    state = BlockState(reader)
    address = _place(state, call)
    code = state.get_code(address)
    delegate = delegate_of(code, environment.rules)
    if delegate is not None:
        code = state.get_code(delegate)
    if not machine.claims(code):
        return _not_run(*_no_module(call, address), reader)
    scope = machine.new_scope(
        for_blocks=False,
        entry=_entry_of(call),
        pages_limit=None if call.memory_limit_bytes is None else call.memory_limit_bytes // PAGE_BYTES,
    )
    before = state.fork_reader()
    base = BlockState(before)
    request = CallRequest(
        sender=call.sender, to=address, gas_limit=call.gas_limit, value=call.value_wei, data=_data_of(call)
    )
    try:
        executor = Executor(environment, base)
        outcome = executor.call_alone(request, memory_words=memory_words, wasm_scope=scope, deadline=deadline)
    except NotBriefError:
        raise
    except ExecutionTimeoutError as error:
        return _not_run(Status.TIMEOUT, str(error), reader)
    fault = outcome.error
    return FunctionResult(
        status=status_of(fault),
        output=outcome.output,
        gas_used=outcome.gas_used,
        error=None if fault is None else fault.message,
        logs=outcome.logs if outcome.succeeded else (),
        changes=base.diff(),
        before=before,
        is_revert=fault is not None and fault.kind is VmErrorKind.REVERT,
    )


def _no_module(call: FunctionCall, address: Address) -> tuple[Status, str]:
    if call.module is None:
        return Status.INVALID_FUNCTION, f"no WebAssembly contract at 0x{address.hex()}"
    start = call.module[:4].hex() or "nothing"
    return Status.INVALID_MODULE, f"invalid module (malformed): begins with {start}, not with 0061736d or eff000"


def _not_run(status: Status, error: str, before: StateReader) -> FunctionResult:
    return FunctionResult(status, b"", 0, error, (), StateDiff(), before)


def _place(state: ExecutionState, call: FunctionCall) -> Address:
    """The address to call; a module given as bytes stands there for the call."""
    if call.module is None:
        assert call.address is not None
        return call.address
    address = call.address or Address(keccak256(call.module)[12:])
    state.set_code(address, call.module)
    return address


def _entry_of(call: FunctionCall) -> Entry:
    library = call.module is not None
    if not isinstance(call.arguments, bytes):
        return Entry(call.name or ENTRYPOINT, call.arguments, library)
    if call.name is None or _is_signature(call.name):
        return Entry(ENTRYPOINT, None, library)
    return Entry(call.name, None, library, call.packs_integers)


def _is_signature(name: str) -> bool:
    return "(" in name


def _data_of(call: FunctionCall) -> bytes:
    if not isinstance(call.arguments, bytes):
        return b""
    if call.name is not None and _is_signature(call.name):
        return signature_selector(call.name) + call.arguments
    return call.arguments
