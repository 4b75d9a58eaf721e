"""Files that hold secrets: whole or not at all, and never readable by anyone but their owner."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK})
"""Errors of a file system without hard links."""
_NO_REPLACING = frozenset({errno.EBUSY, errno.EACCES})


def write_private(path: Path, content: bytes) -> None:
    """Write `path` with mode 0600, in place of what was there. Raises OSError, with the old file as it was.

    The content goes into a new file first: a process that holds the old one open does not read it. A device or a pipe
    is written to as it is. A file that no other can replace (a mount point, a folder of another's) is emptied first.
    """
    special = open_special(path)
    if special is not None:
        with special:
            special.write(content)
        return
    target = Path(os.path.realpath(path))
    try:
        _write(target, content, os.replace)
    except OSError as error:
        if error.errno not in _NO_REPLACING or not target.exists():
            raise
        _write_over(target, content)


def open_special(path: Path) -> BinaryIO | None:
    """A device or a pipe, open for writing; None for a regular file or none.

    Raises OSError, with ENXIO for a pipe that no process reads: opening it would wait for one without end.
    """
    if not path.exists() or path.is_file():
        return None
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO and path.is_fifo():
            raise OSError(errno.ENXIO, "no process reads this pipe; start its reader first", str(path)) from error
        raise
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "wb")


def make_private(path: Path, content: bytes) -> None:
    """Make `path` with mode 0600. Raises FileExistsError where it is there, also where another process was quicker."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    _write(path, content, _move_to_new)


def _write_over(path: Path, content: bytes) -> None:
    with path.open("r+b") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.truncate()
        stream.write(content)


def _write(path: Path, content: bytes, move: Callable[[str, Path], None]) -> None:
    # mkstemp gives a name of its own and mode 0600, whatever the umask
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        move(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _move_to_new(source: str, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.replace(source, target)
        return
    os.unlink(source)
