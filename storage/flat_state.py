"""The latest state by plain keys, and the reverse differences that lead back from it.

Batches may hold several steps (a reorganisation rewinds and applies many): each step reads the store
as it will be after the operations that the batch already has.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from zevm.core import replaced_by
from zevm.storage import preimages
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.history import Version, delete_difference, put_difference, read_difference, version_name
from zevm.storage.overlay import Overlay
from zevm.storage.primitives import Address
from zevm.storage.rlp import encode_int
from zevm.storage.schema import (
    ACCOUNT,
    SLOT,
    UNDO,
    MetaName,
    account_key,
    end_of,
    meta_key,
    range_of,
    slot_key,
    slots_prefix,
    undo_key,
)
from zevm.storage.state_update import StateUpdate
from zevm.storage.store import Batch, Change, Reader

FLAT_ROOT_KEY = meta_key(MetaName.STATE_ROOT)


def flat_root(reader: Reader) -> bytes:
    """The state root that the flat records amount to."""
    root = reader.get(FLAT_ROOT_KEY)
    return EMPTY_ROOT if root is None else root


class WayBack(NamedTuple):
    """The roots that it leads from and to, and the flat records that it restores (b"": none)."""

    start: bytes
    root: bytes
    records: dict[bytes, bytes]


class BatchView(Overlay):
    """The store as it will be once the batch is written."""

    __slots__ = ()

    def __init__(self, reader: Reader, batch: Batch) -> None:
        super().__init__(reader, dict(batch.operations))

    @property
    def quick_get(self) -> Callable[[bytes], bytes | None]:
        """As `get`; the store's own where the batch has nothing yet."""
        return self.get if self._changes else self._reader.get


def apply_flat(reader: Reader, batch: Batch, update: StateUpdate, version: Version) -> None:
    """Put the flat records of `update`, the preimages of new ones and the way back into `batch`.

    Raises ValueError when the update does not stand on the flat state, or the version is taken.
    """
    view = BatchView(reader, batch)
    if view.get(undo_key(*version)) is not None:
        raise ValueError(f"state of block {version[0]}, patch {version[1]} is already written")
    old_values = put_flat(view, batch, update)
    put_difference(batch, version, update.base_root, update.root, old_values)


def put_flat(view: BatchView, batch: Batch, update: StateUpdate) -> list[tuple[bytes, bytes]]:
    """Put the flat records of `update` and the preimages of new ones into `batch`; what changes, with its old value.

    view: over that batch. Raises ValueError when the update does not stand on the flat state.
    """
    base_root = flat_root(view)
    if base_root != update.base_root:
        raise ValueError(f"update stands on root {update.base_root.hex()}, the latest state is {base_root.hex()}")
    removed: list[bytes] = []
    for address in update.wiped:
        prefix = slots_prefix(address)
        removed += [key for key, _ in view.iterate(prefix, end_of(prefix))]
    operations, old_values = flat_changes(view.quick_get, update.accounts, update.storage, removed)
    batch.operations += operations
    _put_root(view, batch, update.root)
    return old_values


@replaced_by("flat_changes")
def flat_changes(
    get: Callable[[bytes], bytes | None],
    accounts: dict[Address, bytes],
    storage: dict[Address, dict[int, int]],
    removed: Sequence[bytes],
) -> tuple[list[Change], list[tuple[bytes, bytes]]]:
    """Operations for the records of accounts and slots and the preimages of new ones; each changed key, its old value.

    get: the record under a flat key. accounts, storage: a StateUpdate's. removed: flat keys that go where neither names
    them.
    """
    changes: dict[bytes, bytes | None] = dict.fromkeys(removed)
    for address, record in accounts.items():
        changes[account_key(address)] = record or None
    for address, slots in storage.items():
        for slot, value in slots.items():
            changes[slot_key(address, slot)] = encode_int(value) if value else None
    operations: list[Change] = []
    old_values: list[tuple[bytes, bytes]] = []
    for flat_key, new in changes.items():
        before = get(flat_key)
        if before != new:
            old_values.append((flat_key, before or b""))
            operations.append((flat_key, new))
            if before is None:
                operations.append(preimages.operation(flat_key))
    return operations, old_values


def flat_records(reader: Reader) -> dict[bytes, bytes]:
    """Every account and slot of the latest state."""
    return {key: value for family in (ACCOUNT, SLOT) for key, value in reader.iterate(*range_of(family))}


def forget_flat(reader: Reader, batch: Batch) -> None:
    """Put into `batch` the removal of every account and slot."""
    for family in (ACCOUNT, SLOT):
        for key, _ in reader.iterate(*range_of(family), fill_cache=False):
            batch.delete(key)
    batch.delete(FLAT_ROOT_KEY)
    preimages.forget_known_root(batch)


def rewind_flat(reader: Reader, batch: Batch, to: Version) -> WayBack:
    """Put into `batch` the way back to the state at version `to`.

    Raises CorruptionError when the recorded way is broken.
    """
    view = BatchView(reader, batch)
    start = root = flat_root(view)
    restored: dict[bytes, bytes] = {}
    for key, record in view.iterate(undo_key(*to) + b"\x00", range_of(UNDO)[1], reverse=True):
        before, after, fields = read_difference(key, record)
        if after != root:
            raise CorruptionError(
                f"reverse state diff of {version_name(key)} leads back from {after.hex()}, the state is {root.hex()}",
                StorageProblem.RECORD_DAMAGED,
            )
        restored.update(zip(fields[::2], fields[1::2], strict=True))
        root = before
        delete_difference(batch, key, fields[::2])
    for flat_key, value in restored.items():
        _set(batch, flat_key, value or None)
    _put_root(view, batch, root)
    return WayBack(start, root, restored)


def undone_keys(reader: Reader) -> Iterator[list[bytes]]:
    """The flat keys that each version changed, the oldest first."""
    for key, record in reader.iterate(*range_of(UNDO), fill_cache=False):
        yield read_difference(key, record)[2][::2]


def last_patch(reader: Reader, number: int) -> int:
    """The newest patch of a block; 0 if there is none."""
    newest = next(reader.iterate(undo_key(number), undo_key(number + 1), reverse=True), None)
    return 0 if newest is None else int.from_bytes(newest[0][9:], "big")


def _put_root(view: BatchView, batch: Batch, root: bytes) -> None:
    """Make `root` the latest state's, and that of the preimages where none is missing."""
    if preimages.known_root(view) == flat_root(view):
        preimages.put_known_root(batch, root)
    put_root(batch, root)


def put_root(batch: Batch, root: bytes) -> None:
    """Put into `batch` the root that the flat records amount to."""
    batch.put(FLAT_ROOT_KEY, root)


def _set(batch: Batch, key: bytes, value: bytes | None) -> None:
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
