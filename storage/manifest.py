"""LevelDB's MANIFEST: which tables and logs hold the data, and whether its end may be cut off after a crash.

Format: a log (storage.log_tail) whose records are LevelDB's VersionEdits: fields of a tag and a value, numbers as
varints, strings behind their length.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zevm.storage import log_tail
from zevm.storage.errors import CorruptionError, StorageProblem

_NUMBER, _STRING = "number", "string"
_LOG, _DELETED_TABLE, _NEW_TABLE = 2, 6, 7
_FIELDS = {
    1: (_STRING,),  # comparator
    _LOG: (_NUMBER,),
    3: (_NUMBER,),  # next file
    4: (_NUMBER,),  # last sequence
    5: (_NUMBER, _STRING),  # level, compaction's pointer
    _DELETED_TABLE: (_NUMBER, _NUMBER),  # level, file
    _NEW_TABLE: (_NUMBER, _NUMBER, _NUMBER, _STRING, _STRING),  # level, file, size, smallest, largest
    9: (_NUMBER,),  # previous log
}
_TABLE_SUFFIXES = (".ldb", ".sst")
_CURRENT = re.compile(rb"(MANIFEST-[0-9]+)\n")


@dataclass
class Manifest:
    """The content of a MANIFEST up to its first unreadable record, which starts at `end`.

    log: the number of the oldest log that is still needed; None where no record has told it.
    """

    path: Path
    size: int
    end: int = 0
    log: int | None = None
    tables: set[int] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Whether all that it names is there: then what may follow it says nothing that is not in those files."""
        if self.log is None or (self.log and not (self.path.parent / f"{self.log:06d}.log").exists()):
            return False
        return all(any((self.path.parent / f"{number:06d}{end}").exists() for end in _TABLE_SUFFIXES)
                   for number in self.tables)  # fmt: skip


def read_manifest(leveldb: Path) -> Manifest | None:
    """The MANIFEST that CURRENT names; None where there is none. Raises StorageError, CorruptionError."""
    current = leveldb / "CURRENT"
    if not current.exists():
        return None
    name = _CURRENT.fullmatch(log_tail.read(current))
    if name is None:
        raise CorruptionError(f"the file {current} names no MANIFEST", StorageProblem.FILES_DAMAGED)
    path = leveldb / name[1].decode()
    if not path.exists():
        return None
    data = log_tail.read(path)
    manifest = Manifest(path, len(data))
    for end, record in log_tail.records(data):
        manifest.end = end
        try:
            _follow(manifest, record)
        except (IndexError, KeyError) as error:
            raise CorruptionError(
                f"the file {path} holds a record that cannot be read", StorageProblem.FILES_DAMAGED
            ) from error
    return manifest


def check_manifest(leveldb: Path, keep: Path) -> Path | None:
    """Refuse a MANIFEST that breaks off: LevelDB would drop its last entry and delete the tables it names.

    Where power was lost while the entry was written, it was not synced, and the files that it would have replaced are
    all there still: then it is cut off, with a copy in the folder `keep`. Returns the file that was cut. Raises
    StorageError, CorruptionError.
    """
    manifest = read_manifest(leveldb)
    if manifest is None or manifest.end == manifest.size:
        return None
    path = manifest.path
    if log_tail.is_followed_by_records(log_tail.read(path), manifest.end) or not manifest.is_complete:
        raise CorruptionError(f"the file {path} breaks off within a record", StorageProblem.FILES_DAMAGED)
    log_tail.cut(path, manifest.end, keep)
    return path


def live_logs(leveldb: Path) -> list[Path]:
    """The logs that LevelDB reads at its next start, in their order. Raises StorageError, CorruptionError.

    LevelDB does not miss the oldest of them: it would go on in the next one, without the writes in between.
    """
    manifest = read_manifest(leveldb)
    if manifest is None or manifest.log is None:
        return []
    logs = {number: path for number, path in log_tail.logs_of(leveldb).items() if number >= manifest.log}
    if logs and manifest.log and manifest.log not in logs:
        missing = leveldb / f"{manifest.log:06d}.log"
        raise CorruptionError(f"the file {missing} is missing", StorageProblem.FILES_DAMAGED)
    return [logs[number] for number in sorted(logs)]


def _follow(manifest: Manifest, record: bytes) -> None:
    for tag, numbers in _fields(record):
        if tag == _LOG:
            manifest.log = numbers[0]
        elif tag == _DELETED_TABLE:
            manifest.tables.discard(numbers[1])
        elif tag == _NEW_TABLE:
            manifest.tables.add(numbers[1])


def _fields(record: bytes) -> Iterator[tuple[int, list[int]]]:
    """Each field's tag and its numbers. Raises IndexError, KeyError for what is no VersionEdit."""
    position = 0
    while position < len(record):
        tag, position = _varint(record, position)
        numbers = []
        for kind in _FIELDS[tag]:
            number, position = _varint(record, position)
            numbers.append(number)
            if kind == _STRING:
                position += number
        yield tag, numbers


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
