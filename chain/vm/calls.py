"""CALL and CREATE in all their kinds: prices, the child's message, and what comes back.

py-evm's classes say which rules a fork has (see operations.py); these bodies follow them.
"""

from typing import NamedTuple

from eth.exceptions import WriteProtection

from zevm.chain.rules.gas import CREATION_GAS, INITCODE_WORD_GAS, STIPEND_GAS
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.faults import GasShortageError, InitcodeSizeError
from zevm.chain.vm.frame import Frame, TransactionContext
from zevm.chain.vm.instructions import Stack
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.message import NOBODY, Message, describe_start
from zevm.chain.vm.message_calls import apply_create_message, apply_message, initcode_too_long
from zevm.chain.vm.state_instructions import (
    NEW_ACCOUNT_GAS,
    access_account,
    access_delegate,
    refuse_static,
    take_address,
)
from zevm.storage import rlp
from zevm.storage.account import MAX_NONCE
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

MAX_DEPTH = 1024
VALUE_GAS = 9000
KECCAK_WORD_GAS = 6
COPIED_BYTES = 4_096
"""Call data up to this size is copied for the callee; of longer one it gets a view of the caller's memory."""


class CallRules(NamedTuple):
    """One kind of call under one fork.

    keeps_64th: EIP-150. pays_dead: EIP-161, only a paid call to an empty account pays for a new one.
    charges_access: EIP-2929. follows_delegation: EIP-7702.
    """

    kind: str
    keeps_64th: bool = False
    pays_dead: bool = False
    charges_access: bool = False
    follows_delegation: bool = False


class CreateRules(NamedTuple):
    """CREATE or CREATE2 under one fork. warms: EIP-2929. charges_initcode: EIP-3860."""

    kind: str
    keeps_64th: bool = False
    warms: bool = False
    charges_initcode: bool = False


def call(frame: Frame, stack: Stack, rules: CallRules) -> None:
    """CALL, CALLCODE, DELEGATECALL, STATICCALL: push 1 or 0, write the output to memory."""
    kind = rules.kind
    requested_gas, target = stack.pop(), take_address(stack)
    value = stack.pop() if kind in ("CALL", "CALLCODE") else 0
    if value and frame.is_static and kind == "CALL":
        raise WriteProtection("static")
    input_start, input_size, output_start, output_size = stack.pop(), stack.pop(), stack.pop(), stack.pop()
    frame.extend_memory(input_start, input_size)
    frame.extend_memory(output_start, output_size)
    if input_size > COPIED_BYTES:
        # a call pays for its memory once, and not for showing it to as many callees as it likes
        with memoryview(frame.memory) as memory, memory[input_start : input_start + input_size] as view:
            succeeded = send(frame, rules, requested_gas, target, value, view)
    else:
        data = bytes(frame.memory[input_start : input_start + input_size]) if input_size else b""
        succeeded = send(frame, rules, requested_gas, target, value, data)
    stack.append(1 if succeeded else 0)
    size = min(output_size, len(frame.return_data))
    if size:
        frame.memory[output_start : output_start + size] = frame.return_data[:size]


def send(
    frame: Frame, rules: CallRules, requested_gas: int, target: Address, value: int, data: bytes | memoryview
) -> bool:
    """A call without stack and memory: charge, run, leave the output in return_data; whether it succeeded."""
    frame.transaction_context.spare_gas = 0
    code, code_address = _find_code(frame, target, rules)
    new_account = _new_account_price(frame, target, value, rules) if rules.kind == "CALL" else 0
    extra = (VALUE_GAS if value else 0) + new_account
    gas = _child_gas(frame, requested_gas, extra, rules.keeps_64th)
    frame.gas_left -= gas + extra
    if value:
        gas += STIPEND_GAS
    message = _child_message(frame, rules, gas, target, value, data, code, code_address)
    refusal = _refusal(frame, value)
    if refusal is not None:
        show_refused(frame.transaction_context, message, refusal, 0)
        frame.gas_left += gas
        frame.return_data = b""
        return False
    child = apply_message(type(frame), frame.state, message, frame.transaction_context)
    frame.return_data = child.output
    frame.gas_left += child.gas_left
    return child.error is None


def _refusal(frame: Frame, value: int) -> VmErrorKind | None:
    """Why a call or creation with this value cannot begin."""
    if frame.msg.depth >= MAX_DEPTH:
        return VmErrorKind.DEPTH
    if value and frame.block_state.get_balance(frame.address) < value:
        return VmErrorKind.INSUFFICIENT_BALANCE
    return None


def show_refused(context: TransactionContext, message: Message, kind: VmErrorKind, gas_used: int) -> None:
    """Tell a tracer of a frame that never ran, as geth does."""
    if context.tracer is not None:
        context.tracer.on_enter(describe_start(message))
        context.tracer.on_exit(gas_used, b"", VmError(kind, kind.value))


def _find_code(frame: Frame, target: Address, rules: CallRules) -> tuple[bytes, Address]:
    """The code to run and the address it is from; charges for the access."""
    if rules.charges_access:
        access_account(frame, target)
    code = frame.block_state.get_code(target)
    if rules.follows_delegation:
        delegate = delegation_of(code)
        if delegate is not None:
            if rules.charges_access:
                access_delegate(frame, delegate)
            return frame.block_state.get_code(delegate), delegate
    return code, target


