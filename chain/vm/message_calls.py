"""Execution of messages: value transfer, code or precompile, storage of created code, and undo after a failure."""

from eth.exceptions import InsufficientFunds, ReservedBytesInCode, VMError

from zevm.chain.rules.gas import CODE_DEPOSIT_BYTE_GAS
from zevm.chain.vm import interpreter
from zevm.chain.vm.faults import (
    BalanceOverflowError,
    CodeSizeError,
    CodeStoreError,
    InitcodeSizeError,
    describe_fault,
)
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.message import Message, describe_start
from zevm.chain.vm.py_evm_state import PyEvmState
from zevm.chain.vm.tracer import Tracer


def apply_message(frames: type[Frame], state: PyEvmState, message: Message, context: TransactionContext) -> Frame:
    """Transfer the value and run the code; undo everything when it fails."""
    frame = frames(state, message, context)
    context.frames.append(frame)
    if context.tracer is not None:
        context.tracer.on_enter(describe_start(message))
    _transfer_and_run(frame)
    context.frames.pop()
    if context.tracer is not None:
        _show_end(frame, context.tracer)
    return frame


def runs(message: Message, context: TransactionContext) -> bool:
    """Whether the message runs anything: code, creation code or a precompile."""
    return bool(message.code) or message.is_create or message.code_address in context.precompiles


def apply_transfer(state: PyEvmState, message: Message) -> bool:
    """Pay the account of an outermost call that runs nothing: as `apply_message`, without a frame.

    False, with nothing changed, where the frame has to fail.
    """
    block_state, recipient, value = state.block_state, message.storage_address, message.value
    if value:
        sender = message.sender
        if block_state.get_balance(sender) < value or not block_state.can_receive(sender, recipient, value):
            return False
        block_state.transfer(sender, recipient, value)
    state.touch_account(recipient)
    return True


def apply_create_message(
    frames: type[Frame], state: PyEvmState, message: Message, context: TransactionContext
) -> Frame:
    """Run creation code and store what it returns. Raises InitcodeSizeError into the creating frame."""
    if initcode_too_long(frames, state, context, message.code):
        raise InitcodeSizeError("initcode too long")
    frame = frames(state, message, context)
    context.frames.append(frame)
    if context.tracer is not None:
        context.tracer.on_enter(describe_start(message))
    block_state = state.block_state
    checkpoint = block_state.record()
    block_state.mark_created(message.storage_address)
    if not frames.traits.has_empty_accounts:
        block_state.increment_nonce(message.storage_address)
    _transfer_and_run(frame)
    if frame.error is None:
        _store_code(frame, frame.output)
    if frame.error is not None:
        block_state.discard(checkpoint)
    context.frames.pop()
    if context.tracer is not None:
        _show_end(frame, context.tracer)
    return frame


def _show_end(frame: Frame, tracer: Tracer) -> None:
    error = None if frame.error is None else describe_fault(frame.error)
    tracer.on_exit(frame.msg.gas - frame.gas_left, frame.output, error)


def _transfer_and_run(frame: Frame) -> None:
    """Move the value and run the precompile or the code; a VMError ends up in the frame, its effects undone."""
    message, block_state = frame.msg, frame.block_state
    checkpoint = block_state.record()
    if message.should_transfer_value and message.value:
        balance = block_state.get_balance(message.sender)
        if balance < message.value:
            raise InsufficientFunds(f"balance {balance} < value {message.value}")
    precompile = frame.transaction_context.precompiles.get(message.code_address)
    try:
        if message.should_transfer_value and message.value and message.kind != "CALLCODE":
            _transfer(frame)
        frame.state.touch_account(message.storage_address)
        if precompile is None:
            interpreter.run(frame)
        elif not message.is_delegation:
            frame.transaction_context.check_deadline()
            frame.run_precompile(precompile)
    except VMError as fault:
        frame.fail(fault)
        block_state.discard(checkpoint)


def _transfer(frame: Frame) -> None:
    """Pay the frame's account; a CALLCODE's is its caller's, which pays itself. Raises BalanceOverflowError."""
    message, block_state = frame.msg, frame.block_state
    if not block_state.can_receive(message.sender, message.storage_address, message.value):
        raise BalanceOverflowError("balance overflow")
    block_state.transfer(message.sender, message.storage_address, message.value)


def initcode_too_long(frames: type[Frame], state: PyEvmState, context: TransactionContext, code: bytes) -> bool:
    """Whether creation code breaks EIP-3860's limit, or twice the configured code size limit."""
    limit, wasm_machine = frames.traits.initcode_size_limit, context.wasm_machine
    if wasm_machine is not None and wasm_machine.claims(code):
        return len(code) > wasm_machine.initcode_size_limit
    if limit is None:
        return False
    if state.code_size_limit is not None:
        limit = 2 * state.code_size_limit
    return len(code) > limit


def _store_code(frame: Frame, code: bytes) -> None:
    traits, wasm_machine = frame.traits, frame.transaction_context.wasm_machine
    limit = traits.code_size_limit if frame.state.code_size_limit is None else frame.state.code_size_limit
    try:
        if wasm_machine is not None and wasm_machine.claims(code):
            wasm_machine.deploy(frame, code)
            return
        if limit is not None and len(code) > limit:
            raise CodeSizeError("code too long")
        if traits.rejects_reserved_code and code[:1] == b"\xef":
            raise ReservedBytesInCode("code begins with 0xef")
        price = len(code) * CODE_DEPOSIT_BYTE_GAS
        if price > frame.gas_left:
            if not traits.code_deposit_must_succeed:
                return
            raise CodeStoreError("code deposit")
        frame.gas_left -= price
        frame.block_state.set_code(frame.address, code)
    except VMError as fault:
        frame.fail(fault)
