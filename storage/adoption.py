"""A latest state with another history before it: what a state file brings."""

from collections.abc import Sequence
from itertools import pairwise

from zevm.storage import preimages
from zevm.storage.flat_state import BatchView, flat_records, put_flat
from zevm.storage.history import forget_differences, put_difference
from zevm.storage.rlp import encode_int
from zevm.storage.schema import Version, account_key, code_key, slot_key
from zevm.storage.state_update import StateUpdate
from zevm.storage.store import Batch, Reader

Earlier = Sequence[tuple[int, StateUpdate]]
"""States by the number of their block, ascending, each made from the empty one."""


def put_adopted(reader: Reader, batch: Batch, update: StateUpdate, version: Version, earlier: Earlier) -> None:
    """Put the latest state, which is at `version`, into `batch`, and before it those of `earlier` and no others.

    Raises ValueError when the update does not stand on the flat state.
    """
    forget_differences(reader, batch)
    put_flat(BatchView(reader, batch), batch, update)
    if not earlier:
        put_difference(batch, version, (), before=update.base_root, after=update.root)
        return
    steps = [(Version(number), state.root, _records(state)) for number, state in earlier]
    steps.append((version, update.root, flat_records(BatchView(reader, batch))))
    for (_, before, old), (later, after, new) in pairwise(steps):
        changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
        old_values = [(key, old.get(key, b"")) for key in sorted(changed)]
        put_difference(batch, later, old_values, before=before, after=after)
    for _, state in earlier:
        _put_beside(batch, state)


def _records(state: StateUpdate) -> dict[bytes, bytes]:
    """The flat records of a state made from the empty one."""
    records = {account_key(address): record for address, record in state.accounts.items() if record}
    for address, slots in state.storage.items():
        records |= {slot_key(address, slot): encode_int(value) for slot, value in slots.items() if value}
    return records


def _put_beside(batch: Batch, state: StateUpdate) -> None:
    for flat_key in state.flat_keys():
        preimages.put(batch, flat_key)
    for code_hash, code in state.code.items():
        batch.put(code_key(code_hash), code)
