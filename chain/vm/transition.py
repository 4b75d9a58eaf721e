"""One transaction or call on the state: pre-execution, execution, post-execution.

Validation comes before and is chain/vm/validation.py's; nothing here refuses a message.
"""

from functools import partial

from zevm.chain.rules.forks import Fork
from zevm.chain.vm.calls import contract_address, show_refused
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.delegation import DELEGATION_PREFIX, delegation_of
from zevm.chain.vm.engines import whole
from zevm.chain.vm.engines.choice import run_message
from zevm.chain.vm.engines.ending import Ending
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.engines.telling import describe
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import ExecutionState
from zevm.chain.vm.fork_table import frames_of
from zevm.chain.vm.frame import TransactionContext
from zevm.chain.vm.interface import Outcome, VmError, VmErrorKind
from zevm.chain.vm.message import NOBODY, Message
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.transaction_environment import TransactionEnvironment
from zevm.storage.account import MAX_NONCE
from zevm.storage.primitives import ZERO_ADDRESS, Address

AUTHORIZATION_REFUND = 12_500
"""For an authority whose account exists: PER_EMPTY_ACCOUNT_COST - PER_AUTH_BASE_COST (EIP-7702)."""
SELFDESTRUCT_REFUND = 24_000
"""For each account that is deleted (Yellow Paper, appendix G: R_selfdestruct), until EIP-3529."""
REFUND_QUOTIENT = 2
"""The refund is at most a half of the gas used (Yellow Paper 6.2), ..."""
REFUND_QUOTIENT_LONDON = 5
"""... and at most a fifth from London on (EIP-3529). The floor of EIP-7623 holds after the refund."""
NO_ADDRESS = ZERO_ADDRESS


def execute(
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    evm_state: PyEvmState,
    context: TransactionContext,
) -> Outcome:
    """Take the transaction through all phases and end it, on the core where it may."""
    evm_state.block_state.begin_transaction()
    if context.engine is Engine.PY_EVM:
        return _execute(transaction, environment, evm_state, context)
    frames = frames_of(environment.rules.fork, context.deadline)
    reference = partial(_execute, transaction, environment, evm_state, context)
    return whole.run(frames, transaction, environment, evm_state, context, reference)


def _execute(
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    evm_state: PyEvmState,
    context: TransactionContext,
) -> Outcome:
    """The phases in Python, but for the message, which the chosen engine runs."""
    state = evm_state.block_state
    creates = (
        contract_address(transaction.sender, state.get_nonce(transaction.sender)) if transaction.to is None else None
    )
    if context.tracer is not None:
        context.tracer.on_begin(describe(transaction, environment, state, context, creates, state))
    _buy_gas(transaction, state)
    _warm_up(transaction, environment, state, context, creates)
    _authorize(transaction, environment.rules.chain_id, state)
    try:
        ending = _run(transaction, environment, evm_state, context, creates)
    except BaseException:
        context.abandon()
        raise
    outcome = _settle(transaction, environment, evm_state, ending.gas_left)
    outcome.error = ending.error
    outcome.output = ending.output
    outcome.contract_address = creates
    if creates is None and ending.error is None:
        outcome.spare_gas = min(context.spare_gas, ending.gas_left)
    if context.console:
        outcome.console = [decode_console(data) for data in context.console]
    if context.tracer is not None:
        context.tracer.on_end(outcome)
    return outcome


def execute_alone(
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    evm_state: PyEvmState,
    context: TransactionContext,
    *,
    creates: Address | None = None,
) -> Outcome:
    """Run a call or creation without a transaction around it: its gas is the code's alone, no fee is paid.

    creates: the address of a creation; None for the one that the sender's nonce gives, which goes up as in a
    transaction. The state keeps the effects, but for what lasts one transaction.
    """
    state = evm_state.block_state
    state.begin_transaction()
    if transaction.to is None:
        nonce = state.get_nonce(transaction.sender)
        creates = creates or contract_address(transaction.sender, nonce)
        state.set_nonce(transaction.sender, (nonce + 1) & MAX_NONCE)
    _warm_up(transaction, environment, state, context, creates)
    try:
        ending = _run(transaction, environment, evm_state, context, creates)
    except BaseException:
        context.abandon()
        raise
    used = transaction.gas_limit - ending.gas_left
    outcome = Outcome(used, used, ending.output, state.logs_from(0), ending.error, creates)
    if context.console:
        outcome.console = [decode_console(data) for data in context.console]
    state.end_transaction(clear_empty=not evm_state.has_empty_accounts)
    return outcome


