"""eth_simulateV1: blocks of calls on any block, executed in order, sealed and hashed, then discarded.

Follows geth's simulator: gaps between blocks are filled with empty ones, a call becomes an unsigned transaction, and
without validation no nonce is held against it and no fee is taken that it does not name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from zevm.chain.blocks.execution import AT_ONCE, BlockExecution
from zevm.chain.calls.call import apply_state_overrides, moved_precompiles
from zevm.chain.calls.header import assumed_header
from zevm.chain.calls.overrides import NO_OVERRIDES, BlockOverrides, CallOverrides
from zevm.chain.calls.recording import LogRecorder
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.errors import EngineDifferenceError, Reason, SimulationError, TransactionError
from zevm.chain.types import Block, Header, Receipt
from zevm.chain.types.receipt import EncodedReceipt
from zevm.chain.view import ChainView
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.simulated_calls import (
    CallResult,
    SimulatedCall,
    SimulatedEnd,
    SimulatedTransaction,
    make_transaction,
    plain_end,
    result_of,
    without_transfers,
)
from zevm.storage.primitives import Hash32
from zevm.storage.state import StateBase

Value = TypeVar("Value")

MAX_BLOCKS = 256
MAX_CALLS_PER_BLOCK = 5_000
MAX_CALLS = 10_000
SECONDS_BETWEEN_BLOCKS = 12


@dataclass(frozen=True, slots=True)
class SimulatedBlock:
    """A block to make: changes before it, its own fields, and its calls."""

    calls: tuple[SimulatedCall, ...] = ()
    overrides: CallOverrides = NO_OVERRIDES


@dataclass(frozen=True, slots=True)
class BlockResult:
    """A sealed block and its calls' results, one to each transaction."""

    block: Block
    calls: tuple[CallResult, ...]


@dataclass(slots=True)
class GasBudget:
    """The gas that all calls together may use, and how much of it is left."""

    left: int

    def take(self, amount: int) -> None:
        """Use gas up. Raises SimulationError."""
        if amount > self.left:
            raise SimulationError(
                Reason.SIMULATION_GAS_CAP, f"RPC gas cap exhausted: need {amount}, remaining {self.left}"
            )
        self.left -= amount


