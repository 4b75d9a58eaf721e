"""The notes of the process that loses power, its surroundings, and the promises that follow from the notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from verification.crash.journal import Event, Kind
from zevm.chain.canonical import pruning
from zevm.chain.options import ChainOptions
from zevm.storage import checksums, leveldb, rlp
from zevm.storage.schema import POOLED, MetaName, decode_number, encode_number, meta_key
from zevm.storage.state_nodes import NodeLimits
from zevm.storage.store import Change

NODE_LIMITS = NodeLimits(entries=200, blocks=12)
"""Few, so that trie nodes are often written behind the blocks."""

CHAIN_OPTIONS = ChainOptions(), ChainOptions(kept_blocks=24)
"""Of a start: the same chain is pruned by some, and by others not."""

SOON_PRUNED: dict[str, Any] = {"MINIMUM_KEPT_BLOCKS": 24, "LAG_BLOCKS": 4, "STEP_BLOCKS": 16, "NODES_LAG_BLOCKS": 16}
"""In the place of hundreds, so that blocks are often pruned, and trie nodes before their turn for that."""

WRITE_BUFFER_BYTES = 64 * 1024
FILE_BYTES = 1024 * 1024
"""LevelDB's least: it often begins another log, and writes tables."""

_PROMISED = tuple(map(meta_key, (MetaName.HEAD, MetaName.GENESIS, MetaName.STATE_VERSION, MetaName.STATE_ROOT)))
"""Keys whose values say which blocks and changes there are."""

Contents = dict[bytes, bytes]


class Note(Enum):
    """The kinds of notes that the process makes.

    BEGUN: a write is about to be made, with its changes. KEPT: a synced write has returned. TOLD: an operation of the
    chain has returned, whose last write had this number.
    """

    BEGUN = b"begun"
    KEPT = b"kept"
    TOLD = b"told"


def encode_note(kind: Note, sequence: int, changes: Sequence[Change]) -> bytes:
    """A note as bytes."""
    rows: list[rlp.Item] = [[key] if value is None else [key, value] for key, value in changes]
    return rlp.encode([kind.value, encode_number(sequence), rows])


@contextmanager
def small_sizes() -> Iterator[None]:
    """Let LevelDB's files be small, and pruned chains short."""
    small = partial(leveldb.LevelOptions, write_buffer_bytes=WRITE_BUFFER_BYTES, file_bytes=FILE_BYTES)
    with mock.patch.object(leveldb, "LevelOptions", small), mock.patch.multiple(pruning, **SOON_PRUNED):
        yield


@contextmanager
def started_at(boot: str, folder: Path) -> Iterator[None]:
    """Let the machine have started anew: the name of its start is kept in a file of `folder`."""
    file = folder / f"boot {boot}"
    file.write_text(boot)
    with mock.patch.object(checksums, "_BOOT_ID", file):
        yield


class Promises:
    """The content that a disk must have after the events so far, by the notes among them.

    start: what it held before the first.
    """

    def __init__(self, start: Contents, first: int) -> None:
        self._start = start
        self._first = first
        self._writes: list[list[rlp.Item]] = []
        self.kept = first
        self.told = first

    @property
    def begun(self) -> int:
        """The number of the newest write that was begun."""
        return self._first + len(self._writes)

    def take(self, event: Event) -> None:
        """Follow an event; only notes say something."""
        if event.kind is not Kind.NOTE:
            return
        name, number, rows = rlp.decode(event.first)
        assert isinstance(number, bytes)
        assert isinstance(rows, list)
        note, sequence = Note(name), decode_number(number)
        if note is Note.BEGUN:
            assert sequence == self.begun + 1, (sequence, self.begun)
            self._writes.append(rows)
        elif note is Note.KEPT:
            self.kept = sequence
        else:
            self.told = sequence

    def contents_at(self, sequence: int) -> Contents:
        """Everything in the database after the write with this number."""
        contents = dict(self._start)
        for rows in self._writes[: sequence - self._first]:
            for row in rows:
                key, value = row[0], row[1] if len(row) > 1 else None
                assert isinstance(key, bytes)
                assert isinstance(value, bytes | None)
                contents.pop(key, None)
                if value is not None:
                    contents[key] = value
        return contents

    def faults(self, found: Contents, sequence: int) -> Iterator[str]:
        """Why a database that holds this is wrong; nothing where it is right."""
        if not self._first <= sequence <= self.begun:
            yield f"it ends at write {sequence}, of {self._first} to {self.begun}"
            return
        if sequence < self.kept:
            yield f"it ends at write {sequence}, and write {self.kept} was synced"
        if found != (wanted := self.contents_at(sequence)):
            differing = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
            yield f"at write {sequence} {len(differing)} keys differ, {sorted(differing)[0].hex()} among them"
        if sequence < self.told:
            yield from self._broken(found, self.contents_at(self.told))

    def _broken(self, found: Contents, told: Contents) -> Iterator[str]:
        """The promises of answers that are not kept. Trie nodes, and the absence of old transactions, are not."""
        if any(found.get(key) != told.get(key) for key in _PROMISED):
            yield f"the head or the state is an older one than that after write {self.told}, which was answered"
        if any(key[:1] == POOLED.prefix and key not in found for key in told):
            yield f"a transaction of the pool is missing that was answered up to write {self.told}"
