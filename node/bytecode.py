"""No files of Python's bytecode where a full disk may cut them off.

Python before 3.14 takes a file that it could write only in part for a whole one, and no later start can read it.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 64 * 1024 * 1024
"""More than the bytecode of the node and its libraries takes."""


def write_none() -> None:
    """Let neither this process nor those that it starts write any, as a node that may fill the disk."""
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def spare_a_full_disk() -> None:
    """As `write_none` where all of it may not fit."""
    with suppress(OSError, AttributeError):
        found = os.statvfs(sys.pycache_prefix or Path(__file__).parent)
        if found.f_bavail * found.f_frsize < MOST_BYTES:
            write_none()
