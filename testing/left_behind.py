"""Whatever of a process outlasts a test that forgets to restore it, so that another test fails, or cannot fail.

Held against each other before and after: levels and handlers of loggers, the environment, signal handlers, the folder.
"""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

_OF_PYTEST = frozenset({"PYTEST_CURRENT_TEST"})
_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGTERM,
    signal.SIGCHLD,
)
"""Not SIGALRM, whose handler pytest-timeout sets for each test."""


class LoggerState(NamedTuple):
    """A logger's own settings; two of one filter or handler are the same if they are one object."""

    level: int = logging.NOTSET
    handlers: tuple[int, ...] = ()
    filters: tuple[int, ...] = ()
    propagates: bool = True
    is_disabled: bool = False


class ProcessState(NamedTuple):
    """The parts of a process that all its tests share."""

    loggers: dict[str, LoggerState]
    silenced_level: int
    environment: dict[str, str]
    signal_handlers: dict[int, Any]
    folder: str


def process_state() -> ProcessState:
    """As it is now."""
    root = logging.getLogger()
    loggers = {"root": _logger_state(root)}
    for name, logger in root.manager.loggerDict.copy().items():
        if isinstance(logger, logging.Logger):
            loggers[name] = _logger_state(logger)
    return ProcessState(
        loggers,
        root.manager.disable,
        {name: value for name, value in os.environ.items() if name not in _OF_PYTEST},
        {number: signal.getsignal(number) for number in _SIGNALS},
        os.getcwd(),
    )


def _logger_state(logger: logging.Logger) -> LoggerState:
    return LoggerState(
        logger.level,
        tuple(map(id, logger.handlers)),
        tuple(map(id, logger.filters)),
        logger.propagate,
        logger.disabled,
    )


def left_behind(before: ProcessState, after: ProcessState) -> Iterator[str]:
    """Each difference, as text. Loggers of libraries that came with their import are none, those of zevm are."""
    if before == after:
        return
    for name, state in after.loggers.items():
        known = before.loggers.get(name, LoggerState() if name.partition(".")[0] == "zevm" else state)
        if state != known:
            yield f"logger {name}: {known} before, {state} after"
    for what, old, new in (
        ("logging.disable", before.silenced_level, after.silenced_level),
        ("folder", before.folder, after.folder),
    ):
        if old != new:
            yield f"{what}: {old!r} before, {new!r} after"
    for what, mapping, changed in (
        ("variable", before.environment, after.environment),
        ("handler of signal", before.signal_handlers, after.signal_handlers),
    ):
        for key in sorted(mapping.keys() | changed.keys()):
            if mapping.get(key) != changed.get(key):
                yield f"{what} {key}: {mapping.get(key)!r} before, {changed.get(key)!r} after"
