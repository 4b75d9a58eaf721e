"""Run the official conformance data against this node's code, on all cores, and print one table by suite.

    python -m verification.conformance.run                          every suite, half a minute
    python -m verification.conformance.run --only fixtures,answers  of: fixtures, zvm, import, altered, answers
    python -m verification.conformance.run --all-bytes              alter every byte of the chain, a minute

The data is read from $CONFORMANCE_DIR. Ends with 1 where a case falls short that docs/conformance.md does not list, and
where a listed one passes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from verification.conformance.chain_suite import SAMPLE_BYTES, altered_suite, import_suite
from verification.conformance.data import find_data
from verification.conformance.outcome import DOCUMENT, SuiteResult, complaints, known_shortfalls, summary
from verification.conformance.recorded_answers import answers_suite
from verification.conformance.state_suite import fixtures_suite, run_files, table_by_eip, zvm_suite

SUITES = ("fixtures", "zvm", "import", "altered", "answers")
PARTS_PER_CORE = 8
FILE_COLUMNS = 120
"""Width of what is printed where no terminal says how wide it is."""


class Run:
    """One run's processes, progress bars and output."""

    def __init__(self, options: argparse.Namespace, console: Console, pool: Executor, progress: Progress) -> None:
        self.options, self.console, self.pool, self.progress = options, console, pool, progress

    def results(self, names: Sequence[str]) -> Iterator[SuiteResult]:
        """The chosen suites in their order. Raises FileNotFoundError where data is missing."""
        if {"fixtures", "zvm"} & set(names):
            yield from self._state_suites(names)
        folder = find_data("rpc-compat") if {"import", "altered", "answers"} & set(names) else Path()
        if "import" in names:
            yield import_suite(folder)
        if "altered" in names:
            count = None if self.options.all_bytes else self.options.bytes
            parts = PARTS_PER_CORE * cores()
            yield altered_suite(self.pool, self.progress, folder, count=count, seed=self.options.seed, parts=parts)
        if "answers" in names:
            yield answers_suite(folder)

    def _state_suites(self, names: Sequence[str]) -> Iterator[SuiteResult]:
        files = sorted(find_data("state_tests").rglob("*.json"))
        started = time.perf_counter()
        plain = run_files(self.pool, self.progress, files, zvm=False)
        if "fixtures" in names:
            yield fixtures_suite(plain, time.perf_counter() - started)
            self.console.print(table_by_eip(plain))
        if "zvm" in names:
            started = time.perf_counter()
            yield zvm_suite(plain, run_files(self.pool, self.progress, files, zvm=True), time.perf_counter() - started)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def chosen(text: str | None) -> list[str]:
    """The suites asked for. Raises SystemExit for an unknown one."""
    wanted = set(text.split(",")) if text else set(SUITES)
    if unknown := wanted - set(SUITES):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(SUITES)}")
    return [name for name in SUITES if name in wanted]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="SUITES", help=f"of: {', '.join(SUITES)}")
    parser.add_argument("--bytes", type=int, default=SAMPLE_BYTES, help="altered bytes; default: %(default)s")
    parser.add_argument("--all-bytes", action="store_true", help="alter every byte of the chain")
    parser.add_argument("--seed", type=int, default=1, help="chooses the altered bytes; default: %(default)s")
    options = parser.parse_args(arguments)
    names, known = chosen(options.only), known_shortfalls(DOCUMENT.read_text())
    console, bars = Console(), Console(stderr=True)
    if not console.is_terminal:
        console.width = FILE_COLUMNS
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=bars, disable=not bars.is_terminal)
    # threads live in this process, which a fork would not bring along
    context = multiprocessing.get_context("spawn")
    try:
        with progress, ProcessPoolExecutor(cores(), mp_context=context) as pool:
            results = list(Run(options, console, pool, progress).results(names))
    except FileNotFoundError as missing:
        raise SystemExit(str(missing)) from missing
    console.print(summary(results, known))
    for result in results:
        for note in result.notes:
            console.print(f"{result.suite}: {note}", highlight=False, soft_wrap=True)
    wrong = list(complaints(results, known))
    for line in wrong:
        console.print(f"[red]{line}", highlight=False, soft_wrap=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
