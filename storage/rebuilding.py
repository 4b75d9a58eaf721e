"""Trie nodes made from flat records: of a state that is known by how its records differ from another's."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from itertools import islice
from threading import Lock
from typing import NamedTuple

from zevm.storage import trie
from zevm.storage.account import EMPTY_ROOT, decode_account
from zevm.storage.errors import CorruptionError, NodesNotKeptError, StorageProblem
from zevm.storage.history import changed_keys, changes_between, replaced_value
from zevm.storage.primitives import STATE_TRIE, Address, Hash32, TrieKey
from zevm.storage.rlp import encode_uint
from zevm.storage.schema import ACCOUNT, ADDRESS_SIZE, SLOT, Version, end_of, slots_prefix
from zevm.storage.state_update import NodesOf, hashed, over, slot_hash, storage_root
from zevm.storage.store import Reader

STEP_ENTRIES = 8192
"""Entries of a trie that are changed between two looks at the clock."""

_ADDRESS_END = 1 + ADDRESS_SIZE

MANY_SLOTS = 1024
"""Changed slots of an account from which on its whole storage trie is made, where as many at most have not changed."""


class Rebuilt(NamedTuple):
    """A state's root, and by hash the nodes that it does not share with the state that it was made from."""

    root: Hash32
    nodes: dict[bytes, bytes]


class RebuildLimit:
    """Ends what makes a state's nodes again when it takes too long, or when too much has changed since.

    seconds: from now on. values: most accounts and slots. differences: most that are read one after another.
    """

    def __init__(self, seconds: float, values: int, differences: int, version: Version) -> None:
        self.differences = differences
        self._end = time.monotonic() + seconds
        self._seconds = seconds
        self._values = values
        self._version = version

    @contextmanager
    def turn(self, lock: Lock) -> Iterator[None]:
        """Hold a lock. Raises NodesNotKeptError where the time is over first."""
        if not lock.acquire(timeout=max(0.0, self._end - time.monotonic())):
            raise self._over()
        try:
            yield
        finally:
            lock.release()

    def check_values(self, count: int) -> None:
        """Raise NodesNotKeptError for too many values."""
        self.check()
        if count > self._values:
            raise self._error(f"more than {self._values:,} accounts and slots have changed since")

    def check(self) -> None:
        """Raise NodesNotKeptError once the time is over."""
        if time.monotonic() > self._end:
            raise self._over()

    def _over(self) -> NodesNotKeptError:
        return self._error(f"making it again from what changed since takes more than {self._seconds:g} s")

    def passed_by(self) -> NodesNotKeptError:
        """The error where the chain goes on faster than the work."""
        return self._error("the chain grew too fast for it to be made again")

    def _error(self, why: str) -> NodesNotKeptError:
        return NodesNotKeptError(
            f"the trie of the state after block {self._version.number} is not kept, and {why}",
            StorageProblem.NODES_NOT_KEPT,
        )


def values_before(reader: Reader, after: Version, limit: RebuildLimit) -> dict[bytes, bytes]:
    """The flat records as of version `after` (b"": none) of all that changed since. Raises NodesNotKeptError."""
    values: dict[bytes, bytes] = {}
    for count, (_, fields) in enumerate(changes_between(reader, after)):
        if count == limit.differences:
            # from here on the index is quicker: a long chain changes the same records again and again
            return _values_by_index(reader, after, limit)
        limit.check_values(len(values))
        for flat_key, old in zip(fields[::2], fields[1::2], strict=True):
            values.setdefault(flat_key, old)
    return values


def _values_by_index(reader: Reader, after: Version, limit: RebuildLimit) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for flat_key in changed_keys(reader):
        limit.check_values(len(values))
        old = replaced_value(reader, flat_key, after)
        if old is not None:
            values[flat_key] = old
    return values


class Since(NamedTuple):
    """The records that changed after a version.

    values: as they are now (b"": none). whole: the accounts of which every slot is among them.
    """

    values: dict[bytes, bytes]
    whole: Set[Address]


