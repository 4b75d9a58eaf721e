"""A plain transaction of a block in one call of the core, which holds it against its sender's account and runs it.

A plain transaction has no lists, is no creation, and runs without a tracer. What may not be in the block, or is not
plain, goes the way of chain/vm/executor.py, which words the refusals. The check mode goes both ways.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.types import Transaction
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.comparison import outcome_differences
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState, TransactionChanges
from zevm.chain.vm.fork_table import frames_of
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.precompile_tables import PrecompileTables
from zevm.core import CORE

MakeHelper = Callable[[], native.Helper]
"""Makes the helper of a run."""

Around = Callable[[], Outcome]
"""The way of all other transactions for the same one. Raises TransactionError where it may not be in the block."""


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


def plain_runs(environment: BlockEnvironment, state: ExecutionState, tables: PrecompileTables) -> PlainRuns | None:
    """Those of a block; None where py-evm alone runs it, or its executions are watched."""
    if environment.engine is Engine.PY_EVM or environment.watcher is not None:
        return None
    return PlainRuns(environment, state, tables)
