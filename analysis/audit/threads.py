"""A thread in which trials run: contracts may nest their calls 1,024 deep."""

import threading
from collections.abc import Callable
from typing import TypeVar

from zevm.chain.concurrency.threads import start_with_deep_stack

Result = TypeVar("Result")


def in_deep_thread(work: Callable[[], Result]) -> Result:
    """Do work in a thread with the stack that executions take, and return its result or raise its error."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="audit", daemon=True)
    start_with_deep_stack(thread)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
