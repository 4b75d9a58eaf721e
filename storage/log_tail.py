"""The end of LevelDB's write-ahead log after a crash: torn write, or damage?

A power failure may leave the last, never acknowledged record half written or zeroed. LevelDB in paranoid mode refuses
a zeroed one, and drops a cut one in silence, together with everything that a damaged length field makes look cut.
This module tells the cases apart by the sequence number in each batch, and removes a tail that is torn and nothing
more. Format: LevelDB's doc/log_format.md (32 KiB blocks of records: CRC-32C, length, type, payload).
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zevm.storage.errors import CorruptionError, StorageError, StorageProblem
from zevm.storage.schema import MAX_NUMBER, MetaName, meta_key

SEQUENCE_KEY = meta_key(MetaName.SEQUENCE)
"""The key under which each batch, as its last operation, puts its number (8 bytes)."""

_BLOCK_SIZE = 32 * 1024
_HEADER_SIZE = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_SEQUENCE_OPERATION = b"\x01" + bytes((len(SEQUENCE_KEY),)) + SEQUENCE_KEY + b"\x08"


class _Fragment(NamedTuple):
    """A physical record: where it starts, its type, its payload; type 0 for what cannot be read."""

    offset: int
    kind: int
    payload: bytes


def newest_log(leveldb: Path) -> Path | None:
    """The write-ahead log with the highest number."""
    logs = [path for path in leveldb.glob("*.log") if path.stem.isdigit()]
    return max(logs, key=lambda path: int(path.stem), default=None)


def check_manifest(leveldb: Path) -> None:
    """Refuse a MANIFEST that breaks off: LevelDB would drop its last entry and delete the tables it names.

    Raises CorruptionError.
    """
    try:
        name = (leveldb / "CURRENT").read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return
    path = leveldb / name
    if path.is_file() and not ends_whole(_read(path)):
        raise CorruptionError(f"the file {path} breaks off within a record", StorageProblem.FILES_DAMAGED)


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


def cut_torn_tail(path: Path, acknowledged: int, keep: Path) -> bool:
    """Remove an unfinished record from the end of a log; whether there was one.

    `acknowledged` is the number of the last write that anyone was told of, `keep` the folder that receives a copy of
    what is cut. Raises CorruptionError when the damage is in front of sound records, or took acknowledged ones.
    """
    data = _read(path)
    end, sequence = _sound_end(data)
    if end == len(data):
        return False
    if any(fragment.kind in (_FULL, _FIRST) for fragment in _readable_after(data, end)):
        raise CorruptionError(f"the file {path} is damaged at byte {end}", StorageProblem.FILES_DAMAGED)
    if sequence is not None and sequence < acknowledged:
        raise CorruptionError(
            f"the file {path} is damaged at byte {end}: writes {sequence + 1} to {acknowledged} were acknowledged "
            "and are lost",
            StorageProblem.FILES_DAMAGED,
        )
    try:
        keep.mkdir(exist_ok=True)
        (keep / f"{path.name}.{end}").write_bytes(data[end:])
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"cannot cut the unfinished record off {path}: {error.strerror}") from error
    return True


def cut_after(path: Path, acknowledged: int) -> None:
    """Remove from the end of a log whatever follows the write with the number `acknowledged`. Raises StorageError."""
    data = _read(path)
    end, _ = _sound_end(data, acknowledged)
    if end == len(data):
        return
    try:
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(f"cannot cut the refused write off {path}: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error


def _sound_end(data: bytes, newest: int = MAX_NUMBER) -> tuple[int, int | None]:
    """End of the last complete record before the first unreadable one, and that record's sequence number.

    Records with a number above `newest` count as unreadable.
    """
    end, sequence = 0, None
    parts: list[bytes] = []
    for fragment in _fragments(data, 0):
        if fragment.kind == 0:
            break
        if fragment.kind in (_FULL, _FIRST):
            parts.clear()
        parts.append(fragment.payload)
        if fragment.kind in (_FULL, _LAST):
            number = _sequence_of(b"".join(parts)) or sequence
            if number is not None and number > newest:
                break
            end, sequence = fragment.offset + _HEADER_SIZE + len(fragment.payload), number
    return end, sequence


def _sequence_of(record: bytes) -> int | None:
    """The number that Database.write put last into a batch."""
    if not record[:-8].endswith(_SEQUENCE_OPERATION):
        return None
    return int.from_bytes(record[-8:], "big")


def _readable_after(data: bytes, end: int) -> Iterator[_Fragment]:
    """Readable fragments behind the one at `end`: where its length field leads, and from each later block on."""
    starts = list(range(end - end % _BLOCK_SIZE + _BLOCK_SIZE, len(data), _BLOCK_SIZE))
    length = int.from_bytes(data[end + 4 : end + 6], "little")
    starts.append(end + _HEADER_SIZE + length)
    for start in starts:
        for fragment in _fragments(data, start):
            if fragment.kind == 0:
                break
            yield fragment


def _fragments(data: bytes, position: int) -> Iterator[_Fragment]:
    """Fragments from `position` on; the first unreadable one has type 0 and is the last."""
    while position < len(data):
        left = _BLOCK_SIZE - position % _BLOCK_SIZE
        if left < _HEADER_SIZE:
            position += left
            continue
        length = int.from_bytes(data[position + 4 : position + 6], "little")
        body = data[position + 6 : position + _HEADER_SIZE + length]
        whole = len(body) == length + 1 and _HEADER_SIZE + length <= left
        if not whole or _masked_crc32c(body) != int.from_bytes(data[position : position + 4], "little"):
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
