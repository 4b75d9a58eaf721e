"""The number of the last acknowledged write, kept outside LevelDB: the file SEQUENCE.

Every batch carries the next number into the database; once the batch has returned, and before anyone is told, the
number is written here. A database that opens with a smaller number than the file's has lost acknowledged writes:
LevelDB, which takes a log record with a damaged length at the end of the log for one that was never finished, would
not say so. Beside it stands the number of the last synced write, which alone counts when the machine has restarted.
Two copies with a checksum each, so that a flipped bit here is not mistaken for a loss there.
"""

import os
import zlib
from pathlib import Path
from typing import NamedTuple

from storage.errors import CorruptionError, StorageError

SEQUENCE_NAME = "SEQUENCE"
_NUMBERS_SIZE = 16
_COPY_SIZE = _NUMBERS_SIZE + 4


class Mark(NamedTuple):
    """Numbers of the last acknowledged write and of the last one that was synced."""

    last: int
    synced: int


class SequenceFile:
    """The open file. It is not fsynced at each write: it survives a kill of the process; after a power failure it is
    merely behind."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / SEQUENCE_NAME
        self._synced = 0
        try:
            self._descriptor: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"cannot open {self._path}: {error.strerror}") from error

    def read(self) -> tuple[Mark | None, bool]:
        """The numbers, and whether both copies are whole.

        (None, False) for an empty file. Raises CorruptionError when neither copy is whole.
        """
        data = os.pread(self._open_descriptor(), 2 * _COPY_SIZE + 1, 0)
        if not data:
            return None, False
        marks = [_unseal(data[:_COPY_SIZE]), _unseal(data[_COPY_SIZE : 2 * _COPY_SIZE])]
        whole = [mark for mark in marks if mark is not None]
        if not whole:
            raise CorruptionError(
                f"the file {self._path} is damaged, so it cannot be told whether acknowledged blocks are missing; "
                "run `zevm db check --deep`, then `zevm db rewind N` with the newest block to trust"
            )
        return max(whole), len(whole) == 2 and len(data) == 2 * _COPY_SIZE

    def write(self, number: int, *, synced: bool) -> None:
        """Record the number of a write that has returned. Raises StorageError."""
        if synced:
            self._synced = number
        data = number.to_bytes(8, "big") + self._synced.to_bytes(8, "big")
        data += zlib.crc32(data).to_bytes(4, "big")
        try:
            os.pwrite(self._open_descriptor(), data + data, 0)
        except OSError as error:
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from error

    def begin(self, number: int) -> None:
        """Write the file anew and make it durable, with a number that is on the medium."""
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