class Simulation:
    """One request. For one thread, and used once.

    base: the block to stand on. state: the one after it.
    gas_cap: for all calls together. deadline: None for no limit.
    """

    def __init__(
        self,
        view: ChainView,
        base: Header,
        state: StateBase,
        *,
        gas_cap: int,
        validate: bool = False,
        trace_transfers: bool = False,
        deadline: Deadline | None = None,
    ) -> None:
        self._view = view
        self._base = self._parent = base
        self._reader = state
        self._budget = GasBudget(gas_cap)
        self._validate, self._trace_transfers, self._deadline = validate, trace_transfers, deadline
        self._hashes: dict[int, Hash32] = {base.number: base.hash}

    def run(self, blocks: Sequence[SimulatedBlock]) -> list[BlockResult]:
        """Execute the blocks. Raises SimulationError, InvalidRequestError, BlockError, ExecutionTimeoutError."""
        check_size(blocks)
        return [self._make(block) for block in fill_gaps(self._base, blocks)]

    def _make(self, block: SimulatedBlock) -> BlockResult:
        self._check_deadline()
        view, states = self._view, self._view.database.state
        header = self._header(block.overrides.block)
        environment = view.spec.environment(header, self._block_hash, view.settings.recoveries)
        if block.overrides.block.blob_base_fee is not None:
            environment = replace(environment, blob_base_fee=block.overrides.block.blob_base_fee)
        recorder = LogRecorder(shows_transfers=self._trace_transfers)
        state = BlockState(self._reader, recorder)
        moved = moved_precompiles(block.overrides.state, environment)
        apply_state_overrides(state, block.overrides.state)
        state.begin_transaction()
        executor = Executor(environment, state, moved_precompiles=moved, deadline=self._deadline)
        run = _BlockRun(BlockExecution(environment, states, self._reader, executor), executor, recorder, [])
        calls = tuple(self._call_all(run, block.calls))
        sealed = run.execution.seal(header, withdrawals=block.overrides.block.withdrawals or (), receipts=run.receipts)
        self._parent = sealed.block.header
        self._hashes[header.number] = sealed.block.hash
        self._reader = states.reader_over(sealed.update, self._reader)
        return BlockResult(sealed.block, calls)

    def _header(self, overrides: BlockOverrides) -> Header:
        """The block's fields as far as they are known before its calls."""
        number, timestamp = overrides.number, overrides.timestamp
        assert number is not None
        assert timestamp is not None
        if overrides.base_fee_per_gas is None and not self._validate:
            # so that code does not see a price below it
            overrides = replace(overrides, base_fee_per_gas=0)
        return assumed_header(self._view.spec, self._parent, number, timestamp, overrides)

    def _block_hash(self, number: int) -> Hash32 | None:
        return self._hashes.get(number) or self._view.records.canonical_hash(number)

    def _call_all(self, run: "_BlockRun", calls: Sequence[SimulatedCall]) -> Iterator[CallResult]:
        index = 0
        while index < len(calls):
            self._check_deadline()
            done = self._call_plain(run, calls[index : index + AT_ONCE]) or [self._call(run, calls[index])]
            yield from done
            index += len(done)

    def _call_plain(self, run: "_BlockRun", calls: Sequence[SimulatedCall]) -> list[CallResult]:
        """Those of the first calls, as many as go in one call of the core."""
        ends = run.executor.simulate_plain(
            calls,
            run.execution.gas_left,
            self._budget.left,
            partial(self._in_turn, run, calls),
            validate=self._validate,
            shows_transfers=self._trace_transfers,
            deadline=self._deadline,
        )
        return self._take(run, calls, ends)

    def _take(self, run: "_BlockRun", calls: Sequence[SimulatedCall], ends: Sequence[SimulatedEnd]) -> list[CallResult]:
        """Take calls that were executed into the block."""
        execution, receipts = run.execution, run.receipts
        plain, chain_id = SimulatedTransaction.plain, execution.environment.rules.chain_id
        execution.transactions += [plain(call, end, chain_id) for call, end in zip(calls, ends, strict=False)]
        receipts += [end.receipt for end in ends]
        results = [self._with_logs(run.recorder, end) if end.logs_made else end.result for end in ends]
        gas_used = sum([result.gas_used for result in results])
        execution.gas_used += gas_used
        self._budget.take(gas_used)
        return results

    @staticmethod
    def _with_logs(recorder: LogRecorder, end: SimulatedEnd) -> CallResult:
        recorder.on_logs(end.ordinals, end.logs_made)
        return end.result._replace(logs=tuple([(recorder.numbers[place], log) for place, log in enumerate(end.logs)]))

    def _in_turn(self, run: "_BlockRun", calls: Sequence[SimulatedCall], count: int) -> list[SimulatedEnd]:
        """The ends of the first calls, executed one by one; nothing is taken into the block."""
        execution, state = run.execution, run.executor.state
        budget, gas_used = GasBudget(self._budget.left), execution.gas_used
        ends = []
        try:
            for call in calls[:count]:
                recorder = LogRecorder(shows_transfers=self._trace_transfers)
                state.observe(recorder)
                wanted = self._wanted_gas(call, execution.environment.gas_limit - gas_used)
                gas_limit = min(wanted, budget.left)
                transaction, outcome = self._execute(run, call, gas_limit)
                gas_used += outcome.gas_used
                budget.take(outcome.gas_used)
                ordinals = tuple([recorder.numbers[place] for place in range(len(outcome.logs))])
                end = plain_end(
                    transaction,
                    outcome,
                    ordinals,
                    recorder.made,
                    gas_used,
                    transfers=recorder.transfers,
                    gas_capped=gas_limit < wanted,
                )
                ends.append(end)
        except SimulationError as error:
            raise EngineDifferenceError(f"the core simulates a call that may not begin: {error}") from error
        finally:
            state.observe(run.recorder)
        return ends

    def _execute(self, run: "_BlockRun", call: SimulatedCall, gas_limit: int) -> tuple[SimulatedTransaction, Outcome]:
        request = call.request(gas_limit)
        nonce = run.executor.state.get_nonce(call.sender) if call.nonce is None else call.nonce
        transaction = make_transaction(call, gas_limit, nonce, run.execution.environment)
        try:
            outcome = run.executor.simulate(request, nonce, validate=self._validate, deadline=self._deadline)
        except TransactionError as error:
            raise refusal(error, gas_limit) from error
        return transaction, outcome

    def _call(self, run: "_BlockRun", call: SimulatedCall) -> CallResult:
        execution = run.execution
        wanted = self._wanted_gas(call, execution.gas_left)
        gas_limit = min(wanted, self._budget.left)
        transaction, outcome = self._execute(run, call, gas_limit)
        numbers, transfers = run.recorder.numbers, run.recorder.transfers
        logs = tuple([(numbers[place], log) for place, log in enumerate(outcome.logs)])
        outcome.logs = without_transfers(outcome.logs, transfers)
        execution.include(transaction, outcome)
        run.receipts.append(execution.receipts[-1])
        self._budget.take(outcome.gas_used)
        return result_of(outcome, logs, gas_capped=gas_limit < wanted)

    def _check_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.check()

    @staticmethod
    def _wanted_gas(call: SimulatedCall, gas_left: int) -> int:
        """The gas that a call asks for, without a word all that its block has left. Raises SimulationError."""
        wanted = gas_left if call.gas_limit is None else call.gas_limit
        if wanted > gas_left:
            text = f"block gas limit reached: remaining: {gas_left}, required: {wanted}"
            raise SimulationError(Reason.SIMULATION_BLOCK_GAS, text)
        return wanted


