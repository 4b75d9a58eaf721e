"""Calls by whether what they read is at hand: coroutines that then need no task, and the wait for what is not."""

from collections.abc import Callable, Coroutine
from typing import Any

from zevm.chain.concurrency.deadline import Deadline, NotAtHandError
from zevm.rpc.errors import TimedOutError
from zevm.rpc.execution.workers import Workers

MOST_PROVIDED = 2_000
"""Times that a call is begun again since it read what was not at hand: a page of slots is the most."""

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


async def provided(workers: Workers, function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a coroutine's function, begun again as often as a worker has provided what it reads.

    Raises TimedOutError where that does not end.
    """
    for _ in range(MOST_PROVIDED):
        try:
            return await function(*arguments)
        except NotAtHandError as absent:
            await workers.run(provide, absent)
    raise TimedOutError()
