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
from zevm.storage.history import delete_difference, difference_operations, read_difference, version_name
from zevm.storage.memory import MemoryStore
from zevm.storage.overlay import Overlay
from zevm.storage.primitives import Address, Hash32
from zevm.storage.rlp import encode_int
from zevm.storage.schema import (
    ACCOUNT,
    SLOT,
    UNDO,
    MetaName,
    Version,
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
_NOTHING_REMOVED: Sequence[bytes] = ()


def flat_root(reader: Reader) -> Hash32:
    """The state root that the flat records amount to."""
    root = reader.get(FLAT_ROOT_KEY)
    return EMPTY_ROOT if root is None else Hash32(root)


class WayBack(NamedTuple):
    """The roots that it leads from and to, and the flat records that it restores (b"": none)."""

    start: Hash32
    root: Hash32
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


FlatArguments = tuple[
    Callable[[bytes], bytes | None],
    bytes,
    Hash32,
    Hash32,
    dict[Address, bytes],
    dict[Address, dict[int, int]],
    Sequence[bytes],
]
"""The arguments of `flat_operations`."""
FlatOperations = Callable[[FlatArguments], list[Change]]
"""Makes the operations of these arguments, and maybe others with them."""


def flat_arguments(
    reader: Reader, batch: Batch, update: StateUpdate, version: Version, *, is_free: bool = False
) -> FlatArguments:
    """The arguments of `flat_operations` for the flat records of `update`, the preimages of new ones and the way back.

    They are to go into `batch`. is_free: it is known that the version is not taken. Raises ValueError where it is.
    """
    get, removed = _quick_get(reader), _NOTHING_REMOVED
    if batch.operations or update.wiped:
        view = BatchView(reader, batch)
        get, removed = view.get, _wiped_slots(view, update)
    key = undo_key(version)
    if not is_free and get(key) is not None:
        raise ValueError(f"state of {version_name(key)} is already written")
    return get, key, update.base_root, update.root, update.accounts, update.storage, removed


def _quick_get(reader: Reader) -> Callable[[bytes], bytes | None]:
    """As its `get`, for flat records and their marks: none is long, as a store in memory packs values."""
    return reader.get_short if isinstance(reader, MemoryStore) else reader.get


@replaced_by("flat_operations")
def flat_operations(
    get: Callable[[bytes], bytes | None],
    key: bytes,
    before: Hash32,
    after: Hash32,
    accounts: dict[Address, bytes],
    storage: dict[Address, dict[int, int]],
    removed: Sequence[bytes],
) -> list[Change]:
    """Operations for flat records, preimages of new ones, the way back under an undo key, and the roots.

    before, after: the roots. The others are those of `flat_changes`. Raises ValueError where the latest state has not
    the root `before`.
    """
    operations, old_values = _flat_changes_on(get, before, after, accounts, storage, removed)
    return [*operations, *difference_operations(key, before, after, old_values)]


def operations_of_flat(flat: FlatArguments) -> list[Change]:
    """The operations of `flat_operations`."""
    return flat_operations(*flat)


def put_flat(view: BatchView, batch: Batch, update: StateUpdate) -> None:
    """Put the flat records of `update` and the preimages of new ones into `batch`, and no way back.

    view: over that batch. Raises ValueError when the update does not stand on the flat state.
    """
    batch.operations += _flat_changes_on(
        view.quick_get, update.base_root, update.root, update.accounts, update.storage, _wiped_slots(view, update)
    )[0]


def _wiped_slots(view: BatchView, update: StateUpdate) -> list[bytes]:
    """The flat keys of slots that go with the whole storage of an account."""
    removed: list[bytes] = []
    for address in update.wiped:
        prefix = slots_prefix(address)
        removed += [key for key, _ in view.iterate(prefix, end_of(prefix))]
    return removed


def _flat_changes_on(
    get: Callable[[bytes], bytes | None],
    before: Hash32,
    after: Hash32,
    accounts: dict[Address, bytes],
    storage: dict[Address, dict[int, int]],
    removed: Sequence[bytes],
) -> tuple[list[Change], list[tuple[bytes, bytes]]]:
    """As `flat_changes`, with the roots. Raises ValueError where the latest state has not the root `before`."""
    base_root = get(FLAT_ROOT_KEY) or EMPTY_ROOT
    if base_root != before:
        raise ValueError(f"update stands on root {before.hex()}, the latest state is {base_root.hex()}")
    operations, old_values = flat_changes(get, accounts, storage, removed)
    if (get(preimages.ROOT_KEY) or EMPTY_ROOT) == base_root:
        operations.append((preimages.ROOT_KEY, after))
    operations.append((FLAT_ROOT_KEY, after))
    return operations, old_values


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
    for key, record in view.iterate(undo_key(to) + b"\x00", range_of(UNDO)[1], reverse=True):
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
    return WayBack(start=start, root=root, records=restored)


def undone_keys(reader: Reader) -> Iterator[list[bytes]]:
    """The flat keys that each version changed, the oldest first."""
    for key, record in reader.iterate(*range_of(UNDO), fill_cache=False):
        yield read_difference(key, record)[2][::2]


def last_patch(reader: Reader, number: int) -> int:
    """The newest patch of a block; 0 if there is none."""
    newest = next(reader.iterate(undo_key(Version(number)), undo_key(Version(number + 1)), reverse=True), None)
    return 0 if newest is None else int.from_bytes(newest[0][9:], "big")


def _put_root(view: BatchView, batch: Batch, root: Hash32) -> None:
    """Make `root` the latest state's, and that of the preimages where none is missing."""
    if preimages.known_root(view) == flat_root(view):
        preimages.put_known_root(batch, root)
    put_root(batch, root)


def put_root(batch: Batch, root: Hash32) -> None:
    """Put into `batch` the root that the flat records amount to."""
    batch.put(FLAT_ROOT_KEY, root)


def _set(batch: Batch, key: bytes, value: bytes | None) -> None:
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
