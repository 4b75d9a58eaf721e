"""The share of the event loop that executions have, whatever the number of their clients."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from zevm.rpc.execution.pending import ClientsAnswer

TURN_SECONDS = 0.001
"""Time of the executions in one round of the event loop: none begins later than this. The others wait for the next
round, behind what has come in meanwhile.
"""


class Turns:
    """Runs functions on the event loop, one turn of them in each of its rounds."""

    def __init__(self) -> None:
        self._left_seconds = TURN_SECONDS
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_renewing = False
        self.number = 0
        """Of the present round, among those that had a turn."""

    @property
    def is_free(self) -> bool:
        """Whether a function may run in this round."""
        return self._left_seconds > 0 and not self._waiting

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Its result, in this round."""
        begun = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self._left_seconds -= time.perf_counter() - begun
            if not self._is_renewing:
                self._renew_later()

    def wait(self, function: Callable[[], Any]) -> ClientsAnswer:
        """Its result, or that of a coroutine that it gives, in a later round; it does not run if that is cancelled."""
        answer = ClientsAnswer(loop=asyncio.get_running_loop())
        self.queue(partial(_answer, function, answer))
        return answer

    def queue(self, function: Callable[[], object]) -> None:
        """Run it in a later round, whatever becomes of its client. It raises nothing."""
        self._waiting.append(function)
        self._renew_later()

    def _renew_later(self) -> None:
        if not self._is_renewing:
            self._is_renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._is_renewing, self._left_seconds = False, TURN_SECONDS
        self.number += 1
        while self._waiting and self._left_seconds > 0:
            self.run(self._waiting.popleft())
        if self._waiting:
            self._renew_later()


def _answer(function: Callable[[], Any], answer: ClientsAnswer) -> None:
    """Answer with a function's result, unless its client has left."""
    if answer.done():
        return
    try:
        result = function()
    except Exception as error:
        answer.set_exception(error)
        return
    if isinstance(result, Coroutine):
        _follow(answer, asyncio.get_running_loop().create_task(result))
    else:
        answer.set_result(result)


def _follow(answer: ClientsAnswer, task: "asyncio.Task[Any]") -> None:
    """Let a task's end be the answer's, and have the task end with the answer."""

    def end(done: "asyncio.Task[Any]") -> None:
        if answer.done():
            return
        error = None if done.cancelled() else done.exception()
        if done.cancelled():
            answer.cancel()
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(done.result())

    task.add_done_callback(end)
    answer.add_done_callback(lambda _: task.cancel())
