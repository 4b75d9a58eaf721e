"""Damage to a data directory: one file, or the end of LevelDB's log and the marks of the last write at once.

Each damage is done to a copy of a sound directory. Right is: refused, or noticed by a check, or everything is there.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from testing.quiet import quiet
from verification.crash.model import LostError
from zevm.storage import log_tail
from zevm.storage.database import Database
from zevm.storage.errors import StorageError, StorageProblem
from zevm.storage.sequence import SequenceMarks

MARKS = ("SEQUENCE", "marks/SEQUENCE")
_ALL_KEYS = b"", b"\xff" * 64

Damage = Callable[[Path, Random], None]


def _flip(file: Path, random: Random) -> None:
    data = bytearray(file.read_bytes())
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)


def _cut(file: Path, random: Random) -> None:
    file.write_bytes(file.read_bytes()[: random.randrange(file.stat().st_size + 1)])


def _zero_page(file: Path, random: Random) -> None:
    data = bytearray(file.read_bytes())
    start = random.randrange(len(data) // 4096 + 1) * 4096
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))
    file.write_bytes(data)


def _zero_end(file: Path, random: Random) -> None:
    data = bytearray(file.read_bytes())
    start = random.randrange(len(data) + 1)
    data[start:] = bytes(len(data) - start)
    file.write_bytes(data)


def _garble(file: Path, random: Random) -> None:
    file.write_bytes(random.randbytes(file.stat().st_size))


def _empty(file: Path, random: Random) -> None:  # noqa: ARG001
    file.write_bytes(b"")


def _remove(file: Path, random: Random) -> None:  # noqa: ARG001
    file.unlink()


ONE_FILE: tuple[Damage, ...] = (_flip, _flip, _cut, _zero_page, _remove)
LOG: tuple[Damage, ...] = (_cut, _cut, _zero_end, _flip)
MARK: tuple[Damage, ...] = (_remove, _empty, _garble)


Contents = dict[bytes, bytes]


def contents(datadir: Path, scratch: Path) -> tuple[Contents, Contents]:
    """The content of a sound directory, and its acknowledged writes; read from copies of it.

    A kill may leave one more write in the log, whole but not acknowledged: damage may take that one away.
    """
    return _read(datadir, scratch, acknowledged=False), _read(datadir, scratch, acknowledged=True)


def _read(datadir: Path, scratch: Path, *, acknowledged: bool) -> Contents:
    copy = shutil.copytree(datadir, scratch / "sound")
    try:
        if acknowledged:
            _cut_unacknowledged(copy)
        with Database.open(copy) as database:
            return dict(database.store.iterate(*_ALL_KEYS))
    finally:
        shutil.rmtree(copy)


def _cut_unacknowledged(datadir: Path) -> None:
    marks = SequenceMarks(datadir)
    mark, _ = marks.read()
    marks.close()
    log = log_tail.newest_log(datadir / "leveldb")
    if mark is not None and log is not None:
        log_tail.cut_after(log, mark.last)


def damage_one(datadir: Path, random: Random) -> str:
    """Damage a file of the database; what was done, in words."""
    files = [file for folder in (datadir, datadir / "leveldb", datadir / "marks") for file in _files_in(folder)]
    file = random.choice(files)
    chosen = random.choice(ONE_FILE)
    chosen(file, random)
    return f"{chosen.__name__} {file.relative_to(datadir)}"


def damage_log_and_marks(datadir: Path, random: Random) -> str:
    """Damage the newest log and one or both marks; what was done, in words."""
    logs = sorted((datadir / "leveldb").glob("*.log"))
    damaged = [(logs[-1], random.choice(LOG))] if logs else []
    for name in random.choice([MARKS[:1], MARKS[1:], MARKS, MARKS]):
        damaged.append((datadir / name, random.choice(MARK)))
    for file, chosen in damaged:
        chosen(file, random)
    return ", ".join(f"{chosen.__name__} {file.relative_to(datadir)}" for file, chosen in damaged)


ACCEPTABLE = (StorageProblem.LAST_WRITE_UNKNOWN, StorageProblem.WRITES_LOST)
"""Problems of a database that `zevm db check --accept` takes as it is."""


def outcome(datadir: Path, expected: tuple[Contents, Contents]) -> str:
    """The outcome for a damaged directory: refused, noticed, whole. Raises LostError for an unnoticed loss.

    expected: see `contents`.
    """
    try:
        database = Database.open(datadir)
    except StorageError as error:
        if error.problem in ACCEPTABLE:
            _accept(datadir)
            return "refused until accepted"
        return "refused"
    with database:
        try:
            found = dict(database.store.iterate(*_ALL_KEYS))
        except StorageError:
            return "noticed"
        if found in expected:
            return "whole"
        if database.scrub():
            return "noticed"
    missing = len(expected[-1].keys() - found.keys())
    raise LostError(f"{missing} keys are missing and nothing tells so; warnings: {database.warnings}")


def _accept(datadir: Path) -> None:
    """The way out that deletes nothing: it opens, or says what is damaged besides."""
    try:
        with Database.open(datadir, accept=True) as database:
            database.scrub()
    except StorageError:
        return
    with Database.open(datadir):
        pass


def try_damages(datadir: Path, count: int, doubles: int, random: Random, counts: Counter[str]) -> None:
    """Damage copies of a directory `count` times, `doubles` of them in two places. Raises LostError."""
    scratch = datadir.parent / "damage"
    scratch.mkdir(exist_ok=True)
    expected = contents(datadir, scratch)
    for index in range(count):
        copy = shutil.copytree(datadir, scratch / "copy")
        is_double = index < doubles
        done = (damage_log_and_marks if is_double else damage_one)(copy, random)
        try:
            # what a start makes good is the outcome here, not news
            with quiet("zevm.storage"):
                counts[outcome(copy, expected)] += 1
        except LostError as error:
            raise LostError(f"after {done}: {error}") from error
        counts["damages"] += 1
        counts["double damages"] += is_double
        shutil.rmtree(copy)
    shutil.rmtree(scratch)


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.is_file()) if folder.is_dir() else []
