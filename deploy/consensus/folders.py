"""The folder of a network's logs and data."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderError(Exception):
    """The chosen folder cannot be used. The message names it."""


@contextmanager
def working_folder(chosen: Path | None) -> Iterator[Path]:
    """The chosen folder, which must be empty or absent, or a temporary one. Raises FolderError.

    The temporary one is deleted at the end, unless an error ends the work: its logs say why.
    """
    if chosen is not None:
        yield _prepared(chosen)
        return
    folder = Path(tempfile.mkdtemp(prefix="zevm-consensus-"))
    try:
        yield folder
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _prepared(chosen: Path) -> Path:
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        if any(chosen.iterdir()):
            raise FolderError(f"--folder {chosen}: is not empty, and every start begins a new chain; give another")
    except OSError as error:
        raise FolderError(f"--folder {chosen}: {error.strerror}; give another") from error
    return chosen.absolute()
