"""Clients of zvm/1: of an event loop, and for programs without one."""

import asyncio
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar

from coincurve import PrivateKey

from zevm.covenant.wasm import ExecutionOptions, ExecutionStatus, WasmExecutionRequest, WasmExecutionResult
from zevm.rpc.transport.quic.client import ClientConnection, Trust, connect
from zevm.rpc.transport.quic.codes import code_text
from zevm.rpc.transport.quic.options import QuicError
from zevm.rpc.transport.quic.streams import Stream, StreamResetError
from zevm.rpc.transport.quic.zvm import authentication
from zevm.rpc.transport.quic.zvm.messages import (
    ALPN,
    CONSTRUCTOR,
    LENGTH_BYTES,
    RESOLVE,
    STATISTICS,
    MessageError,
    decode_places,
    decode_result,
    encode_request,
    framed,
)
from zevm.storage.keccak import keccak256

DEVELOPMENT_CHAIN_ID = 31_337
RESULT_LIMIT_BYTES = 64 * 1024 * 1024
REPLY_SECONDS = 10.0
"""Time for a reply beyond the execution's own limit."""

SIGNATURE_SECONDS = 30
"""How long a signed request is valid."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """The server's executions: under way now, and since its start; the age of the oldest one under way."""

    active_executions: int
    total_executions_started: int
    total_gas_consumed: int
    oldest_execution_age_ms: int


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """The address that a name of the chain has, and the contract that it means: 20 bytes each, None for none."""

    address: bytes | None
    contract: bytes | None


class AsyncZvmQuicClient:
    """A client on the running event loop; an async context manager. It connects again where its connection ended.

    authority: the node's quic-ca.pem. server_key_hash: SHA-256 of its public key, in its place. private_key: 32 bytes;
    requests are signed with it, for chain_id, and its address is their caller. Every call raises QuicError where no
    result comes.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        authority: str | PathLike[str] | None = None,
        server_key_hash: bytes | None = None,
        private_key: bytes | None = None,
        chain_id: int = DEVELOPMENT_CHAIN_ID,
        allow_classical: bool = False,
    ) -> None:
        self._host, self._port = host, port
        self._trust = Trust(None if authority is None else Path(authority), server_key_hash)
        self._key = None if private_key is None else PrivateKey(private_key)
        self._chain_id = chain_id
        self._allow_classical = allow_classical
        self._stack = AsyncExitStack()
        self._connection: ClientConnection | None = None
        self._connecting = asyncio.Lock()
        self._next_request_id = 1

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. Idempotent."""
        self._connection = None
        await self._stack.aclose()

    @property
    def group(self) -> int | None:
        """The number of the TLS group of the key exchange; 0x11ec is X25519MLKEM768."""
        return None if self._connection is None else self._connection.group

    async def execute_function(
        self,
        module_bytecode: bytes,
        function_name: str,
        arguments: bytes | Sequence[int] = b"",
        options: ExecutionOptions | None = None,
    ) -> WasmExecutionResult:
        """Run a function of a module on the head's state; nothing is kept.

        module_bytecode: the module, or the 20-byte address of a contract on the chain. arguments: call data, or the
        integers that the function takes.
        """
        options = options or ExecutionOptions()
        request = WasmExecutionRequest(
            request_id=self._take_number(),
            module_bytecode=module_bytecode,
            function_name=function_name,
            arguments=arguments,
            gas_limit=options.gas_limit,
            memory_limit=options.memory_limit,
            timeout_ms=options.timeout_ms,
            caller_address=self._caller(options),
        )
        return await self._exchange(request)

    async def deploy_module(
        self, module_bytecode: bytes, constructor_arguments: bytes = b"", options: ExecutionOptions | None = None
    ) -> WasmExecutionResult:
        """Deploy a module from an account of the node: the caller, or the node's first; return_value is the address.

        constructor_arguments: ABI-encoded. Without options, the gas limit is what the deployment takes.
        """
        options = options or ExecutionOptions(gas_limit=0)
        return await self.execute_function(module_bytecode, CONSTRUCTOR, constructor_arguments, options)

    async def statistics(self) -> ServerStatistics:
        """The server's executions."""
        result = await self.execute_function(b"", STATISTICS)
        try:
            return ServerStatistics(*struct.unpack(">4Q", result.return_value))
        except struct.error as error:
            raise QuicError(f"no statistics: {result.error_message or 'an answer of another kind'}") from error

    async def resolve_name(self, name: str) -> ResolvedName | None:
        """The address and the contract of a name, as mytoken.ghost; None for one that is not registered."""
        result = await self.execute_function(b"", RESOLVE, name.encode(errors="replace"))
        if result.status is not ExecutionStatus.SUCCESS:
            raise QuicError(f"{name} is not resolved: {result.error_message}")
        try:
            return ResolvedName(*decode_places(result.return_value)) if result.return_value else None
        except MessageError as error:
            raise QuicError(f"the node at {self._host}:{self._port} resolves no name: {error}") from error

    def _take_number(self) -> int:
        number = self._next_request_id
        self._next_request_id = number % (2**64 - 1) + 1
        return number

    def _caller(self, options: ExecutionOptions) -> bytes | str:
        if self._key is None:
            return options.caller_address
        return keccak256(self._key.public_key.format(compressed=False)[1:])[12:]

    async def _connected(self) -> ClientConnection:
        async with self._connecting:
            if self._connection is None or not self._connection.is_open:
                await self._stack.aclose()
                self._connection = await self._stack.enter_async_context(
                    connect(self._host, self._port, alpn=ALPN, trust=self._trust, allow_classical=self._allow_classical)
                )
            return self._connection

    async def _exchange(self, request: WasmExecutionRequest) -> WasmExecutionResult:
        try:
            message = encode_request(request)
        except MessageError as error:
            raise QuicError(f"the request cannot be sent: {error}") from error
        connection = await self._connected()
        sent = framed(message)
        if self._key is not None:
            expiry = int(time.time()) + SIGNATURE_SECONDS
            proof = authentication.sign(self._key, self._chain_id, connection.server_key_hash, message, expiry=expiry)
            sent += framed(proof.encode())
        stream = None
        seconds = request.timeout_ms / 1_000 + REPLY_SECONDS
        try:
            stream = connection.open_stream()
            async with asyncio.timeout(seconds):
                return await self._roundtrip(stream, sent)
        except StreamResetError as error:
            told = f": {code_text(error.code)}" if error.code is not None else f": {error}"
            raise QuicError(f"the node at {self._host}:{self._port} gave no result{told}") from error
        except TimeoutError:
            raise QuicError(f"the node at {self._host}:{self._port} gave no result within {seconds:g} s") from None
        except (MessageError, asyncio.IncompleteReadError) as error:
            raise QuicError(f"the node at {self._host}:{self._port} sent no result of zvm/1: {error}") from error
        finally:
            if stream is not None:
                if stream.unfinished or not stream.at_end:
                    stream.reset(0)
                connection.close_stream(stream)

    async def _roundtrip(self, stream: Stream, sent: bytes) -> WasmExecutionResult:
        await stream.write(sent)
        stream.write_eof()
        size = int.from_bytes(await stream.readexactly(LENGTH_BYTES), "big")
        if size > RESULT_LIMIT_BYTES:
            raise MessageError(f"a result of {size} bytes, the limit is {RESULT_LIMIT_BYTES}")
        result = decode_result(await stream.readexactly(size))
        await stream.has_more()
        return result


