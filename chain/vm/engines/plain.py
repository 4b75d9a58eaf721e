"""Plain transactions of a block in one call of the core, which holds each against its sender's account and runs it.

A plain transaction has no lists, is no creation, and runs without a tracer. What may not be in the block, or is not
plain, goes the way of chain/vm/executor.py, which words the refusals. The check mode goes both ways.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.errors import EngineDifferenceError, NodeFaultError, TransactionError
from zevm.chain.types import Log, Transaction
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.comparison import outcome_differences
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState, TransactionChanges
from zevm.chain.vm.fork_table import frames_of
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.precompile_tables import PrecompileTables
from zevm.core import CORE

MakeHelper = Callable[[], native.Helper]
"""Makes the helper of a run."""

Around = Callable[[], Outcome]
"""The way of all other transactions for the same one. Raises TransactionError where it may not be in the block."""


AroundAt = Callable[[int, int], Outcome]
"""As `Around`, of one of several by its index, with the gas that the block has left."""


class PlainEnd(NamedTuple):
    """How a plain transaction ended. price_wei: of its gas."""

    gas_used: int
    price_wei: int
    output: bytes
    logs: tuple[Log, ...]
    error: VmError | None
    console: tuple[str, ...]


class _Ran(NamedTuple):
    """A plain transaction that the core ran. changes: in no state yet."""

    outcome: Outcome
    changes: TransactionChanges


class LateHelper:
    """A helper that is made when the core first asks it: most plain transactions have no question."""

    __slots__ = ("_make", "made")

    def __init__(self, make: MakeHelper) -> None:
        self._make = make
        self.made: native.Helper | None = None

    def __getattr__(self, name: str) -> Any:
        if self.made is None:
            self.made = self._make()
        return getattr(self.made, name)


class PlainRuns:
    """Runs plain transactions of one block on one state.

    tables: the precompiles, which must be those that messages call.
    """

    __slots__ = ("_block", "_environment", "_state", "_warm")

    def __init__(self, environment: BlockEnvironment, state: ExecutionState, tables: PrecompileTables) -> None:
        self._environment, self._state, self._warm = environment, state, tables.warm_entries
        self._block = (
            environment.rules.fork,
            environment.coinbase,
            environment.number,
            environment.timestamp,
            environment.gas_limit,
            environment.base_fee_per_gas or 0,
            environment.prev_randao,
            environment.difficulty,
            environment.blob_base_fee or 0,
            environment.rules.chain_id,
            environment.code_size_limit,
            tables.entries,
            environment.wasm_machine is not None,
        )

    def run(
        self,
        transaction: Transaction,
        gas: GasNeeds,
        gas_available: int,
        deadline: Deadline | None,
        make_helper: MakeHelper,
        around: Around,
    ) -> Outcome:
        """Run a transaction that validate_static has passed; its effects are in the state.

        One that is not plain, that may not be in the block, or that the core refuses goes the way around, and in the
        check mode each. Raises what that way, the state and the deadline raise, and EngineDifferenceError.
        """
        ran = None
        if self._state.observer is None:
            ran = self._run(transaction, gas, gas_available, deadline, make_helper)
        if ran is None:
            return around()
        if self._environment.engine is Engine.CHECK:
            return _checked(ran, self._state, around)
        choice.messages["native"] += 1
        changes = ran.changes
        self._state.absorb_changes(changes.accounts, changes.slots, changes.codes)
        return ran.outcome

    def _run(
        self,
        transaction: Transaction,
        gas: GasNeeds,
        gas_available: int,
        deadline: Deadline | None,
        make_helper: MakeHelper,
    ) -> _Ran | None:
        """None of one that is not plain, that may not be in the block, or that the core refuses."""
        assert CORE.library is not None
        helper = LateHelper(make_helper)
        try:
            found = CORE.library.run_plain(
                self._state,
                helper,
                self._block,
                transaction,
                gas,
                self._environment.base_fee_per_gas,
                gas_available,
                self._warm,
                not isinstance(deadline, BriefDeadline),
            )
        except BaseException:
            if helper.made is not None:
                helper.made.abandon()
            raise
        finally:
            if helper.made is not None:
                helper.made.close()
        if found is None:
            return None
        status, output, detail, gas_used, before_refund, spare_gas, accounts, slots, codes, logs = found
        outcome = Outcome(gas_used, before_refund, output, native.logs_of(logs) if logs else (), spare_gas=spare_gas)
        if status:
            frames = frames_of(self._environment.rules.fork, deadline)
            outcome.error = native.error_of(frames, status, detail)
        if helper.made is not None:
            outcome.console = [decode_console(data) for data in helper.made.console]
        return _Ran(outcome, TransactionChanges(accounts, slots, codes))

    def run_all(
        self,
        transactions: Sequence[Transaction],
        gas: Sequence[GasNeeds | None],
        gas_available: int,
        deadline: Deadline | None,
        make_helper: Callable[[int], native.Helper],
        around: AroundAt,
    ) -> list[PlainEnd]:
        """Run transactions from the first one on, without a return to Python between them; the ends of those that ran.

        gas: None of one that validate_static has not passed. make_helper: takes the index. around: for the check mode,
        which runs them again, one by one. Where none ran, the first is one that `run` sends the way around. Raises what
        the state and the deadline raise, and EngineDifferenceError.
        """
        state = self._state
        if state.observer is not None:
            return []
        checkpoint = state.record()
        ends = self._run_all(transactions, gas, gas_available, deadline, make_helper)
        if self._environment.engine is Engine.CHECK:
            base_fee = self._environment.base_fee_per_gas
            prices = [item.effective_gas_price(base_fee) for item in transactions[: len(ends)]]
            return _checked_all(ends, prices, state, checkpoint, partial(_in_turn, gas_available, around))
        choice.messages["native"] += len(ends)
        return ends

    def _run_all(
        self,
        transactions: Sequence[Transaction],
        gas: Sequence[GasNeeds | None],
        gas_available: int,
        deadline: Deadline | None,
        make_helper: Callable[[int], native.Helper],
    ) -> list[PlainEnd]:
        assert CORE.library is not None
        found: list[Any] = []
        asked_in = -1

        def make() -> native.Helper:
            nonlocal asked_in
            asked_in = len(found)
            return make_helper(asked_in)

        helper, environment = LateHelper(make), self._environment
        try:
            CORE.library.run_plain_block(
                self._state,
                helper,
                self._block,
                transactions,
                gas,
                environment.base_fee_per_gas,
                gas_available,
                self._warm,
                not isinstance(deadline, BriefDeadline),
                environment.rules,
                found,
            )
        except InvalidSignatureError:
            # of the transaction behind the last end, which validation refuses
            pass
        except BaseException as error:
            if helper.made is not None:
                helper.made.abandon()
            if isinstance(error, NodeFaultError):
                error.add_note(f"in transaction 0x{transactions[len(found)].hash.hex()} of block {environment.number}")
            raise
        finally:
            if helper.made is not None:
                helper.made.close()
            self._state.begin_transaction()
        ends = [self._end_of(each, deadline) for each in found]
        if helper.made is not None and asked_in < len(ends):
            ends[-1] = ends[-1]._replace(console=tuple(map(decode_console, helper.made.console)))
        return ends

    def _end_of(self, found: Any, deadline: Deadline | None) -> PlainEnd:
        status, output, detail, gas_used, price_wei, logs = found
        error = native.error_of(frames_of(self._environment.rules.fork, deadline), status, detail) if status else None
        return PlainEnd(gas_used, price_wei, output, native.logs_of(logs) if logs else (), error, ())


def _checked(ran: _Ran, state: ExecutionState, around: Around) -> Outcome:
    """The outcome of the way around, where it is the same. Raises EngineDifferenceError, with the state as it was."""
    checkpoint = state.record()
    try:
        wanted = around()
    except TransactionError as error:
        raise EngineDifferenceError(f"the core runs a transaction that may not be in the block: {error}") from error
    differences = [*outcome_differences(ran.outcome, ran.changes, wanted, state.changes_since(checkpoint))]
    if differences:
        state.discard(checkpoint)
        raise EngineDifferenceError(
            f"the engines do not agree on a plain transaction: {'; '.join(differences)[:1_000]}"
        )
    return wanted


def _in_turn(gas_available: int, around: AroundAt, count: int) -> list[Outcome]:
    """The outcomes of the first transactions on the way around. Raises EngineDifferenceError where one is refused."""
    outcomes: list[Outcome] = []
    for index in range(count):
        try:
            outcome = around(index, gas_available)
        except TransactionError as error:
            raise EngineDifferenceError(f"the core runs a transaction that may not be in the block: {error}") from error
        gas_available -= outcome.gas_used
        outcomes.append(outcome)
    return outcomes


def _checked_all(
    ends: list[PlainEnd],
    prices_wei: list[int],
    state: ExecutionState,
    checkpoint: int,
    in_turn: Callable[[int], list[Outcome]],
) -> list[PlainEnd]:
    """The ends of the way around, where they and the changes are the same. Raises EngineDifferenceError, with the state
    as it was.
    """
    changes = state.changes_since(checkpoint)
    state.discard(checkpoint)
    state.begin_transaction()
    try:
        outcomes = in_turn(len(ends))
    except EngineDifferenceError:
        state.discard(checkpoint)
        state.begin_transaction()
        raise
    wanted = [
        PlainEnd(item.gas_used, price_wei, item.output, item.logs, item.error, tuple(item.console))
        for item, price_wei in zip(outcomes, prices_wei, strict=True)
    ]
    differences = [
        f"transaction {index} ends with {end} and {other}"
        for index, (end, other) in enumerate(zip(ends, wanted, strict=True))
        if end != other
    ]
    changes_around = state.changes_since(checkpoint)
    if changes != changes_around:
        differences.append(f"the changes are {changes} and {changes_around}")
    if differences:
        state.discard(checkpoint)
        state.begin_transaction()
        raise EngineDifferenceError(f"the engines do not agree on plain transactions: {'; '.join(differences)[:1_000]}")
    return wanted


def plain_runs(environment: BlockEnvironment, state: ExecutionState, tables: PrecompileTables) -> PlainRuns | None:
    """Those of a block; None where py-evm alone runs it, or its executions are watched."""
    if environment.engine is Engine.PY_EVM or environment.watcher is not None:
        return None
    return PlainRuns(environment, state, tables)
