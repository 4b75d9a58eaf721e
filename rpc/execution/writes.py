"""Work for the chain's writer, given to it on the event loop and answered there, without a task of its own.

Short work runs on the event loop, where the writer lends its role: two threads that want the interpreter take twice the
time. Of many clients' work a part runs in each round of the loop, and the rest waits in line. What waits is bounded: a
client may send and leave.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.groups import WorkTogether
from zevm.chain.concurrency.writer import AbandonedError, Work, Writer, WriterStoppedError
from zevm.rpc.errors import LimitExceededError
from zevm.rpc.execution.pending import ClientsAnswer
from zevm.rpc.execution.turns import Turns
from zevm.rpc.execution.write_budget import REQUEST_BYTES, WriteBudget

JOINT_BYTES = 1024 * 1024
"""Requests that are done together, but for the last one."""

Reply = bytes | None
Finish = Callable[[bytes | None, Exception | None], Reply]
"""Makes the answer of what the writer has made, or of its error."""


class Joining(NamedTuple):
    """Work that may be done together with other such work. work: of all of them. finish: takes an outcome of it."""

    work: WorkTogether
    arguments: Sequence[Any]
    finish: Callable[[Any], Reply]


class _InLine(NamedTuple):
    """Short work that waits for its turn; see `Writes.begin_here`."""

    here: Callable[[], Reply | asyncio.Future[Reply]]
    apart: Callable[[], asyncio.Future[Reply]]
    answer: asyncio.Future[Reply]
    request_bytes: int
    joining: Joining | None


class Writes:
    """Submits work, on the event loop; one callback there answers it. All work is begun in the order in which it came.

    turns: of the short work that runs on the event loop. budget: of what waits.
    """

    def __init__(self, writer: Writer, turns: Turns, budget: WriteBudget) -> None:
        self._writer = writer
        self._has_company = not writer.lends
        """Whether work that may join others has come in one turn with others lately."""
        self._last_turn = -1
        self._turns = turns
        self.budget = budget
        self._line: deque[_InLine] = deque()
        self._has_turn = False
        self._short = self._long = 0
        """Pieces of work on the writer's thread, by whether they are known to be short."""

    def begin_here(
        self,
        here: Callable[[], Reply | asyncio.Future[Reply]],
        apart: Callable[[], asyncio.Future[Reply]],
        request_bytes: int,
        joining: Joining | None = None,
    ) -> Reply | asyncio.Future[Reply]:
        """Do work on the event loop, now or in a later turn of it, also when its client has left; its answer.

        joining: how to do it with what else has come by then, in the writer's thread. Where such work comes from
        several clients at once, it waits for the end of the turn, and while the writer has some.

        here: does it, or submits it where it cannot be done there. apart: submits it at once. Behind work that may take
        long it is submitted, too. Behind short work it waits: in the writer's queue it would draw all later work after
        it, and so on without end. request_bytes: of the body that it came in. Where no more may wait, it is for `begin`
        to refuse it, from `apart`.
        """
        if self._long or not self.budget.has_room(request_bytes):
            return apart()
        if not (self._line or self._short) and self._turns.is_free and not (joining and self._is_in_company()):
            outcome: Reply | asyncio.Future[Reply] = self._turns.run(here)
            return outcome
        waiting = _InLine(here, apart, asyncio.get_running_loop().create_future(), request_bytes, joining)
        self._line.append(waiting)
        self.budget.hold(request_bytes)
        if not self._short:
            self._turns.queue(self._take_turn)
        return waiting.answer

    def _is_in_company(self) -> bool:
        """Whether work that may join others is to wait for the end of the turn."""
        is_second, self._last_turn = self._last_turn == self._turns.number, self._turns.number
        self._has_company = self._has_company or is_second
        return self._has_company

    def begin(
        self, job: Work, finish: Finish, request_bytes: int, *, is_long: bool, shares: bool, is_short: bool = False
    ) -> asyncio.Future[Reply]:
        """Submit one piece of work; its answer, a refusal where no more may wait.

        Without an awaiter, long work ends after the current part. is_long: it may be work in parts. is_short: it is
        known to be short.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = ClientsAnswer(loop=loop) if is_long else loop.create_future()
        try:
            self.budget.check(request_bytes)
        except LimitExceededError as error:
            answer.set_result(finish(None, error))
            return answer
        if not self._has_turn:
            self._submit_line()
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
            self._enter(is_short, request_bytes)
            self._answer_when(done, finish, answer, request_bytes, is_short=is_short)
        return answer

    def begin_together(self, works: Sequence[tuple[Work, Finish]], request_bytes: int) -> list[asyncio.Future[Reply]]:
        """Submit work of one body that shares one sync; all of it is refused where no more may wait."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Reply]] = [loop.create_future() for _ in works]
        try:
            self.budget.check(request_bytes, len(works))
            self._submit_line()
            writes = self._writer.submit_together([job for job, _ in works])
        except (WriterStoppedError, LimitExceededError) as error:
            for (_, finish), answer in zip(works, answers, strict=True):
                answer.set_result(finish(None, error))
        else:
            # the body counts until the last of it is done
            sizes = [0] * (len(works) - 1) + [request_bytes]
            for done, (_, finish), answer, size in zip(writes, works, answers, sizes, strict=True):
                self._enter(False, size)
                self._answer_when(done, finish, answer, size, is_short=False)
        return answers

    def submit(self, function: Callable[..., Any], *arguments: Any, shares: bool = False) -> asyncio.Future[Any]:
        """Submit work whose result a coroutine awaits, and with it all that waits in line.

        It is not done if its coroutine is cancelled before its turn. Raises WriterStoppedError, LimitExceededError.
        """
        request_bytes = REQUEST_BYTES.get()
        self.budget.check(request_bytes)
        self._submit_line()
        loop, left = asyncio.get_running_loop(), Cancellation()
        answer: asyncio.Future[Any] = loop.create_future()
        # if the writer's own future were cancelled, nobody would hear when the writer lets go of the work
        done = self._writer.submit(_unless_left, left, function, *arguments, shares=shares)
        self._enter(False, request_bytes)

        def settle(done: Future[Any]) -> None:
            self._leave(False, request_bytes)
            _copy(answer, done)

        done.add_done_callback(lambda done: _call_soon(loop, settle, done))
        answer.add_done_callback(lambda answer: left.cancel() if answer.cancelled() else None)
        return answer

    def _take_turn(self) -> None:
        """Do the work that is first in line, unless what it waits for has come between."""
        if not self._line or self._short or self._long:
            return
        joint = self._joint(self._line)
        self._has_company = len(joint) > 1 or not self._writer.lends
        if joint and self._has_company:
            self._submit_joint(joint)
            return
        first = joint[0] if joint else self._line.popleft()
        self.budget.release(first.request_bytes)
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
        while line:
            joint = self._joint(line)
            if len(joint) > 1:
                self._submit_joint(joint)
                continue
            waiting = joint[0] if joint else line.popleft()
            self.budget.release(waiting.request_bytes)
            _pass_on(waiting.apart(), waiting.answer)

    def _joint(self, line: deque[_InLine]) -> list[_InLine]:
        """Take the first in a line that may be done together."""
        joint: list[_InLine] = []
        most, size = self.budget.most_joint, 0
        work = line[0].joining and line[0].joining.work
        while line and work and line[0].joining and line[0].joining.work is work:
            joint.append(line.popleft())
            size += joint[-1].request_bytes
            if len(joint) == most or size >= JOINT_BYTES:
                break
        return joint

    def _submit_joint(self, joint: list[_InLine]) -> None:
        """Submit work that is done together."""
        loop, waiting, parts = asyncio.get_running_loop(), iter(joint), [part.joining for part in joint if part.joining]

        def tell(outcomes: Sequence[Any]) -> None:
            _call_soon(loop, self._settle_joint, list(islice(waiting, len(outcomes))), outcomes)

        try:
            self._writer.submit_several(parts[0].work, [part.arguments for part in parts], tell)
        except WriterStoppedError as error:
            self._short += len(joint)
            self._settle_joint(joint, [error] * len(joint))
        else:
            self._short += len(joint)

    def _settle_joint(self, joint: list[_InLine], outcomes: Sequence[Any]) -> None:
        """Answer work that was done together; what waits goes on once the answers are written and others have come."""
        for waiting, outcome in zip(joint, outcomes, strict=True):
            self.budget.release(waiting.request_bytes)
            assert waiting.joining is not None
            reply = waiting.joining.finish(outcome)
            if not waiting.answer.done():
                waiting.answer.set_result(reply)
        self._short -= len(joint)
        if self._line:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Give a turn to each that waits in line, where nothing hinders that."""
        if self._line and not self._short and not self._long:
            for _ in self._line:
                self._turns.queue(self._take_turn)

    def _enter(self, is_short: bool, request_bytes: int) -> None:
        """Count work that has been submitted."""
        self.budget.hold(request_bytes)
        self._count(is_short, 1)

    def _leave(self, is_short: bool, request_bytes: int) -> None:
        """Count work no more that the writer has done."""
        self.budget.release(request_bytes)
        self._count(is_short, -1)

    def _count(self, is_short: bool, more: int) -> None:
        if is_short:
            self._short += more
        else:
            self._long += more
        self._go_on()

    def _answer_when(
        self,
        write: Future[bytes],
        finish: Finish,
        answer: asyncio.Future[Reply],
        request_bytes: int,
        *,
        is_short: bool,
    ) -> None:
        """Answer once the writer has done its work."""
        loop = answer.get_loop()

        def settle(done: Future[bytes]) -> None:
            self._leave(is_short, request_bytes)
            made, failure = None, None
            try:
                made = done.result()
            except Exception as error:
                failure = error
            reply = finish(made, failure)
            if not answer.done():
                answer.set_result(reply)

        write.add_done_callback(lambda done: _call_soon(loop, settle, done))


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """Call a function on the event loop, from any thread."""
    # after the loop's end there is nobody left to answer
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _unless_left(left: Cancellation, function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function, for a client that is still there. Raises AbandonedError."""
    if left.is_cancelled:
        raise AbandonedError("the client has disconnected")
    return function(*arguments)


def _pass_on(outcome: Reply | asyncio.Future[Reply], answer: asyncio.Future[Reply]) -> None:
    """Answer with a reply, now or once it is there."""
    if isinstance(outcome, asyncio.Future):
        outcome.add_done_callback(partial(_copy, answer))
    elif not answer.done():
        answer.set_result(outcome)


def _copy(answer: asyncio.Future[Any], outcome: asyncio.Future[Any] | Future[Any]) -> None:
    if answer.done() or outcome.cancelled():
        return
    error = outcome.exception()
    if error is None:
        answer.set_result(outcome.result())
    else:
        answer.set_exception(error)