class ZvmQuicClient:
    """A client for programs without an event loop; a context manager. Its methods may be called from any thread.

    The parameters are AsyncZvmQuicClient's, and so are the methods.
    """

    def __init__(self, host: str, port: int, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="zvm-quic-client", daemon=True)
        self._thread.start()
        try:
            self._client = self._run(_made(lambda: AsyncZvmQuicClient(host, port, **options)))
        except BaseException:
            self._end_thread()
            raise

    def __enter__(self) -> Self:
        try:
            self._run(self._client.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread. Idempotent."""
        if not self._thread.is_alive():
            return
        self._run(self._client.close())
        self._end_thread()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def group(self) -> int | None:
        """The number of the TLS group of the key exchange; 0x11ec is X25519MLKEM768."""
        return self._client.group

    def execute_function(
        self,
        module_bytecode: bytes,
        function_name: str,
        arguments: bytes | Sequence[int] = b"",
        options: ExecutionOptions | None = None,
    ) -> WasmExecutionResult:
        """AsyncZvmQuicClient.execute_function."""
        return self._run(self._client.execute_function(module_bytecode, function_name, arguments, options))

    def deploy_module(
        self, module_bytecode: bytes, constructor_arguments: bytes = b"", options: ExecutionOptions | None = None
    ) -> WasmExecutionResult:
        """AsyncZvmQuicClient.deploy_module."""
        return self._run(self._client.deploy_module(module_bytecode, constructor_arguments, options))

    def statistics(self) -> ServerStatistics:
        """AsyncZvmQuicClient.statistics."""
        return self._run(self._client.statistics())

    def resolve_name(self, name: str) -> ResolvedName | None:
        """AsyncZvmQuicClient.resolve_name."""
        return self._run(self._client.resolve_name(name))

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        if not self._thread.is_alive():
            work.close()
            raise QuicError("the client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


async def _made(factory: Callable[[], Result]) -> Result:
    return factory()
