"""Executions off chain: eth_call and gas estimation, with overrides of state and block."""

from collections.abc import Callable
from dataclasses import replace

from eth_utils.address import to_checksum_address

from zevm.chain.blocks.context import CallFrame
from zevm.chain.calls.overrides import NO_OVERRIDES, BlockOverrides, CallOverrides, StateOverrides
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import (
    GAS_SHORTAGES,
    BlockOverrideError,
    ChainError,
    ExecutionFailedError,
    ExecutionRevertedError,
    InvalidRequestError,
    Reason,
    TransactionError,
)
from zevm.chain.rules.gas import STIPEND_GAS, TRANSACTION_GAS
from zevm.chain.vm import off_chain
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import NATIVE
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.executor import Executor, active_precompiles
from zevm.chain.vm.interface import CallRequest, Outcome, VmErrorKind
from zevm.chain.vm.read_ahead import is_over_origin, run_ahead
from zevm.storage.account import StateReader
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32
from zevm.storage.state_readers import LatestReader

_ESTIMATE_ERROR_RATIO = 0.015
"""Geth's: the search ends when the bounds are this close, as every further step is an execution."""


def override_environment(environment: BlockEnvironment, overrides: BlockOverrides) -> BlockEnvironment:
    """The environment with the caller's changes. Raises InvalidRequestError, as geth, for those that no code sees."""
    if overrides is NO_OVERRIDES.block or overrides == NO_OVERRIDES.block:
        return environment
    for unseen in ("parent_beacon_block_root", "withdrawals"):
        if getattr(overrides, unseen) is not None:
            raise BlockOverrideError(unseen)
    names = (
        "number",
        "timestamp",
        "gas_limit",
        "coinbase",
        "prev_randao",
        "difficulty",
        "base_fee_per_gas",
        "blob_base_fee",
    )
    changes = {name: value for name in names if (value := getattr(overrides, name)) is not None}
    if overrides.block_hashes is not None:
        changes["block_hash"] = _overlay_hashes(environment.block_hash, dict(overrides.block_hashes))
    return replace(environment, **changes)


def _overlay_hashes(block_hash: Callable[[int], Hash32], hashes: dict[int, Hash32]) -> Callable[[int], Hash32]:
    return lambda number: hashes[number] if number in hashes else block_hash(number)


def apply_state_overrides(state: ExecutionState, overrides: StateOverrides) -> None:
    """Write the caller's changes of accounts into `state`."""
    for address, override in overrides.items():
        if override.balance is not None:
            state.set_balance(address, override.balance)
        if override.nonce is not None:
            state.set_nonce(address, override.nonce)
        if override.code is not None:
            state.set_code(address, override.code)
        if override.state is not None:
            state.create_empty(address)
            state.clear_storage(address)
        for slot, value in ((override.state if override.state is not None else override.state_diff) or {}).items():
            state.create_empty(address)
            state.set_storage(address, slot, value)


def moved_precompiles(overrides: StateOverrides, environment: BlockEnvironment) -> dict[Address, Address | None]:
    """New addresses of the precompiles at overridden addresses; None for those that are only displaced.

    Raises InvalidRequestError with geth's text for an account without a precompile, or an overridden new address.
    """
    if not overrides:
        return {}
    active = active_precompiles(environment)
    moved: dict[Address, Address | None] = {}
    for address in sorted(overrides):
        target = overrides[address].move_precompile_to
        if target is not None:
            if address not in active:
                raise InvalidRequestError(f"account {to_checksum_address(address)} is not a precompile")
            if target in overrides:
                raise InvalidRequestError(f"account {to_checksum_address(target)} is already overridden")
        moved[address] = target
    return moved


def state_over(reader: StateReader, overrides: CallOverrides) -> BlockState:
    """The state that calls over a reader begin with, the caller's changes made."""
    state = BlockState(reader)
    apply_state_overrides(state, overrides.state)
    return state


def executor_in(environment: BlockEnvironment, state: ExecutionState, overrides: CallOverrides) -> Executor:
    """The executor of calls on `state`, in the block with its overrides and with precompiles at their new addresses."""
    environment = override_environment(environment, overrides.block)
    return Executor(environment, state, moved_precompiles=moved_precompiles(overrides.state, environment))


def call(
    frame: CallFrame,
    request: CallRequest,
    *,
    overrides: CallOverrides = NO_OVERRIDES,
    deadline: Deadline | None = None,
) -> Outcome:
    """Execute a message without keeping its effects.

    Raises TransactionError where geth refuses to begin (funds, fees), ExecutionTimeoutError at the deadline.
    """
    return _execute(frame, request, overrides, overrides, deadline)


def _execute(
    frame: CallFrame,
    request: CallRequest,
    overrides: CallOverrides,
    to_apply: CallOverrides,
    deadline: Deadline | None,
    purpose: str = "call",
) -> Outcome:
    """The outcome of a message. to_apply: those of accounts that the frame's state lacks. Raises as `call`."""
    environment, found = frame.environment, None
    reader = frame.reader
    if overrides is NO_OVERRIDES and (isinstance(reader, LatestReader) or not is_over_origin(reader)):
        found = off_chain.run(environment, reader, request, deadline)
        if found is not None and environment.engine is NATIVE:
            return found

    def run(reader: StateReader, until: Deadline | None) -> Outcome:
        state = state_over(reader, to_apply)
        return executor_in(environment, state, overrides).call(request, deadline=until, purpose=purpose)

    outcome = run_ahead(frame.reader, run, deadline, request)
    if found is not None:
        off_chain.compare(found, outcome)
    return outcome


