"""A plain transaction of a block in one call of the core, which holds it against its sender's account and runs it.

A plain transaction has no lists, is no creation, and runs without a tracer. What may not be in the block, or is not
plain, goes the way of chain/vm/executor.py, which words the refusals.
"""

from collections.abc import Callable
from typing import Any

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.types import Transaction
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.fork_table import frames_of
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.precompile_tables import PrecompileTables
from zevm.core import CORE

MakeHelper = Callable[[], native.Helper]
"""Makes the helper of a run."""


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
    ) -> Outcome | None:
        """Run a transaction that validate_static has passed; its effects are in the state.

        None, with nothing done, of one that is not plain, that may not be in the block, or that the core refuses.
        Raises what the state and the deadline raise.
        """
        assert CORE.library is not None
        if self._state.observer is not None:
            return None
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
        choice.messages["native"] += 1
        status, output, detail, gas_used, before_refund, spare_gas, accounts, slots, codes, logs = found
        self._state.absorb_changes(accounts, slots, codes)
        outcome = Outcome(gas_used, before_refund, output, native.logs_of(logs) if logs else (), spare_gas=spare_gas)
        if status:
            frames = frames_of(self._environment.rules.fork, deadline)
            outcome.error = native.error_of(frames, status, detail)
        if helper.made is not None:
            outcome.console = [decode_console(data) for data in helper.made.console]
        return outcome


def plain_runs(environment: BlockEnvironment, state: ExecutionState, tables: PrecompileTables) -> PlainRuns | None:
    """Those of a block; None where another engine runs it, or its executions are watched."""
    if environment.engine is not Engine.NATIVE or environment.watcher is not None:
        return None
    return PlainRuns(environment, state, tables)
