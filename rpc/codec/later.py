"""Answers that are too large for the event loop."""

from collections.abc import Callable
from typing import Any


class Later:
    """The return value of a LIGHT or ASYNC method whose result would block the event loop.

    The thread for large answers calls `function(*arguments)` for the result.
    """

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments
