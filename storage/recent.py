"""The values that a store was given last, so that reading them again asks no file.

LevelDB rewrites a file and all that lies beneath it once some reads have had to look into it and found nothing. The
keys that every block reads are those that blocks have written lately: kept here, they cause no such rewriting.
"""

from itertools import compress
from operator import itemgetter, methodcaller

from zevm.storage.store import Change

_ENTRY_OVERHEAD_BYTES = 250
"""About what CPython spends on two bytes objects, a tuple and their place in a dict."""

_VALUE_BYTES = 256
"""Larger values are not kept: they are read seldom."""

Entry = tuple[int, bytes | None]
"""The number of the write that gave the value, and the value; None for a removed key."""


class RecentValues:
    """At most about `capacity_bytes` of keys that begin with one of `prefixes`, those that were written last.

    One thread at a time writes; all may read. An entry is the key's newest value: who reads the store as it was after
    write number n may take entries up to n, and must look into the store for the others.
    """

    __slots__ = ("_half_bytes", "_is_kept", "_old", "_young", "_young_bytes")

    def __init__(self, capacity_bytes: int, prefixes: frozenset[bytes]) -> None:
        self._half_bytes = capacity_bytes // 2
        self._is_kept = methodcaller("startswith", tuple(prefixes))
        self._young: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}
        self._young_bytes = 0

    def find(self, key: bytes) -> Entry | None:
        """The newest write of the key, None where it is not known."""
        return self._young.get(key) or self._old.get(key)

    def note(self, number: int, changes: list[Change]) -> None:
        """Keep what write `number` is about to change. Call it before the write, so that no reader mixes two states."""
        for key, value in compress(changes, map(self._is_kept, map(itemgetter(0), changes))):
            if value is not None and len(value) > _VALUE_BYTES:
                # an older value of the key must not be found
                self._young.pop(key, None)
                self._old.pop(key, None)
                continue
            if key not in self._young:
                self._make_room(len(key) + len(value or b"") + _ENTRY_OVERHEAD_BYTES)
            self._young[key] = (number, value)

    def clear(self) -> None:
        """Forget everything, as after a write that failed."""
        self._young, self._old, self._young_bytes = {}, {}, 0

    def _make_room(self, size_bytes: int) -> None:
        if self._young_bytes + size_bytes > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young_bytes += size_bytes
