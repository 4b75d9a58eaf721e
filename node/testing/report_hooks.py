"""A report over a session of pytest: collected in each process, told by the one with the terminal."""

from pathlib import Path
from typing import Any, Protocol

import pytest


class Report(Protocol):
    """Figures that several processes collect."""

    def plain(self) -> dict[str, Any]:
        """The figures as lists and dictionaries."""
        ...

    def merge(self, plain: Any) -> None:
        """Add another process's."""
        ...

    def lines(self) -> list[str]:
        """The table."""
        ...

    def write(self, file: Path) -> None:
        """Write the file of the report."""
        ...


class ReportHooks:
    """The hooks of one process. name: of the report, in titles and between processes. file: to write, or None."""

    def __init__(self, report: Report, name: str, file: Path | None) -> None:
        self._report = report
        self._name = name
        self._file = file
        self._session: pytest.Session | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand the report over, in a worker of xdist: after the node's end, which may fill it."""
        self._session = session
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[f"zevm: {self._name}"] = self._report.plain()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take a worker's report; one that has crashed has none."""
        self._report.merge(getattr(node, "workeroutput", {}).get(f"zevm: {self._name}", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and write the file; where that fails, one line says so, and the run has failed."""
        terminalreporter.section(f"zEVM: {self._name}")
        for line in self._report.lines():
            terminalreporter.write_line(line)
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._report.write(self._file)
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL
            reason = getattr(error, "strerror", None) or error
            terminalreporter.write_line(f"error: cannot write {str(self._file)!r}: {reason}", red=True)
            if self._session is not None and self._session.exitstatus == pytest.ExitCode.OK:
                self._session.exitstatus = pytest.ExitCode.USAGE_ERROR
