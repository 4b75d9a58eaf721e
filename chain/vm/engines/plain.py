"""Plain transactions of a block in one call of the core, which holds each against its sender's account and runs it.

A plain transaction has no lists, is no creation, and runs without a tracer. What may not be in the block, or is not
plain, goes the way of chain/vm/executor.py, which words the refusals. The check mode goes both ways.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.errors import EngineDifferenceError, NodeFaultError, TransactionError
from zevm.chain.types import Log, Transaction
from zevm.chain.types.receipt import EncodedReceipt
from zevm.chain.types.signatures import InvalidSignatureError
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.comparison import changes_differences, outcome_differences
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState, TransactionChanges
from zevm.chain.vm.fork_table import frames_of
from zevm.chain.vm.gas_needs import GasNeeds
from zevm.chain.vm.interface import Outcome, VmError
from zevm.chain.vm.precompile_tables import PrecompileTables
from zevm.chain.vm.simulated_calls import CallResult, SimulatedCall, SimulatedEnd, without_transfers
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


_End = TypeVar("_End", bound=tuple[object, ...])


class _Ran(NamedTuple):
    """A plain transaction that the core ran. changes: in no state yet."""

    outcome: Outcome
    changes: TransactionChanges


class LateHelper:
    """A helper that is made when the core first asks it: most plain transactions have no question but for the time."""

    __slots__ = ("_deadline", "_make", "made")

    def __init__(self, make: MakeHelper, deadline: Deadline | None) -> None:
        self._make, self._deadline = make, deadline
        self.made: native.Helper | None = None

    def look(self) -> None:
        """See native.Answers."""
        if self._deadline is not None:
            self._deadline.check()

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
        helper = LateHelper(make_helper, deadline)
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
            return _checked_all(ends, state, checkpoint, partial(self._in_turn, transactions, gas_available, around))
        choice.messages["native"] += len(ends)
        return ends

    def _in_turn(
        self, transactions: Sequence[Transaction], gas_available: int, around: AroundAt, count: int
    ) -> list[PlainEnd]:
        """The ends of the first transactions on the way around. Raises EngineDifferenceError where one is refused."""
        ends: list[PlainEnd] = []
        for index in range(count):
            try:
                outcome = around(index, gas_available)
            except TransactionError as error:
                raise _not_in_the_block(error) from error
            gas_available -= outcome.gas_used
            price_wei = transactions[index].effective_gas_price(self._environment.base_fee_per_gas)
            console = tuple(outcome.console)
            ends.append(PlainEnd(outcome.gas_used, price_wei, outcome.output, outcome.logs, outcome.error, console))
        return ends

    def run_simulated(
        self,
        calls: Sequence[SimulatedCall],
        gas_left: int,
        gas_budget: int,
        deadline: Deadline | None,
        make_helper: Callable[[int], native.Helper],
        in_turn: Callable[[int], list[SimulatedEnd]],
        *,
        validates: bool,
        shows_transfers: bool,
    ) -> list[SimulatedEnd]:
        """Run calls of a simulated block from the first one on, as `run_all` runs transactions.

        gas_left: of the block. gas_budget: what all calls together may still use. validates: see Executor.simulate.
        shows_transfers: as logs; the observer hears of nothing else then.
        in_turn: for the check mode, which runs this many again, one by one. Of logs the caller is to tell the observer.
        """
        state = self._state
        if state.observer is not None and state.observer.hears_live and not shows_transfers:
            return []
        assert CORE.library is not None
        checkpoint = state.record()
        run = CORE.library.run_simulated
        base_fee, is_shared = self._environment.base_fee_per_gas, not isinstance(deadline, BriefDeadline)
        found, _, _ = self._in_one_call(
            lambda helper, ends: run(
                state,
                helper,
                self._block,
                calls,
                base_fee,
                gas_left,
                gas_budget,
                validates,
                self._warm,
                is_shared,
                shows_transfers,
                (SimulatedEnd, CallResult, EncodedReceipt),
                ends,
            ),
            make_helper,
            deadline,
            lambda index: f"call {index} of simulated block",
        )
        ends = [each if type(each) is SimulatedEnd else self._simulated_end(each, deadline) for each in found]
        if self._environment.engine is Engine.CHECK:
            return _checked_all(ends, state, checkpoint, in_turn)
        choice.messages["native"] += len(ends)
        return ends

    def _simulated_end(self, found: Any, deadline: Deadline | None) -> SimulatedEnd:
        status, output, detail, gas_used, before_refund, is_capped, found_logs, transfers, ordinals, *rest = found
        logs = native.logs_of(found_logs) if found_logs else ()
        error = self._error_of(status, detail, deadline)
        made, gas_limit, nonce, encoded, transaction_hash, receipt, bloom = rest
        return SimulatedEnd(
            CallResult(gas_used, before_refund, output, error, (), is_capped),
            logs,
            tuple(ordinals),
            made,
            gas_limit,
            nonce,
            encoded,
            transaction_hash,
            EncodedReceipt(receipt, bloom, without_transfers(logs, transfers)),
        )

    def _error_of(self, status: int, detail: Any, deadline: Deadline | None) -> VmError | None:
        return native.error_of(frames_of(self._environment.rules.fork, deadline), status, detail) if status else None

    def _run_all(
        self,
        transactions: Sequence[Transaction],
        gas: Sequence[GasNeeds | None],
        gas_available: int,
        deadline: Deadline | None,
        make_helper: Callable[[int], native.Helper],
    ) -> list[PlainEnd]:
        assert CORE.library is not None
        run = CORE.library.run_plain_block
        rules, base_fee = self._environment.rules, self._environment.base_fee_per_gas
        is_shared = not isinstance(deadline, BriefDeadline)
        found, helper, asked_in = self._in_one_call(
            lambda helper, ends: run(
                self._state,
                helper,
                self._block,
                transactions,
                gas,
                base_fee,
                gas_available,
                self._warm,
                is_shared,
                rules,
                ends,
            ),
            make_helper,
            deadline,
            lambda index: f"transaction 0x{transactions[index].hash.hex()} of block",
        )
        ends = [self._end_of(each, deadline) for each in found]
        if helper is not None and asked_in < len(ends):
            ends[-1] = ends[-1]._replace(console=tuple(map(decode_console, helper.console)))
        return ends

    def _in_one_call(
        self,
        run: Callable[[LateHelper, list[Any]], None],
        make_helper: Callable[[int], native.Helper],
        deadline: Deadline | None,
        name_of: Callable[[int], str],
    ) -> "_Found":
        """Run messages one after another in one call of the core, and return how they ended."""
        found: list[Any] = []
        asked_in = -1

        def make() -> native.Helper:
            nonlocal asked_in
            asked_in = len(found)
            return make_helper(asked_in)

        helper = LateHelper(make, deadline)
        try:
            run(helper, found)
        except InvalidSignatureError:
            # of the transaction behind the last end, which validation refuses
            pass
        except BaseException as error:
            if helper.made is not None:
                helper.made.abandon()
            if isinstance(error, NodeFaultError):
                error.add_note(f"in {name_of(len(found))} {self._environment.number}")
            raise
        finally:
            if helper.made is not None:
                helper.made.close()
            self._state.begin_transaction()
        return _Found(found, helper.made, asked_in)

    def _end_of(self, found: Any, deadline: Deadline | None) -> PlainEnd:
        status, output, detail, gas_used, price_wei, logs = found
        error = self._error_of(status, detail, deadline)
        return PlainEnd(gas_used, price_wei, output, native.logs_of(logs) if logs else (), error, ())


class _Found(NamedTuple):
    """The ends of messages of a block. helper: where the core has asked it, in the message `asked_in`."""

    ends: list[Any]
    helper: native.Helper | None
    asked_in: int


def _checked(ran: _Ran, state: ExecutionState, around: Around) -> Outcome:
    """The outcome of the way around, where it is the same. Raises EngineDifferenceError, with the state as it was."""
    checkpoint = state.record()
    try:
        wanted = around()
    except TransactionError as error:
        raise _not_in_the_block(error) from error
    differences = [*outcome_differences(ran.outcome, ran.changes, wanted, state.changes_since(checkpoint))]
    if differences:
        state.discard(checkpoint)
        raise EngineDifferenceError(
            f"the engines do not agree on a plain transaction: {'; '.join(differences)[:1_000]}"
        )
    return wanted


def _checked_all(
    ends: list[_End], state: ExecutionState, checkpoint: int, in_turn: Callable[[int], list[_End]]
) -> list[_End]:
    """The ends of the way around, where they and the changes are the same. Raises EngineDifferenceError, with the state
    as it was.
    """
    changes = state.changes_since(checkpoint)
    state.discard(checkpoint)
    state.begin_transaction()
    try:
        wanted = in_turn(len(ends))
    except EngineDifferenceError:
        state.discard(checkpoint)
        state.begin_transaction()
        raise
    differences = [
        f"transaction {index} ends with {end} and {other}"
        for index, (end, other) in enumerate(zip(ends, wanted, strict=True))
        if end != other
    ]
    differences += changes_differences(changes, state.changes_since(checkpoint))
    if differences:
        state.discard(checkpoint)
        state.begin_transaction()
        raise EngineDifferenceError(f"the engines do not agree on plain transactions: {'; '.join(differences)[:1_000]}")
    return wanted


def _not_in_the_block(error: TransactionError) -> EngineDifferenceError:
    return EngineDifferenceError(f"the core runs a transaction that may not be in the block: {error}")


def plain_runs(environment: BlockEnvironment, state: ExecutionState, tables: PrecompileTables) -> PlainRuns | None:
    """Those of a block; None where py-evm alone runs it, or its executions are watched."""
    if environment.engine is Engine.PY_EVM or environment.watcher is not None:
        return None
    return PlainRuns(environment, state, tables)
