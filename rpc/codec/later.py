"""Answers that are too large for the event loop."""

from collections.abc import Callable
from typing import Any


class Later:
    """What a LIGHT or ASYNC method returns where finding or encoding its result would hold others up.

    The thread for large answers calls `function(*arguments)`; that is the result.
    """

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments
