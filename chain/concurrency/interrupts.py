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


class DeferredSignals:
    """A context in which signals wait for its end; their handlers run then. Used once."""

    __slots__ = ("_came", "_handlers")

    def __init__(self) -> None:
        self._handlers: dict[int, Handler] = {}
        self._came: list[tuple[int, FrameType | None]] = []

    def __enter__(self) -> None:
        if threading.get_ident() != threading.main_thread().ident:
            return
        try:
            for number in _SIGNALS:
                handler = _plain.getsignal(number)
                if callable(handler):
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
