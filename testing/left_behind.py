"""Whatever of a process outlasts a test that forgets to restore it, so that another test fails, or cannot fail.

Held against each other before and after: levels and handlers of loggers, the environment, signal handlers, the folder.
"""

import logging
import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

Key = TypeVar("Key")

_OF_PYTEST = frozenset({"PYTEST_CURRENT_TEST"})
_OUR_LOGGERS = frozenset({"root", "zevm"})
_OUR_VARIABLES = ("ZEVM_", "ETH_")
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


_OF_A_COMMAND = {"PYTHONDONTWRITEBYTECODE"}
"""What `zevm run` sets for its process and those that it starts."""

_AS_MADE = LoggerState()


def _logger_state(logger: logging.Logger) -> LoggerState:
    if logger.propagate and not (logger.level or logger.handlers or logger.filters or logger.disabled):
        return _AS_MADE  # as most of some hundred are, before and after each test
    return LoggerState(
        logger.level,
        tuple(map(id, logger.handlers)),
        tuple(map(id, logger.filters)),
        logger.propagate,
        logger.disabled,
    )


class Change(NamedTuple):
    """A difference, as text. is_ours: none of a library's own settings, which its import or its use may change."""

    text: str
    is_ours: bool


def left_behind(before: ProcessState, after: ProcessState) -> Iterator[Change]:
    """The differences. A library's logger that came with its import is none."""
    if before == after:
        return
    for name, state in after.loggers.items():
        is_ours = name.partition(".")[0] in _OUR_LOGGERS
        known = before.loggers.get(name, LoggerState() if is_ours else state)
        if state != known:
            yield Change(f"logger {name}: {known} before, {state} after", is_ours)
    if before.silenced_level != after.silenced_level:
        yield Change(f"logging.disable: {before.silenced_level} before, {after.silenced_level} after", is_ours=True)
    if before.folder != after.folder:
        yield Change(f"folder: {before.folder!r} before, {after.folder!r} after", is_ours=True)
    for name, text in _differences(before.environment, after.environment):
        is_ours = (name in before.environment or name.startswith(_OUR_VARIABLES)) and name not in _OF_A_COMMAND
        yield Change(f"variable {name}: {text}", is_ours)
    for number, text in _differences(before.signal_handlers, after.signal_handlers):
        yield Change(f"handler of signal {number}: {text}", is_ours=False)


def _differences(before: Mapping[Key, object], after: Mapping[Key, object]) -> Iterator[tuple[Key, str]]:
    for key in before.keys() | after.keys():
        if before.get(key) != after.get(key):
            yield key, f"{before.get(key)!r} before, {after.get(key)!r} after"


def restore(before: ProcessState) -> None:
    """Make the process what it was; handlers that are gone for good, and filters, stay away."""
    logging.disable(before.silenced_level)
    new = [name for name in process_state().loggers if name.partition(".")[0] in _OUR_LOGGERS]
    for name, state in (dict.fromkeys(new, _AS_MADE) | before.loggers).items():
        logger = logging.getLogger(None if name == "root" else name)
        logger.setLevel(state.level)
        logger.propagate, logger.disabled = state.propagates, state.is_disabled
        for handler in logger.handlers.copy():
            if id(handler) not in state.handlers:
                logger.removeHandler(handler)
    for number, handler in before.signal_handlers.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)
    for name in os.environ.keys() - before.environment.keys() - _OF_PYTEST:
        del os.environ[name]
    os.environ.update(before.environment)
    os.chdir(before.folder)
