"""Work for the chain's writer, given to it on the event loop and answered there, without a task of its own.

Short work runs on the event loop, where the writer lends its role: two threads that want the interpreter take twice the
time. Of many clients' work a part runs in each round of the loop, and the rest waits in line.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.writer import Work, Writer, WriterStoppedError
from zevm.rpc.execution.pending import ClientsAnswer
from zevm.rpc.execution.turns import Turns

Reply = bytes | None
Finish = Callable[[bytes | None, Exception | None], Reply]
"""Makes the answer of what the writer has made, or of its error."""


class _InLine(NamedTuple):
    """Short work that waits for its turn; see `Writes.begin_here`."""

    here: Callable[[], Reply | asyncio.Future[Reply]]
    apart: Callable[[], asyncio.Future[Reply]]
    answer: asyncio.Future[Reply]


class Writes:
    """Submits work, on the event loop; one callback there answers it. All work is begun in the order in which it came.

    turns: of the short work that runs on the event loop.
    """

    def __init__(self, writer: Writer, turns: Turns) -> None:
        self._writer = writer
        self._turns = turns
        self._line: deque[_InLine] = deque()
        self._has_turn = False
        self._short = self._long = 0
        """Pieces of work on the writer's thread, by whether they are known to be short."""

    def begin_here(
        self, here: Callable[[], Reply | asyncio.Future[Reply]], apart: Callable[[], asyncio.Future[Reply]]
    ) -> Reply | asyncio.Future[Reply]:
        """Do work on the event loop, now or in a later turn of it, also when its client has left; its answer.

        here: does it, or submits it where it cannot be done there. apart: submits it at once. Behind work that may take
        long it is submitted, too. Behind short work it waits: in the writer's queue it would draw all later work after
        it, and so on without end.
        """
        if self._long:
            return apart()
        if not (self._line or self._short) and self._turns.is_free:
            outcome: Reply | asyncio.Future[Reply] = self._turns.run(here)
            return outcome
        waiting = _InLine(here, apart, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        if not self._short:
            self._turns.queue(self._take_turn)
        return waiting.answer

    def begin(
        self, job: Work, finish: Finish, *, is_long: bool, shares: bool, is_short: bool = False
    ) -> asyncio.Future[Reply]:
        """Submit one piece of work; its answer. Without an awaiter, long work ends after the current part.

        is_long: it may be work in parts. is_short: it is known to be short.
        """
        if not self._has_turn:
            self._submit_line()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = ClientsAnswer(loop=loop) if is_long else loop.create_future()
        cancellation = Cancellation() if is_long else None

        def end(left: asyncio.Future[Reply]) -> None:
            if left.cancelled() and cancellation is not None:
                cancellation.cancel()

        answer.add_done_callback(end)
        try:
            done = self._writer.submit(*job, cancellation=cancellation, shares=shares)
        except WriterStoppedError as error:
            answer.set_result(finish(None, error))
        else:
            self._count(is_short, 1)
            self._answer_when(done, finish, answer, is_short=is_short)
        return answer

    def begin_together(self, works: Sequence[tuple[Work, Finish]]) -> list[asyncio.Future[Reply]]:
        """Submit work that shares one sync."""
        self._submit_line()
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Reply]] = [loop.create_future() for _ in works]
        try:
            writes = self._writer.submit_together([job for job, _ in works])
        except WriterStoppedError as error:
            for (_, finish), answer in zip(works, answers, strict=True):
                answer.set_result(finish(None, error))
        else:
            for done, (_, finish), answer in zip(writes, works, answers, strict=True):
                self._count(False, 1)
                self._answer_when(done, finish, answer, is_short=False)
        return answers

    def _take_turn(self) -> None:
        """Do the work that is first in line, unless what it waits for has come between."""
        if not self._line or self._short or self._long:
            return
        first = self._line.popleft()
        self._has_turn = True
        try:
            outcome = first.here()
        except Exception as error:
            if not first.answer.done():
                first.answer.set_exception(error)
            return
        finally:
            self._has_turn = False
        _pass_on(outcome, first.answer)
        if self._long:
            self._submit_line()

    def _submit_line(self) -> None:
        """Submit all that waits in line: what comes now comes behind it."""
        line, self._line = self._line, deque()
        for waiting in line:
            _pass_on(waiting.apart(), waiting.answer)

    def _count(self, is_short: bool, more: int) -> None:
        if is_short:
            self._short += more
        else:
            self._long += more
        if self._line and not self._short and not self._long:
            for _ in self._line:
                self._turns.queue(self._take_turn)

    def _answer_when(
        self, write: Future[bytes], finish: Finish, answer: asyncio.Future[Reply], *, is_short: bool
    ) -> None:
        """Answer once the writer has done its work."""
        loop = answer.get_loop()

        def settle(done: Future[bytes]) -> None:
            self._count(is_short, -1)
            made, failure = None, None
            try:
                made = done.result()
            except Exception as error:
                failure = error
            reply = finish(made, failure)
            if not answer.done():
                answer.set_result(reply)

        def wake(done: Future[bytes]) -> None:
            # after the loop's end there is nobody left to answer
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, done)

        write.add_done_callback(wake)


def _pass_on(outcome: Reply | asyncio.Future[Reply], answer: asyncio.Future[Reply]) -> None:
    """Answer with a reply, now or once it is there."""
    if isinstance(outcome, asyncio.Future):
        outcome.add_done_callback(partial(_copy, answer))
    elif not answer.done():
        answer.set_result(outcome)


def _copy(answer: asyncio.Future[Reply], outcome: asyncio.Future[Reply]) -> None:
    if answer.done() or outcome.cancelled():
        return
    error = outcome.exception()
    if error is None:
        answer.set_result(outcome.result())
    else:
        answer.set_exception(error)