def failure_of(outcome: Outcome) -> ChainError | None:
    """The error that a failed off-chain execution is reported as."""
    if outcome.error is None:
        return None
    if outcome.error.kind is VmErrorKind.REVERT:
        return ExecutionRevertedError(outcome.output)
    return ExecutionFailedError(outcome.error.message)


class GasEstimation:
    """Finds the least gas limit with which a message succeeds, as geth's estimator does."""

    def __init__(
        self,
        frame: CallFrame,
        request: CallRequest,
        *,
        overrides: CallOverrides = NO_OVERRIDES,
        gas_cap: int,
        deadline: Deadline | None = None,
    ) -> None:
        if overrides.state:
            frame = CallFrame(frame.environment, state_over(frame.reader, overrides).fork_reader())
        self._frame = frame
        self._overrides = overrides
        self._environment = override_environment(frame.environment, overrides.block)
        self._request = request
        self._gas_cap = gas_cap
        self._deadline = deadline

    def run(self) -> int:
        """The estimate. Raises ExecutionRevertedError, ExecutionFailedError, TransactionError."""
        highest = self._allowance()
        if self._is_plain_transfer() and highest >= TRANSACTION_GAS and self._try(TRANSACTION_GAS).succeeded:
            return TRANSACTION_GAS
        outcome = self._first_try(highest)
        # geth's estimator (eth/gasestimator): what the run took before its refund bounds every limit from below,
        # for all but code that looks at the gas that is left
        lowest = max(outcome.gas_used, outcome.gas_used_before_refund) - 1
        if outcome.spare_gas >= highest - (lowest + 1) or self._succeeds(lowest + 1):
            return lowest + 1
        # a child's 1/64 and the call stipend are held back: with them added most calls succeed
        likely = (outcome.gas_used_before_refund + STIPEND_GAS) * 64 // 63
        if likely < highest:
            if self._succeeds(likely):
                highest = likely
            else:
                lowest = likely
        return self._search(lowest, highest)

    def _search(self, lowest: int, highest: int) -> int:
        while lowest + 1 < highest and (highest - lowest) / highest >= _ESTIMATE_ERROR_RATIO:
            # most messages need little more than they use: geth too never looks beyond twice the lower bound
            middle = min((highest + lowest) // 2, lowest * 2)
            if self._succeeds(middle):
                highest = middle
            else:
                lowest = middle
        return highest

    def _first_try(self, highest: int) -> Outcome:
        shortage = ExecutionFailedError(f"gas required exceeds allowance ({highest})")
        try:
            outcome = self._try(highest)
        except TransactionError as error:
            if error.reason in GAS_SHORTAGES:
                raise shortage from error
            raise
        failure = failure_of(outcome)
        if failure is None:
            return outcome
        if outcome.error is not None and outcome.error.kind is VmErrorKind.OUT_OF_GAS:
            raise shortage
        if outcome.error is not None and outcome.error.kind is VmErrorKind.CODE_STORE_OUT_OF_GAS:
            raise ExecutionFailedError(f"{failure}: {self._bound(highest)}")
        raise failure

    def _bound(self, highest: int) -> str:
        cap = self._environment.rules.transaction_gas_cap
        why = f", and a transaction has at most {cap} on this chain (EIP-7825)" if highest == cap else ""
        return f"{highest} gas is too little{why}"

    def _allowance(self) -> int:
        """The most gas that the block, the fork's cap, the caller's cap and the sender's money allow."""
        request, rules = self._request, self._environment.rules
        highest = request.gas_limit if request.gas_limit >= TRANSACTION_GAS else self._environment.gas_limit
        if rules.transaction_gas_cap is not None:
            highest = min(highest, rules.transaction_gas_cap)
        if request.max_fee_per_gas:
            account = self._frame.reader.account(request.sender)
            balance = 0 if account is None else int(account.balance)
            if request.value:
                if request.value > balance:
                    raise TransactionError(Reason.INSUFFICIENT_FUNDS_FOR_TRANSFER, "insufficient funds for transfer")
                balance -= request.value
            highest = min(highest, balance // request.max_fee_per_gas)
        return min(highest, self._gas_cap)

    def _is_plain_transfer(self) -> bool:
        request = self._request
        if request.to is None or request.data or request.access_list or request.authorization_list:
            return False
        account = self._frame.reader.account(request.to)
        return account is None or account.code_hash == EMPTY_KECCAK

    def _try(self, gas_limit: int) -> Outcome:
        request = self._request.with_gas_limit(gas_limit)
        return _execute(self._frame, request, self._overrides, NO_OVERRIDES, self._deadline, "estimate")

    def _succeeds(self, gas_limit: int) -> bool:
        try:
            return self._try(gas_limit).succeeded
        except TransactionError as error:
            if error.reason in GAS_SHORTAGES:
                return False
            raise
