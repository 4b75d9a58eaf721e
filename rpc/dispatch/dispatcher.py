"""Dispatch of a body's bytes to an answer's bytes: JSON-RPC 2.0 as in geth, for every transport.

Light calls are answered at once, in `begin` itself; the rest is a coroutine.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from itertools import repeat
from typing import Any

from zevm.chain.concurrency.deadline import NotAtHandError, NotBriefError
from zevm.chain.concurrency.release import forget_origin
from zevm.chain.concurrency.writer import NOT_LENT
from zevm.chain.tracing.encoded import Encoded
from zevm.rpc.codec.answers import (
    answer_in_slices,
    brief_success,
    execute_and_encode,
    failure,
    refusal,
    success,
    write,
    write_briefly,
    write_in_steps,
)
from zevm.rpc.codec.later import Later
from zevm.rpc.codec.parsing import (
    LOOP_BODY_BYTES,
    BatchTooLargeError,
    check_shape,
    may_exceed,
    parse,
    parse_large,
)
from zevm.rpc.dispatch.at_hand import MOST_PROVIDED, NOT_ENDED, end_of, provide, provided
from zevm.rpc.dispatch.calls import Batch, Call, Received, parts_of
from zevm.rpc.dispatch.error_translation import to_rpc_error
from zevm.rpc.dispatch.joint import JointCalls
from zevm.rpc.dispatch.suggestions import Suggestions
from zevm.rpc.errors import (
    InvalidRequestError,
    MethodNotFoundError,
    ResponseTooLargeError,
    RpcError,
    TimedOutError,
)
from zevm.rpc.execution.brief import NOT_BRIEF, SEND_BUDGETS, WHOLE_SENDS, BriefExecutions
from zevm.rpc.execution.durations import Kind
from zevm.rpc.execution.workers import Workers
from zevm.rpc.execution.write_budget import REQUEST_BYTES, WriteBudget
from zevm.rpc.execution.writes import Reply, Writes
from zevm.rpc.notifications.subscriptions import Caller
from zevm.rpc.registry import EXECUTION, LIGHT, WRITE, AtOnce, Method, Registry, decode_arguments
from zevm.rpc.services import Services

METHOD_NAME_LIMIT = 2_048
LOOP_SLICE_SECONDS = 0.005
"""How long a batch of light calls may hold the event loop before it yields."""

_ABSENT = object()
Pending = Coroutine[Any, Any, Reply] | asyncio.Future[Reply]
"""A pending answer; None is one that is not sent (notifications)."""


class Dispatcher:
    """Answers bodies from the methods of a registry. One for all transports; on the event loop."""

    def __init__(self, registry: Registry, services: Services, workers: Workers) -> None:
        self._methods = registry.by_name
        self._holding = frozenset(name for name, method in registry.by_name.items() if method.holds_back)
        self._services = services
        self._limits = services.limits
        self._suggestions = Suggestions(registry.by_name)
        self._released = services.budgets.released
        self.workers = services.executions = workers
        budget, kinds = self._limits.brief_execution_us / 1e6, self._limits.brief_kinds
        self.brief = BriefExecutions(budget, kinds)
        self.writes = Writes(services.chain.writer, self.brief.turns, WriteBudget(self._limits))
        self._joint = JointCalls(registry, services, self._finish_joint)
        services.writes = self.writes
        self.brief_sends = BriefExecutions(SEND_BUDGETS * budget, kinds, whole=WHOLE_SENDS, of_processor=True)

    def begin(self, body: bytes, caller: Caller | None = None) -> Reply | Pending:
        """The answer to a body if it is available at once, otherwise an awaitable of it.

        A future is a running write, which completes even without an awaiter, unless it is a ClientsAnswer.
        """
        if len(body) > LOOP_BODY_BYTES:
            return self._begin_large(body, caller)
        return self.begin_received(self.receive(body), caller)

    async def receive_apart(self, body: bytes) -> Received:
        """Read a large body on a dedicated thread, for `begin_received`."""
        return await self.workers.read(self._receive_large, body)

    def begin_received(self, received: Received, caller: Caller | None = None) -> Reply | Pending:
        """As `begin`, for the result of `receive_apart`."""
        if isinstance(received, bytes):
            return received
        if isinstance(received, Batch):
            if caller is not None:
                caller.holds_back = received.holds_back
            return self._answer_batch(received.calls, caller)
        if received.error is not None or received.method is None:
            return self._answer_light(received, caller)
        return self._begin_call(received, received.method, caller)

    def _begin_call(self, call: Call, method: Method, caller: Caller | None) -> Reply | Pending:
        """The answer to a call of a method, whose arguments are decoded, or an awaitable of it."""
        cost = method.cost
        if cost is LIGHT:
            return self._answer_light(call, caller)
        if cost is WRITE:
            return self._begin_write(call, method, caller)
        if cost is EXECUTION:
            return self._begin_execution(call, method, caller)
        if method.at_once is not None:
            return self._answer_at_once(call, method, method.at_once)
        if caller is not None:
            caller.holds_back = method.holds_back
        return self._answer(call, caller)

    async def answer(self, body: bytes, caller: Caller | None = None) -> Reply:
        """The answer to a body, or None for notifications."""
        reply = self.begin(body, caller)
        return reply if reply is None or isinstance(reply, bytes) else await reply

    async def _begin_large(self, body: bytes, caller: Caller | None) -> Reply:
        reply = self.begin_received(await self.receive_apart(body), caller)
        return reply if reply is None or isinstance(reply, bytes) else await reply

    def receive(self, body: bytes) -> Received:
        """A small body's calls, on any thread; the calls of a batch are decoded one by one as they are answered."""
        try:
            if may_exceed(body, self._limits):
                check_shape(body, self._limits)
            message = parse(body)
            if type(message) is not list:
                return self._read(message, len(body))
            self._check_batch(message)
        except RpcError as error:
            return refusal(error)
        return Batch(map(self._read, message, repeat(len(body))), self._holds_back(message))

    def _receive_large(self, body: bytes) -> Received:
        """A large body's calls, all decoded; not on the event loop."""
        try:
            check_shape(body, self._limits)
            message = parse_large(body)
            if type(message) is not list:
                return self._read(message, len(body))
            self._check_batch(message)
        except RpcError as error:
            return refusal(error)
        return Batch([self._read(item, len(body)) for item in message], self._holds_back(message))

    def _holds_back(self, messages: list[Any]) -> bool:
        names = (message.get("method") for message in messages if type(message) is dict)
        return any(type(name) is str and name in self._holding for name in names)

    def _check_batch(self, messages: list[Any]) -> None:
        if not messages:
            raise InvalidRequestError("empty batch")
        if len(messages) > self._limits.batch_items:
            calls = (self._read_identifier(message) for message in messages)
            raise BatchTooLargeError(next((item for item in calls if item is not None), None))

    def _read(self, message: Any, body_bytes: int) -> Call:
        call = Call(body_bytes)
        if type(message) is not dict:
            call.fail(InvalidRequestError())
            return call
        identifier = message.get("id", _ABSENT)
        name = message.get("method")
        valid_identifier = type(identifier) is not dict and type(identifier) is not list
        if valid_identifier and identifier is not _ABSENT:
            call.identifier = identifier
        if message.get("jsonrpc") != "2.0" or type(name) is not str or not name or not valid_identifier:
            call.fail(InvalidRequestError())
            return call
        call.is_notification = identifier is _ABSENT
        if len(name) > METHOD_NAME_LIMIT:
            # without its name: no log and no metrics keep it
            call.fail(InvalidRequestError(f"method name too long: {len(name)} > {METHOD_NAME_LIMIT}"))
            return call
        call.name, call.params = name, message.get("params")
        if self._services.call_log is not None:
            call.started = time.perf_counter()
        call.method = self._methods.get(name)
        try:
            if call.method is None:
                raise MethodNotFoundError.of(name, self._suggestions.nearest(name))
            call.arguments = decode_arguments(call.method, call.params)
        except RpcError as error:
            forget_origin(error)
            call.fail(error)
        return call

    def _answer_light(self, call: Call, caller: Caller | None) -> Reply | Pending:
        result = self.run_light(call, caller)
        if type(result) is Later:
            return self._answer_later(call, result)
        if type(result) is NotAtHandError:
            return self._answer_light_provided(call, caller, result)
        return self._finish(call, result)

    def _answer_at_once(self, call: Call, method: Method, is_at_hand: AtOnce) -> Reply | Pending:
        """The answer to a coroutine's call, without a task where it reads what is at hand."""
        result: Any = NOT_ENDED
        services = self._services
        try:
            if is_at_hand(services, *call.arguments):
                result = end_of(method.function(services, *call.arguments))
        except NotAtHandError:
            pass
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
            result = None
        if result is NOT_ENDED:
            return self._answer(call, None)
        return self._answer_later(call, result) if type(result) in (Later, Encoded) else self._finish(call, result)

    async def _answer_light_provided(self, call: Call, caller: Caller | None, absent: NotAtHandError) -> Reply:
        """The answer to a light call once a worker has provided what it reads."""
        result: Any = absent
        try:
            for _ in range(MOST_PROVIDED):
                if type(result) is not NotAtHandError:
                    break
                await self.workers.run(provide, result)
                result = self.run_light(call, caller)
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
            result = None
        return await self._answer_later(call, result) if type(result) is Later else self._finish(call, result)

    def run_light(self, call: Call, caller: Caller | None) -> Any:
        """The result of a light call, on the method's thread; None where it is refused or fails (`call.error`).

        NotAtHandError where the thread must not wait for what the call reads.
        """
        if call.error is not None or call.method is None:
            return None
        method = call.method
        try:
            if method.any_thread:
                return self._services.chain.on_one_ground(method.function, self._services, *call.arguments)
            if method.connection:
                return method.function(self._services, caller, *call.arguments)
            return method.function(self._services, *call.arguments)
        except NotAtHandError as absent:
            return absent
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
            return None

    async def _encode(self, call: Call, result: Later | Encoded) -> bytes:
        """A large answer."""
        workers = self.workers
        encoded: bytes = await provided(workers, workers.encode, answer_in_slices, call.identifier, result)
        return encoded

    async def _answer_later(self, call: Call, later: Later | Encoded) -> Reply:
        reply = None
        try:
            reply = await self._encode(call, later)
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
        return self._finish(call, None, reply)

    async def _answer(self, call: Call, caller: Caller | None) -> Reply:
        if call.error is not None or call.method is None or call.method.cost is LIGHT:
            light = self._answer_light(call, caller)
            return light if light is None or isinstance(light, bytes) else await light
        if call.method.cost is WRITE:
            return await self._submit_write(call, call.method, caller)
        if call.method.cost is EXECUTION:
            answer = self._begin_execution(call, call.method, caller)
            return answer if answer is None or isinstance(answer, bytes) else await answer
        method, result, reply = call.method, None, None
        REQUEST_BYTES.set(call.body_bytes)
        try:
            prefix = (self._services, caller) if method.connection else (self._services,)
            result = await provided(self.workers, method.function, *prefix, *call.arguments)
            if type(result) is Later or type(result) is Encoded:
                reply = await self._encode(call, result)
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
        return self._finish(call, result, reply)

    def _begin_execution(self, call: Call, method: Method, caller: Caller | None) -> Reply | Pending:
        """Execute a call: here and at once if it is known to be short, and this round of the event loop has time."""
        kind = self.kind_of(call, method)
        if kind is None or not self.brief.expects(kind):
            return self._execute_apart(call, method, caller, kind)
        turns = self.brief.turns
        if not turns.is_free:
            return turns.wait(partial(self._execute_in_turn, call, method, caller, kind))
        answer: Reply | Pending = turns.run(self._execute_in_turn, call, method, caller, kind)
        return answer

    def kind_of(self, call: Call, method: Method) -> Kind | None:
        """None where the call is for another thread, also where what it names is unknown: there it is told."""
        if method.kind is None or not self.brief.is_on:
            return None
        try:
            kind = method.kind(self._services, *call.arguments)
        except Exception:
            return None
        return None if kind is None else (method.name, *kind)

    def _execute_in_turn(self, call: Call, method: Method, caller: Caller | None, kind: Kind) -> Reply | Pending:
        """The answer to a call, made on the event loop, or on a worker where that would take too long."""
        services, brief, reply = self._services, self.brief, None
        prefix = (services, caller) if method.connection else (services,)
        deadline = brief.begin(kind)
        try:
            result = services.chain.on_one_ground(method.function, *prefix, *call.arguments, deadline=deadline)
            reply = brief_success(call.identifier, result, deadline)
        except NotBriefError:
            brief.give_up(kind, deadline)
            return self._execute_apart(call, method, caller, kind)
        except Exception as error:
            call.fail(to_rpc_error(services, call.name, error))
        brief.end(kind)
        return self._finish(call, None, reply)

    async def _execute_apart(self, call: Call, method: Method, caller: Caller | None, kind: Kind | None) -> Reply:
        """The answer to a call, made on a worker. kind: what its time says something about."""
        reply = None
        job, note = self.brief.timed(kind, self.job_of(call, method, caller))
        try:
            reply = await self.workers.run(*job)
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
        note()
        return self._finish(call, None, reply)

    def _begin_write(self, call: Call, method: Method, caller: Caller | None) -> Reply | asyncio.Future[Reply]:
        """Answer a call that writes: here if it is known to be short, and the writer has nothing to do.

        What it changes is then told before its client can ask for it.
        """
        joining = self._joint.joining(call, method)
        if joining is None and (method.kind is None or not self._services.chain.writer.lends):
            return self._submit_write(call, method, caller)
        here = partial(self._write_in_turn, call, method, caller)
        apart = partial(self._write_apart, call, method, caller)
        outcome = self.writes.begin_here(here, apart, call.body_bytes, joining)
        return outcome if isinstance(outcome, asyncio.Future) else self._once_told(outcome)

    def _finish_joint(self, call: Call, outcome: Any) -> Reply:
        if isinstance(outcome, Exception):
            call.fail(to_rpc_error(self._services, call.name, outcome))
        return self._finish(call, outcome)

    def _write_in_turn(self, call: Call, method: Method, caller: Caller | None) -> Reply | asyncio.Future[Reply]:
        """The answer to a call, made on the event loop if it is known to be short and that can be."""
        kind = self.kind_of(call, method)
        if kind is not None and self.brief_sends.expects(kind):
            outcome: Reply = self._write_here(call, method, caller, kind)
            if outcome is not NOT_BRIEF:
                return outcome
        return self._submit_write(call, method, caller, kind)

    def _write_apart(self, call: Call, method: Method, caller: Caller | None) -> asyncio.Future[Reply]:
        return self._submit_write(call, method, caller, self.kind_of(call, method))

    def _write_here(self, call: Call, method: Method, caller: Caller | None, kind: Kind) -> Any:
        """The answer to a call, made on the event loop; NOT_BRIEF, with nothing done, where that cannot be."""
        reply = None
        job = (write_briefly, *self._work_of(call, method, caller))
        try:
            reply = self._services.chain.writer.run_here(self.brief_sends.run, kind, job)
        except Exception as error:
            call.fail(to_rpc_error(self._services, call.name, error))
        return NOT_BRIEF if reply is NOT_BRIEF or reply is NOT_LENT else self._finish(call, None, reply)

    def _once_told(self, reply: Reply) -> Reply | asyncio.Future[Reply]:
        """A reply, after the filters and the subscriptions have been told what the writer has changed."""
        if not self._services.filters.any_open and not len(self._services.subscriptions):
            return reply
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Reply] = loop.create_future()
        loop.call_soon(_answer_with, answer, reply)
        return answer

    def _submit_write(
        self, call: Call, method: Method, caller: Caller | None, kind: Kind | None = None
    ) -> asyncio.Future[Reply]:
        """Submit a call to the chain writer, which encodes its answer too. kind: what its time says something about."""
        job, note = self.brief_sends.timed(kind, self.job_of(call, method, caller))
        finish = partial(self._finish_write, call, note)
        # sends that may share a block wait for the ones before them as well
        is_short = method.together is not None or (kind is not None and self.brief_sends.expects(kind))
        shares = method.shares_sync
        return self.writes.begin(job, finish, call.body_bytes, is_long=method.is_long, shares=shares, is_short=is_short)

    def _begin_together(self, calls: list[Call], caller: Caller | None) -> list[asyncio.Future[Reply]]:
        """Submit calls of methods that share a sync, all for one."""
        return self.writes.begin_together(
            [
                (self.job_of(call, call.method, caller), partial(self._finish_write, call, None))
                for call in calls
                if call.method is not None
            ],
            calls[0].body_bytes,
        )

    def _finish_write(
        self, call: Call, note: Callable[[], None] | None, reply: Reply, failure: Exception | None
    ) -> Reply:
        if failure is not None:
            call.fail(to_rpc_error(self._services, call.name, failure))
        if note is not None:
            note()
        return self._finish(call, None, reply)

    def job_of(self, call: Call, method: Method, caller: Caller | None) -> tuple[Callable[..., Any], *tuple[Any, ...]]:
        """The function that executes or writes for a call and encodes its answer, and its arguments. On any thread."""
        writing = write_in_steps if method.is_long else write
        work: Callable[..., Any] = execute_and_encode if method.cost is EXECUTION else writing
        return (work, *self._work_of(call, method, caller))

    def _work_of(self, call: Call, method: Method, caller: Caller | None) -> tuple[Any, ...]:
        """The arguments of what executes or writes for a call."""
        prefix = (self._services, caller) if method.connection else (self._services,)
        return (call.identifier, method.function, *prefix, *call.arguments)

    def _finish(self, call: Call, result: Any, reply: Reply = None) -> Reply:
        """The answer of a call that has ended. `reply`: its answer if a worker has encoded it."""
        if call.method is not None and call.method.cost is not LIGHT:
            self._released.look()
        return self.reply_of(call, result, reply)

    def reply_of(self, call: Call, result: Any, reply: Reply = None) -> Reply:
        """Log a call, and encode its answer if no worker has; on any thread."""
        if call.is_notification:
            reply = None
        elif reply is None:
            try:
                reply = success(call.identifier, result) if call.error is None else None
            except (TypeError, ValueError) as fault:
                call.fail(to_rpc_error(self._services, call.name, fault))
            if call.error is not None:
                reply = failure(call.identifier, call.error)
        log = self._services.call_log
        if log is not None and call.name:
            log.called(call.name, call.params, time.perf_counter() - call.started, call.error)
        return reply

    async def _answer_batch(self, calls: Iterable[Call], caller: Caller | None) -> Reply:
        replies: list[bytes] = []
        size = 0
        exhausted: RpcError | None = None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.request_seconds
        slice_end = loop.time() + LOOP_SLICE_SECONDS
        for part in parts_of(calls, self._limits.write_group_commands):
            now = loop.time()
            if exhausted is None and now > deadline:
                exhausted = TimedOutError()
            if now > slice_end:
                await asyncio.sleep(0)
                slice_end = loop.time() + LOOP_SLICE_SECONDS
            for reply in await self._answer_part(part, caller, exhausted):
                if reply is None:
                    continue
                replies.append(reply)
                size += len(reply)
            if exhausted is None and size > self._limits.response_bytes:
                exhausted = ResponseTooLargeError()
        return b"[" + b",".join(replies) + b"]" if replies else None

    async def _answer_part(self, part: list[Call], caller: Caller | None, exhausted: RpcError | None) -> list[Reply]:
        """The answers of one call, or of several that share a sync. exhausted: the error that they get instead."""
        if len(part) > 1 and exhausted is None:
            return [await answer for answer in self._begin_together(part, caller)]
        for call in part:
            if exhausted is not None and call.error is None:
                call.fail(exhausted)
        return [await self._answer(call, caller) for call in part]

    @staticmethod
    def _read_identifier(message: Any) -> Any:
        identifier = message.get("id") if type(message) is dict else None
        return None if type(identifier) in (dict, list) else identifier


def _answer_with(answer: asyncio.Future[Reply], reply: Reply) -> None:
    if not answer.done():
        answer.set_result(reply)
