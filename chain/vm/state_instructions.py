"""Bodies of the instructions that touch the state: storage, logs, self-destruct.

Same signature and preconditions as in instructions.py; the operand holds a fork's prices.
"""

# ruff: noqa: ARG001  one signature for all, used or not

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from eth.exceptions import WriteProtection
from eth.vm.logic.storage import NetSStoreGasSchedule

from zevm.chain.rules.gas import LOG_BYTE_GAS, LOG_GAS, STIPEND_GAS
from zevm.chain.types import Log
from zevm.chain.vm.faults import GasShortageError, StoreSentryError
from zevm.chain.vm.frame import Frame
from zevm.chain.vm.instructions import ADDRESS_MASK, HALT, Stack, from_bytes
from zevm.chain.vm.message import NOBODY, FrameStart
from zevm.storage.primitives import Address

COLD_SLOT_GAS = 2100
COLD_ACCOUNT_GAS = 2600
WARM_GAS = 100
NEW_ACCOUNT_GAS = 25_000


class DestructRules(NamedTuple):
    """SELFDESTRUCT by fork: what a new beneficiary costs, cold access, and whom it may delete.

    charges_absent: EIP-150, the beneficiary does not exist. charges_dead: EIP-161, it is empty and is paid.
    """

    charges_absent: bool = False
    charges_dead: bool = False
    charges_cold: bool = False
    only_created: bool = False


def refuse_static(frame: Frame) -> None:
    """Raise WriteProtection inside a STATICCALL (EIP-214)."""
    if frame.is_static:
        raise WriteProtection("static")


_to_address = cast("Callable[[int, int, str], Address]", int.to_bytes)
"""(word, 20, "big") -> the address; typed without the call that a NewType costs."""


def take_address(stack: Stack) -> Address:
    """Pop an address; the word's upper 12 bytes do not count."""
    return _to_address(stack.pop() & ADDRESS_MASK, 20, "big")


def access_account(frame: Frame, address: Address) -> None:
    """Charge for an account access, cold or warm (EIP-2929)."""
    frame.consume_gas(COLD_ACCOUNT_GAS if frame.block_state.warm_address(address) else WARM_GAS)


def access_delegate(frame: Frame, address: Address) -> None:
    """Charge for the account that a called account delegates to (EIP-7702)."""
    frame.consume_gas(COLD_ACCOUNT_GAS if frame.block_state.warm_unnamed(address) else WARM_GAS)


def sload(frame: Frame, stack: Stack, operand: Any) -> None:
    """SLOAD at a constant price, charged before."""
    stack[-1] = frame.block_state.get_storage(frame.address, stack[-1])


def sload_access(frame: Frame, stack: Stack, operand: Any) -> None:
    """SLOAD of EIP-2929."""
    slot, state = stack[-1], frame.block_state
    left = frame.gas_left - (COLD_SLOT_GAS if state.warm_slot(frame.address, slot) else WARM_GAS)
    if left < 0:
        raise GasShortageError("sload", frame.gas_left - left)
    frame.gas_left = left
    stack[-1] = state.get_storage(frame.address, slot)


def sstore_access(frame: Frame, stack: Stack, prices: NetSStoreGasSchedule) -> None:
    """SSTORE of EIP-2200 with the access prices of EIP-2929 and a fork's refunds."""
    refuse_static(frame)
    spare, context = frame.gas_left - STIPEND_GAS - 1, frame.transaction_context
    if spare < 0:
        raise StoreSentryError("sstore sentry")
    if spare < context.spare_gas:
        context.spare_gas = spare
    slot, value, address, state = stack.pop(), stack.pop(), frame.address, frame.block_state
    current = state.get_storage(address, slot)
    cost = COLD_SLOT_GAS if state.warm_slot(address, slot) else 0
    if current == value:
        frame.consume_gas(cost + prices.sload_gas)
        return
    original = state.get_original_storage(address, slot)
    frame.consume_gas(cost + _store_price(prices, original, current))
    refund = _store_refund(prices, original, current, value)
    if refund:
        state.add_refund(refund)
    state.set_storage(address, slot, value)


