"""The contents that a disk may have after a loss of power, by the journal of the changes to its files.

Assumed of the disk and the file system, as of ext4, XFS and btrfs:

- The writes to a file before a sync of it that has returned are there.
- Of the later ones, each page, or each sector, is there in any version it has had, or absent: zeros, or
  whatever the sector held before where the file has grown. A sector of 512 bytes is never mixed.
- The file's size is that of the sync, of any later write, or lies within one that makes the file grow.
- A folder's names (creations, renamings, removals) since its last sync are lost from any one on, in their order, each
  folder for itself. A sync of a file makes its own name durable, and those of the folders above it.

`strict` assumes less: names are lost in any order unless they have a name in common, and a sync of a file does nothing
for its name, so that only a sync of the folder does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from verification.crash.journal import Event, Kind

SECTOR_BYTES = 512
PAGE_BYTES = 4096


class _Write(NamedTuple):
    """Bytes at an offset; None for the truncation to a length."""

    offset: int
    data: bytes | None


@dataclass(eq=False)
class File:
    """A file: what is durable of it, and what was done since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[_Write] = field(default_factory=list)

    def sync(self) -> None:
        self.durable = self.whole()
        self.pending = []

    def whole(self) -> bytearray:
        """All that was written, as a process reads it."""
        content = bytearray(self.durable)
        for write in self.pending:
            _apply(content, write)
        return content

    def survivor(self, random: Random) -> bytes:
        """One of the contents that a loss of power may leave."""
        chosen = random.choices(list(_SURVIVALS), list(_SURVIVALS.values()))[0]
        if any(write.data is None for write in self.pending):
            chosen = _prefix
        return bytes(chosen(self, random))


def _apply(content: bytearray, write: _Write) -> None:
    if write.data is None:
        _resize(content, write.offset)
        return
    _resize(content, max(len(content), write.offset))
    content[write.offset : write.offset + len(write.data)] = write.data


def _resize(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))
    del content[size:]


def _everything(file: File, random: Random) -> bytearray:  # noqa: ARG001
    return file.whole()


def _nothing(file: File, random: Random) -> bytearray:  # noqa: ARG001
    return bytearray(file.durable)


def _prefix(file: File, random: Random) -> bytearray:
    """Some of the writes, and of the next one a part: any where the file grows, whole sectors within it."""
    content = bytearray(file.durable)
    count = random.randint(0, len(file.pending))
    for write in file.pending[:count]:
        _apply(content, write)
    next_write = file.pending[count] if count < len(file.pending) else None
    if next_write is not None and next_write.data is not None:
        end = next_write.offset + random.randint(0, len(next_write.data))
        if end < len(content):
            end -= end % SECTOR_BYTES
        if end > next_write.offset:
            _apply(content, _Write(next_write.offset, next_write.data[: end - next_write.offset]))
    return content


def _scattered(file: File, random: Random) -> bytearray:
    """Each page, or each sector, in any version, and any of the sizes."""
    unit = random.choice((PAGE_BYTES, SECTOR_BYTES))
    versions: dict[int, int] = {}
    content, sizes = bytearray(file.durable), [len(file.durable)]
    for index, write in enumerate(file.pending):
        assert write.data is not None
        end = write.offset + len(write.data)
        sizes.append(max(sizes[-1], end))
        _resize(content, sizes[-1])
        for start in range(write.offset - write.offset % unit, end, unit):
            if versions.setdefault(start, random.randint(0, len(file.pending))) > index:
                low, high = max(start, write.offset), min(start + unit, end)
                content[low:high] = write.data[low - write.offset : high - write.offset]
    _resize(content, random.choice(sizes))
    return content


