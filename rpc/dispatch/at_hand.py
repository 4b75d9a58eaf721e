"""Calls by whether what they read is at hand: coroutines that then need no task, and the wait for what is not."""

from collections.abc import Coroutine
from typing import Any

from zevm.chain.concurrency.deadline import Deadline, NotAtHandError

NOT_ENDED = object()
"""The result of a coroutine that waits."""


def end_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, or its error; NOT_ENDED, and it is closed, where it waits for something."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    return NOT_ENDED


def provide(absent: NotAtHandError, *, deadline: Deadline) -> None:  # noqa: ARG001  it has a time of its own
    """Wait for what a call reads, on a worker."""
    absent.provide()
