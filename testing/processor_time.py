"""Plugin of pytest: which tests and files take the most processor time, their processes' included.

Wall time counts waiting too. A process counts once it was waited for; what a module's tests share counts for the first
and the last of them. What no test has is told beside: the start of workers, collection, reports, and what ends after
the last test.
"""

import os
from collections import defaultdict
from collections.abc import Generator

import pytest

from testing.forked import FORKED

SHOWN = 60
_PROPERTY = "processor_seconds"
_begun = pytest.StashKey[float]()


def _seconds() -> float:
    """Of this process, of those that it has waited for, and of its forked nodes that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + FORKED.seconds


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note when a test begins."""
    item.stash[_begun] = _seconds()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put a test's time into the last of its reports, which a worker hands over."""
    report = yield
    if call.when == "teardown":
        report.user_properties.append((_PROPERTY, _seconds() - item.stash[_begun]))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The sum, and the tests and files with the most."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    seconds = {
        report.nodeid: value
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == _PROPERTY and report.when == "teardown"
    }
    # the workers were waited for by now
    of_all = f"{sum(seconds.values()):.1f} s of the tests, {_seconds():.1f} s in all"
    terminalreporter.section(f"processor time: {of_all}; most of it")
    of_files: dict[str, float] = defaultdict(float)
    for name, value in seconds.items():
        of_files[name.partition("::")[0]] += value
    for most in (seconds, of_files):
        for name, value in sorted(most.items(), key=lambda item: -item[1])[:SHOWN]:
            terminalreporter.write_line(f"{value:7.2f}s {name}")
