"""The journal of what a process does to the files below a folder, written by the library of journal.c."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("journal.c")
_HEAD = struct.Struct("<cIqII")
_CREATES, _EMPTIES = 1, 2


class Kind(Enum):
    """The kinds of events; `NOTE` is the process's own."""

    OPEN = b"O"
    CLOSE = b"C"
    WRITE = b"W"
    TRUNCATE = b"T"
    SYNC = b"S"
    RENAME = b"R"
    LINK = b"L"
    REMOVE = b"U"
    MAKE_FOLDER = b"M"
    NOTE = b"N"


class Event(NamedTuple):
    """number: offset of a write, new length of a truncation, flags of an opening. first: a path or bytes."""

    kind: Kind
    descriptor: int
    number: int
    first: bytes
    second: bytes

    @property
    def creates(self) -> bool:
        """Whether an opening makes the file where there is none."""
        return bool(self.number & _CREATES)

    @property
    def empties(self) -> bool:
        """Whether an opening empties the file."""
        return bool(self.number & _EMPTIES)


def build_library(folder: Path) -> Path:
    """Compile the library with the pinned Zig. Raises subprocess.CalledProcessError."""
    library = folder / "journal.so"
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True)
    return library


def variables(library: Path, journal: Path, root: Path) -> dict[str, str]:
    """The environment in which a process writes the journal of its files below `root`."""
    ours = {"LD_PRELOAD": str(library), "ZEVM_JOURNAL": str(journal), "ZEVM_JOURNAL_ROOT": str(root)}
    return os.environ | ours


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal, in their order."""
    data = path.read_bytes()
    position = 0
    while position < len(data):
        kind, descriptor, number, first_size, second_size = _HEAD.unpack_from(data, position)
        middle = position + _HEAD.size + first_size
        position = middle + second_size
        yield Event(Kind(kind), descriptor, number, data[middle - first_size : middle], data[middle:position])
