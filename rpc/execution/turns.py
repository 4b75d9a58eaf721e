"""The share of the event loop that executions have, whatever the number of their clients."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

TURN_SECONDS = 0.001
"""Time of the executions in one round of the event loop: none begins later than this. The others wait for the next
round, behind what has come in meanwhile.
"""


class Turns:
    """Runs functions on the event loop, one turn of them in each of its rounds."""

    def __init__(self) -> None:
        self._left_seconds = TURN_SECONDS
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._is_renewing = False

    @property
    def is_free(self) -> bool:
        """Whether a function may run in this round."""
        return self._left_seconds > 0 and not self._waiting

    def run(self, function: Callable[[], Any]) -> Any:
        """Its result, in this round."""
        begun = time.perf_counter()
        try:
            return function()
        finally:
            self._left_seconds -= time.perf_counter() - begun
            self._renew_later()

    async def wait_and_run(self, function: Callable[[], Any]) -> Any:
        """Its result, in a later round. It does not run where the waiting task is cancelled before."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((function, future))
        self._renew_later()
        return await future

    def _renew_later(self) -> None:
        if not self._is_renewing:
            self._is_renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._is_renewing, self._left_seconds = False, TURN_SECONDS
        while self._waiting and self._left_seconds > 0:
            function, future = self._waiting.popleft()
            if future.done():
                continue
            try:
                future.set_result(self.run(function))
            except Exception as error:
                future.set_exception(error)
        if self._waiting:
            self._renew_later()
