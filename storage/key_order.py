"""The keys of a store in memory in order, at the cost of a few comparisons a key: sorted runs, merged as they grow."""

from bisect import bisect_left
from collections.abc import Container, Iterable
from itertools import islice

UNSORTED_LIMIT = 4096
"""New keys that may wait for their place in the order; more would make somebody's read slow."""
_RUN_KEYS = 1 << 17
"""A longer run is merged into no other: that would hold up the store for longer than a block takes."""
_DEAD_SHARE = 16
"""Removed keys, which reads pass over, may be one in 16 of all keys, or UNSORTED_LIMIT if that is more."""


class KeyOrder:
    """The keys of a mapping in order. `keys`: the mapping, in which a key is looked up when it is read.

    Each key is in one run, or in the list of those that wait. A removed one stays until there are too many of them,
    and is there again if it comes back. Not for use by two threads.
    """

    def __init__(self, keys: Container[bytes]) -> None:
        self._keys = keys
        self._runs: list[list[bytes]] = []
        self._sorted_count = 0
        self._waiting: list[bytes] = []
        self._dead: set[bytes] = set()

    def __len__(self) -> int:
        """Number of keys."""
        return self._sorted_count + len(self._waiting) - len(self._dead)

    def add(self, keys: list[bytes]) -> None:
        """Take keys in that have just come into the mapping, each of them once."""
        dead = self._dead
        if not dead.isdisjoint(keys):
            back = dead.intersection(keys)
            keys = [key for key in keys if key not in back]
            dead -= back
        self._waiting += keys
        if len(self._waiting) >= UNSORTED_LIMIT:
            self._sort()

    def remove(self, key: bytes) -> None:
        """Note that a key has just left the mapping."""
        self._dead.add(key)
        if len(self._dead) > max(UNSORTED_LIMIT, self._sorted_count // _DEAD_SHARE):
            self._bury()

    def first(self, start: bytes, stop: bytes, limit: int, *, reverse: bool) -> list[bytes]:
        """The first `limit` keys with start <= key < stop, or the last ones in reverse."""
        if self._waiting:
            self._sort()
        found: list[bytes] = []
        for run in self._runs:
            places: Iterable[int] = range(bisect_left(run, start), bisect_left(run, stop))
            if reverse:
                places = reversed(places)  # type: ignore[call-overload]
            found += islice(filter(self._keys.__contains__, map(run.__getitem__, places)), limit)
        found.sort(reverse=reverse)
        return found[:limit]

    def _sort(self) -> None:
        """Put what waits into the order: with the last runs, as long as those are no longer than twice the new one."""
        run, self._waiting = self._waiting, []
        self._sorted_count += len(run)
        run.sort()
        runs = self._runs
        while runs and len(runs[-1]) <= 2 * len(run) and len(runs[-1]) + len(run) <= _RUN_KEYS:
            run = runs.pop() + run
            # two runs in order, which the sort merges
            run.sort()
        runs.append(run)

    def _bury(self) -> None:
        """Forget the removed keys."""
        if self._waiting:
            self._sort()
        kept = ([key for key in run if key in self._keys] for run in self._runs)
        self._runs = [run for run in kept if run]
        self._sorted_count = sum(map(len, self._runs))
        self._dead.clear()
