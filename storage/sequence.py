"""The number of the last acknowledged write, kept outside LevelDB: the files SEQUENCE and marks/SEQUENCE.

Every batch carries the next number into the database; once the batch has returned, and before anyone is told, the
number is written here. A database that opens with a smaller number than the file's has lost acknowledged writes:
LevelDB, which takes a log record with a damaged length at the end of the log for one that was never finished, would
not say so. The files also hold the number of the last synced write, which alone counts after a restart of the machine.
Each file holds two copies with a checksum each, so that a flipped bit here is not mistaken for a loss there. The two
files lie in folders of their own, so that what takes the one, together with the end of LevelDB's log, spares the other.
"""

import os
import zlib
from pathlib import Path
from typing import NamedTuple

from zevm.storage.directory import sync_directory
from zevm.storage.errors import StorageError

SEQUENCE_NAME = "SEQUENCE"
SECOND_FOLDER = "marks"
"""The folder in the data directory that holds the second file."""

_NUMBERS_SIZE = 16
_COPY_SIZE = _NUMBERS_SIZE + 4


class Mark(NamedTuple):
    """Numbers of the last acknowledged write and of the last one that was synced."""

    last: int
    synced: int


class SequenceMarks:
    """Both files of a data directory, open. Raises StorageError where they cannot be opened."""

    def __init__(self, directory: Path) -> None:
        second = directory / SECOND_FOLDER
        try:
            second.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the folder {second}: {error.strerror}") from error
        self.paths = (directory / SEQUENCE_NAME, second / SEQUENCE_NAME)
        self._files: list[_SequenceFile] = []
        try:
            for path in self.paths:
                self._files.append(_SequenceFile(path))
        except StorageError:
            self.close()
            raise

    def read(self) -> tuple[Mark | None, tuple[Path, ...]]:
        """The newest numbers that any copy tells, None where none does; and the files that are not whole."""
        found = [file.read() for file in self._files]
        marks = [mark for mark, _ in found if mark is not None]
        newest = max(marks, default=None)
        damaged = [path for path, (_, whole) in zip(self.paths, found, strict=True) if not whole]
        return newest, tuple(damaged)

    def write(self, number: int, *, synced: bool) -> None:
        """Record the number of a write that has returned, in both files. Raises StorageError."""
        for file in self._files:
            file.write(number, synced=synced)

    def begin(self, number: int) -> None:
        """Rewrite both files and make them durable, with a number that is on the medium. Raises StorageError."""
        for file in self._files:
            file.begin(number)
        try:
            for path in self.paths:
                sync_directory(path.parent)
        except OSError as error:
            raise StorageError(f"cannot make {self.paths[0]} durable: {error.strerror}") from error

    def close(self) -> None:
        """Close the files; idempotent."""
        for file in self._files:
            file.close()


class _SequenceFile:
    """One open file. It is not fsynced at each write: it survives a kill of the process; after a power failure it is
    merely behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synced = 0
        try:
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"cannot open {path}: {error.strerror}") from error

    def read(self) -> tuple[Mark | None, bool]:
        """The numbers, None where neither copy is whole; and whether both are."""
        try:
            data = os.pread(self._open_descriptor(), 2 * _COPY_SIZE + 1, 0)
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error.strerror}") from error
        marks = [_unseal(data[:_COPY_SIZE]), _unseal(data[_COPY_SIZE : 2 * _COPY_SIZE])]
        whole = [mark for mark in marks if mark is not None]
        return max(whole, default=None), len(whole) == 2 and len(data) == 2 * _COPY_SIZE

    def write(self, number: int, *, synced: bool) -> None:
        """Record the number of a write that has returned."""
        if synced:
            self._synced = number
        data = number.to_bytes(8, "big") + self._synced.to_bytes(8, "big")
        data += zlib.crc32(data).to_bytes(4, "big")
        try:
            os.pwrite(self._open_descriptor(), data + data, 0)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def begin(self, number: int) -> None:
        """Rewrite the file and make it durable."""
        self.write(number, synced=True)
        descriptor = self._open_descriptor()
        try:
            os.ftruncate(descriptor, 2 * _COPY_SIZE)
            os.fsync(descriptor)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise StorageError("the database is closed")
        return self._descriptor


def _unseal(data: bytes) -> Mark | None:
    numbers, crc = data[:_NUMBERS_SIZE], data[_NUMBERS_SIZE:]
    if len(data) != _COPY_SIZE or zlib.crc32(numbers) != int.from_bytes(crc, "big"):
        return None
    return Mark(int.from_bytes(numbers[:8], "big"), int.from_bytes(numbers[8:], "big"))
