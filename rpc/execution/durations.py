"""Which executions are short: by what others of their kind took before."""

import threading
from dataclasses import dataclass

Kind = tuple[object, ...]
"""The properties that executions of about the same time have in common, in few bytes: method, code, selector."""

MOST_PROOFS = 64
"""Short runs that a kind needs at most before it counts as short again: one attempt among that number costs next
to nothing, and a machine that was busy for a while may have made a kind look long that is not.
"""


@dataclass(slots=True)
class _Record:
    """runs: short ones, less the long ones. needed: how many make the kind short. kept: expectations that it has kept
    since then, or since the doubt. is_doubtful: whether one has overrun for an unknown reason.
    """

    runs: int = 0
    needed: int = 1
    kept: int = 0
    is_doubtful: bool = False


class Durations:
    """A table of a number of kinds: the oldest go first. For any thread.

    A kind is short after one short run; each time that it turns out not to be, it needs twice as many, and half as many
    once it has kept twice that number of expectations: a machine under load has short runs take long now and then.
    """

    def __init__(self, short_seconds: float, most: int) -> None:
        self._short_seconds = short_seconds
        self._half = max(1, most // 2)
        self._lock = threading.Lock()
        self._young: dict[Kind, _Record] = {}
        self._old: dict[Kind, _Record] = {}

    def is_short(self, kind: Kind) -> bool:
        """Whether the next one is expected to be short."""
        record = self._young.get(kind) or self._old.get(kind)
        return record is not None and record.runs >= record.needed

    def took(self, kind: Kind, seconds: float) -> None:
        """One was done in this time, of the processor's."""
        with self._lock:
            record = self._record_of(kind)
            record.runs = record.runs + 1 if seconds <= self._short_seconds else max(0, record.runs - 1)

    def kept(self, kind: Kind) -> None:
        """One that was expected to be short was."""
        record = self._young.get(kind)
        if record is not None and record.needed == 1 and not record.is_doubtful:
            return  # nothing is to be won back
        with self._lock:
            record = self._record_of(kind)
            record.kept += 1
            if record.kept >= 2 * record.needed > 2:
                record.needed, record.kept = record.needed // 2, 0
            elif record.kept >= MOST_PROOFS:
                record.is_doubtful, record.kept = False, 0

    def overran(self, kind: Kind) -> None:
        """One that was expected to be short was not."""
        with self._lock:
            record = self._record_of(kind)
            record.runs, record.needed, record.kept = 0, min(2 * record.needed, MOST_PROOFS), 0

    def is_doubtful(self, kind: Kind) -> bool:
        """Whether the processor time of the next one is to be watched, so that `overran` can be said of it."""
        record = self._young.get(kind) or self._old.get(kind)
        return record is not None and (record.is_doubtful or record.needed > 1)

    def doubt(self, kind: Kind) -> None:
        """One that was expected to be short was not, for a reason that is not known."""
        with self._lock:
            record = self._record_of(kind)
            record.is_doubtful, record.kept = True, 0

    def __len__(self) -> int:
        """The number of known kinds."""
        return len(self._young.keys() | self._old.keys())

    def _record_of(self, kind: Kind) -> _Record:
        record = self._young.get(kind)
        if record is None:
            if len(self._young) >= self._half:
                self._old, self._young = self._young, {}
            record = self._young[kind] = self._old.pop(kind) if kind in self._old else _Record()
        return record
