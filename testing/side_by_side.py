"""Work for all cores: copies of this process share it, or do it while this one does something else."""

import gc
import os
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_FORK = get_context("fork")


class Aside(Generic[Result]):
    """A function that a copy of this process calls with each item. Begin it while this process has one thread."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item], niceness: int = 0) -> None:
        self._results, sink = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(target=_work, args=(function, items, niceness, sink), daemon=True)
        self._process.start()
        sink.close()

    def results(self) -> list[Result]:
        """One for each item, waited for. Raises EOFError where the copy failed, which has told why."""
        try:
            results: list[Result] = self._results.recv()
            return results
        finally:
            self._results.close()
            self._process.join()


def _work(
    function: Callable[[Item], Result], items: Sequence[Item], niceness: int, sink: "Connection[list[Result], object]"
) -> None:
    gc.disable()
    os.nice(niceness)
    sink.send([function(item) for item in items])


def on_all_cores(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of a function for each item. Raises EOFError where it fails, which a copy of this process has told."""
    cores = len(os.sched_getaffinity(0))
    shares = [Aside(function, items[core::cores]) for core in range(min(cores, len(items)))]
    absent: Any = object()
    rounds = zip_longest(*[share.results() for share in shares], fillvalue=absent)
    return [result for result in chain.from_iterable(rounds) if result is not absent]
