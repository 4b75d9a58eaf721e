"""Changes of a block's state that no instruction sees happen: of a whole transaction, and of a plain system call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from zevm.chain.vm.execution_state import Fields, PlainCall
from zevm.core import replaced_by
from zevm.storage.account import EMPTY_ROOT, Account, StateReader
from zevm.storage.primitives import Address

QUEUE_SLOTS = (0, 1, 2, 3)
"""Excess, count, head and tail of a request queue (EIP-7002, EIP-7251)."""


class StateParts(NamedTuple):
    """The parts of a BlockState: its reader and what that has answered, the present values, and its journal.

    known: accounts that the reader has at hand.
    """

    reader: StateReader
    known: Mapping[bytes, Account | None]
    base: dict[Address, Account | None]
    accounts: dict[Address, Fields | None]
    slots: dict[Address, dict[int, int]]
    base_slots: dict[Address, dict[int, int]]
    wiped: dict[Address, bool]
    journal: list[tuple[dict[Any, Any], Any, Any]]


@replaced_by("make_changes")
def make_changes(
    parts: StateParts,
    delete: Callable[[Address], object],
    new_accounts: Mapping[Address, Fields | None],
    new_slots: Mapping[tuple[Address, int], int],
) -> None:
    """Set accounts and slots, each with its entry in the journal. delete: removes an account, in the place of None.

    A slot that is not known is the reader's.
    """
    accounts = parts.accounts
    for address, fields in new_accounts.items():
        if fields is None:
            delete(address)
            continue
        parts.journal.append((accounts, address, accounts[address]))
        accounts[address] = fields
    for (address, slot), value in new_slots.items():
        _set_slot(parts, address, slot, value)


@replaced_by("make_plain_calls")
def make_plain_calls(parts: StateParts, calls: Sequence[PlainCall]) -> int:
    """Make the effects of calls, up to the first whose contract has other code, or whose queue is in use; how many."""
    for done, (address, code_hash, writes) in enumerate(calls):
        fields = parts.accounts[address]
        if fields is None or fields[2] != code_hash or (writes is None and _is_in_use(parts, address)):
            return done
        for slot, value in (writes or {}).items():
            _set_slot(parts, address, slot, value)
    return len(calls)


def _is_in_use(parts: StateParts, address: Address) -> bool:
    """Whether a slot of a queue is set: excess, count, head or tail (EIP-7002, EIP-7251)."""
    if not any(parts.slots.get(address, {}).values()) and not _may_be_read(parts, address):
        return False
    return any(_value(parts, address, slot) for slot in QUEUE_SLOTS)


def _set_slot(parts: StateParts, address: Address, slot: int, value: int) -> None:
    previous = _value(parts, address, slot)
    if previous != value:
        own = parts.slots[address]
        parts.journal.append((own, slot, previous))
        own[slot] = value


def _value(parts: StateParts, address: Address, slot: int) -> int:
    """A slot's value; the reader's is kept where it was not known."""
    own = parts.slots.setdefault(address, {})
    if slot not in own:
        own[slot] = parts.reader.storage(address, slot) if _may_be_read(parts, address) else 0
        if address not in parts.wiped:
            parts.base_slots.setdefault(address, {})[slot] = own[slot]
    return own[slot]


def _may_be_read(parts: StateParts, address: Address) -> bool:
    """Whether the reader may have slots of an account."""
    if address in parts.wiped:
        return False
    if address not in parts.base:
        # asked for by its fields, it is read
        _ = parts.accounts[address]
    account = parts.base[address]
    return account is not None and account.storage_root != EMPTY_ROOT
