"""The coverage of sources in a session of pytest: collected in each process, told by the one with the terminal."""

from pathlib import Path
from typing import Any, Final

import pytest

from zevm.analysis.coverage.report import CoverageReport

_SENT: Final = "zevm_coverage"
"""The member of what a worker of xdist hands over at its end."""


class CoverageHooks:
    """The hooks of one process. file: for the report as LCOV, None for none."""

    def __init__(self, file: Path | None) -> None:
        self.report = CoverageReport()
        self._file = file

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the report over, in a worker: after the node's end, which fills it."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_SENT] = self.report.plain()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take a worker's report; one that has crashed has none."""
        self.report.merge(getattr(node, "workeroutput", {}).get(_SENT, {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and write the file."""
        terminalreporter.section("zEVM: coverage of sources")
        for line in self.report.table():
            terminalreporter.write_line(line)
        if self._file is not None:
            self.report.write(self._file)