def _store_price(prices: NetSStoreGasSchedule, original: int, current: int) -> int:
    if original != current:
        return prices.sload_gas
    return prices.sstore_reset_gas if original else prices.sstore_set_gas


def _store_refund(prices: NetSStoreGasSchedule, original: int, current: int, value: int) -> int:
    refund = 0
    if original:
        if not current:
            refund -= prices.sstore_clears_schedule
        if not value:
            refund += prices.sstore_clears_schedule
    if original == value and original != current:
        refund += (prices.sstore_reset_gas if original else prices.sstore_set_gas) - prices.sload_gas
    return refund


def tload(frame: Frame, stack: Stack, operand: Any) -> None:
    stack[-1] = frame.block_state.get_transient(frame.address, stack[-1])


def tstore(frame: Frame, stack: Stack, operand: Any) -> None:
    refuse_static(frame)
    frame.block_state.set_transient(frame.address, stack.pop(), stack.pop())


def balance_access(frame: Frame, stack: Stack, operand: Any) -> None:
    address = take_address(stack)
    access_account(frame, address)
    stack.append(frame.block_state.get_balance(address))


def selfbalance(frame: Frame, stack: Stack, operand: Any) -> None:
    stack.append(frame.block_state.get_balance(frame.address))


def extcodesize_access(frame: Frame, stack: Stack, operand: Any) -> None:
    address = take_address(stack)
    access_account(frame, address)
    stack.append(len(frame.block_state.get_code(address)))


def extcodehash_access(frame: Frame, stack: Stack, operand: Any) -> None:
    """0 for an empty account (EIP-1052)."""
    address, state = take_address(stack), frame.block_state
    access_account(frame, address)
    stack.append(0 if state.account_is_empty(address) else from_bytes(state.get_code_hash(address), "big"))


def log(frame: Frame, stack: Stack, topic_count: int) -> None:
    refuse_static(frame)
    start, size = stack.pop(), stack.pop()
    frame.consume_gas(LOG_BYTE_GAS * size + LOG_GAS * topic_count)
    frame.extend_memory(start, size)
    topics = tuple([stack.pop().to_bytes(32, "big") for _ in range(topic_count)])
    frame.block_state.add_log(Log(frame.address, topics, bytes(frame.memory[start : start + size])))


def selfdestruct(frame: Frame, stack: Stack, rules: DestructRules) -> int:
    """Send the balance on and, where the fork lets it, mark the account for deletion (EIP-6780)."""
    refuse_static(frame)
    beneficiary, address, state = take_address(stack), frame.address, frame.block_state
    if rules.charges_cold and state.warm_address(beneficiary):
        frame.consume_gas(COLD_ACCOUNT_GAS)
    balance = state.get_balance(address)
    if (rules.charges_absent and not state.account_exists(beneficiary)) or (
        rules.charges_dead and balance and state.account_is_empty(beneficiary)
    ):
        frame.consume_gas(NEW_ACCOUNT_GAS)
    _show_selfdestruct(frame, beneficiary, balance)
    deletes = not rules.only_created or state.is_created(address)
    state.transfer(address, beneficiary, balance)
    frame.state.touch_account(beneficiary)
    if deletes:
        state.set_balance(address, 0)
        state.mark_destroyed(address)
    return HALT


def _show_selfdestruct(frame: Frame, beneficiary: Address, balance: int) -> None:
    """Geth shows the payment as a frame of its own, without gas."""
    tracer = frame.transaction_context.tracer
    if tracer is not None:
        kind, depth, address = "SELFDESTRUCT", frame.msg.depth + 1, frame.address
        tracer.on_enter(FrameStart(kind, depth, address, beneficiary, NOBODY, beneficiary, balance, 0, b""))
        tracer.on_exit(0, b"", None)
