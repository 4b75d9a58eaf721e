"""Executes a block's transactions, its system calls and payments, and calls off chain."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.forks import Fork
from zevm.chain.rules.predeploys import BEACON_ROOTS_ADDRESS, HISTORY_STORAGE_ADDRESS
from zevm.chain.rules.rewards import block_rewards
from zevm.chain.rules.units import GWEI
from zevm.chain.types import Header, Log, Transaction, Withdrawal
from zevm.chain.vm import system, validation
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.fork_table import FRAME_CLASSES, PRECOMPILES, precompile_address
from zevm.chain.vm.frame import Precompile, TransactionContext
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.vm.precompiles import CONSOLE_ADDRESS, record_console, recovering
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.system import requests_hash
from zevm.chain.vm.tracer import Tracer
from zevm.chain.vm.transition import TransactionEnvironment, execute, execute_alone
from zevm.storage.primitives import Address

__all__ = ["Executor", "active_precompiles", "is_free", "requests_hash"]


def active_precompiles(environment: BlockEnvironment) -> dict[Address, Precompile]:
    """The precompiles of a block at their own addresses, those of the WebAssembly machine too."""
    fixed = dict(PRECOMPILES[environment.rules.fork])
    if environment.wasm_machine is not None:
        fixed.update(environment.wasm_machine.precompiles)
    return fixed


def is_free(request: CallRequest) -> bool:
    """Whether a message names no fees."""
    return not request.max_fee_per_gas and not request.max_priority_fee_per_gas


class Executor:
    """Executes one block's transactions on one state. Not thread-safe.

    moved_precompiles: precompile address -> the address where it answers instead, None for nowhere (eth_call's
    overrides). deadline: for the block's own system calls, off chain.
    """

    def __init__(
        self,
        environment: BlockEnvironment,
        state: ExecutionState,
        *,
        moved_precompiles: Mapping[Address, Address | None] | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.environment = environment
        self._deadline = deadline
        self.state = state
        self._evm_state = self._new_evm_state()
        fixed = active_precompiles(environment)
        self._warm = dict.fromkeys(fixed, True)
        self._precompiles: dict[Address, Precompile] = {**fixed, CONSOLE_ADDRESS: record_console}
        if environment.recoveries:
            self._precompiles[precompile_address(1)] = recovering(environment.recoveries)
        for source, target in (moved_precompiles or {}).items():
            body = self._precompiles.pop(source, None)
            if target is not None and body is not None:
                self._precompiles[target] = body

    def _new_evm_state(self) -> PyEvmState:
        traits = FRAME_CLASSES[self.environment.rules.fork].traits
        return PyEvmState(self.state, self.environment, has_empty_accounts=traits.has_empty_accounts)

    def _context(
        self, origin: bytes, price: int, hashes: tuple[bytes, ...], deadline: Deadline | None, tracer: Tracer | None
    ) -> TransactionContext:
        machine = self.environment.wasm_machine
        return TransactionContext(origin, price, hashes, self._precompiles, self._warm, deadline, tracer, machine)

    # Transactions and calls

    def apply(
        self,
        transaction: Transaction,
        gas_available: int,
        blob_gas_available: int | None = None,
        *,
        deadline: Deadline | None = None,
        tracer: Tracer | None = None,
    ) -> Outcome:
        """Validate and execute a transaction of the block.

        gas_available, blob_gas_available: what the block has left. deadline: for a replay.
        Raises TransactionError, with the state unchanged, when the transaction may not be in this block, and
        ExecutionTimeoutError at the deadline.
        """
        environment = self.environment
        rules, base_fee = environment.rules, environment.base_fee_per_gas or 0
        validation.validate_in_block(transaction, environment, self.state, gas_available, blob_gas_available)
        price = transaction.effective_gas_price(environment.base_fee_per_gas)
        transaction_environment = TransactionEnvironment(
            sender=transaction.sender,
            to=transaction.to,
            value=transaction.value,
            data=transaction.data,
            gas_limit=transaction.gas_limit,
            gas_price=price,
            tip=price - base_fee,
            blob_gas_price=environment.blob_base_fee or 0,
            intrinsic_gas=validation.intrinsic_gas(transaction, rules),
            floor_gas=validation.floor_gas(transaction, rules),
            access_list=transaction.access_list,
            authorization_list=transaction.authorization_list,
            blob_versioned_hashes=transaction.blob_versioned_hashes,
        )
        context = self._context(
            transaction_environment.sender, price, transaction_environment.blob_versioned_hashes, deadline, tracer
        )
        return execute(transaction_environment, environment, self._evm_state, context)

    def call(self, request: CallRequest, *, deadline: Deadline | None = None, tracer: Tracer | None = None) -> Outcome:
        """Execute a message as eth_call does: no nonce, no signature, and fees only where the request has them.

        Raises TransactionError when geth would refuse to begin,
        ExecutionTimeoutError at the deadline.
        """
        free, free_blobs = is_free(request), not request.max_fee_per_blob_gas
        validation.check_message(request, self.environment, self.state, free=free, free_blobs=free_blobs)
        evm_state = self._new_evm_state()
        if free:
            evm_state.base_fee = 0
        if request.blob_versioned_hashes and free_blobs:
            evm_state.blob_base_fee = 0
        blob_price = 0 if free_blobs else self.environment.blob_base_fee or 0
        transaction = self._transaction_environment(request, free=free, blob_price=blob_price)
        context = self._context(
            request.sender, transaction.gas_price, transaction.blob_versioned_hashes, deadline, tracer
        )
        return execute(transaction, self.environment, evm_state, context)

    def simulate(
        self, request: CallRequest, nonce: int, *, validate: bool, deadline: Deadline | None = None
    ) -> Outcome:
        """Execute a message as a transaction of a simulated block (eth_simulateV1).

        The code sees the block's own fees. validate: hold the message to the nonce and the fees of a transaction;
        without it, one that names no fees pays none. Raises as `call`.
        """
        if validate:
            validation.check_nonce(request.sender, nonce, self.state)
        free, free_blobs = not validate and is_free(request), not (validate or request.max_fee_per_blob_gas)
        validation.check_message(request, self.environment, self.state, free=free, free_blobs=free_blobs)
        transaction = self._transaction_environment(request, free=free, blob_price=self.environment.blob_base_fee or 0)
        # blobs are paid for even where no cap on their fee was given, which held back nothing
        validation.check_funds(request.sender, transaction.price_wei + request.value, self.state)
        context = self._context(
            request.sender, transaction.gas_price, transaction.blob_versioned_hashes, deadline, None
        )
        return execute(transaction, self.environment, self._evm_state, context)

    def _transaction_environment(self, request: CallRequest, *, free: bool, blob_price: int) -> TransactionEnvironment:
        rules = self.environment.rules
        price = 0 if free else self._effective_price(request)
        return TransactionEnvironment(
            sender=request.sender,
            to=request.to,
            value=request.value,
            data=request.data,
            gas_limit=request.gas_limit,
            gas_price=price,
            tip=0 if free else price - (self.environment.base_fee_per_gas or 0),
            blob_gas_price=blob_price,
            intrinsic_gas=validation.intrinsic_gas(request, rules),
            floor_gas=validation.floor_gas(request, rules),
            access_list=request.access_list,
            authorization_list=request.authorization_list or (),
            blob_versioned_hashes=request.blob_versioned_hashes or (),
        )

    def call_alone(self, request: CallRequest, *, wasm_scope: Any = None, deadline: Deadline | None = None) -> Outcome:
        """Execute a call as one frame, without a transaction: for functions of contracts, off chain.

        wasm_scope: what the WebAssembly machine has prepared for it. Raises TransactionError for want of funds,
        ExecutionTimeoutError at the deadline.
        """
        assert request.to is not None
        validation.check_funds(request.sender, request.value, self.state)
        evm_state = self._new_evm_state()
        evm_state.base_fee = 0
        transaction = TransactionEnvironment(
            sender=request.sender,
            to=request.to,
            value=request.value,
            data=request.data,
            gas_limit=request.gas_limit,
            gas_price=0,
            tip=0,
            blob_gas_price=0,
            intrinsic_gas=0,
            floor_gas=0,
        )
        context = self._context(request.sender, 0, (), deadline, None)
        context.wasm_scope = wasm_scope
        return execute_alone(transaction, self.environment, evm_state, context)

    def _effective_price(self, request: CallRequest) -> int:
        base_fee = self.environment.base_fee_per_gas
        if base_fee is None:
            return request.max_fee_per_gas
        return min(request.max_fee_per_gas, base_fee + request.max_priority_fee_per_gas)

    # The block around them

    def begin_block(self) -> None:
        """The system calls before the first transaction: EIP-4788, EIP-2935."""
        fork, environment = self.environment.rules.fork, self.environment
        if fork >= Fork.CANCUN and environment.parent_beacon_block_root is not None:
            self._system_call(BEACON_ROOTS_ADDRESS, environment.parent_beacon_block_root)
        if fork >= Fork.PRAGUE:
            self._system_call(HISTORY_STORAGE_ADDRESS, environment.block_hash(environment.number - 1))

    def _system_call(self, target: Address, data: bytes) -> system.SystemCallResult:
        known = system.take_shortcut(self.environment, self.state, target, data)
        if known is not None:
            return known
        context = self._context(system.SYSTEM_ADDRESS, 0, (), self._deadline, None)
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
        for kind, address in system.REQUEST_CONTRACTS:
            result = self._system_call(address, b"")
            requests.append(kind + system.require_success(address, result))
        return [request for request in requests if len(request) > 1]
