"""A call off the chain on the core, straight over a StateReader: nothing of it remains, so no BlockState keeps it.

It is for calls that pay nothing, on the engine that is the default: the most frequent ones. All others, and what the
core refuses, are Executor.call's (chain/vm/executor.py), which is the reference.
"""

from typing import Any, NamedTuple

from lru import LRU

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.errors import EngineDifferenceError
from zevm.chain.rules.gas import TRANSACTION_GAS
from zevm.chain.vm import validation
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.comparison import call_differences
from zevm.chain.vm.engines.engine import PY_EVM
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.fork_table import FRAME_CLASSES, frames_of
from zevm.chain.vm.frame import CoreWasm, TransactionContext, WasmTerms
from zevm.chain.vm.gas_needs import NONZERO_BYTE_GAS_FRONTIER, gas_needs
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.precompile_tables import PrecompileTables, tables_in
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.core import CORE
from zevm.storage.account import EMPTY_ROOT, Account, StateReader
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32
from zevm.storage.state_readers import LatestReader

REFUSED_KEPT = 4_096
"""Addresses of contracts that are kept since the core refused a call of them, such as of precompiles of the machine."""
MOST_PASSED = 1_024
"""Calls of such a contract, between two that the core is asked for."""


class _Refused:
    """A contract of which the core has refused calls: those that follow a refusal do not ask it, twice as many each."""

    __slots__ = ("_left", "_length")

    def __init__(self) -> None:
        self._length = 1
        self._left = 1

    def passes(self) -> bool:
        """Whether the next call does not ask the core."""
        self._left -= 1
        return self._left >= 0

    def again(self) -> None:
        """Note another refusal."""
        self._left = self._length = min(2 * self._length, MOST_PASSED)


_REFUSED: "LRU[bytes, _Refused]" = LRU(REFUSED_KEPT)
"""By address. Threads may count a call twice or not at all."""


def run(
    environment: BlockEnvironment, reader: StateReader, request: CallRequest, deadline: Deadline | None
) -> Outcome | None:
    """The outcome of a call, as Executor.call has it on a state of its own over the reader; None where that has to run.

    Raises TransactionError where geth would refuse to begin, ExecutionTimeoutError at the deadline.
    """
    to, block = request.to, environment.made.get(__name__) or _block_of(environment)
    if to is None or not block.is_taken or not _takes(request):
        return None
    refused: _Refused | None = _REFUSED.get(to)
    if refused is not None and refused.passes():
        return None
    assert CORE.library is not None
    call = _Call(environment, reader, request.sender, deadline)
    if request.value:
        validation.check_funds(request.sender, request.value, call)
    if request.access_list or request.gas_limit < TRANSACTION_GAS + NONZERO_BYTE_GAS_FRONTIER * len(request.data):
        validation.check_gas(request, gas_needs(request, environment.rules))
        request = _with_plain_lists(request)
    accounts = view = None
    if isinstance(reader, LatestReader):
        accounts, view = reader.known, reader.view
    is_brief = isinstance(deadline, BriefDeadline)
    try:
        # a brief run is over before another thread would have begun
        found = CORE.library.run_call(
            call, accounts, view, block.fields, request, block.tables.warm_entries, not is_brief
        )
    finally:
        call.close()
    if found is None:
        # one that others wait for has refused what a worker's may take
        if not is_brief:
            _note_refusal(to, refused)
        return None
    if refused is not None:
        _REFUSED.pop(to, None)
    choice.messages["native"] += 1
    status, output, detail, gas_used, before_refund, spare_gas, logs = found
    error = native.error_of(FRAME_CLASSES[environment.rules.fork], status, detail) if status else None
    outcome = Outcome(gas_used, before_refund, output, native.logs_of(logs) if logs else (), error, spare_gas=spare_gas)
    if call.context is not None and call.context.console:
        outcome.console = [decode_console(data) for data in call.context.console]
    return outcome


def _with_plain_lists(request: CallRequest) -> CallRequest:
    """The request with its access list as the core takes it."""
    accesses: Any = tuple([(entry.address, entry.storage_keys) for entry in request.access_list])
    return request._replace(access_list=accesses)


def _note_refusal(to: Address, refused: _Refused | None) -> None:
    if refused is None:
        _REFUSED[to] = _Refused()
    else:
        refused.again()


def compare(found: Outcome, wanted: Outcome) -> None:
    """Raise EngineDifferenceError where an outcome is not the reference's."""
    if found != wanted:
        differences = "; ".join(call_differences(found, wanted))
        raise EngineDifferenceError(f"a call off the chain does not end as on a state: {differences[:1_000]}")


