"""The chain that a start with an empty database replaces: set aside until that start has succeeded, else put back.

The files move into a folder of the data directory. A start that finds the folder knows that the one before did not
succeed, and puts them back. A power failure may follow any step: the next start ends the half-done rest.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zevm.storage import directory
from zevm.storage.checksums import CHECKSUMS_NAME
from zevm.storage.database_files import TORN_NAME, erase_files
from zevm.storage.errors import StorageError
from zevm.storage.sequence import SECOND_FOLDER, SEQUENCE_NAME

FOLDER_NAME = directory.REPLACED_NAME
_FORGOTTEN_NAME = directory.FORGOTTEN_NAME
_NAMES = (directory.LEVELDB_NAME, TORN_NAME, SECOND_FOLDER, SEQUENCE_NAME, CHECKSUMS_NAME, directory.FORMAT_NAME)
"""In the order in which they move; the mark of ownership last."""


def set_aside(path: Path) -> None:
    """Move the database in the directory `path` out of the way; other files stay. Absent: no error.

    Raises DatabaseLockedError while a process has it open, ForeignDatabaseError if it is not zEVM's, StorageError.
    """
    put_back(path)
    if not directory.is_ours(path):
        return
    with _held(path, "cannot set the chain aside"):
        (path / FOLDER_NAME).mkdir()
        _move(path, path / FOLDER_NAME)


def put_back(path: Path) -> None:
    """Return to the database that was set aside, if one was; the one in its place goes. Raises StorageError."""
    if not _exists(path):
        return
    aside = path / FOLDER_NAME
    with _held(path, "cannot put the earlier chain back"):
        shutil.rmtree(path / _FORGOTTEN_NAME, ignore_errors=True)
        if not aside.is_dir():
            return
        if (aside / directory.FORMAT_NAME).exists() and (path / directory.FORMAT_NAME).exists():
            erase_files(path)
        _move(aside, path)
        aside.rmdir()


def give_up(path: Path) -> None:
    """Never put back the database that was set aside, if one was. Its files stay for `forget`. Raises StorageError."""
    aside = path / FOLDER_NAME
    with _clearing(path):
        if aside.is_dir():
            aside.rename(path / _FORGOTTEN_NAME)
            directory.sync_directory(path)


def forget(path: Path) -> None:
    """Delete the database that was set aside, if one was. Raises StorageError."""
    give_up(path)
    with _clearing(path):
        if (path / _FORGOTTEN_NAME).is_dir():
            shutil.rmtree(path / _FORGOTTEN_NAME)


@contextmanager
def _clearing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"cannot clear away the earlier chain in {path / _FORGOTTEN_NAME}: {error.strerror}"
        raise StorageError(text) from error


def _exists(path: Path) -> bool:
    return (path / FOLDER_NAME).is_dir() or (path / _FORGOTTEN_NAME).is_dir()


def _move(source: Path, target: Path) -> None:
    for name in _NAMES:
        if (source / name).exists():
            (source / name).rename(target / name)
    directory.sync_directory(source)
    directory.sync_directory(target)


@contextmanager
def _held(path: Path, problem: str) -> Iterator[None]:
    """Hold the directory's lock for a step; an error of the system begins with `problem`."""
    lock = directory.DirectoryLock(path)
    try:
        yield
    except OSError as error:
        raise StorageError(f"{problem} in {path}: {error.strerror}") from error
    finally:
        lock.release()
