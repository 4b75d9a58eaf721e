"""Executes a block's transactions, its system calls and payments, and calls off chain."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.forks import Fork, ForkRules
from zevm.chain.rules.predeploys import BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS
from zevm.chain.rules.rewards import block_rewards
from zevm.chain.rules.units import GWEI
from zevm.chain.types import Header, Log, Transaction, Withdrawal
from zevm.chain.vm import system, validation
from zevm.chain.vm.engines.native import Helper, precompile_entries
from zevm.chain.vm.engines.plain import PlainEnd, PlainRuns, plain_runs
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.fork_table import FRAME_CLASSES, PRECOMPILES, frames_of, precompile_address
from zevm.chain.vm.frame import UNLIMITED_WORDS, TransactionContext
from zevm.chain.vm.gas_needs import GasNeeds, gas_needs
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.precompile_tables import active_precompiles, tables_in
from zevm.chain.vm.precompiles import recovering
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.simulated_calls import SimulatedCall, SimulatedEnd
from zevm.chain.vm.system import requests_hash
from zevm.chain.vm.tracer import Tracer
from zevm.chain.vm.transaction_environment import TransactionEnvironment, settle
from zevm.chain.vm.transition import execute, execute_alone
from zevm.storage.primitives import Address

__all__ = ["Executor", "active_precompiles", "is_free", "requests_hash"]


def is_free(request: CallRequest) -> bool:
    """Whether a message names no fees."""
    return not request.max_fee_per_gas and not request.max_priority_fee_per_gas


class Executor:
    """Executes one block's transactions on one state. Not thread-safe.

    moved_precompiles: precompile address -> the address where it answers instead, None for nowhere (eth_call's
    overrides). deadline: for the block's own system calls, off chain. shortcuts: whether the known effect of official
    system contracts may replace a run of their code, for who does not ask what that reads.
    """

    def __init__(
        self,
        environment: BlockEnvironment,
        state: ExecutionState,
        *,
        moved_precompiles: Mapping[Address, Address | None] | None = None,
        deadline: Deadline | None = None,
        shortcuts: bool = True,
    ) -> None:
        self.environment = environment
        self._deadline = deadline
        self._shortcuts = shortcuts
        self.state = state
        self._kept_evm_state: PyEvmState | None = None
        tables = tables_in(environment)
        self._warm = tables.warm
        self._precompiles = tables.callable
        if environment.recoveries or moved_precompiles:
            self._precompiles = tables.callable.copy()
        if environment.recoveries:
            self._precompiles[precompile_address(1)] = recovering(environment.recoveries)
        for source, target in (moved_precompiles or {}).items():
            body = self._precompiles.pop(source, None)
            if target is not None and body is not None:
                self._precompiles[target] = body
        self._entries, self._warm_entries = tables.entries, tables.warm_entries
        self._plain: PlainRuns | None = None
        if self._precompiles is tables.callable:
            self._plain = plain_runs(environment, state, tables)
        else:
            machine = environment.wasm_machine
            of_machine = {} if machine is None else machine.precompiles
            self._entries = precompile_entries(PRECOMPILES[environment.rules.fork], of_machine, self._precompiles)

    @property
    def _evm_state(self) -> PyEvmState:
        """That of transactions and system calls; calls have one each."""
        if self._kept_evm_state is None:
            self._kept_evm_state = self._new_evm_state()
        return self._kept_evm_state

    def _new_evm_state(self) -> PyEvmState:
        traits = FRAME_CLASSES[self.environment.rules.fork].traits
        return PyEvmState(self.state, self.environment, has_empty_accounts=traits.has_empty_accounts)

    def _context(
        self,
        settled: TransactionEnvironment,
        deadline: Deadline | None,
        tracer: Tracer | None,
        purpose: str | Transaction = "call",
    ) -> TransactionContext:
        machine, watcher = self.environment.wasm_machine, self.environment.watcher
        if tracer is None and watcher is not None:
            tracer = watcher(purpose if isinstance(purpose, str) else f"transaction 0x{purpose.hash.hex()}")
        origin, price, hashes = settled.sender, settled.gas_price, settled.blob_versioned_hashes
        return TransactionContext(
            origin,
            price,
            hashes,
            self._precompiles,
            self._warm,
            deadline,
            tracer,
            machine,
            self.environment.engine,
            precompile_entries=self._entries,
            warm_entries=self._warm_entries,
        )

    # Transactions and calls

    def apply(
        self,
        transaction: Transaction,
        gas_available: int,
        blob_gas_available: int | None = None,
        gas: GasNeeds | None = None,
        *,
        checked_rules: ForkRules | None = None,
        deadline: Deadline | None = None,
        tracer: Tracer | None = None,
    ) -> Outcome:
        """Validate and execute a transaction of the block.

        gas_available, blob_gas_available: what the block has left. gas: what the transaction must buy, where that was
        worked out before. checked_rules: those under which validate_static has passed it. deadline: for a replay.
        Raises TransactionError, with the state unchanged, when the transaction may not be in this block, and
        ExecutionTimeoutError at the deadline.
        """
        rules = self.environment.rules
        if gas is None or gas.fork is not rules.fork:
            gas = gas_needs(transaction, rules)
        is_checked = checked_rules is rules
        around = partial(
            self._apply, transaction, gas_available, blob_gas_available, gas, deadline, tracer, is_checked=is_checked
        )
        if not is_checked or tracer is not None or self._plain is None:
            return around()
        make = partial(self._helper, transaction, gas, deadline)
        return self._plain.run(transaction, gas, gas_available, deadline, make, around)

    def _apply(
        self,
        transaction: Transaction,
        gas_available: int,
        blob_gas_available: int | None,
        gas: GasNeeds,
        deadline: Deadline | None,
        tracer: Tracer | None,
        *,
        is_checked: bool,
    ) -> Outcome:
        """As `apply`. is_checked: validate_static has passed the transaction under the block's rules."""
        environment, state = self.environment, self.state
        if is_checked:
            validation.validate_checked_in_block(transaction, environment, state, gas_available, blob_gas_available)
        else:
            validation.validate_in_block(transaction, environment, state, gas_available, blob_gas_available, gas)
        settled = self._settled(transaction, gas)
        return execute(settled, environment, self._evm_state, self._context(settled, deadline, tracer, transaction))

    @property
    def runs_plain(self) -> bool:
        """Whether `apply_plain` may execute any."""
        # who asks what is read hears of each transaction by itself
        return self._plain is not None and self._shortcuts

    def apply_plain(
        self,
        transactions: Sequence[Transaction],
        gas: Sequence[GasNeeds | None],
        gas_available: int,
        deadline: Deadline | None = None,
    ) -> list[PlainEnd]:
        """Validate and execute transactions of the block, as far as they are plain; how they ended, from the first on.

        gas: what each must buy, where validate_static has passed it under the block's rules. Where none has an end, the
        first one is for `apply`, which refuses it where it may not be in the block. Raises ExecutionTimeoutError.
        """
        if self._plain is None or not self.runs_plain:
            return []

        def needs_of(index: int) -> GasNeeds:
            return gas[index] or gas_needs(transactions[index], self.environment.rules)

        def helper(index: int) -> Helper:
            return self._helper(transactions[index], needs_of(index), deadline)

        def around(index: int, gas_left: int) -> Outcome:
            is_checked = gas[index] is not None
            needs = needs_of(index)
            return self._apply(transactions[index], gas_left, None, needs, deadline, None, is_checked=is_checked)

        return self._plain.run_all(transactions, gas, gas_available, deadline, helper, around)

    def _settled(self, transaction: Transaction, gas: GasNeeds) -> TransactionEnvironment:
        environment = self.environment
        price = transaction.effective_gas_price(environment.base_fee_per_gas)
        return settle(transaction, gas, environment, price_wei=price, blob_price_wei=environment.blob_base_fee or 0)

    def _helper(self, transaction: Transaction, gas: GasNeeds, deadline: Deadline | None) -> Helper:
        """The helper of a transaction without a tracer."""
        context = self._context(self._settled(transaction, gas), deadline, None, transaction)
        return Helper(frames_of(self.environment.rules.fork, deadline), self._evm_state, context)

    def call(
        self,
        request: CallRequest,
        *,
        deadline: Deadline | None = None,
        tracer: Tracer | None = None,
        purpose: str = "call",
    ) -> Outcome:
        """Execute a message as eth_call does: no nonce, no signature, and fees only where the request has them.

        purpose: see Watcher.
        Raises TransactionError when geth would refuse to begin,
        ExecutionTimeoutError at the deadline.
        """
        environment = self.environment
        free, free_blobs = is_free(request), not request.max_fee_per_blob_gas
        gas = self._checked(request, free=free, free_blobs=free_blobs)
        evm_state = self._new_evm_state()
        if free:
            evm_state.base_fee = 0
        if request.blob_versioned_hashes and free_blobs:
            evm_state.blob_base_fee = 0
        price, blob_price = self._effective_price(request), 0 if free_blobs else environment.blob_base_fee or 0
        settled = settle(request, gas, environment, price_wei=None if free else price, blob_price_wei=blob_price)
        return execute(settled, environment, evm_state, self._context(settled, deadline, tracer, purpose))

    def simulate(
        self, request: CallRequest, nonce: int, *, validate: bool, deadline: Deadline | None = None
    ) -> Outcome:
        """Execute a message as a transaction of a simulated block (eth_simulateV1).

        The code sees the block's own fees. validate: hold the message to the nonce and the fees of a transaction;
        without it, one that names no fees pays none. Raises as `call`.
        """
        environment = self.environment
        if validate:
            validation.check_nonce(request.sender, nonce, self.state)
        free, free_blobs = not validate and is_free(request), not (validate or request.max_fee_per_blob_gas)
        gas = self._checked(request, free=free, free_blobs=free_blobs)
        settled = self._settled_simulated(request, gas, validate=validate)
        # blobs are paid for even where no cap on their fee was given, which held back nothing
        validation.check_funds(request.sender, settled.price_wei + request.value, self.state)
        return execute(settled, environment, self._evm_state, self._context(settled, deadline, None))

    def _settled_simulated(self, request: CallRequest, gas: GasNeeds, *, validate: bool) -> TransactionEnvironment:
        price, blob_price = self._effective_price(request), self.environment.blob_base_fee or 0
        free = not validate and is_free(request)
        return settle(request, gas, self.environment, price_wei=None if free else price, blob_price_wei=blob_price)

    def simulate_plain(
        self,
        calls: Sequence[SimulatedCall],
        gas_left: int,
        gas_budget: int,
        in_turn: Callable[[int], list[SimulatedEnd]],
        *,
        validate: bool,
        shows_transfers: bool = False,
        deadline: Deadline | None = None,
    ) -> list[SimulatedEnd]:
        """Execute calls of a simulated block, as far as they are plain; how they ended, from the first on.

        gas_left: of the block. gas_budget: what all further calls may use. in_turn, shows_transfers: see
        PlainRuns.run_simulated. Where
        none has an end, the first one is for `simulate`, which refuses it where it may not begin.
        Raises ExecutionTimeoutError.
        """
        if self._plain is None:
            return []

        def helper(index: int) -> Helper:
            rules, request = self.environment.rules, calls[index].request(gas_left)
            settled = self._settled_simulated(request, gas_needs(request, rules), validate=validate)
            context = self._context(settled, deadline, None)
            return Helper(frames_of(rules.fork, deadline), self._evm_state, context)

        return self._plain.run_simulated(
            calls,
            gas_left,
            gas_budget,
            deadline,
            helper,
            in_turn,
            validates=validate,
            shows_transfers=shows_transfers,
        )

    def _checked(self, request: CallRequest, *, free: bool, free_blobs: bool) -> GasNeeds:
        """The gas that a message must buy, once it may begin. Raises TransactionError."""
        gas = gas_needs(request, self.environment.rules)
        validation.check_message(request, self.environment, self.state, gas, free=free, free_blobs=free_blobs)
        return gas

    def call_alone(
        self,
        request: CallRequest,
        *,
        origin: Address | None = None,
        creates: Address | None = None,
        memory_words: int = UNLIMITED_WORDS,
        wasm_scope: Any = None,
        deadline: Deadline | None = None,
    ) -> Outcome:
        """Execute a call or creation as one frame, without a transaction: off chain.

        origin: what ORIGIN gives, the sender unless given. creates: see execute_alone. memory_words: of one EVM frame.
        wasm_scope: what the WebAssembly machine has prepared for it. Raises TransactionError for want of funds,
        ExecutionTimeoutError at the deadline.
        """
        environment = self.environment
        validation.check_funds(request.sender, request.value, self.state)
        if request.to is None:
            validation.check_initcode(request, environment)
        evm_state = self._new_evm_state()
        evm_state.base_fee = 0
        settled = settle(request, GasNeeds(environment.rules.fork, 0, 0), environment, price_wei=None, blob_price_wei=0)
        context = self._context(settled, deadline, None)
        context.origin = origin or settled.sender
        context.memory_words = memory_words
        context.wasm_scope = wasm_scope
        return execute_alone(settled, environment, evm_state, context, creates=creates)

    def _effective_price(self, request: CallRequest) -> int:
        base_fee = self.environment.base_fee_per_gas
        if base_fee is None:
            return request.max_fee_per_gas
        return min(request.max_fee_per_gas, base_fee + request.max_priority_fee_per_gas)

    # The block around them

    def begin_block(self) -> None:
        """The system calls before the first transaction: EIP-4788, EIP-2935."""
        fork, environment = self.environment.rules.fork, self.environment
        calls: list[tuple[Address, bytes]] = []
        if fork >= Fork.CANCUN and environment.parent_beacon_block_root is not None:
            calls.append((BEACON_ROOTS_ADDRESS, environment.parent_beacon_block_root))
        if fork >= Fork.PRAGUE:
            calls.append((HISTORY_STORAGE_ADDRESS, environment.block_hash(environment.number - 1)))
        for _ in self._system_calls(calls):
            pass

    def _system_context(self) -> TransactionContext:
        machine = self.environment.wasm_machine
        return TransactionContext(
            system.SYSTEM_ADDRESS,
            0,
            (),
            self._precompiles,
            self._warm,
            self._deadline,
            None,
            machine,
            self.environment.engine,
            precompile_entries=self._entries,
        )

    def _made_plain(self, calls: Sequence[tuple[Address, bytes]]) -> int:
        """The number of the block's calls, from the first on, whose effect is plain; it is made."""
        return system.take_shortcuts(self.environment, self.state, calls) if self._shortcuts else 0

    def _system_calls(self, calls: Sequence[tuple[Address, bytes]]) -> Iterable[system.SystemCallResult]:
        """Call contracts as the block does, each when its result is asked for, or at once where its effect is plain."""
        return self._called(calls, self._made_plain(calls))

    def _called(self, calls: Sequence[tuple[Address, bytes]], done: int) -> Iterable[system.SystemCallResult]:
        """As `_system_calls`, where the effects of the first calls are made."""
        if done == len(calls):
            return (system.DONE,) * done
        return self._called_in_turn(calls, done)

    def _called_in_turn(self, calls: Sequence[tuple[Address, bytes]], done: int) -> Iterator[system.SystemCallResult]:
        while calls:
            for _ in range(done):
                yield system.DONE
            calls = calls[done:]
            if calls:
                yield self._system_call(*calls[0])
                calls = calls[1:]
                done = self._made_plain(calls)

    def _system_call(self, target: Address, data: bytes) -> system.SystemCallResult:
        if self._deadline is not None:
            # code of a development chain's own, with 30 million gas
            self._deadline.bound(len(self.state.get_code(target)), 0)
        context = self._system_context()
        return system.call(FRAME_CLASSES[self.environment.rules.fork], self._evm_state, context, target, data)

    def withdraw(self, withdrawals: Iterable[Withdrawal]) -> None:
        """Credit withdrawals of the beacon chain (EIP-4895)."""
        for withdrawal in withdrawals:
            self.state.add_balance(withdrawal.address, withdrawal.amount_gwei * GWEI)

    def pay_block_reward(self, uncles: Sequence[Header]) -> None:
        """Credit the coinbase and the uncles' coinbases, as before Paris."""
        environment = self.environment
        rewards = block_rewards(environment.rules.fork, environment.number, uncles)
        for uncle, amount_wei in zip(uncles, rewards.uncles_wei, strict=True):
            self.state.add_balance(uncle.coinbase, amount_wei)
        self.state.add_balance(environment.coinbase, rewards.author_wei)

    def end_block(self, receipts_logs: Iterable[Sequence[Log]]) -> list[bytes] | None:
        """The requests of EIP-7685 (type byte and data each, in order), None before Prague.

        Takes the logs of each receipt. Raises BlockError when a system contract is absent or fails.
        """
        rules = self.environment.rules
        if rules.fork < Fork.PRAGUE:
            return None
        requests = [system.DEPOSIT_REQUEST + system.deposits(receipts_logs, rules.deposit_contract)]
        done = self._made_plain(system.REQUEST_CALLS)
        if done < len(system.REQUEST_CALLS):
            results = self._called(system.REQUEST_CALLS, done)
            for (kind, address), result in zip(system.REQUEST_CONTRACTS, results, strict=True):
                requests.append(kind + system.require_success(address, result))
        return [request for request in requests if len(request) > 1]
