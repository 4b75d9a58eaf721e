"""`zevm` and `python -m zevm`: the command line, where its extra is installed."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from zevm.node.extras import MissingExtraError, of_extra

BYTECODE_BYTES = 64 * 1024 * 1024
"""More space than Python's bytecode of the node and its libraries takes."""


def _spare_a_full_disk() -> None:
    """Let Python write no bytecode where that may not fit.

    Python before 3.14 takes a file that a full disk has cut off for a whole one, and no later start can read it.
    """
    with suppress(OSError, AttributeError):
        found = os.statvfs(sys.pycache_prefix or Path(__file__).parent)
        if found.f_bavail * found.f_frsize < BYTECODE_BYTES:
            sys.dont_write_bytecode = True


def main() -> None:
    """Run the command line and exit."""
    _spare_a_full_disk()
    try:
        with of_extra("cli", "the command line"):
            from zevm.node.cli import main as run
    except MissingExtraError as error:
        sys.exit(f"zevm: {error}")
    run()


if __name__ == "__main__":
    main()
