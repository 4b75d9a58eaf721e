"""The end of LevelDB's write-ahead log after a crash: torn write, or damage?

A power failure may leave the last, never acknowledged record half written or zeroed. LevelDB in paranoid mode refuses
a zeroed one, and drops a cut one in silence, together with everything that a damaged length field makes look cut.
This module tells the cases apart by the sequence number in each batch, and removes a tail that is torn and nothing
more. Format: LevelDB's doc/log_format.md (32 KiB blocks of records: CRC-32C, length, type, payload).
"""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from zevm.storage.errors import CorruptionError, StorageError, StorageProblem
from zevm.storage.schema import MAX_NUMBER, NUMBER_SIZE, MetaName, meta_key

SEQUENCE_KEY = meta_key(MetaName.SEQUENCE)
"""The key under which each batch, as its last operation, puts its number (8 bytes)."""

SYNCED_KEY = meta_key(MetaName.SYNCED)
"""The key under which a batch behind an unsynced one puts, as its last operation but one, the number of the last synced
write (8 bytes). One without it was written when the one before was synced."""

_BLOCK_SIZE = 32 * 1024
_HEADER_SIZE = 7
_NUMBER = re.compile("[0-9]+")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SEQUENCE_OPERATION, _SYNCED_OPERATION = (
    b"\x01" + bytes((len(key),)) + key + bytes((NUMBER_SIZE,)) for key in (SEQUENCE_KEY, SYNCED_KEY)
)


class _Fragment(NamedTuple):
    """A physical record: where it starts, its type, its payload; type 0 for what cannot be read."""

    offset: int
    kind: int
    payload: bytes


def newest_log(leveldb: Path) -> Path | None:
    """The write-ahead log with the highest number."""
    logs = logs_of(leveldb)
    return logs[max(logs)] if logs else None


def logs_of(leveldb: Path) -> dict[int, Path]:
    """LevelDB's write-ahead logs by their numbers."""
    return {int(path.stem): path for path in leveldb.glob("*.log") if _NUMBER.fullmatch(path.stem)}


def ends_whole(data: bytes) -> bool:
    """Whether the records of a log fill it to its end. Reads lengths and types, not checksums."""
    position, kind = 0, _FULL
    while position < len(data):
        left = _BLOCK_SIZE - position % _BLOCK_SIZE
        if left < _HEADER_SIZE:
            position += left
            continue
        header = data[position : position + _HEADER_SIZE]
        if len(header) < _HEADER_SIZE:
            return False
        length, kind = int.from_bytes(header[4:6], "little"), header[6]
        if _HEADER_SIZE + length > left or not _FULL <= kind <= _LAST:
            return False
        position += _HEADER_SIZE + length
        if position > len(data):
            return False
    return kind in (_FULL, _LAST)


class TornTail(NamedTuple):
    """The part of LevelDB's logs that a loss of power has left unfinished: `path` from byte `end` on, and `later`.

    synced: the number of a write that must be in the database without it: a later one tells that it was synced.
    """

    path: Path
    end: int
    later: tuple[Path, ...]
    synced: int

    def cut(self, keep: Path) -> None:
        """Remove it; the folder `keep` receives a copy. Raises StorageError."""
        # the newest first: what an interruption leaves is cut again
        for log in reversed(self.later):
            cut(log, 0, keep)
        cut(self.path, self.end, keep)


def are_whole(logs: Sequence[Path]) -> bool:
    """Whether the records of logs fill them, and leave no number out from one to the next.

    logs: those that LevelDB reads at its next start, in their order. Reads no checksums. Raises StorageError.
    """
    sequence: int | None = None
    for index, path in enumerate(logs):
        data = read(path)
        if not ends_whole(data) or (index and sequence is None and _is_orphan(data, 0, checked=False)):
            return False
        end, sequence = _sound_end(data, after=sequence, checked=False)
        if end != len(data):
            return False
    return True


