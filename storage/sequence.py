"""The number of the last acknowledged write, kept outside LevelDB: the file SEQUENCE.

Every batch carries the next number into the database; once the batch has returned, and before anyone is told, the
number is written here. A database that opens with a smaller number than the file's has lost acknowledged writes:
LevelDB, which takes a log record with a damaged length at the end of the log for one that was never finished, would
not say so. Two copies with a checksum each, so that a flipped bit here is not mistaken for a loss there.
"""

import os
import zlib
from pathlib import Path

from storage.errors import CorruptionError, StorageError

SEQUENCE_NAME = "SEQUENCE"
_COPY_SIZE = 12


class SequenceFile:
    """The open file. The number is not fsynced: it survives a kill of the process, not a power failure, after which
    it is merely behind."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / SEQUENCE_NAME
        try:
            self._descriptor: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StorageError(f"cannot open {self._path}: {error.strerror}") from error

    def read(self) -> tuple[int | None, bool]:
        """The number, and whether both copies are whole.

        (None, True) for an empty file. Raises CorruptionError when neither copy is whole.
        """
        data = os.pread(self._open_descriptor(), 2 * _COPY_SIZE + 1, 0)
        if not data:
            return None, True
        numbers = [_unseal(data[:_COPY_SIZE]), _unseal(data[_COPY_SIZE : 2 * _COPY_SIZE])]
        whole = [number for number in numbers if number is not None]
        if not whole:
            raise CorruptionError(
                f"the file {self._path} is damaged, so it cannot be told whether acknowledged blocks are missing; "
                "run `zevm db check --deep`, then `zevm db rewind N` with the newest block to trust"
            )
        return max(whole), len(whole) == 2 and len(data) == 2 * _COPY_SIZE

    def write(self, number: int, *, sync: bool = False) -> None:
        """Record the number. Raises StorageError."""
        data = number.to_bytes(8, "big")
        data += zlib.crc32(data).to_bytes(4, "big")
        descriptor = self._open_descriptor()
        try:
            os.pwrite(descriptor, data + data, 0)
            if sync:
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


def _unseal(data: bytes) -> int | None:
    number, crc = data[:8], data[8:]
    if len(data) != _COPY_SIZE or zlib.crc32(number) != int.from_bytes(crc, "big"):
        return None
    return int.from_bytes(number, "big")
