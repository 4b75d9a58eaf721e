"""Checksums of LevelDB's files, in the file CHECKSUMS next to them.

LevelDB checks every block that it reads, but opens despite a damaged block that has not been read yet, and takes some
damage at the end of a log for the trace of a crash. So a clean stop records size and CRC-32 of every file, and the next
start compares before LevelDB sees them. Tables (.ldb) never change, so their lines outlive a kill; the lines of all
other files hold for one start only, since LevelDB rewrites those at each.
"""

import re
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zevm.storage.directory import read_sealed, sync_directory, sync_file, write_sealed
from zevm.storage.errors import CorruptionError, StorageError, StorageProblem

CHECKSUMS_NAME = "CHECKSUMS"
VERIFY_LIMIT_BYTES = 2 * 1024**3
"""Tables verified at a start, newest first: a second or two of reading. LevelDB checks older ones block by block as
they are read; a deep check reads all."""

_HEADING = "zEVM checksums 1"
_CLEAN = "clean stop after write "
_RUNNING = "open since boot "
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TABLE = re.compile(r"[0-9]+\.(ldb|sst)")
_SUMMED = re.compile(rf"CURRENT|MANIFEST-[0-9]+|[0-9]+\.log|{_TABLE.pattern}")
"""LevelDB's files of data. Others in its folder, such as somebody's copies, are none of the database."""
_ROW = re.compile(rf"(?P<name>{_SUMMED.pattern}) (?P<size>[0-9]+) (?P<crc>[0-9a-f]+)")
_READ_BYTES = 1024 * 1024
_LIVE_TABLE = re.compile(r"^ *(\d+):\d+\[", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FileSum:
    """Size and CRC-32 of a file, and in memory the time of its last change."""

    size: int
    crc: int
    changed_ns: int = 0


@dataclass(frozen=True, slots=True)
class Checksums:
    """The file's content.

    `sequence` is the last write's number of a clean stop, None after any other stop; then `boot` names the machine's
    start in which the database was open, "" where that is not known.
    """

    files: dict[str, FileSum]
    sequence: int | None = None
    boot: str = ""
    damaged: bool = False


def is_table(name: str) -> bool:
    """Whether a file is one of LevelDB's immutable tables."""
    return _TABLE.fullmatch(name) is not None


def read_checksums(directory: Path) -> Checksums:
    """Parse CHECKSUMS in the data directory; absent or damaged it says nothing, which is a start after a kill."""
    path = directory / CHECKSUMS_NAME
    lines = read_sealed(path)
    if lines is None or lines[0] != _HEADING:
        return Checksums({}, damaged=path.exists())
    state = lines[1]
    sequence = int(state.removeprefix(_CLEAN)) if state.startswith(_CLEAN) else None
    boot = "" if sequence is not None else state.removeprefix(_RUNNING)
    rows = [row for line in lines[2:] if (row := _ROW.fullmatch(line)) is not None]
    files = {row["name"]: FileSum(int(row["size"]), int(row["crc"], 16)) for row in rows}
    return Checksums(files, sequence, boot)


def write_checksums(directory: Path, files: dict[str, FileSum], sequence: int | None = None) -> None:
    """Replace CHECKSUMS; `sequence` marks a clean stop."""
    state = f"{_RUNNING}{boot_id()}" if sequence is None else f"{_CLEAN}{sequence}"
    rows = [f"{name} {entry.size} {entry.crc:08x}" for name, entry in sorted(files.items())]
    write_sealed(directory / CHECKSUMS_NAME, [_HEADING, state, *rows])


def boot_id() -> str:
    """The id of this boot of the machine; "" if the system does not report it."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def verify_files(
    leveldb: Path, checksums: Checksums, limit_bytes: int | None = VERIFY_LIMIT_BYTES
) -> dict[str, FileSum]:
    """Compare LevelDB's files with their recorded sums, before LevelDB opens them.

    Returns the table entries whose files are present, with the time of their last change. `limit_bytes` None reads
    every table. Raises CorruptionError naming the first file that differs, or, after a clean stop, that is missing.
    """
    clean = checksums.sequence is not None
    names = [name for name in checksums.files if clean or is_table(name)]
    present = [name for name in names if (leveldb / name).exists()]
    if clean and len(present) != len(names):
        missing = next(name for name in names if name not in present)
        raise CorruptionError(f"the file {leveldb / missing} is missing", StorageProblem.FILES_DAMAGED)
    chosen = _newest(present, checksums.files, limit_bytes)
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(chosen, pool.map(lambda name: sum_file(leveldb / name), chosen), strict=True))
    for name, entry in found.items():
        want = checksums.files[name]
        if (entry.size, entry.crc) != (want.size, want.crc):
            raise CorruptionError(
                f"the file {leveldb / name} is damaged: {entry.size} bytes with checksum {entry.crc:08x}, "
                f"written were {want.size} with {want.crc:08x}",
                StorageProblem.FILES_DAMAGED,
            )
    tables = [name for name in present if is_table(name)]
    return {name: found.get(name) or _touch(leveldb / name, checksums.files[name]) for name in tables}


def surviving(leveldb: Path, tables: dict[str, FileSum]) -> dict[str, FileSum]:
    """The entries whose files LevelDB kept as they were when it opened.

    It deletes tables that no version uses, and may give such a number to a new one.
    """
    kept = {}
    for name, entry in tables.items():
        path = leveldb / name
        try:
            changed_ns = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
        if changed_ns == entry.changed_ns:
            kept[name] = entry
    return kept


def live_tables(sstables: str) -> set[int]:
    """File numbers in LevelDB's report "leveldb.sstables"."""
    return {int(number) for number in _LIVE_TABLE.findall(sstables)}


def sum_directory(leveldb: Path, known: dict[str, FileSum], live: set[int]) -> dict[str, FileSum]:
    """Sums of all files of a closed database; tables in `known` are not read again, those not in `live` left out.

    (A table that no version lists yet may have its number given away at the next start.)
    """
    sums = {}
    for path in leveldb.iterdir():
        name = path.name
        if not _SUMMED.fullmatch(name) or not path.is_file():
            continue
        if is_table(name):
            if int(path.stem) not in live:
                continue
            sums[name] = known.get(name) or sum_file(path)
        else:
            sums[name] = sum_file(path)
    return sums


def sync_files(leveldb: Path, names: Iterable[str]) -> None:
    """Make files, and their names, durable before their sums are: LevelDB has synced its tables only.

    Raises StorageError.
    """
    try:
        for name in names:
            if not is_table(name):
                sync_file(leveldb / name)
        sync_directory(leveldb)
    except OSError as error:
        raise StorageError(f"cannot make the files in {leveldb} durable: {error.strerror}") from error


def sum_file(path: Path) -> FileSum:
    """Read a file through."""
    crc = size = 0
    buffer = memoryview(bytearray(_READ_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                crc = zlib.crc32(buffer[:count], crc)
                size += count
            changed_ns = path.stat().st_mtime_ns
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    return FileSum(size, crc, changed_ns)


def _newest(names: list[str], files: dict[str, FileSum], limit_bytes: int | None) -> list[str]:
    """Everything but tables, then tables by falling number as far as `limit_bytes` go."""
    chosen = [name for name in names if not is_table(name)]
    left = limit_bytes
    for name in sorted((name for name in names if is_table(name)), key=lambda name: -int(name.split(".")[0])):
        if left is not None:
            left -= files[name].size
            if left < 0:
                break
        chosen.append(name)
    return chosen


def _touch(path: Path, entry: FileSum) -> FileSum:
    return FileSum(entry.size, entry.crc, path.stat().st_mtime_ns)
