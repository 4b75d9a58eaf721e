"""Net changes of a block's state: against the state that it stands on, and since an entry of its journal."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from zevm.chain.vm.execution_state import Fields, TransactionChanges
from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT
from zevm.core import replaced_by
from zevm.storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32

_Slots = Mapping[Address, Mapping[int, int]]
change_of = cast("Callable[[Fields], AccountChange]", partial(tuple.__new__, AccountChange))


def net_change(
    base: Mapping[Address, Account | None],
    accounts: Mapping[Address, Fields | None],
    slots: _Slots,
    base_slots: _Slots,
    wiped: Mapping[Address, bool],
    codes: Mapping[bytes, bytes],
) -> StateDiff:
    """The accounts that differ from those of `base`, which holds all of `accounts`.

    slots: values by address and slot; those before are in `base_slots`, but for accounts in `wiped`, whose storage was
    cleared. codes: new ones, by hash.
    """
    return StateDiff(*net_changes(base, accounts, slots, base_slots, wiped, codes, change_of))


def changed_slots(address: Address, slots: _Slots, base_slots: _Slots, wiped: Mapping[Address, bool]) -> dict[int, int]:
    """An account's slots with another value than before."""
    values = slots.get(address)
    if values is None:
        return {}
    if address in wiped:
        return {slot: value for slot, value in values.items() if value}
    before = base_slots.get(address, {})
    return {slot: value for slot, value in values.items() if value != before[slot]}


@replaced_by("net_changes")
def net_changes(
    base: Mapping[Address, Account | None],
    accounts: Mapping[Address, Fields | None],
    slots: _Slots,
    base_slots: _Slots,
    wiped: Mapping[Address, bool],
    codes: Mapping[bytes, bytes],
    change_of: Callable[[Fields], AccountChange],
) -> tuple[
    dict[Address, AccountChange | None],
    dict[Address, dict[int, int]],
    set[bytes],
    dict[bytes, bytes],
    dict[bytes, Hash32],
]:
    """The fields of the StateDiff that `net_change` gives, in their order. change_of: makes one of its accounts."""
    diff = StateDiff()
    for address, fields in accounts.items():
        before = base[address]
        if fields is None:
            if before is not None:
                diff.accounts[address] = None
                diff.wiped.add(address)
            continue
        own_slots = changed_slots(address, slots, base_slots, wiped)
        is_wiped = address in wiped and before is not None and before.storage_root != EMPTY_ROOT
        unchanged = before is not None and fields == (before.nonce, before.balance, before.code_hash)
        if unchanged and not own_slots and not is_wiped:
            continue
        diff.accounts[address] = change_of(fields)
        if before is None or before.storage_root != UNSETTLED_ROOT:
            diff.storage_roots[address] = EMPTY_ROOT if before is None else before.storage_root
        if own_slots:
            diff.storage[address] = own_slots
        if is_wiped:
            diff.wiped.add(address)
        if fields[2] != (EMPTY_KECCAK if before is None else before.code_hash) and fields[2] != EMPTY_KECCAK:
            diff.code[fields[2]] = codes[fields[2]]
    return diff.accounts, diff.storage, diff.wiped, diff.code, diff.storage_roots


Entry = tuple[dict[Any, Any], Any, Any]
"""A journal's: what was changed, its key, and the value before."""


def changed_since(
    entries: Sequence[Entry], accounts: Mapping[Address, Fields | None], slots: Mapping[Address, Mapping[int, int]]
) -> tuple[dict[Address, Fields | None], dict[tuple[Address, int], int]]:
    """The accounts and slots that have entries, with their values before the first of these."""
    accounts_before: dict[Address, Fields | None] = {}
    slots_before: dict[tuple[Address, int], int] = {}
    owners = {id(values): address for address, values in slots.items()}
    for mapping, key, previous in reversed(entries):
        if mapping is accounts:
            accounts_before[key] = previous
        elif id(mapping) in owners:
            slots_before[owners[id(mapping)], key] = previous
    return accounts_before, slots_before


def codes_set(accounts: Mapping[Address, Fields | None], new_codes: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The new codes of accounts, by hash."""
    hashes = [fields[2] for fields in accounts.values() if fields is not None]
    return {code_hash: new_codes[code_hash] for code_hash in hashes if code_hash in new_codes}


def changes_of(
    entries: Sequence[Entry],
    accounts: Mapping[Address, Fields | None],
    slots: Mapping[Address, Mapping[int, int]],
    new_codes: Mapping[bytes, bytes],
) -> TransactionChanges:
    """The net changes of a whole transaction with these entries, without logs."""
    accounts_before, slots_before = changed_since(entries, accounts, slots)
    now = {address: accounts[address] for address in accounts_before}
    return TransactionChanges(
        {address: fields for address, fields in now.items() if fields != accounts_before[address]},
        {
            (address, slot): value
            for (address, slot), before in slots_before.items()
            if (value := slots[address][slot]) != before and accounts[address] is not None
        },
        codes_set(now, new_codes),
    )
