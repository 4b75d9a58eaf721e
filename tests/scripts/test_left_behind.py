"""A test that changes what all tests of a process share, and does not restore it, is found."""

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.left_behind import left_behind, process_state

NAME = "zevm.tests.left_behind"


def changed_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(logging.getLogger(NAME), "level", logging.CRITICAL)
    return f"logger {NAME}"


def added_handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, logging.NullHandler()])
    return "logger root"


def silenced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(logging.getLogger().manager, "disable", logging.CRITICAL)
    return "logging.disable"


def new_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"zevm.tests.{tmp_path.name}"
    monkeypatch.setattr(logging.getLogger(name), "propagate", False)
    return f"logger {name}"


def variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ZEVM_LEFT_BEHIND", "1")
    return "variable ZEVM_LEFT_BEHIND"


def removed_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PATH")
    return "variable PATH"


def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return "folder"


def handler_of_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return f"handler of signal {signal.SIGUSR1}"


CHANGES = (changed_logger, added_handler, silenced, new_logger, variable, removed_variable, folder, handler_of_signal)


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
        assert difference.startswith(beginning + ":")
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert not list(left_behind(before, process_state()))


def test_a_logger_that_came_with_a_librarys_import_is_no_difference() -> None:
    before = process_state()
    logger = logging.getLogger("library.tests.left_behind")
    logger.addHandler(logging.NullHandler())
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert not list(left_behind(before, process_state()))
