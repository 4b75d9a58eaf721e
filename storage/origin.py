"""The chain beneath a forked one: what another chain holds up to a block, read only as it is needed.

    local store   what the fork made or changed, with a mark where it removed an account or slot
    origin        everything else, as of the forked block

So all that reads a database reads a fork alike. No answer of the origin is absence by default: what cannot be had
raises OriginError.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from zevm.storage.account import StateReader, decode_account
from zevm.storage.errors import OriginError, StorageProblem
from zevm.storage.keccak import EMPTY_KECCAK
from zevm.storage.primitives import Address, Hash32, TrieKey
from zevm.storage.schema import (
    ACCOUNT,
    BODY,
    CANONICAL,
    CODE,
    HEADER,
    LAST_VERSION,
    NUMBER,
    POSITION,
    RECEIPTS,
    SLOT,
    VERSION_SIZE,
    Version,
    address_in,
    code_key,
    detached_key,
    detached_range,
    history_key,
)
from zevm.storage.store import Batch, Change, Reader, Snapshot, Store

_BENEATH = frozenset(
    family.prefix for family in (HEADER, BODY, RECEIPTS, CANONICAL, NUMBER, POSITION, CODE, ACCOUNT, SLOT)
)
"""Families that the origin has records of."""

_FLAT = (ACCOUNT.prefix, SLOT.prefix)
_REMOVED = b""
"""The value of a flat record that the fork has removed; no account and no slot is written so."""


class Origin(Protocol):
    """The other chain up to the forked block. Any thread may call; every method raises OriginError."""

    @property
    def number(self) -> int:
        """The forked block's number."""
        ...

    @property
    def is_proved(self) -> bool:
        """Whether its states are; otherwise their tries are made up, and tell of the fork's changes alone."""
        ...

    def record(self, key: bytes) -> bytes | None:
        """The value that a database of that chain has under a key of the schema, None for none."""
        ...

    def has_code(self, address: Address, code_hash: bytes) -> None:
        """Note that the fork has changed an account, but not the code that it has here."""
        ...

    def node(self, owner: TrieKey, path: str, node_hash: bytes) -> bytes | None:
        """A trie node of the forked state, or of an older one that was read; None where no proof leads to it.

        owner, path: as in storage.state_update.NodesOf and storage.trie.Nodes.
        """
        ...

    def state(self, number: int, root: Hash32) -> StateReader:
        """The state after an older block."""
        ...

    def log_blocks(
        self, first: int, last: int, addresses: Sequence[bytes], topics: Sequence[Sequence[bytes] | None]
    ) -> Sequence[int]:
        """Ascending numbers of the blocks from `first` to `last` that have a matching log, as the origin says."""
        ...


class _Layered:
    """A reader over the origin. version: the state that is read; None for the newest."""

    __slots__ = ("_detached", "_origin", "_reader", "_version")

    def __init__(
        self, reader: Reader, origin: Origin, detached: Callable[[], bool], version: Version | None = None
    ) -> None:
        self._reader = reader
        self._origin = origin
        self._detached = detached
        self._version = version

    def get(self, key: bytes) -> bytes | None:
        """The value, or None. Raises OriginError."""
        value = self._reader.get(key)
        if value is None:
            prefix = key[:1]
            if prefix not in _BENEATH or (prefix == SLOT.prefix and self._is_detached(key)):
                return None
            return self._origin.record(key)
        return None if value == _REMOVED and key[:1] in _FLAT else value

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False, fill_cache: bool = True
    ) -> Iterator[tuple[bytes, bytes]]:
        """Local pairs alone: nothing lists what the origin has."""
        pairs = self._reader.iterate(start, stop, reverse=reverse, fill_cache=fill_cache)
        if start[:1] not in _FLAT:
            return pairs
        return (pair for pair in pairs if pair[1] != _REMOVED)

    def value_before_emptied(self, flat_key: bytes, version: Version, changed: bytes) -> bytes | None:
        """See storage.history.OverAnother."""
        if flat_key[:1] != SLOT.prefix or not self._detached():
            return None
        address = address_in(flat_key)
        emptied = [key[-VERSION_SIZE:] for key, _ in self._reader.iterate(*detached_range(address))]
        then = version.encode()
        if not any(then < at < changed for at in emptied) or any(at <= then for at in emptied):
            return None
        start, stop = history_key(flat_key, Version(0)), history_key(flat_key, version) + b"\x00"
        # the fork's own, where it had changed the slot by then
        if next(self._reader.iterate(start, stop), None) is not None:
            return None
        return self._origin.record(flat_key)

    def _is_detached(self, key: bytes) -> bool:
        """Whether the fork has emptied the storage of a slot's account, so that the origin's is no more."""
        if not self._detached():
            return False
        return is_emptied(self._reader, address_in(key), self._version)


