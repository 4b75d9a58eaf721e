"""A bounded cache of byte strings that never change under their key (nodes and code, by hash)."""

from collections.abc import Mapping
from threading import Lock

_ENTRY_OVERHEAD_BYTES = 200
"""About what CPython spends on two bytes objects and their place in a dict."""


class ByteCache:
    """Holds at most about `capacity_bytes`, and forgets what was not used for longest.

    Two generations approximate that order without a lock on hits: a hit in the old one moves the
    entry to the young one; when the young one has half the capacity it becomes the old one, and
    what was old and not used since is dropped. Safe to use from any thread.
    """

    __slots__ = ("_half_bytes", "_lock", "_old", "_young", "_young_bytes")

    def __init__(self, capacity_bytes: int) -> None:
        self._half_bytes = capacity_bytes // 2
        self._lock = Lock()
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}
        self._young_bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep `value`; anything larger than half the capacity is not kept."""
        size = len(key) + len(value) + _ENTRY_OVERHEAD_BYTES
        if size > self._half_bytes:
            return
        with self._lock:
            if key in self._young:
                return
            if self._young_bytes + size > self._half_bytes:
                self._old = self._young
                self._young = {}
                self._young_bytes = 0
            self._young[key] = value
            self._young_bytes += size

    def put_all(self, values: Mapping[bytes, bytes]) -> None:
        """As `put`, of all pairs at once."""
        size = sum(map(len, values)) + sum(map(len, values.values())) + _ENTRY_OVERHEAD_BYTES * len(values)
        if size > self._half_bytes:
            for key, value in values.items():
                self.put(key, value)
            return
        with self._lock:
            if self._young_bytes + size > self._half_bytes:
                self._old = self._young
                self._young = {}
                self._young_bytes = 0
            self._young.update(values)
            # one that was there already counts twice, until the next generation
            self._young_bytes += size

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._young, self._old, self._young_bytes = {}, {}, 0

    def __len__(self) -> int:
        """Number of distinct keys held."""
        return len(self._young.keys() | self._old.keys())
