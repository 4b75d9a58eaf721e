"""Executions on a VM's state: the block that contracts see, and one call or creation as a frame of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.zvm.machine import ZvmMachine
from zevm.covenant.context import ExecutionContext
from zevm.covenant.errors import CovenantError
from zevm.covenant.values import FRAME_WORDS
from zevm.storage.account import StateDiff, StateReader
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import ZERO_ADDRESS, Address, Hash32

_NO_HASH = Hash32(b"")
BLOCK_GAS_LIMIT = 60_000_000
"""The block's, for the code that asks. Only a context's gas limit bounds a call."""


@dataclass(frozen=True, slots=True)
class Effects:
    """An execution's outcome and its changes, which are not kept yet."""

    outcome: Outcome
    changes: StateDiff

    def code_hash(self, address: Address) -> bytes:
        """The code hash that an account has afterwards, of one whose code changes."""
        change = self.changes.accounts.get(address)
        return EMPTY_KECCAK if change is None else change.code_hash


def environment_of(rules: ForkRules, machine: ZvmMachine, number: int, timestamp: int) -> BlockEnvironment:
    """The block that contracts see. Nothing in it but number and time tells one call from another."""
    return BlockEnvironment(
        rules=rules,
        coinbase=ZERO_ADDRESS,
        number=number,
        timestamp=timestamp,
        gas_limit=BLOCK_GAS_LIMIT,
        block_hash=lambda _number: _NO_HASH,
        base_fee_per_gas=0 if rules.fork >= Fork.LONDON else None,
        blob_base_fee=1 if rules.fork >= Fork.CANCUN else None,
        wasm_machine=machine,
    )


def run(
    environment: BlockEnvironment,
    reader: StateReader,
    context: ExecutionContext,
    request: CallRequest,
    *,
    creates: Address | None = None,
    deadline: Deadline | None = None,
) -> Effects:
    """Execute a call or creation. Raises TransactionError for want of wei, ExecutionTimeoutError at the deadline."""
    state = BlockState(reader)
    outcome = Executor(environment, state).call_alone(
        request,
        origin=Address(context.origin),
        creates=creates,
        memory_words=FRAME_WORDS,
        deadline=deadline,
    )
    return Effects(outcome, state.diff())


@contextmanager
def deadline_of(timeout_ms: int | None) -> Iterator[Deadline | None]:
    """A deadline this many milliseconds from now, cancelled when its caller is interrupted; None for none."""
    if timeout_ms is None:
        yield None
        return
    deadline = Deadline.after(timeout_ms / 1_000)
    try:
        yield deadline
    except BaseException:
        deadline.cancellation.cancel()
        raise


def least_gas(attempt: Callable[[int], int], ceiling: int) -> int:
    """The least gas limit with which `attempt`, which gives the gas used, does not raise CovenantError.

    ceiling: the most that is tried, and the limit whose failure is raised. Code that holds gas back for its callees
    needs more than it uses.
    """
    high = attempt(ceiling)
    low = high - 1
    while not _suffices(attempt, high):
        low, high = high, min(high * 2, ceiling)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _suffices(attempt, middle) else (middle, high)
    return high


def _suffices(attempt: Callable[[int], int], gas_limit: int) -> bool:
    try:
        attempt(gas_limit)
    except CovenantError:
        return False
    return True