def _buy_gas(transaction: TransactionEnvironment, state: ExecutionState) -> None:
    """Pre-execution: gas and blob gas are paid ahead, the nonce goes up."""
    state.add_balance(transaction.sender, -transaction.price_wei)
    # a simulation may begin at the last nonce; from there it goes on at 0, as geth's does
    state.set_nonce(transaction.sender, (state.get_nonce(transaction.sender) + 1) & MAX_NONCE)


def _warm_up(
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    state: ExecutionState,
    context: TransactionContext,
    creates: Address | None,
) -> None:
    """Pre-execution: the addresses and slots that are warm from the start (EIP-2929, 2930, 3651)."""
    fork = environment.rules.fork
    if fork < Fork.BERLIN:
        return
    state.add_warm_addresses(context.warm_precompiles)
    warm = [transaction.sender, creates or transaction.to or NO_ADDRESS]
    if fork >= Fork.SHANGHAI:
        warm.append(environment.coinbase)
    for entry in transaction.access_list:
        warm.append(entry.address)
        state.add_warm_slots(entry.address, [int.from_bytes(key, "big") for key in entry.storage_keys])
    state.add_warm_addresses(warm)


def _authorize(transaction: TransactionEnvironment, chain_id: int, state: ExecutionState) -> None:
    """Pre-execution: set the delegations of EIP-7702; an entry that does not hold is passed over."""
    for authorization in transaction.authorization_list:
        if authorization.chain_id not in (0, chain_id) or authorization.nonce >= MAX_NONCE:
            continue
        authority = authorization.authority
        if authority is None:
            continue
        state.warm_address(authority)
        code = state.get_code(authority)
        if (code and delegation_of(code) is None) or state.get_nonce(authority) != authorization.nonce:
            continue
        if state.account_exists(authority):
            state.add_refund(AUTHORIZATION_REFUND)
        cleared = authorization.address == NO_ADDRESS
        state.set_code(authority, b"" if cleared else DELEGATION_PREFIX + authorization.address)
        state.increment_nonce(authority)


def _run(
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    evm_state: PyEvmState,
    context: TransactionContext,
    creates: Address | None,
) -> Ending:
    """Execution: the outermost message."""
    frames = frames_of(environment.rules.fork, context.deadline)
    gas = transaction.gas_limit - transaction.gas.intrinsic
    if creates is not None:
        message = Message(
            gas,
            NOBODY,
            transaction.sender,
            transaction.value,
            b"",
            transaction.data,
            create_address=creates,
            kind="CREATE",
        )
        if evm_state.has_code_or_nonce(creates):
            kind = VmErrorKind.ADDRESS_COLLISION
            show_refused(context, message, kind, gas)
            return Ending(0, b"", VmError(kind, kind.value))
    else:
        message = _call_message(transaction, environment, evm_state, gas)
    return run_message(frames, evm_state, message, context)


def _call_message(
    transaction: TransactionEnvironment, environment: BlockEnvironment, evm_state: PyEvmState, gas: int
) -> Message:
    assert transaction.to is not None
    state = evm_state.block_state
    code, code_address = state.get_code(transaction.to), transaction.to
    if environment.rules.fork >= Fork.PRAGUE:
        delegate = delegation_of(code)
        if delegate is not None:
            state.warm_unnamed(delegate)
            code, code_address = state.get_code(delegate), delegate
    return Message(
        gas,
        transaction.to,
        transaction.sender,
        transaction.value,
        transaction.data,
        code,
        code_address=code_address,
        is_delegation=code_address != transaction.to,
        target=transaction.to,
    )


def _settle(
    transaction: TransactionEnvironment, environment: BlockEnvironment, evm_state: PyEvmState, gas_left: int
) -> Outcome:
    """Post-execution: refunds, the coinbase's pay, deletions. The base fee and the blob fee are burnt."""
    state, fork = evm_state.block_state, environment.rules.fork
    used = transaction.gas_limit - gas_left
    refund = state.get_refund()
    if fork < Fork.LONDON:
        refund += SELFDESTRUCT_REFUND * state.destroyed_count()
    quotient = REFUND_QUOTIENT_LONDON if fork >= Fork.LONDON else REFUND_QUOTIENT
    gas_used = max(used - min(refund, used // quotient), transaction.gas.floor)
    state.add_balance(transaction.sender, (transaction.gas_limit - gas_used) * transaction.gas_price)
    state.add_balance(environment.coinbase, gas_used * transaction.tip)
    evm_state.touch_account(environment.coinbase)
    logs = state.logs_from(0)
    state.end_transaction(clear_empty=not evm_state.has_empty_accounts)
    return Outcome(gas_used, max(used, transaction.gas.floor), b"", logs)
