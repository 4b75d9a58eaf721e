"""The benchmark's tables: rows of medians, ratios between nodes, and how far each row is from what it should reach."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.nodes import BEFORE

NULL_RESULT = b'"result":null'
"""Part of the answer to a request for a receipt that is not there yet."""
PER_SECOND = "per second"
"""The end of the title of a row that is better the more it is."""
Rows = dict[str, dict[str, float]]
"""{row title: {node: figure}}"""


def timed(action: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def show(text: str) -> None:
    """Print progress to standard error, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def table(rows: Rows, names: Sequence[str]) -> str:
    """Markdown: medians, and for each other node how many times zEVM's time it needs (over 1: zEVM is faster).

    Others are compared with zEVM on disk and in memory, nodes of another checkout with the same kind of this one. A row
    whose title ends with PER_SECOND counts requests, and its ratios are of the time that one takes.
    """
    pairs = list(compared(names))
    head = ["", *names, *(f"{other} / {own}" for other, own in pairs)]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for title, values in rows.items():
        cells = [number_text(values.get(name)) for name in names]
        found = (ratio(title, values, other, own) for other, own in pairs)
        ratios = ["n/a" if value is None else f"{value:.2f}" for value in found]
        lines.append("| " + " | ".join([title, *cells, *ratios]) + " |")
    return "\n".join(lines)


def ratio(title: str, values: Mapping[str, float], other: str, own: str) -> float | None:
    """The other node's time for a row as a multiple of this one's; None where one of them has no figure."""
    if title.endswith(PER_SECOND):
        own, other = other, own
    value, base = values.get(other), values.get(own)
    return None if value is None or not base else value / base


def behind(rows: Rows, wanted: Mapping[str, float], other: str, own: str) -> list[str]:
    """A line for each row whose ratio is below what it should reach: 1, or what `wanted` says of its title."""
    lines = []
    for title, values in rows.items():
        least, found = wanted.get(title, 1.0), ratio(title, values, other, own)
        if found is not None and found < least:
            lines.append(f"{title}: {found:.2f} of {least:.2f}")
    return lines


def compared(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Another node, and the one of this checkout that it is compared with."""
    own = [name for name in names if name.startswith("zEVM")]
    for name in names:
        if name.startswith(BEFORE):
            yield name, name.replace(BEFORE, "zEVM")
        elif name not in own:
            yield from ((name, base) for base in own)


def number_text(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def ratio_text(value: float | None, base: float | None) -> str:
    return "n/a" if value is None or not base else f"{value / base:.2f}"


def machine() -> str:
    models = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) or ["unknown processor"]
    return f"{os.cpu_count()} x {models[0]}, Python {platform.python_version()}"
