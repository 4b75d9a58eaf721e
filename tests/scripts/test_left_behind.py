"""A test that changes what all tests of a process share, and does not restore it, is found."""

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.left_behind import left_behind, process_state, restore

NAME = "zevm.tests.left_behind"


def changed_logger(_folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(logging.getLogger(NAME), "level", logging.CRITICAL)
    return f"logger {NAME}"


def added_handler(_folder: Path, patch: pytest.MonkeyPatch) -> str:
    root = logging.getLogger()
    patch.setattr(root, "handlers", [*root.handlers, logging.NullHandler()])
    return "logger root"


def silenced(_folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(logging.getLogger().manager, "disable", logging.CRITICAL)
    return "logging.disable"


def new_logger(folder: Path, patch: pytest.MonkeyPatch) -> str:
    name = f"zevm.tests.{folder.name}"
    patch.setattr(logging.getLogger(name), "propagate", False)
    return f"logger {name}"


def variable(_folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setenv("OF_A_LIBRARY", "1")
    return "variable OF_A_LIBRARY"


def removed_variable(_folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.delenv("PATH")
    return "variable PATH"


def working_folder(folder: Path, patch: pytest.MonkeyPatch) -> str:
    patch.chdir(folder)
    return "folder"


def handler_of_signal(_folder: Path, _patch: pytest.MonkeyPatch) -> str:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return f"handler of signal {signal.SIGUSR1}"


CHANGES = (
    changed_logger,
    added_handler,
    silenced,
    new_logger,
    variable,
    removed_variable,
    working_folder,
    handler_of_signal,
)


@pytest.mark.parametrize("change", CHANGES)
def test_each_kind_is_found(
    change: Callable[[Path, pytest.MonkeyPatch], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, handler = process_state(), signal.getsignal(signal.SIGUSR1)
    assert not list(left_behind(before, process_state()))
    try:
        with monkeypatch.context() as changed:
            beginning = change(tmp_path, changed)
            [difference] = left_behind(before, process_state())
        assert difference.text.startswith(beginning + ":")
        assert difference.is_ours == (change is not handler_of_signal and change is not variable)
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert not list(left_behind(before, process_state()))


def test_a_logger_that_came_with_a_librarys_import_is_no_difference() -> None:
    before = process_state()
    logger = logging.getLogger("library.tests.left_behind")
    logger.addHandler(logging.NullHandler())
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert not list(left_behind(before, process_state()))


def test_all_of_it_is_restored(tmp_path: Path) -> None:
    before, root, logger = process_state(), logging.getLogger(), logging.getLogger(NAME)
    root.addHandler(logging.NullHandler())
    root.setLevel(root.level + 1)
    logger.propagate = False
    logging.disable(logging.CRITICAL)
    os.environ["ZEVM_LEFT_BEHIND"] = "1"
    path = os.environ.pop("PATH")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.chdir(tmp_path)
    changed = list(left_behind(before, process_state()))
    restore(before)
    assert not list(left_behind(before, process_state()))
    assert os.environ["PATH"] == path
    assert {change.text.partition(":")[0] for change in changed} == {
        "logger root",
        f"logger {NAME}",
        "logging.disable",
        "variable ZEVM_LEFT_BEHIND",
        "variable PATH",
        f"handler of signal {signal.SIGUSR1}",
        "folder",
    }
