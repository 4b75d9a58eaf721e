"""Changes that a whole transaction makes to a block's state, which no instruction of it sees any more."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from zevm.chain.vm.execution_state import Fields
from zevm.core import replaced_by
from zevm.storage.account import EMPTY_ROOT, Account, StateReader
from zevm.storage.primitives import Address


class StateParts(NamedTuple):
    """What a BlockState holds: its reader and what that has answered, the present values, and its journal."""

    reader: StateReader
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
    reader, base, accounts, slots, base_slots, wiped, journal = parts
    for address, fields in new_accounts.items():
        if fields is None:
            delete(address)
            continue
        journal.append((accounts, address, accounts[address]))
        accounts[address] = fields
    for (address, slot), value in new_slots.items():
        own = slots.setdefault(address, {})
        if slot not in own:
            previous = 0
            if address not in wiped:
                account = base[address] if address in base else _read(parts, address)
                if account is not None and account.storage_root != EMPTY_ROOT:
                    previous = reader.storage(address, slot)
                base_slots.setdefault(address, {})[slot] = previous
            own[slot] = previous
        if own[slot] != value:
            journal.append((own, slot, own[slot]))
            own[slot] = value


def _read(parts: StateParts, address: Address) -> Account | None:
    """The account that the reader has: asked for by its fields, it is in the base."""
    _ = parts.accounts[address]
    return parts.base[address]
