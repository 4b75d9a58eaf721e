"""A suite's findings, and the known shortfalls, which docs/conformance.md lists with their reasons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from testing.node_process import ROOT

DOCUMENT = ROOT / "docs" / "conformance.md"
_HEADING = "## Shortfalls"
_ROW = re.compile(r"^\| `(?P<case>[^`]+)` \| (?P<reason>.+?) \|$")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A case that is not as it should be. case: unique in its suite. detail: what differs, in one line."""

    case: str
    detail: str


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """One row of the summary. notes: lines that are told below it and fail nothing."""

    suite: str
    total: int
    seconds: float
    shortfalls: tuple[Shortfall, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> int:
        """Cases that are as they should be."""
        return self.total - len(self.shortfalls)

    def names(self) -> list[str]:
        """The shortfalls as docs/conformance.md names them."""
        return [f"{self.suite}: {item.case}" for item in self.shortfalls]


def known_shortfalls(text: str) -> dict[str, str]:
    """{`suite: case`: reason} of the document's table of shortfalls. Raises ValueError where it has no such part."""
    if _HEADING not in text:
        raise ValueError(f"the document has no part {_HEADING!r}")
    part = text.split(_HEADING, 1)[1].split("\n## ", 1)[0]
    return {match["case"]: match["reason"] for match in map(_ROW.match, part.splitlines()) if match}


def complaints(results: Sequence[SuiteResult], known: dict[str, str]) -> Iterator[str]:
    """Why the run as a whole has failed: what is not listed, and what is listed but passes, of the suites that ran."""
    found = {name for result in results for name in result.names()}
    for result in results:
        for name, item in zip(result.names(), result.shortfalls, strict=True):
            if name not in known:
                yield f"{name}: {item.detail}"
        if result.total == 0:
            yield f"{result.suite}: there was nothing to run"
    suites = tuple(f"{result.suite}: " for result in results)
    for name in known:
        if name.startswith(suites) and name not in found:
            yield f"{name}: is listed as a shortfall and passes; take it out of docs/conformance.md"


def summary(results: Iterable[SuiteResult], known: dict[str, str]) -> Table:
    """The table by suite."""
    table = Table(title="Conformance", title_justify="left")
    table.add_column("suite")
    for column in ("passed", "all", "listed", "seconds"):
        table.add_column(column, justify="right")
    for result in results:
        listed = sum(name in known for name in result.names())
        counts = (f"{number:,}" for number in (result.passed, result.total, listed))
        table.add_row(result.suite, *counts, f"{result.seconds:.1f}")
    return table
