"""Which tests come first, and which of them a worker of pytest-xdist gets at once."""

from collections.abc import Iterable
from itertools import groupby

from xdist.scheduler import LoadFileScheduling

MEASURED = ("unit", "lengthy")
"""Marks of the tests whose coverage is measured. They come first, since probes cannot tell who reaches a line later."""


class StretchScheduling(LoadFileScheduling):  # type: ignore[misc]
    """One worker gets the tests of a file that follow each other: the measured ones of a file, and later its others."""

    def schedule(self) -> None:
        if self.collection is None and self.registered_collections:
            self._stretch_of = stretches(next(iter(self.registered_collections.values())))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._stretch_of[nodeid]


def stretches(names: Iterable[str]) -> dict[str, str]:
    """Name of each test -> that of its stretch."""
    groups = enumerate(groupby(names, key=lambda name: name.partition("::")[0]))
    return {name: f"{file} {number}" for number, (file, group) in groups for name in group}
