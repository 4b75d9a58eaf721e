"""Plugin of pytest: how much of the code the measured tests reach, as [tool.coverage] of pyproject.toml asks.

slipcover's probes find it (testing/probes.py), at a lower cost than a trace function; coverage.py reports it.
Each worker of pytest-xdist hands over what its tests reached.
"""

import ast
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

import pytest
from coverage import Coverage
from coverage.python import PythonFileReporter
from slipcover import Slipcover
from slipcover.branch import preinstrument
from slipcover.importer import SlipcoverLoader

from testing.node_process import ROOT
from testing.probes import Label, ProbedLoader, Probes

KEPT = ROOT / ".pytest_cache" / "probes"

COVERAGE_FELL = 8
"""Exit status where less is covered than pyproject.toml says: none of pytest's own."""

_OUTPUT = "reached"
"""Name among the outputs of a worker."""

Arc = tuple[int, int]


class Reached(NamedTuple):
    """Lines and branches of a file."""

    lines: set[int]
    branches: set[Arc]


class _Finder(MetaPathFinder):
    """Gives the modules of measured files probes, before pytest's finder can give them messages of assertions."""

    def __init__(self, probes: Probes | Slipcover, files: frozenset[str]) -> None:
        self._probes = probes
        self._files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "zevm":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None and os.path.realpath(spec.origin or "") in self._files:
            assert spec.origin is not None
            spec.loader = loader_of(self._probes)(self._probes, spec.loader, spec.origin)
        return spec


class Measuring:
    """From the first import of the code to the last test of this process."""

    def __init__(self) -> None:
        self._coverage = Coverage(config_file=str(ROOT / "pyproject.toml"), data_file=None)
        self._files = _measured_files(*(self._option(name) for name in ("run:source", "run:omit")))
        self._probes = new_probes()
        sys.meta_path.insert(0, _Finder(self._probes, self._files))
        self._reached: dict[str, Reached] = {}
        self._report = StringIO()
        self._percent: float | None = None

    def _option(self, name: str) -> list[str]:
        return cast("list[str]", self._coverage.get_option(name))

    def _add(self, file: str, lines: Iterable[int], branches: Iterable[Arc]) -> None:
        reached = self._reached.setdefault(os.path.realpath(file), Reached(set(), set()))
        reached.lines.update(lines)
        reached.branches.update(branches)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker hands over."""
        for name, (lines, branches) in getattr(node, "workeroutput", {}).get(_OUTPUT, {}).items():
            self._add(name, lines, branches)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail where less is covered than pyproject.toml says, whether or not tests failed."""
        for file, labels in self._probes.newly_seen.items():
            self._add(file, *reached_by(labels))
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_OUTPUT] = {
                name: ([*reached.lines], [*reached.branches]) for name, reached in self._reached.items()
            }
        elif exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            data = self._coverage.get_data()
            data.add_arcs({name: self._arcs(name, reached) for name, reached in self._reached.items()})
            data.touch_files(self._files)
            self._percent = self._coverage.report(file=self._report)
            if self._percent < self._least:
                session.exitstatus = COVERAGE_FELL

    def _arcs(self, name: str, reached: Reached) -> set[Arc]:
        branches = _branches(PythonFileReporter(name, self._coverage), reached)
        return {(line, line) for line in reached.lines} | set(branches)

    @property
    def _least(self) -> float:
        return cast("float", self._coverage.get_option("report:fail_under"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table of files that are not covered whole."""
        if self._percent is not None:
            terminalreporter.section("coverage of the measured tests")
            terminalreporter.write_line(self._report.getvalue())
            verdict = "FAILED: less than" if self._percent < self._least else "at least"
            terminalreporter.write_line(f"{self._percent:.2f} %, {verdict} the {self._least} % of pyproject.toml")


def new_probes(folder: Path = KEPT) -> Probes | Slipcover:
    """A collector whose `newly_seen` has the reached lines and branches. folder: for code with probes."""
    if sys.version_info < (3, 12):
        return Probes(folder)
    return Slipcover(branch=True, exclude_lines=[])


def loader_of(probes: Probes | Slipcover) -> type[SlipcoverLoader]:
    """The loader that lets them see a module's code."""
    return ProbedLoader if isinstance(probes, Probes) else SlipcoverLoader


def reached_by(labels: Iterable[Label]) -> Reached:
    """The lines and branches of the labels of probes."""
    reached = Reached(set(), set())
    for label in labels:
        if isinstance(label, tuple):
            reached.branches.add(label)
        else:
            reached.lines.add(label)
    return reached


def _measured_files(folders: Iterable[str], omitted: Iterable[str]) -> frozenset[str]:
    """Those of packages, also where no test imports them."""
    files = {file for name in folders for file in (ROOT / name).rglob("*.py") if (file.parent / "__init__.py").exists()}
    return frozenset(map(str, files - {ROOT / name for name in omitted}))


def _branches(reporter: PythonFileReporter, reached: Reached) -> Iterator[Arc]:
    """The branches that were taken, as coverage.py names their ends.

    Both see a branch's two ends, and call one the same: the first line of the body. Cases of a match have no marks: the
    line that follows was reached, or not.
    """
    ends: dict[int, set[int]] = defaultdict(set)
    for start, end in reporter.arcs():
        ends[start].add(end)
    marked: dict[int, set[int]] = defaultdict(set)
    for start, end in _marks(reporter):
        marked[start].add(end)
    for start, theirs in ends.items():
        if len(theirs) == 1:
            continue
        ours = marked.get(start)
        renamed = {} if ours is None else dict(zip(theirs - ours, ours - theirs, strict=True))
        for end in theirs:
            if (start, renamed.get(end, end)) in reached.branches or (ours is None and end in reached.lines):
                yield start, end


def _marks(reporter: PythonFileReporter) -> Iterator[Arc]:
    """All branches that slipcover gives probes."""
    code = compile(preinstrument(ast.parse(reporter.source())), reporter.filename, "exec")
    yield from Slipcover.branches_from_code(code)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any file of the tests imports the code."""
    early_config.pluginmanager.register(Measuring(), "measuring")
