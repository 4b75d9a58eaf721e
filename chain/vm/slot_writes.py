"""Writes of slots without a transaction around them: what system contracts do to every block."""

from collections.abc import Mapping
from typing import Any

from zevm.core import replaced_by
from zevm.storage.account import EMPTY_ROOT, Account, StateReader
from zevm.storage.primitives import Address


@replaced_by("put_slots")
def put_slots(
    reader: StateReader,
    base: Mapping[Address, Account | None],
    slots: dict[Address, dict[int, int]],
    base_slots: dict[Address, dict[int, int]],
    wiped: Mapping[Address, bool],
    journal: list[tuple[dict[Any, Any], Any, Any]],
    address: Address,
    values: Mapping[int, int],
) -> None:
    """Set slots of an account in a BlockState's parts, which know the account.

    A value before that they do not know is the reader's. Each change goes into the journal.
    """
    own = slots.setdefault(address, {})
    account = base[address]
    has_stored = account is not None and account.storage_root != EMPTY_ROOT
    for slot, value in values.items():
        if slot not in own:
            own[slot] = 0
            if address not in wiped:
                own[slot] = reader.storage(address, slot) if has_stored else 0
                base_slots.setdefault(address, {})[slot] = own[slot]
        if own[slot] != value:
            journal.append((own, slot, own[slot]))
            own[slot] = value
