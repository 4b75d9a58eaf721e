"""Which tests are unit tests: `make unit` runs them, and `make test` measures the coverage of the code by them.

Lengthy ones are measured with them, but `make unit` leaves them out: it is for every commit.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage

HERE = Path(__file__).parent
UNIT_FOLDERS = tuple(HERE / name for name in ("core", "storage", "chain", "contracts", "analysis", "covenant", "rpc"))
"""They need no npm, no network and no data from elsewhere."""

UNIT_FILES = tuple(
    HERE / "node" / f"{name}.py"
    for name in (
        "replication/test_following",
        "test_audit_command",
        "test_contract_commands",
        "test_contract_refusals",
        "test_embedded",
        "test_private_files",
        "test_pytest_reports",
        "test_undecodable_head",
    )
)
"""As these folders; they reach code of lower rooms that no test there does. The Makefile names them too."""

MEASURED = ("unit", "lengthy")
"""Marks of the tests whose coverage is measured."""

LONGEST_FIRST = (
    "rpc/test_no_method_delays_others.py",
    "verification/abuse",
    "clients/test_readme.py",
    "package",
    "foreign",
    "clients/test_foreign_project.py",
    "verification",
    "contracts/test_zig_storage.py",
    "contracts/test_zig_codec.py",
    "rpc/methods/zvm/test_zvm_deploy_zig.py",
    "contracts",
    "twins",
    "covenant",
    "clients",
    "node",
)
"""Files and folders that take minutes: begun first, so that no worker is left alone with one at the end."""


def _rank(item: pytest.Item) -> int:
    path = item.path.relative_to(HERE).as_posix()
    return next((rank for rank, first in enumerate(LONGEST_FIRST) if path.startswith(first)), len(LONGEST_FIRST))


def _is_unit(path: Path) -> bool:
    return path.parent == HERE or any(folder in path.parents for folder in UNIT_FOLDERS) or path in UNIT_FILES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _is_unit(item.path) and not _has(item, "slow", "lengthy"):
            item.add_marker(pytest.mark.unit)
    # measured ones first, of a file too: a thread that outlives an end of measuring is measured no more
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    measured = {item.path for item in items if _has(item, *MEASURED)}
    items.sort(key=lambda item: (item.path not in measured, _rank(item), files[item.path], not _has(item, *MEASURED)))


def _has(item: pytest.Item, *marks: str) -> bool:
    return any(item.get_closest_marker(mark) is not None for mark in marks)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Coverage is of unit and lengthy tests. It triples a test's time: others run without, fixtures included."""
    running = Coverage.current()
    if running is None or (_has(item, *MEASURED) and not _has(item, "no_cover")):
        return (yield)
    # a worker of xdist has two, the lower of which would go on when the upper one stops
    while (one := Coverage.current()) is not None:
        one.stop()
    try:
        return (yield)
    finally:
        # after no_cover pytest-cov has done so
        if Coverage.current() is not running:
            running.start()


def pytest_collection_finish() -> None:
    """What is there now lasts to the end: no garbage collection walks it again."""
    gc.collect()
    gc.freeze()