class OriginSnapshot(_Layered):
    """A snapshot over the origin, which never changes."""

    __slots__ = ("_snapshot",)

    def __init__(
        self, snapshot: Snapshot, origin: Origin, detached: Callable[[], bool], version: Version | None = None
    ) -> None:
        super().__init__(snapshot, origin, detached, version)
        self._snapshot = snapshot

    def as_of(self, version: Version) -> "OriginSnapshot":
        """The same records, for reading the state after an earlier version."""
        return OriginSnapshot(self._snapshot, self._origin, self._detached, version)

    def close(self) -> None:
        """Free the view; later reads raise StorageError."""
        self._snapshot.close()


class OriginStore(_Layered):
    """A store over the origin."""

    __slots__ = ("_store", "_was_detached")

    def __init__(self, store: Store, origin: Origin) -> None:
        super().__init__(store, origin, lambda: self._was_detached)
        self._store = store
        self._was_detached = next(store.iterate(*detached_range(b"")), None) is not None

    def snapshot(self) -> Snapshot:
        """A frozen view of the store as it is now."""
        return OriginSnapshot(self._store.snapshot(), self._origin, self._detached)

    def write(self, batch: Batch, *, sync: bool = True) -> None:
        """Apply `batch` atomically; a removed account or slot is marked as removed."""
        marked = Batch()
        marked.operations = [_marked(change) for change in batch.operations]
        if self._was_detached:
            deleted = {key for key, value in batch.operations if value is None}
            marked.operations = [self._unmarked(change, deleted) for change in marked.operations]
        if any(key.startswith(detached_range(b"")[0]) for key, _ in batch.operations):
            self._was_detached = True
        self._store.write(marked, sync=sync)
        self._note_codes(batch)

    def _unmarked(self, change: Change, deleted: Collection[bytes]) -> Change:
        """The change; of a slot whose history the batch removes, so that it is the origin's again, without a mark."""
        key, value = change
        if (
            value != _REMOVED
            or key[:1] != SLOT.prefix
            or not any(self._store.iterate(*detached_range(address_in(key))))
        ):
            return change
        history = self._store.iterate(history_key(key, Version(0)), history_key(key, LAST_VERSION) + b"\x00")
        own = [posting for posting, _ in history]
        return (key, None) if own and all(posting in deleted for posting in own) else change

    def _note_codes(self, batch: Batch) -> None:
        """Tell the origin of changed accounts whose code is not the fork's: nothing reads them there again."""
        for key, value in batch.operations:
            if value is not None and key[:1] == ACCOUNT.prefix:
                code_hash = decode_account(value).code_hash
                if code_hash != EMPTY_KECCAK and self._store.get(code_key(code_hash)) is None:
                    self._origin.has_code(address_in(key), code_hash)

    def approximate_sizes(self, ranges: list[tuple[bytes, bytes]]) -> list[int]:
        """About how many bytes each range of keys takes locally."""
        return self._store.approximate_sizes(ranges)

    def reopen(self, between: Callable[[], None]) -> None:
        """See Store."""
        self._store.reopen(between)

    def close(self) -> None:
        """Release the local store."""
        self._store.close()


def check_proved(origin: Origin | None) -> None:
    """Ahead of work that reads a trie. Raises OriginError where that of a fork does not tell of all that it has."""
    if origin is not None and not origin.is_proved:
        raise OriginError(
            "the forked chain's state is not proved: nothing of this one can be proved or listed",
            StorageProblem.UNPROVED,
        )


def _marked(change: Change) -> Change:
    key, value = change
    return (key, _REMOVED) if value is None and key[:1] in _FLAT else change


def put_detached(batch: Batch, addresses: frozenset[bytes], version: Version) -> None:
    """Put into `batch` that the storage of these accounts is the fork's alone from a version on."""
    for address in addresses:
        batch.put(detached_key(address, version), b"")


def is_emptied(reader: Reader, address: bytes, upto: Version | None = None) -> bool:
    """Whether the fork has emptied the storage of an account up to a version, or ever: the origin's is no more."""
    return next(reader.iterate(*detached_range(address, upto)), None) is not None


def attach_again(reader: Reader, batch: Batch, after: Version) -> None:
    """Put into `batch` that what was detached after a version is not."""
    for key, _ in reader.iterate(*detached_range(b"")):
        if after.encode() < key[-VERSION_SIZE:]:
            batch.delete(key)