def _stale(file: File, random: Random) -> bytearray:
    """As `_scattered`, but a sector that was never written holds what another file left there."""
    content = _scattered(file, random)
    whole = file.whole()
    first = -(-len(file.durable) // SECTOR_BYTES) * SECTOR_BYTES
    for start in range(first, len(content), SECTOR_BYTES):
        sector = content[start : start + SECTOR_BYTES]
        if not any(sector) and any(whole[start : start + SECTOR_BYTES]):
            content[start : start + SECTOR_BYTES] = random.randbytes(len(sector))
    return content


_SURVIVALS = {_everything: 0.2, _nothing: 0.15, _prefix: 0.3, _scattered: 0.25, _stale: 0.1}

Names = dict[bytes, "File | Folder"]


_NameChange = dict[bytes, "File | Folder | None"]
"""Names that change together: the file or folder of each from then on, None for nothing."""


@dataclass(eq=False)
class Folder:
    """A folder: its names now, those that are durable, and the changes since."""

    names: Names = field(default_factory=dict)
    durable: Names = field(default_factory=dict)
    pending: list[_NameChange] = field(default_factory=list)

    def change(self, change: _NameChange) -> None:
        _rename(self.names, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.durable = dict(self.names)
        self.pending = []

    def survivor(self, random: Random, *, strict: bool) -> Names:
        """The names that a loss of power may leave."""
        names = dict(self.durable)
        for changes in _related(self.pending) if strict else [self.pending]:
            for change in changes[: random.randint(0, len(changes))]:
                _rename(names, change)
        return names


def _rename(names: Names, change: _NameChange) -> None:
    for name, node in change.items():
        names.pop(name, None)
        if node is not None:
            names[name] = node


def _related(changes: list[_NameChange]) -> list[list[_NameChange]]:
    """The changes in groups that have no name in common, each in its order."""
    groups: list[tuple[set[bytes], list[_NameChange]]] = []
    for change in changes:
        names, members = set(change), []
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names |= group[0]
            members += group[1]
        groups.append((names, [*members, change]))
    # a member stands behind all that it was joined to, which is not their order in the folder
    order = {id(change): index for index, change in enumerate(changes)}
    return [sorted(members, key=lambda change: order[id(change)]) for _, members in groups]


class Medium:
    """A folder on a disk, as a journal's events change it.

    start: a folder on this machine, whose content is durable from the beginning. ignored: ends of the names of files
    whose syncs the disk only pretends, to see that this is noticed.
    """

    def __init__(self, start: Path | None, *, strict: bool = False, ignored: tuple[str, ...] = ()) -> None:
        self._root = _load(start) if start is not None else Folder()
        self._open: dict[int, tuple[File | Folder, bytes]] = {}
        self._strict = strict
        self._ignored = tuple(end.encode() for end in ignored)

    def play(self, event: Event) -> None:
        """Change what is there as an event did."""
        self._EFFECTS[event.kind](self, event)

    def write_survivor(self, target: Path, random: Random) -> None:
        """Write into a new folder what may be left if power is lost now."""
        self._write(self._root, target, random)

    def _write(self, folder: Folder, target: Path, random: Random) -> None:
        target.mkdir()
        for name, node in folder.survivor(random, strict=self._strict).items():
            path = target / name.decode()
            if isinstance(node, Folder):
                self._write(node, path, random)
            else:
                path.write_bytes(node.survivor(random))

    def _place(self, path: bytes) -> tuple[Folder, bytes]:
        folder, name = self._folders(path)[-1], path.rpartition(b"/")[2]
        return folder, name

    def _folders(self, path: bytes) -> list[Folder]:
        """The folders above a path, the outermost first."""
        folders = [self._root]
        for name in path.split(b"/")[:-1]:
            inner = folders[-1].names[name]
            assert isinstance(inner, Folder)
            folders.append(inner)
        return folders

    def _find(self, path: bytes) -> File | Folder | None:
        folder, name = self._place(path)
        return folder.names.get(name)

    def _on_open(self, event: Event) -> None:
        node = self._find(event.first)
        if node is None:
            assert event.creates, event
            node = File()
            folder, name = self._place(event.first)
            folder.change({name: node})
        if event.empties:
            assert isinstance(node, File)
            node.pending.append(_Write(0, None))
        self._open[event.descriptor] = node, event.first

    def _on_close(self, event: Event) -> None:
        del self._open[event.descriptor]

    def _file(self, event: Event) -> File:
        node, _ = self._open[event.descriptor]
        assert isinstance(node, File)
        return node

    def _on_write(self, event: Event) -> None:
        self._file(event).pending.append(_Write(event.number, event.first))

    def _on_truncate(self, event: Event) -> None:
        self._file(event).pending.append(_Write(event.number, None))

    def _on_sync(self, event: Event) -> None:
        node, path = self._open[event.descriptor]
        if path.endswith(self._ignored):
            return
        node.sync()
        if self._strict:
            return
        for folder in self._folders(path) if isinstance(node, File) else self._folders(path + b"/"):
            folder.sync()

    def _on_rename(self, event: Event) -> None:
        node = self._find(event.first)
        (folder, old), (other, new) = self._place(event.first), self._place(event.second)
        assert folder is other, "a renaming from one folder to another is not followed"
        folder.change({old: None, new: node})

    def _on_link(self, event: Event) -> None:
        folder, name = self._place(event.second)
        folder.change({name: self._find(event.first)})

    def _on_remove(self, event: Event) -> None:
        folder, name = self._place(event.first)
        folder.change({name: None})

    def _on_make_folder(self, event: Event) -> None:
        folder, name = self._place(event.first)
        folder.change({name: Folder()})

    def _on_note(self, event: Event) -> None:
        pass

    _EFFECTS = {  # noqa: RUF012
        Kind.OPEN: _on_open,
        Kind.CLOSE: _on_close,
        Kind.WRITE: _on_write,
        Kind.TRUNCATE: _on_truncate,
        Kind.SYNC: _on_sync,
        Kind.RENAME: _on_rename,
        Kind.LINK: _on_link,
        Kind.REMOVE: _on_remove,
        Kind.MAKE_FOLDER: _on_make_folder,
        Kind.NOTE: _on_note,
    }


def _load(path: Path) -> Folder:
    """A folder of this machine, all of it durable."""
    folder = Folder()
    for entry in path.iterdir():
        folder.names[entry.name.encode()] = _load(entry) if entry.is_dir() else File(bytearray(entry.read_bytes()))
    folder.sync()
    return folder