def _new_account_price(frame: Frame, target: Address, value: int, rules: CallRules) -> int:
    if rules.pays_dead:
        return NEW_ACCOUNT_GAS if value and frame.block_state.account_is_empty(target) else 0
    return 0 if frame.block_state.account_exists(target) else NEW_ACCOUNT_GAS


def _child_gas(frame: Frame, requested: int, extra: int, keeps_64th: bool) -> int:
    """The gas the child gets, without the stipend. Raises OutOfGas."""
    available = frame.gas_left - extra
    if keeps_64th and available >= 0:
        requested = min(requested, available - available // 64)
    if requested > available:
        raise GasShortageError("call", extra + requested)
    return requested


def _child_message(
    frame: Frame,
    rules: CallRules,
    gas: int,
    target: Address,
    value: int,
    data: bytes | memoryview,
    code: bytes,
    code_address: Address,
) -> Message:
    kind, parent = rules.kind, frame.msg
    if kind == "DELEGATECALL":
        sender, to, value = parent.sender, frame.address, parent.value
    else:
        sender, to = frame.address, frame.address if kind == "CALLCODE" else target
    return Message(
        gas=gas,
        to=to,
        sender=sender,
        value=value,
        data=data,
        code=code,
        depth=parent.depth + 1,
        code_address=code_address,
        should_transfer_value=kind != "DELEGATECALL",
        is_static=parent.is_static or kind == "STATICCALL",
        is_delegation=code_address != target,
        kind=kind,
        target=target,
    )


def create(frame: Frame, stack: Stack, rules: CreateRules) -> None:
    """CREATE and CREATE2: push the new address or 0."""
    refuse_static(frame)
    value, start, size = stack.pop(), stack.pop(), stack.pop()
    salt = stack.pop() if rules.kind == "CREATE2" else None
    charge_creation(frame, rules, size)
    frame.extend_memory(start, size)
    code = bytes(frame.memory[start : start + size]) if size else b""
    address = create_account(frame, rules, value, code, salt)
    stack.append(0 if address is None else int.from_bytes(address, "big"))


def charge_creation(frame: Frame, rules: CreateRules, size: int) -> None:
    """The cost of a creation with this size of creation code before it runs. Raises OutOfGas."""
    words = (size + 31) >> 5
    price = CREATION_GAS + (KECCAK_WORD_GAS * words if rules.kind == "CREATE2" else 0)
    frame.consume_gas(price + (INITCODE_WORD_GAS * words if rules.charges_initcode else 0))


def create_account(frame: Frame, rules: CreateRules, value: int, code: bytes, salt: int | None) -> Address | None:
    """A creation without stack and memory, after its charge: the new address, or None; revert data in return_data."""
    if initcode_too_long(type(frame), frame.state, frame.transaction_context, code):
        raise InitcodeSizeError("initcode too long")
    state = frame.block_state
    nonce = state.get_nonce(frame.address)
    frame.transaction_context.spare_gas = 0
    frame.return_data = b""
    gas = frame.gas_left - frame.gas_left // 64 if rules.keeps_64th else frame.gas_left
    new_address = contract_address(frame.address, nonce) if salt is None else salted_address(frame.address, salt, code)
    message = _creation_message(frame, rules, gas, value, code, new_address)
    refusal = _refusal(frame, value) or (VmErrorKind.NONCE_OVERFLOW if nonce >= MAX_NONCE else None)
    frame.gas_left -= gas
    if refusal is not None:
        show_refused(frame.transaction_context, message, refusal, 0)
        frame.gas_left += gas
        return None
    state.set_nonce(frame.address, nonce + 1)
    if rules.warms:
        state.warm_unnamed(new_address)
    if frame.state.has_code_or_nonce(new_address):
        show_refused(frame.transaction_context, message, VmErrorKind.ADDRESS_COLLISION, gas)
        return None
    child = apply_create_message(type(frame), frame.state, message, frame.transaction_context)
    frame.gas_left += child.gas_left
    if child.error is None:
        return new_address
    frame.return_data = child.output
    return None


def _creation_message(frame: Frame, rules: CreateRules, gas: int, value: int, code: bytes, address: Address) -> Message:
    return Message(
        gas=gas,
        to=NOBODY,
        sender=frame.address,
        value=value,
        data=b"",
        code=code,
        depth=frame.msg.depth + 1,
        create_address=address,
        kind=rules.kind,
    )


def contract_address(sender: Address, nonce: int) -> Address:
    """The address of a contract that `sender` creates with this nonce (Yellow Paper, eq. 88)."""
    return Address(keccak256(rlp.encode([sender, rlp.encode_int(nonce)]))[12:])


def salted_address(sender: Address, salt: int, initcode: bytes) -> Address:
    """The address of a CREATE2 contract (EIP-1014)."""
    return Address(keccak256(b"\xff" + sender + salt.to_bytes(32, "big") + keccak256(initcode))[12:])
