"""Plugin of pytest: how much of the code the measured tests reach, as [tool.coverage] of pyproject.toml asks.

slipcover's probes find it (testing/probes.py), at a lower cost than a trace function; coverage.py reports it.
Each worker of pytest-xdist hands over what its tests reached. The process that starts them gives the code its probes
before, and has the files parsed for the report meanwhile.
"""

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
from coverage.parser import PythonParser
from coverage.plugin import FileReporter
from coverage.python import PythonFileReporter
from slipcover import Slipcover
from slipcover.importer import SlipcoverLoader

from testing.node_process import ROOT
from testing.probes import Label, ProbedLoader, Probes
from testing.side_by_side import Aside, on_all_cores

KEPT = ROOT / ".pytest_cache" / "probes"

COVERAGE_FELL = 8
"""Exit status where less is covered than pyproject.toml says: none of pytest's own."""

_OUTPUT = "reached"
"""Name among the outputs of a worker."""

Arc = tuple[int, int]


class Reached(NamedTuple):
    """Lines and branches of a file that were reached, and all branches that have probes."""

    lines: set[int]
    branches: set[Arc]
    probed: set[Arc]


class Reports(Coverage):
    """Coverage that parses each file once, although its report and we both want what is in it."""

    def __init__(self) -> None:
        super().__init__(config_file=str(ROOT / "pyproject.toml"), data_file=None)
        self._kept: dict[str, PythonFileReporter] = {}

    def reporter(self, file: str) -> PythonFileReporter:
        """The parser that knows the lines and arcs of a file, parsed by now."""
        if file not in self._kept:
            self._kept[file] = PythonFileReporter(file, self)
            self._kept[file].arcs()
        return self._kept[file]

    def parser(self, file: str) -> PythonParser:
        """The same, as another process can have it."""
        return self.reporter(file).parser

    def keep(self, file: str, parser: PythonParser) -> None:
        """Take what another process has parsed."""
        self._kept[file] = PythonFileReporter(file, self)
        self._kept[file]._parser = parser

    def _get_file_reporter(self, morf: ModuleType | str) -> FileReporter:
        return self.reporter(morf) if isinstance(morf, str) else super()._get_file_reporter(morf)


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
        self._coverage = Reports()
        self._files = _measured_files(*(self._option(name) for name in ("run:source", "run:omit")))
        self._probes = new_probes()
        sys.meta_path.insert(0, _Finder(self._probes, self._files))
        self._reached: dict[str, Reached] = {}
        self._report = StringIO()
        self._percent: float | None = None
        self._parsing: Aside[PythonParser] | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        """Before there are workers."""
        if isinstance(self._probes, Probes):
            on_all_cores(self._probes.keep, sorted(map(Path, self._files), key=_size, reverse=True))
        self._parsing = Aside(self._coverage.parser, sorted(self._files), niceness=10)

    def _option(self, name: str) -> list[str]:
        return cast("list[str]", self._coverage.get_option(name))

    def _add(self, file: str, *found: Iterable[int] | Iterable[Arc]) -> None:
        reached = self._reached.setdefault(os.path.realpath(file), Reached(set(), set(), set()))
        for all_found, more in zip(reached, found, strict=True):
            cast("set[object]", all_found).update(more)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker hands over."""
        for name, found in getattr(node, "workeroutput", {}).get(_OUTPUT, {}).items():
            self._add(name, *found)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail where less is covered than pyproject.toml says, whether or not tests failed."""
        for file in self._probes.newly_seen:
            self._add(file, *reached_in(self._probes, file))
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_OUTPUT] = {
                name: [[*found] for found in reached] for name, reached in self._reached.items()
            }
        elif exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            if self._parsing is not None:
                for file, parser in zip(sorted(self._files), self._parsing.results(), strict=True):
                    self._coverage.keep(file, parser)
            data = self._coverage.get_data()
            data.add_arcs({name: self._arcs(name, reached) for name, reached in self._reached.items()})
            data.touch_files(self._files)
            self._percent = self._coverage.report(file=self._report)
            if self._percent < self._least:
                session.exitstatus = COVERAGE_FELL

    def _arcs(self, name: str, reached: Reached) -> set[Arc]:
        branches = _branches(self._coverage.reporter(name), reached)
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
    """Probes whose `newly_seen` has the lines and branches that were reached. `folder`: for code with probes."""
    if sys.version_info < (3, 12):
        return Probes(folder)
    return Slipcover(branch=True, exclude_lines=[])


def loader_of(probes: Probes | Slipcover) -> type[SlipcoverLoader]:
    """The loader that lets them see a module's code."""
    return ProbedLoader if isinstance(probes, Probes) else SlipcoverLoader


def _size(file: Path) -> int:
    return file.stat().st_size


def reached_in(probes: Probes | Slipcover, file: str) -> Reached:
    """Lines and branches of a file that probes saw."""
    reached = Reached(set(), set(), probes.code_branches[file])
    labels: Iterable[Label] = probes.newly_seen[file]
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
    for start, end in reached.probed:
        marked[start].add(end)
    for start, theirs in ends.items():
        if len(theirs) == 1:
            continue
        ours = marked.get(start)
        renamed = {} if ours is None else dict(zip(theirs - ours, ours - theirs, strict=True))
        for end in theirs:
            if (start, renamed.get(end, end)) in reached.branches or (ours is None and end in reached.lines):
                yield start, end


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any file of the tests imports the code."""
    early_config.pluginmanager.register(Measuring(), "measuring")
