"""Signals that wait for the end of a step that must not be left halfway.

Python runs the handler of a signal between any two instructions of the main thread, and a handler may raise there:
KeyboardInterrupt, or the end of a test that takes too long. Other threads run no handlers.
"""

import signal
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]

try:
    # below `signal`, which turns each number to the member of an enumeration and back in ten times the time
    _plain: Any = import_module("_signal")
except ImportError:
    _plain = signal

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2")
_SIGNALS = tuple([int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name)])
"""Those that programs give handlers which raise."""


class _Handlers:
    """Those of the signals' handlers that are functions. Programs change them seldom: the last answer is kept."""

    def __init__(self) -> None:
        self._found: tuple[object, ...] = ()
        self._callable: tuple[tuple[int, Handler], ...] = ()

    def of(self, found: tuple[Any, ...]) -> tuple[tuple[int, Handler], ...]:
        """Signals with their handlers, out of what each of _SIGNALS has."""
        if found != self._found:
            pairs = zip(_SIGNALS, found, strict=True)
            self._callable = tuple([(number, handler) for number, handler in pairs if callable(handler)])
            self._found = found
        return self._callable


_handlers = _Handlers()


class DeferredSignals:
    """A context in which signals wait for its end; their handlers run then. Used once."""

    __slots__ = ("_came", "_handlers")

    def __init__(self) -> None:
        self._handlers: dict[int, Handler] = {}
        self._came: list[tuple[int, FrameType | None]] = []

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        handlers = _handlers.of(tuple(map(_plain.getsignal, _SIGNALS)))
        try:
            for number, handler in handlers:
                self._handlers[number] = handler
                _plain.signal(number, self._note)
        except BaseException:
            # a signal that was not deferred yet
            self._restore()
            raise

    def __exit__(self, *_: object) -> None:
        self._restore()
        self._deliver()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append((number, frame))

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            _plain.signal(number, handler)

    def _deliver(self) -> None:
        if self._came:
            number, frame = self._came.pop(0)
            try:
                self._handlers[number](number, frame)
            finally:
                self._deliver()