def values_since(reader: Reader, after: Version) -> Since:
    """The records that changed after a version.

    Of an account with many changed slots the others too, unless they are more.
    """
    keys: dict[bytes, None] = {}
    for _, fields in changes_between(reader, after):
        keys.update(dict.fromkeys(fields[::2]))
    values: dict[bytes, bytes] = {}
    whole = set()
    slots = Counter([key[1:_ADDRESS_END] for key in keys if key.startswith(SLOT.prefix)])
    for address in [address for address, count in slots.items() if count >= MANY_SLOTS]:
        prefix, most = slots_prefix(address), 2 * slots[address]
        records = dict(islice(reader.iterate(prefix, end_of(prefix), fill_cache=False), most + 1))
        if len(records) <= most:
            whole.add(Address(address))
            values |= records
    for key in keys:
        if key not in values:
            # a slot of a whole account that is not there has gone
            is_gone = key[1:_ADDRESS_END] in whole and key.startswith(SLOT.prefix)
            values[key] = b"" if is_gone else reader.get(key) or b""
    return Since(values, whole)


def rebuild(
    nodes: NodesOf,
    base: Hash32,
    values: Mapping[bytes, bytes],
    limit: RebuildLimit | None = None,
    whole: Set[Address] = frozenset(),
) -> Rebuilt:
    """The state whose flat records differ from those of the state with root `base` in `values` alone (b"": none).

    whole: accounts of which all slots are among the values: their storage tries are made of these, and no node is read.
    Raises CorruptionError where an account's record does not fit its slots, NodesNotKeptError, and the trie's errors.
    """
    accounts, slots = _by_address(values.items())
    fresh: dict[bytes, bytes] = {}
    seen = over(nodes, [fresh])
    for address, changed in slots.items():
        key, record = hashed(address), accounts.get(address)
        if record is None:
            raise _unfit(address)
        if not record:
            continue
        entries = {slot_hash(slot): encode_uint(value) if value else b"" for slot, value in changed.items()}
        before = EMPTY_ROOT if address in whole else storage_root(nodes, base, key)
        root = _updated(seen(key), before, entries, fresh, limit)
        if root != decode_account(record).storage_root:
            raise _unfit(address)
    entries = {hashed(address): record for address, record in accounts.items()}
    return Rebuilt(_updated(seen(STATE_TRIE), base, entries, fresh, limit), fresh)


def _updated(
    nodes: trie.Nodes,
    root: Hash32,
    entries: dict[TrieKey, bytes],
    fresh: dict[bytes, bytes],
    limit: RebuildLimit | None,
) -> Hash32:
    """The root of a trie after these changes; its nodes go into `fresh`, with a limit others too that lie between."""
    ascending = sorted(entries.items())
    step = len(ascending) if limit is None else STEP_ENTRIES
    for start in range(0, len(ascending), step or 1):
        if limit is not None:
            limit.check()
        update = trie.update(nodes, root, dict(ascending[start : start + step]))
        fresh.update(update.nodes)
        root = update.root
    return root


def _by_address(values: Iterable[tuple[bytes, bytes]]) -> tuple[dict[Address, bytes], dict[Address, dict[int, int]]]:
    accounts: dict[Address, bytes] = {}
    slots: dict[Address, dict[int, int]] = {}
    for flat_key, value in values:
        address = Address(flat_key[1:_ADDRESS_END])
        if flat_key.startswith(ACCOUNT.prefix):
            accounts[address] = value
        else:
            slots.setdefault(address, {})[int.from_bytes(flat_key[_ADDRESS_END:], "big")] = int.from_bytes(value, "big")
    return accounts, slots


def _unfit(address: bytes) -> CorruptionError:
    return CorruptionError(f"the slots of 0x{address.hex()} do not fit its account", StorageProblem.RECORD_DAMAGED)


def checked(rebuilt: Rebuilt, root: Hash32) -> dict[bytes, bytes]:
    """The nodes of the state with this root. Raises CorruptionError where it is another's."""
    if rebuilt.root != root:
        raise CorruptionError(
            f"the records of a state with root {root.hex()} lead to {rebuilt.root.hex()}",
            StorageProblem.RECORD_DAMAGED,
        )
    return rebuilt.nodes
