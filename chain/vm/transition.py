"""One transaction or call upon the state: pre-execution, execution, post-execution.

Validation comes before and is chain/vm/validation.py's; nothing here refuses a message.
"""

from dataclasses import dataclass, field

from zevm.chain.rules.forks import Fork
from zevm.chain.types import AccessListEntry, Authorization
from zevm.chain.types.transaction import BLOB_GAS_PER_BLOB
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.calls import DELEGATION_PREFIX, MAX_NONCE, contract_address, delegation_of, show_refused
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.faults import describe_fault
from zevm.chain.vm.fork_table import FRAME_CLASSES
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.interface import BlockEnvironment, Outcome, TransactionStart, VmError, VmErrorKind
from zevm.chain.vm.message import Message, TransactionContext
from zevm.chain.vm.world import World

AUTHORIZATION_REFUND = 12_500
"""For an authority whose account exists: PER_EMPTY_ACCOUNT_COST - PER_AUTH_BASE_COST (EIP-7702)."""
SELFDESTRUCT_REFUND = 24_000
"""For each account that is deleted (Yellow Paper, appendix G: R_selfdestruct), until EIP-3529."""
REFUND_QUOTIENT = 2
"""The refund is at most a half of the gas used (Yellow Paper 6.2), ..."""
REFUND_QUOTIENT_LONDON = 5
"""... and at most a fifth from London on (EIP-3529). The floor of EIP-7623 holds after the refund."""
NO_ADDRESS = bytes(20)


@dataclass(slots=True)
class Purchase:
    """A message with its prices settled, whether signed or not.

    gas_price: wei per gas that the sender pays; tip: the part of it that the coinbase gets.
    intrinsic_gas and floor_gas as in chain/vm/validation.py.
    """

    sender: bytes
    to: bytes | None
    value: int
    data: bytes
    gas_limit: int
    gas_price: int
    tip: int
    blob_gas_price: int
    intrinsic_gas: int
    floor_gas: int
    access_list: tuple[AccessListEntry, ...] = ()
    authorization_list: tuple[Authorization, ...] = ()
    blob_versioned_hashes: tuple[bytes, ...] = field(default=())

    @property
    def price_wei(self) -> int:
        """What is paid ahead, for gas and blob gas."""
        return (
            self.gas_limit * self.gas_price + BLOB_GAS_PER_BLOB * len(self.blob_versioned_hashes) * self.blob_gas_price
        )


def execute(purchase: Purchase, environment: BlockEnvironment, world: World, context: TransactionContext) -> Outcome:
    """Take the purchase through all phases and end the transaction."""
    state = world.block_state
    state.begin_transaction()
    creates = contract_address(purchase.sender, state.get_nonce(purchase.sender)) if purchase.to is None else None
    if context.tracer is not None:
        context.tracer.on_begin(_describe(purchase, environment, state, context, creates))
    _buy_gas(purchase, state)
    _warm_up(purchase, environment, state, context, creates)
    _authorize(purchase, environment.rules.chain_id, state)
    try:
        frame, error = _run(purchase, environment, world, context, creates)
    except BaseException:
        context.abandon()
        raise
    gas_left = 0 if frame is None else frame.gas_left
    outcome = _settle(purchase, environment, world, gas_left)
    outcome.error = error
    outcome.output = b"" if frame is None else frame.output
    outcome.contract_address = creates
    if context.console:
        outcome.console = [decode_console(data) for data in context.console]
    if context.tracer is not None:
        context.tracer.on_end(outcome)
    return outcome


def _describe(
    purchase: Purchase,
    environment: BlockEnvironment,
    state: BlockState,
    context: TransactionContext,
    creates: bytes | None,
) -> TransactionStart:
    authorities = (authorization.authority for authorization in purchase.authorization_list)
    return TransactionStart(
        sender=purchase.sender,
        to=purchase.to,
        address=creates or purchase.to or NO_ADDRESS,
        gas_limit=purchase.gas_limit,
        coinbase=environment.coinbase,
        rules=environment.rules,
        authorities=tuple(authority for authority in authorities if authority is not None),
        precompiles=context.warm_precompiles,
        gas_price=context.gas_price,
        block_number=environment.number,
        timestamp=environment.timestamp,
        state=state,
    )


