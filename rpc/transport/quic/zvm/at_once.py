"""Requests that come whole, for functions that are known to be short: answered without a task for their stream.

A request that is not of this kind, or may not run now, goes the way of all others (service.py), which refuses too.
"""

import asyncio
from functools import partial

from zevm.chain.concurrency.deadline import Deadline, NotBriefError
from zevm.covenant.errors import InvalidParameters
from zevm.covenant.wasm import WasmExecutionRequest, WasmExecutionResult
from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.dispatch.function_kinds import kind_of_function
from zevm.rpc.execution.brief import NOT_BRIEF
from zevm.rpc.execution.durations import Kind
from zevm.rpc.services import Services
from zevm.rpc.transport.quic.codes import BUSY
from zevm.rpc.transport.quic.stream_protocol import Begun
from zevm.rpc.transport.quic.streams import Carrier, StreamRefusedError
from zevm.rpc.transport.quic.zvm.execution import execute
from zevm.rpc.transport.quic.zvm.holdings import Holdings
from zevm.rpc.transport.quic.zvm.messages import (
    ALPN,
    LEAST_REQUEST_BYTES,
    LENGTH_BYTES,
    OWN_FUNCTIONS,
    MessageError,
    decode_request,
    framed_result,
)
from zevm.rpc.transport.quic.zvm.statistics import Statistics


class AtOnce:
    """Answers whole requests of every connection of a port. Used on the event loop only."""

    def __init__(self, services: Services, dispatcher: Dispatcher, statistics: Statistics, holdings: Holdings) -> None:
        self._services = services
        self._brief = dispatcher.brief
        self._limits = services.limits
        self._statistics = statistics
        self._holdings = holdings

    def begin(self, connection: Carrier, content: bytes) -> Begun:
        """The reply to all that a stream has carried, or a future of it; None where it goes the way of all others.

        Raises StreamRefusedError.
        """
        request = self._request(content)
        kind = None if request is None else self.kind_of(request)
        if request is None or kind is None or not self._brief.expects(kind):
            return None
        statistics, size = self._statistics, len(content)
        if statistics.active_executions >= self._limits.quic_executions or not self._holdings.take(connection, size):
            return None
        end = partial(self._end, connection, size, statistics.begin())
        attempt = partial(self._attempt, connection, request, kind)
        turns = self._brief.turns
        if not turns.is_free:
            answer = turns.wait(attempt)
            answer.add_done_callback(lambda done: end(has_run=_has_run(done)))
            return answer
        try:
            reply: bytes | None = turns.run(attempt)
        except BaseException:
            end(has_run=True)
            raise
        end(has_run=reply is not None)
        return reply

    def kind_of(self, request: WasmExecutionRequest) -> Kind | None:
        """The properties that executions of about the same time have in common; None for those never short."""
        if not self._brief.is_on:
            return None
        code, name, arguments = request.module_bytecode, request.function_name or None, request.arguments
        kind = kind_of_function(self._services, code, name, arguments)
        return None if kind is None else (ALPN, *kind)

    def _request(self, content: bytes) -> WasmExecutionRequest | None:
        """A small unsigned request for a function of a module; None for another content."""
        size = len(content) - LENGTH_BYTES
        if (
            not LEAST_REQUEST_BYTES <= size <= min(LOOP_BODY_BYTES, self._limits.quic_message_bytes)
            or int.from_bytes(content[:LENGTH_BYTES], "big") != size
        ):
            return None
        try:
            request = decode_request(content[LENGTH_BYTES:])
        except (MessageError, InvalidParameters):
            return None
        return None if request.function_name in OWN_FUNCTIONS else request

    def _attempt(self, connection: Carrier, request: WasmExecutionRequest, kind: Kind) -> bytes | None:
        """The reply, made here; None where that takes too long. Raises StreamRefusedError."""
        found = self._brief.run(kind, (_executed, self._services, request))
        if found is NOT_BRIEF:
            return None
        result, reply = found
        self._statistics.total_gas_consumed += result.gas_consumed
        if connection.pending_bytes + len(reply) > self._limits.quic_output_bytes:
            raise StreamRefusedError(BUSY)
        return bytes(reply)

    def _end(self, connection: Carrier, size: int, key: object, *, has_run: bool) -> None:
        self._holdings.give_back(connection, size)
        if has_run:
            self._statistics.end(key)
        else:
            self._statistics.withdraw(key)
        self._services.budgets.released.look()


def _has_run(answer: "asyncio.Future[bytes | None]") -> bool:
    """Whether an execution was made, or none is wanted any more; otherwise it is made on a worker."""
    return answer.cancelled() or answer.exception() is not None or answer.result() is not None


def _executed(
    services: Services, request: WasmExecutionRequest, *, deadline: Deadline
) -> tuple[WasmExecutionResult, bytes]:
    """A result and its frame. Raises NotBriefError for one that is large too."""
    result = execute(services, request, deadline=deadline)
    if len(result.return_value) + len(result.modified_state) > LOOP_BODY_BYTES:
        raise NotBriefError
    return result, framed_result(result)
