"""A transaction or a call as a whole on the core, from the purchase of its gas to its settlement: one call.

The reference is chain/vm/transition.py, in Python, which goes on where the core refuses, where a tracer or an observer
has to watch it live, and where WebAssembly is deployed. The check mode runs both.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from zevm.chain.errors import EngineDifferenceError
from zevm.chain.vm.console import decode_console
from zevm.chain.vm.engines import choice, native
from zevm.chain.vm.engines.comparison import access_differences, frame_differences, outcome_differences
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.engines.overhearing import Overhearing
from zevm.chain.vm.engines.telling import FrameRecorder, Telling, describe, recording_of
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.execution_state import TransactionChanges
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.interface import Outcome
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.tracer import Tracer
from zevm.chain.vm.transaction_environment import TransactionEnvironment
from zevm.core import CORE
from zevm.storage.account import MAX_NONCE
from zevm.storage.primitives import Address

Reference = Callable[[], Outcome]
"""The same transaction by the frames in Python, whose effects are in the state then."""


def run(
    frames: type[Frame],
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    evm_state: PyEvmState,
    context: TransactionContext,
    reference: Reference,
) -> Outcome:
    """Take a transaction that has not begun through all phases; its effects are in the state, and it has ended.

    Raises what the state and the deadline raise, and EngineDifferenceError where both run and do not agree.
    """
    if not _takes(transaction, evm_state, context):
        return reference()
    try:
        found = _run(frames, transaction, environment, evm_state, context)
    except BaseException:
        context.abandon()
        raise
    if found is None:
        return reference()
    if context.engine is Engine.CHECK:
        return _checked(found, evm_state, context, reference)
    choice.messages["native"] += 1
    state, tracer, outcome = evm_state.block_state, context.tracer, found.outcome
    if tracer is not None and found.telling is not None:
        try:
            tracer.on_begin(describe(transaction, environment, state, context, outcome.contract_address, found.telling))
            found.telling.tell(tracer, context)
        except BaseException:
            context.abandon()
            raise
    state.absorb_transaction(found.changes)
    if tracer is not None:
        tracer.on_end(outcome)
    return outcome


class _Finished(NamedTuple):
    """A transaction that the core ran. changes: in no state yet. telling: its frames, None without a tracer."""

    outcome: Outcome
    changes: TransactionChanges
    telling: Telling | None


def _takes(transaction: TransactionEnvironment, evm_state: PyEvmState, context: TransactionContext) -> bool:
    """Whether the core may try: no tracer or observer watches live, and the code is not seen to be Python's alone."""
    if context.engine is Engine.PY_EVM or (context.tracer is not None and recording_of(context.tracer) is None):
        return False
    state = evm_state.block_state
    if (state.observer is not None and state.observer.hears_live) or transaction.gas_limit >= native.GAS_LIMIT:
        return False
    if context.wasm_machine is None:
        return True
    is_create = transaction.to is None
    code = transaction.data if transaction.to is None else evm_state.get_code(transaction.to)
    return native.takes_code(context, code, is_create=is_create)


def _run(
    frames: type[Frame],
    transaction: TransactionEnvironment,
    environment: BlockEnvironment,
    evm_state: PyEvmState,
    context: TransactionContext,
) -> _Finished | None:
    """None where the core refuses."""
    assert CORE.library is not None
    observer = evm_state.block_state.observer
    helper = native.Helper(frames, evm_state, context)
    try:
        found = CORE.library.run_transaction(
            evm_state.block_state,
            helper,
            native.block_fields(evm_state, context),
            native.transaction_fields(evm_state, context),
            _envelope(transaction, environment.rules.chain_id),
            context.warm_entries,
            observer is not None and observer.hears_accesses,
            recording_of(context.tracer),
        )
    finally:
        helper.close()
    if found is None:
        context.take_console()
        return None
    (status, output, detail, gas_used, before_refund, spare_gas, created, changes), events = found
    accounts, slots, codes, logs, ordinals, logs_made, named_addresses, named_slots = changes
    kept = native.logs_of(logs)
    outcome = Outcome(
        gas_used,
        before_refund,
        output,
        kept,
        native.error_of(frames, status, detail),
        None if created is None else Address(created),
        spare_gas=spare_gas,
    )
    if context.console:
        outcome.console = [decode_console(data) for data in context.console]
    made = TransactionChanges(accounts, slots, codes, ordinals, logs_made, named_addresses, named_slots)
    return _Finished(outcome, made, None if events is None else Telling(frames, *events))


def _envelope(transaction: TransactionEnvironment, chain_id: int) -> tuple[Any, ...]:
    """The transaction as core/zig/transition_objects.zig reads it. Void authorizations are left out."""
    gas, authorizations = transaction.gas, transaction.authorization_list
    access_list = transaction.access_list
    return (
        transaction.sender,
        transaction.to,
        transaction.value,
        transaction.data,
        transaction.gas_limit,
        gas.intrinsic,
        gas.floor,
        transaction.gas_price,
        transaction.tip,
        transaction.price_wei,
        [(entry.address, entry.storage_keys) for entry in access_list] if access_list else (),
        _authorizations(transaction, chain_id) if authorizations else (),
    )


def _authorizations(transaction: TransactionEnvironment, chain_id: int) -> list[tuple[Address, Address, int]]:
    """Those for this chain, whose signature is valid: authority, address, nonce."""
    return [
        (authority, authorization.address, authorization.nonce)
        for authorization in transaction.authorization_list
        if authorization.chain_id in (0, chain_id)
        and authorization.nonce < MAX_NONCE
        and (authority := authorization.authority) is not None
    ]


def _checked(found: _Finished, evm_state: PyEvmState, context: TransactionContext, reference: Reference) -> Outcome:
    """The reference's outcome, where it is the same. Raises EngineDifferenceError, with the state as it was."""
    state, tracer = evm_state.block_state, context.tracer
    checkpoint = state.record()
    context.take_console()
    observer, recording = state.observer, recording_of(tracer)
    overhearing = None if observer is None else Overhearing(observer)
    recorder = None if recording is None else FrameRecorder(recording, tracer)
    state.observe(overhearing)
    context.tracer = None if recorder is None else cast("Tracer", recorder)
    try:
        wanted = reference()
    finally:
        state.observe(observer)
    context.tracer = tracer
    differences = [*outcome_differences(found.outcome, found.changes, wanted, state.changes_since(checkpoint))]
    if overhearing is not None and overhearing.hears_accesses:
        differences += access_differences(found.changes, overhearing.addresses, overhearing.slots)
    if recording is not None and recorder is not None and found.telling is not None:
        told = FrameRecorder(recording).listen(found.telling)
        found.telling.tell(told, context)
        differences += frame_differences(told.noted, recorder.noted)
    if differences:
        state.discard(checkpoint)
        raise EngineDifferenceError(f"the engines do not agree on a transaction: {'; '.join(differences)[:1_000]}")
    return wanted