def find_torn_tail(logs: Sequence[Path], acknowledged: int) -> TornTail | None:
    """The first write in LevelDB's logs that is not whole, and all behind it; None where all are.

    logs: as of `are_whole`. None of it was synced: pages reach the disk in any order. acknowledged: the number of the
    last write that anyone was told of. Raises CorruptionError when the damage is in front of synced records, or took
    acknowledged ones; StorageError.
    """
    sequence: int | None = None
    for index, path in enumerate(logs):
        data = read(path)
        is_orphan = bool(index) and sequence is None and _is_orphan(data, acknowledged)
        end, last = (0, None) if is_orphan else _sound_end(data, after=sequence)
        if end == len(data):
            sequence = last
            continue
        later = tuple(logs[index + 1 :])
        marks = [_mark_of(record) for record in _records_from(data, end, [read(log) for log in later])]
        synced = max((mark.synced for mark in marks), default=0)
        if synced > last if last is not None else any(mark.follows_synced(acknowledged) for mark in marks):
            raise CorruptionError(f"the file {path} is damaged at byte {end}", StorageProblem.FILES_DAMAGED)
        if last is not None and last < acknowledged:
            raise CorruptionError(
                f"the file {path} is damaged at byte {end}: writes {last + 1} to {acknowledged} were acknowledged "
                "and are lost",
                StorageProblem.FILES_DAMAGED,
            )
        return TornTail(path, end, later, synced)
    return None


def cut(path: Path, end: int, keep: Path) -> None:
    """Cut a file at a byte; the folder `keep` receives a copy of the rest. Raises StorageError."""
    rest = read(path)[end:]
    if not rest:
        return
    try:
        keep.mkdir(exist_ok=True)
        (keep / f"{path.name}.{end}").write_bytes(rest)
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"cannot cut the unfinished record off {path}: {error.strerror}") from error


def cut_after(path: Path, acknowledged: int) -> None:
    """Remove from the end of a log whatever follows the write with the number `acknowledged`. Raises StorageError."""
    data = read(path)
    end, _ = _sound_end(data, acknowledged)
    if end == len(data):
        return
    try:
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"cannot cut the refused write off {path}: {error.strerror}") from error


def read(path: Path) -> bytes:
    """A file's content. Raises StorageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def records(data: bytes, *, checked: bool = True) -> Iterator[tuple[int, bytes]]:
    """The complete records in front of the first unreadable one, each behind the byte where it ends.

    checked: whether one with a wrong checksum is unreadable.
    """
    parts: list[bytes] = []
    for fragment in _fragments(data, 0, checked=checked):
        if fragment.kind == 0:
            return
        if fragment.kind in (_FULL, _FIRST):
            parts.clear()
        parts.append(fragment.payload)
        if fragment.kind in (_FULL, _LAST):
            yield fragment.offset + _HEADER_SIZE + len(fragment.payload), b"".join(parts)


def is_followed_by_records(data: bytes, end: int) -> bool:
    """Whether a record starts behind the unreadable one at `end`."""
    return any(fragment.kind in (_FULL, _FIRST) for fragment in _readable_after(data, end))


def _sound_end(
    data: bytes, newest: int = MAX_NUMBER, *, after: int | None = None, checked: bool = True
) -> tuple[int, int | None]:
    """End of the last complete record before the first unreadable one, and that record's sequence number.

    Records with a number above `newest` count as unreadable, and so does one that leaves numbers out; `after`: the
    number in front of the first, None where it is not known.
    """
    end, sequence = 0, after
    for record_end, record in records(data, checked=checked):
        number = _sequence_of(record)
        if number is not None and (number > newest or (sequence is not None and number > sequence + 1)):
            break
        end, sequence = record_end, sequence if number is None else number
    return end, sequence


def _sequence_of(record: bytes) -> int | None:
    """The number that Database.write put last into a batch."""
    if not record[:-NUMBER_SIZE].endswith(_SEQUENCE_OPERATION):
        return None
    return int.from_bytes(record[-NUMBER_SIZE:], "big")


class _Mark(NamedTuple):
    """A write's number, and that of the last write that was synced when this one was made."""

    number: int
    synced: int

    def follows_synced(self, acknowledged: int) -> bool:
        """Whether the write in front of this one was on the disk, wherever it is."""
        return self.synced == self.number - 1 or self.number <= acknowledged


