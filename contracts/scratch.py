"""Temporary folders of compiles, which end with who made them: those of a killed process are deleted by a later one."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

YOUNG_SECONDS: Final = 600
"""Age up to which a folder without a holder is left: its maker may be about to hold it."""
FOLDERS_LIMIT: Final = 1_000
"""Folders that are looked at in one sweep."""
_PREFIX: Final = "zevm-scratch-"
"""No folder of another kind has it."""
_swept: set[str] = set()


@contextmanager
def scratch_folder(purpose: str, within: Path | None = None) -> Iterator[Path]:
    """A folder `zevm-scratch-PURPOSE-...`, deleted at the end. within: None for the system's place; raises OSError."""
    place = tempfile.gettempdir() if within is None else str(within)
    prefix = f"{_PREFIX}{purpose}-"
    if within is None and place not in _swept:
        _swept.add(place)
        sweep(Path(place))
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as folder:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # held until this process ends, however it does
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield Path(folder)
        finally:
            os.close(descriptor)


def sweep(place: Path) -> None:
    """Delete the user's scratch folders without a holder."""
    with suppress(OSError):
        found = sorted(place.glob(f"{_PREFIX}*"))[:FOLDERS_LIMIT]
        for folder in found:
            _delete_unheld(folder)


def _delete_unheld(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        status = os.fstat(descriptor)
        if status.st_uid == os.geteuid() and time.time() - status.st_mtime > YOUNG_SECONDS:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # it is held
    finally:
        os.close(descriptor)