def execute_alone(
    purchase: Purchase, environment: BlockEnvironment, world: World, context: TransactionContext
) -> Outcome:
    """Run a call without a transaction around it: its gas is the code's alone, no nonce changes, no fee is paid.

    The state keeps its effects, but for what lasts one transaction.
    """
    state = world.block_state
    state.begin_transaction()
    _warm_up(purchase, environment, state, context, None)
    try:
        frame, error = _run(purchase, environment, world, context, None)
    except BaseException:
        context.abandon()
        raise
    assert frame is not None
    used = purchase.gas_limit - frame.gas_left
    outcome = Outcome(used, used, frame.output, tuple(state.logs.values()), error)
    state.end_transaction(clear_empty=not world.has_empty_accounts)
    return outcome


def _buy_gas(purchase: Purchase, state: BlockState) -> None:
    """Pre-execution: gas and blob gas are paid ahead, the nonce goes up."""
    state.add_balance(purchase.sender, -purchase.price_wei)
    # a simulation may begin at the last nonce; from there it goes on at 0, as geth's does
    state.set_nonce(purchase.sender, (state.get_nonce(purchase.sender) + 1) & MAX_NONCE)


def _warm_up(
    purchase: Purchase,
    environment: BlockEnvironment,
    state: BlockState,
    context: TransactionContext,
    creates: bytes | None,
) -> None:
    """Pre-execution: the addresses and slots that are warm from the start (EIP-2929, 2930, 3651)."""
    fork = environment.rules.fork
    if fork < Fork.BERLIN:
        return
    warm = state.warm_addresses
    warm.update(context.warm_precompiles)
    warm[purchase.sender] = True
    warm[creates or purchase.to or NO_ADDRESS] = True
    if fork >= Fork.SHANGHAI:
        warm[environment.coinbase] = True
    for entry in purchase.access_list:
        warm[entry.address] = True
        for key in entry.storage_keys:
            state.warm_slots[entry.address, int.from_bytes(key, "big")] = True


def _authorize(purchase: Purchase, chain_id: int, state: BlockState) -> None:
    """Pre-execution: set the delegations of EIP-7702; an entry that does not hold is passed over."""
    for authorization in purchase.authorization_list:
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
    purchase: Purchase,
    environment: BlockEnvironment,
    world: World,
    context: TransactionContext,
    creates: bytes | None,
) -> tuple[Frame | None, VmError | None]:
    """Execution: the outermost frame, and why it failed. No frame where the new address is taken."""
    frames = FRAME_CLASSES[environment.rules.fork]
    gas = purchase.gas_limit - purchase.intrinsic_gas
    if creates is not None:
        message = Message(
            gas, b"", purchase.sender, purchase.value, b"", purchase.data, create_address=creates, kind="CREATE"
        )
        if world.has_code_or_nonce(creates):
            kind = VmErrorKind.ADDRESS_COLLISION
            show_refused(context, message, kind, gas)
            return None, VmError(kind, kind.value)
        frame = frames.apply_create_message(world, message, context)
    else:
        frame = frames.apply_message(world, _call_message(purchase, environment, world, gas), context)
    return frame, None if frame.error is None else describe_fault(frame.error)


def _call_message(purchase: Purchase, environment: BlockEnvironment, world: World, gas: int) -> Message:
    assert purchase.to is not None
    state = world.block_state
    code, code_address = state.get_code(purchase.to), purchase.to
    if environment.rules.fork >= Fork.PRAGUE:
        delegate = delegation_of(code)
        if delegate is not None:
            state.warm_unnamed(delegate)
            code, code_address = state.get_code(delegate), delegate
    return Message(
        gas,
        purchase.to,
        purchase.sender,
        purchase.value,
        purchase.data,
        code,
        code_address=code_address,
        is_delegation=code_address != purchase.to,
        target=purchase.to,
    )


def _settle(purchase: Purchase, environment: BlockEnvironment, world: World, gas_left: int) -> Outcome:
    """Post-execution: refunds, the coinbase's pay, deletions. The base fee and the blob fee are burnt."""
    state, fork = world.block_state, environment.rules.fork
    used = purchase.gas_limit - gas_left
    refund = state.refund[None]
    if fork < Fork.LONDON:
        refund += SELFDESTRUCT_REFUND * len(state.destroyed)
    quotient = REFUND_QUOTIENT_LONDON if fork >= Fork.LONDON else REFUND_QUOTIENT
    gas_used = max(used - min(refund, used // quotient), purchase.floor_gas)
    state.add_balance(purchase.sender, (purchase.gas_limit - gas_used) * purchase.gas_price)
    state.add_balance(environment.coinbase, gas_used * purchase.tip)
    world.touch_account(environment.coinbase)
    logs = tuple(state.logs.values())
    state.end_transaction(clear_empty=not world.has_empty_accounts)
    return Outcome(gas_used, max(used, purchase.floor_gas), b"", logs)