def _is_orphan(data: bytes, acknowledged: int, *, checked: bool = True) -> bool:
    """Whether a log's first record stands behind an unsynced write past `acknowledged`.

    Where the logs in front have no record at all, that write is lost with all of theirs: LevelDB leaves a log for
    another one once it is full, and a loss of power may take the whole of it.
    """
    first = next(records(data, checked=checked), None)
    if first is None:
        return False
    mark = _mark_of(first[1])
    return max(mark.synced, acknowledged) < mark.number - 1


def _mark_of(record: bytes) -> _Mark:
    """A record without a number counts as the newest, behind a synced one."""
    number = _sequence_of(record)
    if number is None:
        return _Mark(MAX_NUMBER, MAX_NUMBER - 1)
    rest = record[: -NUMBER_SIZE - len(_SEQUENCE_OPERATION)]
    is_marked = rest[:-NUMBER_SIZE].endswith(_SYNCED_OPERATION)
    return _Mark(number, int.from_bytes(rest[-NUMBER_SIZE:], "big") if is_marked else number - 1)


def _records_from(data: bytes, start: int, later: Sequence[bytes]) -> Iterator[bytes]:
    """Complete records from `start`, where a record begins or what cannot be read, and in the logs behind."""
    parts: list[bytes] | None = None
    for fragment in itertools.chain(_readable(data, start), *(_readable(other) for other in later)):
        if fragment.kind in (_FULL, _FIRST):
            parts = []
        elif fragment.kind == 0:
            parts = None
        if parts is None:
            continue
        parts.append(fragment.payload)
        if fragment.kind in (_FULL, _LAST):
            yield b"".join(parts)


def _readable(data: bytes, start: int = 0) -> Iterator[_Fragment]:
    """All fragments of a log from `start` on, as `_readable_after` gives those behind one that cannot be read."""
    for fragment in _fragments(data, start):
        yield fragment
        if fragment.kind == 0:
            yield from _readable_after(data, fragment.offset)


def _readable_after(data: bytes, end: int) -> Iterator[_Fragment]:
    """Fragments behind the one at `end`: where its length field leads, and from each later block on.

    One of type 0 stands between those that may not be neighbours.
    """
    length = int.from_bytes(data[end + 4 : end + 6], "little")
    starts = {end + _HEADER_SIZE + length, *range(end - end % _BLOCK_SIZE + _BLOCK_SIZE, len(data), _BLOCK_SIZE)}
    reached = 0
    for start in sorted(starts):
        if start < reached:
            continue
        yield _Fragment(start, 0, b"")
        for fragment in _fragments(data, start):
            reached = fragment.offset + 1
            yield fragment


def _fragments(data: bytes, position: int, *, checked: bool = True) -> Iterator[_Fragment]:
    """Fragments from `position` on; the first unreadable one has type 0 and is the last. checked: their checksums."""
    while position < len(data):
        left = _BLOCK_SIZE - position % _BLOCK_SIZE
        if left < _HEADER_SIZE:
            position += left
            continue
        length = int.from_bytes(data[position + 4 : position + 6], "little")
        body = data[position + 6 : position + _HEADER_SIZE + length]
        whole = len(body) == length + 1 and _HEADER_SIZE + length <= left
        if not whole or (checked and _masked_crc32c(body) != int.from_bytes(data[position : position + 4], "little")):
            yield _Fragment(position, 0, b"")
            return
        yield _Fragment(position, body[0], body[1:])
        position += _HEADER_SIZE + length


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C_TABLE = _crc32c_table()


def _masked_crc32c(data: bytes) -> int:
    """LevelDB's checksum of a record: CRC-32C (Castagnoli), rotated and offset.

    In Python at some 15 MB/s, which is enough for the one log of the rare start that needs it.
    """
    table = _CRC32C_TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