@dataclass(frozen=True, slots=True)
class _BlockRun:
    """The parts of a block that is being made. receipts: of all its calls so far."""

    execution: BlockExecution
    executor: Executor
    recorder: LogRecorder
    receipts: list[Receipt | EncodedReceipt]


def check_size(blocks: Sequence[SimulatedBlock]) -> None:
    """Refuse no blocks, and too many blocks or calls. Raises SimulationError."""
    if not blocks:
        raise SimulationError(Reason.SIMULATION_EMPTY, "empty input")
    if len(blocks) > MAX_BLOCKS:
        raise SimulationError(Reason.SIMULATION_BLOCK_COUNT, "too many blocks")
    total = 0
    for block in blocks:
        count = len(block.calls)
        if count > MAX_CALLS_PER_BLOCK:
            raise SimulationError(
                Reason.SIMULATION_CALL_COUNT, f"too many calls in block: {count} > {MAX_CALLS_PER_BLOCK}"
            )
        total += count
        if total > MAX_CALLS:
            raise SimulationError(Reason.SIMULATION_CALL_COUNT, f"too many calls: {total} > {MAX_CALLS}")


def fill_gaps(base: Header, blocks: Sequence[SimulatedBlock]) -> list[SimulatedBlock]:
    """The blocks with numbers and times, and with empty ones where numbers were passed over. Raises SimulationError."""
    filled: list[SimulatedBlock] = []
    number, timestamp = base.number, base.timestamp
    for block in blocks:
        overrides = block.overrides.block
        wanted = number + 1 if overrides.number is None else overrides.number
        if wanted <= number:
            raise SimulationError(
                Reason.SIMULATION_BLOCK_NUMBERS, f"block numbers must be in order: {wanted} <= {number}"
            )
        if wanted - base.number > MAX_BLOCKS:
            raise SimulationError(Reason.SIMULATION_BLOCK_COUNT, "too many blocks")
        for missing in range(number + 1, wanted):
            timestamp += SECONDS_BETWEEN_BLOCKS
            between = BlockOverrides(number=missing, timestamp=timestamp)
            filled.append(SimulatedBlock(overrides=CallOverrides(block=between)))
        chosen = timestamp + SECONDS_BETWEEN_BLOCKS if overrides.timestamp is None else overrides.timestamp
        if chosen <= timestamp:
            raise SimulationError(
                Reason.SIMULATION_TIMESTAMPS, f"block timestamps must be in order: {chosen} <= {timestamp}"
            )
        number, timestamp = wanted, chosen
        changed = replace(overrides, number=number, timestamp=timestamp)
        filled.append(replace(block, overrides=replace(block.overrides, block=changed)))
    return filled


def refusal(error: TransactionError, gas_limit: int) -> SimulationError:
    """The refusal of the simulation, for a call of it that cannot begin."""
    return SimulationError(error.reason, f"err: {error.message} (supplied gas {gas_limit})")
