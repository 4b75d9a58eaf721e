"""The latest state by plain keys, and the reverse differences that lead back from it.

Batches may hold several steps (a reorganisation rewinds and applies many): each step reads the store
as it will be after the operations that the batch already has.
"""

from collections.abc import Iterator

from zevm.storage import preimages
from zevm.storage.account import EMPTY_ROOT
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.overlay import Overlay
from zevm.storage.rlp import Item, RlpError, decode, encode, encode_int
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
from zevm.storage.store import Batch, Reader

Version = tuple[int, int]
"""Block number, and patch: 0 for the block itself, from 1 for development patches on it."""

FLAT_ROOT_KEY = meta_key(MetaName.STATE_ROOT)


def flat_root(reader: Reader) -> bytes:
    """The state root that the flat records amount to."""
    root = reader.get(FLAT_ROOT_KEY)
    return EMPTY_ROOT if root is None else root


class BatchView(Overlay):
    """The store as it will be once the batch is written."""

    __slots__ = ()

    def __init__(self, reader: Reader, batch: Batch) -> None:
        super().__init__(reader, dict(batch.operations))


def apply_flat(reader: Reader, batch: Batch, update: StateUpdate, version: Version) -> None:
    """Put the flat records of `update`, the preimages of new ones and the way back into `batch`.

    Raises ValueError when the update does not stand on the flat state, or the version is taken.
    """
    view = BatchView(reader, batch)
    base_root = flat_root(view)
    if base_root != update.base_root:
        raise ValueError(f"update stands on root {update.base_root.hex()}, the latest state is {base_root.hex()}")
    key = undo_key(*version)
    if view.get(key) is not None:
        raise ValueError(f"state of block {version[0]}, patch {version[1]} is already written")
    undo: list[Item] = [base_root, update.root]
    for flat_key, value in _flat_changes(view, update).items():
        before = view.get(flat_key)
        if before != value:
            undo += (flat_key, before or b"")
            _set(batch, flat_key, value)
            if before is None:
                preimages.put(batch, flat_key)
    batch.put(key, encode(undo))
    _put_root(view, batch, update.root)


def forget_flat(reader: Reader, batch: Batch) -> None:
    """Put into `batch` the removal of every account and slot."""
    for family in (ACCOUNT, SLOT):
        for key, _ in reader.iterate(*range_of(family), fill_cache=False):
            batch.delete(key)
    batch.delete(FLAT_ROOT_KEY)
    preimages.forget_known_root(batch)


def rewind_flat(reader: Reader, batch: Batch, to: Version) -> bytes:
    """Put into `batch` the way back to the state at version `to`, and return its root.

    Raises CorruptionError when the recorded way is broken.
    """
    view = BatchView(reader, batch)
    root = flat_root(view)
    restored: dict[bytes, bytes] = {}
    for key, record in view.iterate(undo_key(*to) + b"\x00", range_of(UNDO)[1], reverse=True):
        before, after, fields = read_undo(key, record)
        if after != root:
            raise CorruptionError(
                f"reverse state diff of {_version_name(key)} leads back from {after.hex()}, the state is {root.hex()}",
                StorageProblem.RECORD_DAMAGED,
            )
        restored.update(zip(fields[::2], fields[1::2], strict=True))
        root = before
        batch.delete(key)
    for flat_key, value in restored.items():
        _set(batch, flat_key, value or None)
    _put_root(view, batch, root)
    return root


def undone_keys(reader: Reader) -> Iterator[list[bytes]]:
    """The flat keys that each version changed, the oldest first."""
    for key, record in reader.iterate(*range_of(UNDO), fill_cache=False):
        yield read_undo(key, record)[2][::2]


def last_patch(reader: Reader, number: int) -> int:
    """The newest patch of a block; 0 if there is none."""
    newest = next(reader.iterate(undo_key(number), undo_key(number + 1), reverse=True), None)
    return 0 if newest is None else int.from_bytes(newest[0][9:], "big")


def _flat_changes(view: BatchView, update: StateUpdate) -> dict[bytes, bytes | None]:
    changes: dict[bytes, bytes | None] = {}
    for address in update.wiped:
        prefix = slots_prefix(address)
        changes.update((key, None) for key, _ in view.iterate(prefix, end_of(prefix)))
    for address, record in update.accounts.items():
        changes[account_key(address)] = record or None
    for address, slots in update.storage.items():
        for slot, value in slots.items():
            changes[slot_key(address, slot)] = encode_int(value) if value else None
    return changes


def _put_root(view: BatchView, batch: Batch, root: bytes) -> None:
    """Make `root` the latest state's, and that of the preimages where none is missing."""
    if preimages.known_root(view) == flat_root(view):
        preimages.put_known_root(batch, root)
    batch.put(FLAT_ROOT_KEY, root)


def _set(batch: Batch, key: bytes, value: bytes | None) -> None:
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)


def read_undo(key: bytes, record: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Root before, root after, and the flat keys each followed by its old value (b"" for none)."""
    try:
        fields = decode(record)
    except RlpError as error:
        raise CorruptionError(f"reverse state diff of {_version_name(key)} is damaged: {error}") from None
    strings = [field for field in fields if isinstance(field, bytes)] if isinstance(fields, list) else []
    if len(strings) < 2 or len(strings) & 1 or len(strings) != len(fields):
        raise CorruptionError(f"reverse state diff of {_version_name(key)} is damaged", StorageProblem.RECORD_DAMAGED)
    return strings[0], strings[1], strings[2:]


def _version_name(key: bytes) -> str:
    return f"block {int.from_bytes(key[1:9], 'big')}, patch {int.from_bytes(key[9:], 'big')}"
