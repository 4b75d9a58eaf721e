"""The calls of a body while they are answered."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from zevm.rpc.errors import RpcError
from zevm.rpc.registry import Method


class Call:
    """One pending request: either `error` is set, or `method` and `arguments` are.

    body_bytes: size of the body that it came in.
    """

    __slots__ = (
        "arguments", "body_bytes", "error", "identifier", "is_notification", "method", "name", "params", "started",
    )  # fmt: skip

    def __init__(self, body_bytes: int) -> None:
        self.body_bytes = body_bytes
        self.identifier: Any = None
        self.is_notification = False
        self.name = ""
        self.params: Any = None
        self.method: Method | None = None
        self.arguments: list[Any] = []
        self.error: RpcError | None = None
        self.started = 0.0

    def fail(self, error: RpcError) -> None:
        """The call is refused, or has failed."""
        # its frames hold the call, and with it the body's values, in a circle that only the collector ends
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self.error = error


class Batch(NamedTuple):
    """Requests in their order, which may be decoded one by one. holds_back: one of them does (registry.Method)."""

    calls: Iterable[Call]
    holds_back: bool


Received = Call | Batch | bytes
"""The content of a body. bytes: an encoded refusal."""


def parts_of(calls: Iterable[Call], most: int) -> Iterator[list[Call]]:
    """A batch's calls in their order: one by one, but for neighbours that share a sync, at most `most` together."""
    together: list[Call] = []
    for call in calls:
        shares = call.error is None and call.method is not None and call.method.shares_sync
        if together and (not shares or len(together) >= most):
            yield together
            together = []
        if shares:
            together.append(call)
        else:
            yield [call]
    if together:
        yield together
