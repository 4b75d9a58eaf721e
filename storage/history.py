"""Past states by what changed: an index from each account and slot to the reverse differences that hold its old values.

A value at a version is the old value that the first change after it replaced, or the latest one where none came.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol, cast, runtime_checkable

from zevm.core import replaced_by
from zevm.storage.errors import CorruptionError, StorageProblem
from zevm.storage.primitives import Hash32
from zevm.storage.rlp import RlpError, decode, encode_bytes, item_at, split_list, wrap_list
from zevm.storage.schema import HISTORY, LAST_VERSION, UNDO, VERSION_SIZE, Version, history_key, range_of, undo_key
from zevm.storage.store import Batch, Reader

BEFORE_ALL = Version(-1)
"""Earlier than every version."""
_OFFSET_SIZE = 4


@runtime_checkable
class OverAnother(Protocol):
    """A reader over a chain whose slots cannot be listed: a storage that was emptied has no old values of those."""

    def value_before_emptied(self, flat_key: bytes, version: Version, changed: bytes) -> bytes | None:
        """The other chain's value, where the storage was emptied after a version and before this first change since."""
        ...


def put_difference(
    batch: Batch, version: Version, old_values: Sequence[tuple[bytes, bytes]], *, before: Hash32, after: Hash32
) -> None:
    """Put a reverse difference into `batch`: the roots before and after, the old values (b"": none), their index."""
    batch.put_all(difference_operations(undo_key(version), before, after, old_values))


@replaced_by("difference_operations")
def difference_operations(
    key: bytes, before: Hash32, after: Hash32, old_values: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Keys and values of a reverse difference, which is to lie under `key`, and of its index."""
    items = [encode_bytes(before), encode_bytes(after)]
    for flat_key, old in old_values:
        items += (encode_bytes(flat_key), encode_bytes(old))
    record = wrap_list(b"".join(items))
    return [(key, record), *_postings(key, [flat_key for flat_key, _ in old_values], items, len(record))]


def postings_of(key: bytes, record: bytes) -> list[tuple[bytes, bytes]]:
    """Keys and values of the index that belong to a stored difference. Raises CorruptionError."""
    flat_keys = read_difference(key, record)[2][::2]
    return _postings(key, flat_keys, split_list(record), len(record))


def _postings(key: bytes, flat_keys: Sequence[bytes], items: list[bytes], size: int) -> list[tuple[bytes, bytes]]:
    """items: of the record, encoded: two roots, then each flat key before its old value. size: of the record."""
    position = size - sum(map(len, items)) + len(items[0]) + len(items[1])
    postings = []
    for index, flat_key in enumerate(flat_keys):
        position += len(items[2 + 2 * index])
        postings.append((HISTORY.prefix + flat_key + key[1:], _encoded(position)))
        position += len(items[3 + 2 * index])
    return postings


@lru_cache(maxsize=4096)
def _encoded(position: int) -> bytes:
    """An offset; a store in memory keeps many equal ones."""
    return position.to_bytes(_OFFSET_SIZE, "big")


def delete_difference(batch: Batch, key: bytes, flat_keys: Sequence[bytes]) -> None:
    """Put into `batch` the removal of the reverse difference under `key`, which names `flat_keys`."""
    batch.delete(key)
    for flat_key in flat_keys:
        batch.delete(HISTORY.prefix + flat_key + key[1:])


def forget_differences(reader: Reader, batch: Batch) -> None:
    """Put into `batch` the removal of all of them."""
    for family in (UNDO, HISTORY):
        for key, _ in reader.iterate(*range_of(family), fill_cache=False):
            batch.delete(key)


def read_difference(key: bytes, record: bytes) -> tuple[Hash32, Hash32, list[bytes]]:
    """Root before, root after, and the flat keys each followed by its old value (b"" for none)."""
    try:
        fields = decode(record)
    except RlpError as error:
        raise _damaged(key, f": {error}") from None
    if not isinstance(fields, list) or len(fields) < 2 or len(fields) & 1 or set(map(type, fields)) != {bytes}:
        raise _damaged(key)
    strings = cast(list[bytes], fields)
    return Hash32(strings[0]), Hash32(strings[1]), strings[2:]


def changes_between(
    reader: Reader, after: Version, upto: Version = LAST_VERSION
) -> Iterator[tuple[bytes, list[bytes]]]:
    """Key and fields (as `read_difference`'s last) of each difference after one version, up to another, ascending."""
    start, stop = undo_key(after) + b"\x00", undo_key(upto) + b"\x00"
    for key, record in reader.iterate(start, stop, fill_cache=False):
        yield key, read_difference(key, record)[2]


def roots_of(reader: Reader, number: int) -> Iterator[tuple[Version, Hash32]]:
    """Each version of a block, with the root of the state after it."""
    for key, record in reader.iterate(undo_key(Version(number)), undo_key(Version(number + 1)), fill_cache=False):
        yield _version_in(key), read_difference(key, record)[1]


class LatestVersion:
    """A version that none of a store passes, nor any of a batch that is not written yet.

    It spares looking for a version that is not there, which LevelDB does in every file.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._bound: Version | None = None

    def passed_by(self, version: Version) -> bool:
        """Whether a version, which is about to be put, is later than all others."""
        if self._bound is None:
            newest = next(self._reader.iterate(*range_of(UNDO), reverse=True), None)
            self._bound = BEFORE_ALL if newest is None else _version_in(newest[0])
        is_later = version > self._bound
        if is_later:
            self._bound = version
        return is_later


def _version_in(key: bytes) -> Version:
    return Version.decode(key[1:])


def value_at(reader: Reader, flat_key: bytes, version: Version) -> bytes | None:
    """The value of a flat key after `version`, None for none. Raises CorruptionError where the history is damaged."""
    replaced = replaced_value(reader, flat_key, version)
    return reader.get(flat_key) if replaced is None else replaced or None


def replaced_value(reader: Reader, flat_key: bytes, version: Version) -> bytes | None:
    """The value after `version` of a flat key that changed since, b"" for none; None where it did not change.

    Raises CorruptionError.
    """
    start = history_key(flat_key, version) + b"\x00"
    stop = history_key(flat_key, LAST_VERSION) + b"\x00"
    changed = next(reader.iterate(start, stop), None)
    if changed is None:
        return None
    key = UNDO.prefix + changed[0][-VERSION_SIZE:]
    record = reader.get(key)
    if record is None:
        raise CorruptionError(f"reverse state diff of {version_name(key)} is missing", StorageProblem.RECORD_DAMAGED)
    try:
        old = item_at(record, int.from_bytes(changed[1], "big"))
    except RlpError as error:
        raise _damaged(key, f": {error}") from None
    if not old and isinstance(reader, OverAnother):
        return reader.value_before_emptied(flat_key, version, changed[0][-VERSION_SIZE:]) or b""
    return old


def changed_keys(reader: Reader) -> Iterator[bytes]:
    """Each flat key that ever changed, ascending, one look-up each however often it changed."""
    start, stop = range_of(HISTORY)
    while (posting := next(reader.iterate(start, stop), None)) is not None:
        flat_key = posting[0][1:-VERSION_SIZE]
        yield flat_key
        start = history_key(flat_key, LAST_VERSION) + b"\x00"


def version_name(key: bytes) -> str:
    """A version as messages name it, from the key of its difference."""
    return "block {}, patch {}".format(*_version_in(key))


def _damaged(key: bytes, why: str = "") -> CorruptionError:
    return CorruptionError(f"reverse state diff of {version_name(key)} is damaged{why}", StorageProblem.RECORD_DAMAGED)
