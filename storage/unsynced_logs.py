"""Unsynced writes of LevelDB, kept from being lost before later ones."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zevm.storage.directory import sync_file
from zevm.storage.log_tail import logs_of

LOOK_BYTES = 256 * 1024
"""Unsynced bytes after which LevelDB may have begun another log."""


class UnsyncedLogs:
    """Makes logs durable, so that what a power failure takes is a tail of the writes, never a middle."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = 0
        self._newest = 0

    def before_synced(self) -> None:
        """Make unsynced writes durable, in whichever log they are."""
        if self._bytes:
            self._sync(self._numbers())
            self._bytes = 0

    def after_unsynced(self, size: int) -> None:
        """Count a write; every now and then, make logs durable that LevelDB has left."""
        looked = self._bytes // LOOK_BYTES
        self._bytes += size
        if self._bytes // LOOK_BYTES == looked:
            return
        numbers = self._numbers()
        newest = max(numbers, default=0)
        if newest != self._newest:
            self._sync(number for number in numbers if number != newest)
            self._newest = newest

    def _numbers(self) -> list[int]:
        return list(logs_of(self._path))

    def _sync(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            # one that is not there is in a table by now
            with suppress(FileNotFoundError):
                sync_file(self._path / f"{number:06d}.log")