def _takes(request: CallRequest) -> bool:
    return (
        request.authorization_list is None
        and request.blob_versioned_hashes is None
        and not request.max_fee_per_gas
        and not request.max_priority_fee_per_gas
        and request.gas_limit < native.GAS_LIMIT
    )


class _Block(NamedTuple):
    """A block as calls without fees see it, for core/zig/run_objects.zig (native.block_fields), and its precompiles.

    is_taken: whether the core may run calls in it.
    """

    fields: tuple[Any, ...]
    tables: PrecompileTables
    is_taken: bool


def _block_of(environment: BlockEnvironment) -> _Block:
    rules, tables = environment.rules, tables_in(environment)
    fields = (
        rules.fork,
        environment.coinbase,
        environment.number,
        environment.timestamp,
        environment.gas_limit,
        0,
        environment.prev_randao,
        environment.difficulty,
        environment.blob_base_fee or 0,
        rules.chain_id,
        environment.code_size_limit,
        tables.entries,
        environment.wasm_machine is not None,
    )
    is_taken = environment.engine is not PY_EVM and environment.watcher is None and not environment.recoveries
    block = environment.made[__name__] = _Block(fields, tables, is_taken)
    return block


class _Call(native.Answers):
    """A run straight over a reader: the state that the core asks, and the answers that the state has not.

    What the run changes, the core keeps itself. What a precompile in Python and WebAssembly need is made where one is
    called. context: of such a one; None where none was.
    """

    __slots__ = ("_environment", "_helper", "_reader", "_sender", "context")

    def __init__(
        self, environment: BlockEnvironment, reader: StateReader, sender: Address, deadline: Deadline | None
    ) -> None:
        self._deadline, self._wasm = deadline, None
        self._environment, self._reader, self._sender = environment, reader, sender
        self.context: TransactionContext | None = None
        self._helper: native.Helper | None = None

    def account_fields(self, address: Address) -> Account | None:
        """The account at an address, or None."""
        return self._reader.account(address)

    def get_balance(self, address: Address) -> int:
        """Wei."""
        account = self._reader.account(address)
        return 0 if account is None else account.balance

    def has_storage(self, address: Address) -> bool:
        """Whether any slot is set (EIP-7610)."""
        account = self._reader.account(address)
        return account is not None and account.storage_root != EMPTY_ROOT

    def first_storage(self, address: Address, slot: int) -> tuple[int, bool]:
        """The slot's value, and whether no slot of the account is set."""
        return (self._reader.storage(address, slot), False) if self.has_storage(address) else (0, True)

    def get_storage(self, address: Address, slot: int) -> int:
        """The value of a slot. Asked for after first_storage, and only of accounts with storage."""
        return self._reader.storage(address, slot)

    def get_code_hash(self, address: Address) -> Hash32:
        """The hash of the code; EMPTY_KECCAK where there is none or no account."""
        account = self._reader.account(address)
        return EMPTY_KECCAK if account is None else account.code_hash

    def get_code(self, address: Address) -> bytes:
        """The code of an account that has some."""
        account = self._reader.account(address)
        return b"" if account is None else self._reader.code(account.code_hash)

    def lend(self) -> CoreWasm | None:
        """Those of the block's machine."""
        machine = self._environment.wasm_machine
        return None if machine is None else machine.lend(self, self._made_context, self._deadline)

    def block_terms(self) -> WasmTerms | None:
        """Those of the block's machine."""
        machine = self._environment.wasm_machine
        return None if machine is None or self._deadline is not None else machine.block_terms()

    def block_hash(self, number: int) -> bytes:
        """As PyEvmState.get_ancestor_hash."""
        return self._made().block_hash(number)

    def precompile(self, address: Address, gas: int, data: bytes | memoryview) -> tuple[int, int, bytes, str]:
        """As native.Helper's."""
        return self._made().precompile(address, gas, data)

    def _made_context(self) -> TransactionContext:
        if self.context is None:
            environment = self._environment
            tables = tables_in(environment)
            self.context = TransactionContext(
                self._sender,
                0,
                (),
                tables.callable,
                tables.warm,
                self._deadline,
                None,
                environment.wasm_machine,
                environment.engine,
            )
        return self.context

    def _made(self) -> native.Helper:
        if self._helper is None:
            environment, fork = self._environment, self._environment.rules.fork
            traits = FRAME_CLASSES[fork].traits
            state = PyEvmState(BlockState(self._reader), environment, has_empty_accounts=traits.has_empty_accounts)
            self._helper = native.Helper(frames_of(fork, self._deadline), state, self._made_context())
        return self._helper
