"""The server's side of zvm/1: frames, limits, authentication, executions and their statistics."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

from zevm.covenant.errors import InvalidParameters
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest, WasmExecutionResult
from zevm.rpc.codec.parsing import LOOP_BODY_BYTES
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.errors import LimitExceededError
from zevm.rpc.execution.brief import NOT_BRIEF
from zevm.rpc.services import Services
from zevm.rpc.transport.quic.codes import AUTHENTICATION_REQUIRED, BAD_FRAME, BUSY, DEADLINE, TOO_LARGE
from zevm.rpc.transport.quic.stream_protocol import Begun
from zevm.rpc.transport.quic.streams import Carrier, Stream, StreamRefusedError
from zevm.rpc.transport.quic.zvm.at_once import AtOnce
from zevm.rpc.transport.quic.zvm.authentication import (
    AUTHENTICATION_BYTES,
    Authentication,
    AuthenticationError,
    Authenticator,
    NoncesFullError,
)
from zevm.rpc.transport.quic.zvm.execution import (
    deployment_body,
    deployment_result,
    execute,
    name_body,
    name_result,
    refused,
)
from zevm.rpc.transport.quic.zvm.holdings import Holdings
from zevm.rpc.transport.quic.zvm.messages import (
    BUSY_MESSAGE,
    CONSTRUCTOR,
    LEAST_REQUEST_BYTES,
    LENGTH_BYTES,
    RESOLVE,
    STATISTICS,
    MessageError,
    decode_request,
    encode_statistics,
    framed_result,
    request_id_of,
)
from zevm.rpc.transport.quic.zvm.statistics import Statistics


class ZvmService:
    """Answers the requests of every connection of a port. Used on the event loop only."""

    def __init__(
        self,
        services: Services,
        dispatcher: Dispatcher,
        authenticator: Authenticator,
        *,
        requires_authentication: bool,
    ) -> None:
        self._services = services
        self._dispatcher = dispatcher
        self._limits = services.limits
        self._requires_authentication = requires_authentication
        self._authenticator = authenticator
        self._holdings = Holdings(services.limits)
        self.statistics = Statistics()
        self._at_once = AtOnce(services, dispatcher, self.statistics, self._holdings)

    def begin(self, connection: Carrier, content: bytes) -> Begun:
        """Answer all that a stream has carried (stream_protocol.Beginner)."""
        return None if self._requires_authentication else self._at_once.begin(connection, content)

    async def __call__(self, stream: Stream) -> None:
        """Serve one stream: a request and its result."""
        with self._holding(stream) as hold:
            try:
                if stream.peer_ended:
                    # whole: no read waits
                    message, authentication = await self._read(stream, hold)
                else:
                    async with asyncio.timeout(self._limits.quic_body_seconds):
                        message, authentication = await self._read(stream, hold)
                reply = await self._reply(stream, message, authentication)
                # no more is held while the client takes it
                del message
            except StreamRefusedError as error:
                stream.reset(error.code)
                return
            except TimeoutError:
                stream.reset(DEADLINE)
                return
            except asyncio.IncompleteReadError:
                stream.reset(BAD_FRAME)
                return
        await self._send(stream, reply)

    async def _reply(self, stream: Stream, message: bytes, authentication: Authentication | None) -> bytes:
        """The frame that answers a request. Raises StreamRefusedError, also where too many replies are unread."""
        result = await self._answer(message, authentication, stream.connection.address[0])
        size = len(result.return_value) + len(result.modified_state)
        self._require_room(stream, size)
        if size <= LOOP_BODY_BYTES:
            return framed_result(result)
        connection = stream.connection
        # held while it waits for the one thread that encodes
        connection.pending_bytes += size
        try:
            return await self._dispatcher.workers.encode(framed_result, result)
        finally:
            connection.pending_bytes -= size

    def _require_room(self, stream: Stream, size: int) -> None:
        if stream.connection.pending_bytes + size > self._limits.quic_output_bytes:
            raise StreamRefusedError(BUSY)

    # input

    @contextmanager
    def _holding(self, stream: Stream) -> "Iterator[_Hold]":
        """Count the bytes of a request while it is held."""
        hold = _Hold()
        try:
            yield hold
        finally:
            self._holdings.give_back(stream.connection, hold.size)
            self._services.budgets.released.look()

    async def _read(self, stream: Stream, hold: "_Hold") -> tuple[bytes, Authentication | None]:
        """A request and what signs it. Raises StreamRefusedError, IncompleteReadError."""
        message = await self._read_frame(stream, hold, self._limits.quic_message_bytes, LEAST_REQUEST_BYTES)
        return message, await self._read_authentication(stream, hold)

    async def _read_frame(self, stream: Stream, hold: "_Hold", most: int, least: int) -> bytes:
        """A length and as many bytes. Raises StreamRefusedError at the length, before the rest is read."""
        size = int.from_bytes(await stream.readexactly(LENGTH_BYTES), "big")
        if size > most:
            raise StreamRefusedError(TOO_LARGE)
        if size < least:
            raise StreamRefusedError(BAD_FRAME)
        if not self._holdings.take(stream.connection, size):
            raise StreamRefusedError(BUSY)
        hold.size += size
        return await stream.readexactly(size)

    async def _read_authentication(self, stream: Stream, hold: "_Hold") -> Authentication | None:
        """The second frame, if there is one, and the end of the stream. Raises StreamRefusedError."""
        if not await _ended(stream):
            data = await self._read_frame(stream, hold, AUTHENTICATION_BYTES, AUTHENTICATION_BYTES)
            if not await _ended(stream):
                raise StreamRefusedError(BAD_FRAME)
            return Authentication.decode(data)
        if self._requires_authentication:
            raise StreamRefusedError(AUTHENTICATION_REQUIRED)
        return None

    # execution

    async def _answer(self, message: bytes, authentication: Authentication | None, host: str) -> WasmExecutionResult:
        workers, identifier = self._dispatcher.workers, request_id_of(message)
        try:
            if len(message) > LOOP_BODY_BYTES:
                request = await workers.read(decode_request, message)
            else:
                request = decode_request(message)
        except MessageError as error:
            raise StreamRefusedError(BAD_FRAME) from error
        except InvalidParameters as error:
            return refused(identifier, ExecutionStatus.RUNTIME_ERROR, str(error))
        if authentication is not None:
            try:
                # the thread reads large bodies one after another, so that a nonce passes once
                await workers.read(self._authenticator.check, message, request.caller, authentication, host)
            except AuthenticationError as error:
                self.statistics.refused_authentications += 1
                return refused(identifier, ExecutionStatus.AUTHENTICATION_FAILED, str(error))
            except NoncesFullError:
                return self._busy(identifier)
        if request.function_name == STATISTICS and not request.module_bytecode:
            return _statistics_result(identifier, self.statistics)
        if self.statistics.active_executions >= self._limits.quic_executions:
            return self._busy(identifier)
        with self.statistics.execution():
            result = await self._run(request)
        self.statistics.total_gas_consumed += result.gas_consumed
        return result

    async def _run(self, request: WasmExecutionRequest) -> WasmExecutionResult:
        if request.function_name == CONSTRUCTOR:
            return await self._deploy(request)
        if request.function_name == RESOLVE and not request.module_bytecode:
            return await self._resolve(request)
        try:
            return await self._execute(request)
        except LimitExceededError:
            return self._busy(request.request_id)

    async def _execute(self, request: WasmExecutionRequest) -> WasmExecutionResult:
        """Run a function: here if it is known to be short, and otherwise on a worker. Raises LimitExceededError."""
        brief, job = self._dispatcher.brief, (execute, self._services, request)
        kind = self._at_once.kind_of(request)
        if kind is not None and brief.expects(kind):
            attempt = partial(brief.run, kind, job)
            found = brief.turns.run(attempt) if brief.turns.is_free else await brief.turns.wait(attempt)
            if found is not NOT_BRIEF:
                return cast(WasmExecutionResult, found)
        timed, note = brief.timed(kind, job)
        result = await self._dispatcher.workers.run(*timed)
        note()
        return cast(WasmExecutionResult, result)

    async def _deploy(self, request: WasmExecutionRequest) -> WasmExecutionResult:
        caller = request.caller
        if caller is None:
            return refused(request.request_id, ExecutionStatus.AUTHENTICATION_FAILED, "caller_address is no address")
        began = time.perf_counter_ns()
        body = await self._dispatcher.workers.read(deployment_body, request, caller)
        reply = await self._dispatcher.answer(body)
        assert reply is not None
        return deployment_result(request.request_id, reply, (time.perf_counter_ns() - began) // 1_000)

    async def _resolve(self, request: WasmExecutionRequest) -> WasmExecutionResult:
        assert isinstance(request.arguments, bytes)
        try:
            name = request.arguments.decode()
        except UnicodeDecodeError:
            return refused(request.request_id, ExecutionStatus.RUNTIME_ERROR, "the name is not UTF-8")
        began = time.perf_counter_ns()
        reply = await self._dispatcher.answer(name_body(name))
        assert reply is not None
        return name_result(request.request_id, reply, (time.perf_counter_ns() - began) // 1_000)

    def _busy(self, identifier: int) -> WasmExecutionResult:
        self.statistics.refused_busy += 1
        return refused(identifier, ExecutionStatus.RUNTIME_ERROR, BUSY_MESSAGE)

    # output

    async def _send(self, stream: Stream, reply: bytes) -> None:
        connection = stream.connection
        try:
            self._require_room(stream, len(reply))
        except StreamRefusedError as error:
            stream.reset(error.code)
            return
        connection.pending_bytes += len(reply)
        try:
            if len(reply) > LOOP_BODY_BYTES:
                await stream.write(reply)
                stream.write_eof()
            else:
                stream.write_eof(reply)
        finally:
            connection.pending_bytes -= len(reply)
            self._services.budgets.released.look()


@dataclass(slots=True)
class _Hold:
    """Bytes of a request that are counted as held."""

    size: int = 0


async def _ended(stream: Stream) -> bool:
    """Wait for more bytes or the end of the stream; whether it is the end."""
    return not await stream.has_more()


def _statistics_result(identifier: int, statistics: Statistics) -> WasmExecutionResult:
    values = encode_statistics(statistics.values())
    return WasmExecutionResult(identifier, ExecutionStatus.SUCCESS, values, 0, 0, "", b"")
