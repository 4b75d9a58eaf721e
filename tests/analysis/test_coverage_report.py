"""Reports of coverage: added up over processes, as a table and as LCOV."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zevm.analysis.coverage import recorder
from zevm.analysis.coverage.report import CoverageReport, FileCoverage
from zevm.node.testing.report_hooks import ReportHooks

NAME = "coverage of sources"
TRACEFILE = """TN:
SF:src/a.sol
FN:4,A.f
FN:7,A.g
FNDA:3,A.f
FNDA:3,A.g
FNF:2
FNH:2
DA:4,3
DA:5,0
DA:7,3
DA:8,3
LF:4
LH:3
end_of_record
"""


def report(counts: dict[int, int], functions: dict[str, tuple[int, int]]) -> CoverageReport:
    made = CoverageReport()
    for line, count in counts.items():
        made.add_line("src/a.sol", line, count)
    for name, (line, count) in functions.items():
        made.add_function("src/a.sol", name, line, count)
    return made


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ({}, ""),
        ({1: 1}, ""),
        ({1: 0}, "1"),
        ({3: 0, 1: 0, 2: 0}, "1-3"),
        ({1: 0, 5: 0, 6: 1, 7: 0}, "1-5, 7"),
        ({1: 0, 2: 3, 3: 0, 4: 0, 9: 1}, "1, 3-4"),
    ],
)
def test_missing_lines_are_ranges(counts: dict[int, int], missing: str) -> None:
    assert FileCoverage(counts).missing() == missing


def test_the_reports_of_workers_are_added_up(tmp_path: Path) -> None:
    hooks = ReportHooks(CoverageReport(), NAME, tmp_path / "deep" / "lcov.info")
    one = report({4: 1, 5: 0, 7: 0}, {"A.f": (4, 1), "A.g": (7, 0)})
    other = report({4: 2, 5: 0, 7: 3, 8: 3}, {"A.f": (4, 2), "A.g": (7, 3)})
    other.unmapped["b.zig:B"] = "no lines"
    for output in ({f"zevm: {NAME}": one.plain()}, {}, {f"zevm: {NAME}": other.plain()}):
        hooks.pytest_testnodedown(SimpleNamespace(workeroutput=output))
    hooks.pytest_testnodedown(SimpleNamespace())  # a worker that has crashed
    lines: list[str] = []
    hooks.pytest_terminal_summary(SimpleNamespace(section=lines.append, write_line=lines.append))  # type: ignore[arg-type]
    assert [line.split() for line in lines[2:]] == [
        ["src/a.sol", "3/4", "2/2", "75.0", "%", "5"],
        ["total", "3/4", "2/2", "75.0", "%"],
        ["not", "covered:", "b.zig:B:", "no", "lines"],
    ]
    assert (tmp_path / "deep" / "lcov.info").read_text() == TRACEFILE


def test_a_worker_hands_its_report_over() -> None:
    hooks, output = ReportHooks(report({1: 5}, {}), NAME, None), {"other": 1}
    hooks.pytest_sessionfinish(SimpleNamespace(config=SimpleNamespace(workeroutput=output)))  # type: ignore[arg-type]
    assert output == {"other": 1, f"zevm: {NAME}": {"files": {"src/a.sol": [[(1, 5)], []]}, "unmapped": {}}}


def test_a_run_without_contracts_says_so() -> None:
    assert CoverageReport().lines() == ["no source map of Solidity or Vyper is known"]


class Nameless:
    """A catalogue that knows no code, and counts how often it is asked."""

    asked = 0

    def identify(self, _: bytes) -> None:
        self.asked += 1


def test_the_codes_that_are_remembered_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "KEPT_BYTES", 100)
    counter = recorder.CoverageRecorder()
    counter.catalogue = catalogue = cast(Any, Nameless())
    for number in range(50):
        for _ in range(2):
            assert counter.of_code(number.to_bytes(30), is_creation=False) is None
        assert sum(len(code) for code, _ in counter._by_code) <= 100
    assert catalogue.asked == 50
