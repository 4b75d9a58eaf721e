"""The content of a body: one request, a batch of them, or the refusal of both."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from zevm.rpc.errors import RpcError
from zevm.rpc.registry import Method


class Call:
    """One pending request: either `error` is set, or `method` and `arguments` are."""

    __slots__ = ("_error", "arguments", "identifier", "is_notification", "method", "name", "params", "started")

    def __init__(self) -> None:
        self.identifier: Any = None
        self.is_notification = False
        self.name = ""
        self.params: Any = None
        self.method: Method | None = None
        self.arguments: list[Any] = []
        self._error: RpcError | None = None
        self.started = 0.0

    @property
    def error(self) -> RpcError | None:
        """The error of a refused or failed call."""
        return self._error

    @error.setter
    def error(self, error: RpcError | None) -> None:
        if error is not None:
            # its frames hold the call, and with it the body's values, in a circle that only the collector ends
            error.__traceback__ = error.__context__ = error.__cause__ = None
        self._error = error


class Batch(NamedTuple):
    """Requests in their order, which may be decoded one by one. holds_back: one of them does (registry.Method)."""

    calls: Iterable[Call]
    holds_back: bool


Received = Call | Batch | bytes
"""bytes: an encoded refusal."""
