"""Every state fixture on all cores, without WebAssembly contracts and with them; a table by fork and EIP."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field, fields
from functools import cache
from operator import itemgetter
from pathlib import Path

from rich.progress import Progress
from rich.table import Table

from verification.conformance.outcome import Shortfall, SuiteResult
from verification.conformance.state_fixtures import Case, load_cases, run_case, state_before
from zevm.chain.concurrency.deadline import Deadline
from zevm.chain.rules.forks import Fork
from zevm.chain.vm.execution_state import Codes
from zevm.chain.vm.frame import CoreWasm, TransactionContext, WasmMachine
from zevm.chain.zvm.machine import ZvmMachine
from zevm.chain.zvm.precompiles import ARBWASM_ADDRESS, LIBRARY_ADDRESS
from zevm.chain.zvm.scope import TransactionScope

SUITE = "state fixtures"
ZVM_SUITE = "state fixtures with zvm"
_EIP = re.compile(r"eip(\d+)_(\w+)")
_MODULE = "code or creation data begins as a module"
_PRECOMPILES = {ARBWASM_ADDRESS: "ArbWasm at 0x71", LIBRARY_ADDRESS: "ZvmLibrary at 0x5a564d"}


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Cases that are counted together: the fork whose rules they run under, and the EIP of the file's path."""

    fork: Fork
    eip: int
    title: str


@dataclass(slots=True)
class Tally:
    """Counts of cases: all, those whose transaction must be rejected, those that differ; and what they took."""

    total: int = 0
    rejected: int = 0
    failed: int = 0
    seconds: float = 0.0

    def add(self, other: Tally) -> None:
        """Count the other's too."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


Tallies = defaultdict[Group, Tally]


@dataclass(slots=True)
class FileResult:
    """One file's cases. failures: {case: what differs}. reasons: {case: what the zvm flag means for it}."""

    name: str
    tallies: Tallies = field(default_factory=lambda: defaultdict(Tally))
    failures: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)


class WatchedMachine(ZvmMachine):
    """The machine under the default prices, that tells whether it has claimed any code."""

    def __init__(self) -> None:
        super().__init__("zvm")
        self.has_claimed = False

    def claims(self, code: bytes) -> bool:
        """As ZvmMachine."""
        found = super().claims(code)
        self.has_claimed = self.has_claimed or found
        return found

    def lend(
        self,
        state: Codes,
        running: Callable[[], TransactionContext],
        deadline: Deadline | None,
        scope: TransactionScope | None = None,
    ) -> CoreWasm | None:
        """As ZvmMachine, for code that the core has found to be the machine's."""
        self.has_claimed = True
        return super().lend(state, running, deadline, scope)


def reasons_of(case: Case) -> tuple[str, ...]:
    """The parts of a case that the zvm flag affects; empty if none."""
    machine, reader = WatchedMachine(), state_before(case)
    run_case(case, wasm_machine=machine, reader=reader)
    machine.close()
    found = [_MODULE] if machine.has_claimed else []
    return (*found, *(text for address, text in _PRECOMPILES.items() if address in reader.touched))


@cache
def _machine() -> WasmMachine:
    """One for the process."""
    return ZvmMachine("zvm")


def run_file(path: Path, zvm: bool) -> FileResult:
    """Run every case of a file. zvm: with WebAssembly contracts; those that differ are asked for their reasons."""
    result = FileResult(f"{path.parent.name}/{path.stem}")
    number, title = next((match.groups() for part in path.parts if (match := _EIP.fullmatch(part))), ("0", "none"))
    for case in load_cases(path):
        started = time.perf_counter()
        difference = run_case(case, wasm_machine=_machine() if zvm else None)
        seconds = time.perf_counter() - started
        group = Group(case.fork, int(number), title.replace("_", " "))
        result.tallies[group].add(Tally(1, case.rejected, difference is not None, seconds))
        if difference is not None:
            result.failures[case.name] = difference
            if zvm:
                result.reasons[case.name] = reasons_of(case)
    return result


def run_files(pool: Executor, progress: Progress, files: Sequence[Path], *, zvm: bool) -> list[FileResult]:
    """Every file, in their order; the bar counts files."""
    task = progress.add_task(ZVM_SUITE if zvm else SUITE, total=len(files))
    # the largest first, so that no core waits for the last one
    tasks = {pool.submit(run_file, file, zvm): file for file in sorted(files, key=_size, reverse=True)}
    results = {}
    for done in as_completed(tasks):
        results[tasks[done]] = done.result()
        progress.advance(task)
    return [results[file] for file in files]


def _size(file: Path) -> int:
    return file.stat().st_size


def count_cases(results: Iterable[FileResult]) -> int:
    """All their cases."""
    return sum(tally.total for result in results for tally in result.tallies.values())


def fixtures_suite(results: Sequence[FileResult], seconds: float) -> SuiteResult:
    """The run without WebAssembly contracts."""
    shortfalls = tuple(
        Shortfall(f"{result.name} {case}", text) for result in results for case, text in result.failures.items()
    )
    return SuiteResult(SUITE, count_cases(results), seconds, shortfalls)


def zvm_suite(plain: Sequence[FileResult], with_zvm: Sequence[FileResult], seconds: float) -> SuiteResult:
    """The effect of the flag: shortfalls are the differences that WebAssembly does not explain."""
    differing = [
        (f"{after.name} {case}", text, after.reasons.get(case, ()))
        for before, after in zip(plain, with_zvm, strict=True)
        for case, text in _changed(before.failures, after.failures)
    ]
    explained = Counter(reason for _, _, reasons in differing for reason in reasons)
    total = count_cases(with_zvm)
    notes = (f"{len(differing)} of {total:,} differ with zvm on", *(f"{n}: {why}" for why, n in explained.items()))
    shortfalls = tuple(Shortfall(case, text) for case, text, reasons in differing if not reasons)
    return SuiteResult(ZVM_SUITE, total, seconds, shortfalls, notes)


def _changed(before: dict[str, str], after: dict[str, str]) -> Iterator[tuple[str, str]]:
    for case in sorted(before.keys() | after.keys()):
        if before.get(case) != after.get(case):
            yield case, after.get(case, f"passes, but without zvm: {before.get(case)}")


def table_by_eip(results: Iterable[FileResult]) -> Table:
    """Passed and all cases, and processor seconds, by the fork that they run under and their EIP."""
    tallies: Tallies = defaultdict(Tally)
    for result in results:
        for group, tally in result.tallies.items():
            tallies[group].add(tally)
    table = Table(title="State fixtures", title_justify="left")
    for name in ("fork", "EIP", ""):
        table.add_column(name)
    for name in ("passed", "all", "must be rejected", "seconds"):
        table.add_column(name, justify="right")
    for group, tally in sorted(tallies.items(), key=itemgetter(0)):
        counts = (tally.total - tally.failed, tally.total, tally.rejected)
        cells = (f"{count:,}" for count in counts)
        table.add_row(group.fork.name.title(), str(group.eip), group.title, *cells, f"{tally.seconds:.1f}")
    return table
