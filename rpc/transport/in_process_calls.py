"""Calls of this process that reach the thread that they run on without the event loop.

A read of the chain runs on its caller's thread, a write goes to the chain's writer, and an execution to the worker that
is kept for callers of the process. Executions, and transactions that are mined at once, of a kind that is known to be
short run on their caller's thread too (rpc.execution.brief).
"""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from inspect import isgeneratorfunction
from typing import Any

from zevm.chain.concurrency.deadline import Cancellation, NotAtHandError
from zevm.chain.concurrency.writer import NOT_LENT, Work
from zevm.rpc.codec.answers import answer_in_slices, write_briefly
from zevm.rpc.codec.later import Later
from zevm.rpc.dispatch.calls import Call
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.execution.brief import NOT_BRIEF, OWN_THREAD_BUDGETS, BriefExecutions
from zevm.rpc.execution.durations import Kind
from zevm.rpc.execution.writes import Reply
from zevm.rpc.registry import Cost, Method
from zevm.rpc.services import Services


class NoDirectWayError(Exception):
    """The call goes over the event loop: the worker is busy, the method is a coroutine, or the door is closed."""


class DirectCalls:
    """The direct ways of callers on any thread but the node's own."""

    def __init__(self, services: Services, dispatcher: Dispatcher, loop: asyncio.AbstractEventLoop) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._loop = loop
        limits = services.limits
        self._brief = BriefExecutions(OWN_THREAD_BUDGETS * limits.brief_execution_us / 1e6, limits.brief_kinds)
        self._under_way: set[Cancellation] = set()
        self._lock = threading.Lock()
        self._closed = False

    def answer(self, call: Call) -> Reply:
        """Wait for the answer to a call. Raises NoDirectWayError, also for what was under way at `close` and failed."""
        method = call.method
        if call.error is not None or method is None or method.any_thread:
            return self._answer_here(call)
        if method.connection or method.cost not in (Cost.WRITE, Cost.EXECUTION):
            raise NoDirectWayError
        reply = None
        try:
            reply = self._run(call, method)
        except NoDirectWayError:
            raise
        except Exception as error:
            if self._closed:
                raise NoDirectWayError from None
            call.fail(to_rpc_error(self._services, call.name, error))
        self._look()
        return self._dispatcher.reply_of(call, None, reply)

    def close(self) -> None:
        """Take no more, and end soon what is under way. Idempotent."""
        with self._lock:
            self._closed = True
            under_way = tuple(self._under_way)
        for cancellation in under_way:
            cancellation.cancel()

    def forget(self) -> None:
        """Be closed in a copy of the process that has none of the node's threads."""
        self._lock, self._closed = threading.Lock(), True

    def _answer_here(self, call: Call) -> Reply:
        result = self._dispatcher.run_light(call, None)
        if type(result) is NotAtHandError:
            raise NoDirectWayError
        reply = None
        if type(result) is Later:
            try:
                reply = answer_in_slices(call.identifier, result)
            except Exception as error:
                call.fail(to_rpc_error(self._services, call.name, error))
        return self._dispatcher.reply_of(call, result, reply)

    def _run(self, call: Call, method: Method) -> bytes:
        """The answer that this thread makes, or the writer or the worker."""
        kind, job = self._dispatcher.kind_of(call, method), self._dispatcher.job_of(call, method, None)
        if kind is None:
            return self._wait(job, method)
        if self._brief.expects(kind):
            outcome = self._run_here(kind, job, method)
            if outcome is not NOT_BRIEF and outcome is not NOT_LENT:
                answer: bytes = outcome
                return answer
        job, note = self._brief.timed(kind, job)
        try:
            return self._wait(job, method)
        finally:
            note()

    def _run_here(self, kind: Kind, job: Work, method: Method) -> Any:
        if self._closed:
            raise NoDirectWayError
        if method.cost is Cost.EXECUTION:
            return self._brief.run(kind, job)
        return self._services.chain.writer.run_here(self._brief.run, kind, (write_briefly, *job[1:]))

    def _wait(self, job: Work, method: Method) -> bytes:
        """The answer that the writer or the worker makes."""
        cancellation = Cancellation()
        with self._lock:
            if self._closed:
                raise NoDirectWayError
            future = self._submit(job, method, cancellation)
            self._under_way.add(cancellation)
        try:
            answer: bytes = future.result()
            return answer
        except BaseException:
            # an interrupted caller waits no more; what has failed has ended already
            cancellation.cancel()
            raise
        finally:
            self._under_way.discard(cancellation)

    def _submit(self, job: Work, method: Method, cancellation: Cancellation) -> "Future[Any]":
        if method.cost is Cost.EXECUTION:
            future = self._dispatcher.workers.own.submit(cancellation, *job)
            if future is None:
                raise NoDirectWayError
            return future
        # other writes run to their end
        of_long_work = cancellation if isgeneratorfunction(method.function) else None
        return self._services.chain.writer.submit(*job, cancellation=of_long_work, shares=method.shares_sync)

    def _look(self) -> None:
        """Have the memory looked at that the call has left."""
        released = self._services.budgets.released
        if not released.is_looking:
            # after the loop's end there is nothing left to give back
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(released.look)
