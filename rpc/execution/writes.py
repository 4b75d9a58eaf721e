"""Work for the chain's writer, given to it on the event loop and answered there, without a task of its own."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from zevm.chain.concurrency.deadline import Cancellation
from zevm.chain.concurrency.writer import Work, Writer, WriterStoppedError
from zevm.rpc.execution.pending import ClientsAnswer

Reply = bytes | None
Finish = Callable[[bytes | None, Exception | None], Reply]
"""Makes the answer of what the writer has made, or of its error."""


class Writes:
    """Submits work, on the event loop; one callback there answers it."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def begin(self, job: Work, finish: Finish, *, is_long: bool, shares: bool) -> asyncio.Future[Reply]:
        """Submit one piece of work; its answer. Without an awaiter, long work ends after the current part."""
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
            _answer_when(done, finish, answer)
        return answer

    def begin_together(self, works: Sequence[tuple[Work, Finish]]) -> list[asyncio.Future[Reply]]:
        """Submit work that shares one sync."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Reply]] = [loop.create_future() for _ in works]
        try:
            writes = self._writer.submit_together([job for job, _ in works])
        except WriterStoppedError as error:
            for (_, finish), answer in zip(works, answers, strict=True):
                answer.set_result(finish(None, error))
        else:
            for done, (_, finish), answer in zip(writes, works, answers, strict=True):
                _answer_when(done, finish, answer)
        return answers


def _answer_when(write: Future[bytes], finish: Finish, answer: asyncio.Future[Reply]) -> None:
    """Answer once the writer has done its work."""
    loop = answer.get_loop()

    def settle(done: Future[bytes]) -> None:
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
