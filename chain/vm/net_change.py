"""The difference between a block's accounts and those of the state that it stands on."""

from collections.abc import Callable, Container, Mapping

from zevm.chain.vm.execution_state import Fields
from zevm.chain.vm.overlay_reader import UNSETTLED_ROOT
from zevm.storage.account import EMPTY_ROOT, Account, AccountChange, StateDiff
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Wei


def net_change(
    base: Mapping[Address, Account | None],
    accounts: Mapping[Address, Fields | None],
    changed_slots: Callable[[Address], dict[int, int]],
    wiped: Container[Address],
    codes: Mapping[bytes, bytes],
) -> StateDiff:
    """The accounts that differ from those of `base`, which holds all of `accounts`.

    changed_slots: slots with another value than in `base`. wiped: whose storage was cleared. codes: new ones, by hash.
    """
    diff = StateDiff()
    for address, fields in accounts.items():
        before = base[address]
        if fields is None:
            if before is not None:
                diff.accounts[address] = None
                diff.wiped.add(address)
            continue
        slots = changed_slots(address)
        is_wiped = address in wiped and before is not None and before.storage_root != EMPTY_ROOT
        unchanged = before is not None and fields == (before.nonce, before.balance, before.code_hash)
        if unchanged and not slots and not is_wiped:
            continue
        diff.accounts[address] = AccountChange(fields[0], Wei(fields[1]), fields[2])
        if before is None or before.storage_root != UNSETTLED_ROOT:
            diff.storage_roots[address] = EMPTY_ROOT if before is None else before.storage_root
        if slots:
            diff.storage[address] = slots
        if is_wiped:
            diff.wiped.add(address)
        if fields[2] != (EMPTY_KECCAK if before is None else before.code_hash) and fields[2] != EMPTY_KECCAK:
            diff.code[fields[2]] = codes[fields[2]]
    return diff
