"""Providers for web3.py that reach a node in this process, without a socket. The extra `web3` installs the library."""

import asyncio
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, cast

import orjson
from web3._utils.caching.caching_utils import async_handle_request_caching, handle_request_caching
from web3.exceptions import PersistentConnectionClosedOK, ProviderConnectionError
from web3.providers import JSONBaseProvider, PersistentConnectionProvider
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from zevm.rpc.transport.in_process import DoorClosedError, InProcess, InProcessConnection

RECEIVED_MESSAGES = 64
"""Messages that may wait in the program for its listener; the node keeps further ones, within its own limits."""

_AS_WEB3 = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
"""Objects that web3.py writes into no request."""

Requests = list[tuple[RPCEndpoint, Any]]
Responses = list[RPCResponse] | RPCResponse


def _plain_request(method: RPCEndpoint, params: Any, identifier: int) -> bytes | None:
    """A request of plain values; None for one that web3.py writes or refuses."""
    try:
        request = {"jsonrpc": "2.0", "method": method, "params": params or [], "id": identifier}
        return orjson.dumps(request, option=_AS_WEB3)
    except TypeError:
        return None


class InProcessProvider(JSONBaseProvider):
    """For Web3. Calls wait on their thread; any thread may make them."""

    def __init__(self, door: InProcess) -> None:
        super().__init__()
        self._door = door

    def encode_rpc_request(self, method: RPCEndpoint, params: Any) -> bytes:
        """The bytes of a request. Raises Web3TypeError for objects that JSON has not."""
        plain = _plain_request(method, params, next(self.request_counter))
        return super().encode_rpc_request(method, params) if plain is None else plain

    @handle_request_caching
    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response to one request; a stored one where `cache_allowed_requests` is set."""
        return self._respond(self.encode_rpc_request(method, params))

    def make_batch_request(self, requests: Requests) -> Responses:
        """The responses to a batch, in its order; one error where the batch is refused."""
        return cast(Responses, self._respond(self.encode_batch_rpc_request(requests)))

    def _respond(self, body: bytes) -> RPCResponse:
        return self.decode_rpc_response(self._door.answer(body) or b"")


class AsyncInProcessProvider(AsyncJSONBaseProvider):
    """For AsyncWeb3, on any event loop, which goes on meanwhile."""

    def __init__(self, door: InProcess) -> None:
        super().__init__()
        self._door = door

    def encode_rpc_request(self, method: RPCEndpoint, params: Any) -> bytes:
        """The bytes of a request. Raises Web3TypeError for objects that JSON has not."""
        plain = _plain_request(method, params, next(self.request_counter))
        return super().encode_rpc_request(method, params) if plain is None else plain

    @async_handle_request_caching
    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response to one request; a stored one where `cache_allowed_requests` is set."""
        return await self._respond(self.encode_rpc_request(method, params))

    async def make_batch_request(self, requests: Requests) -> Responses:
        """The responses to a batch, in its order; one error where the batch is refused."""
        return cast(Responses, await self._respond(self.encode_batch_rpc_request(requests)))

    async def disconnect(self) -> None:
        """Do nothing, as there is no connection: programs for AsyncHTTPProvider end with this call."""

    async def _respond(self, body: bytes) -> RPCResponse:
        answer = await asyncio.wrap_future(self._door.submit(body))
        return self.decode_rpc_response(answer or b"")


class PersistentInProcessProvider(PersistentConnectionProvider):
    """For AsyncWeb3 with subscriptions (`async with AsyncWeb3(provider)`): what WebSocketProvider is over a socket."""

    endpoint_uri = "in-process"

    def __init__(self, door: InProcess) -> None:
        super().__init__()
        self._door = door
        self._received: asyncio.Queue[bytes | None] = asyncio.Queue(RECEIVED_MESSAGES)
        self._connection: InProcessConnection | None = None
        self._sending = asyncio.Lock()
        self._sent: Future[None] | None = None
        self._unanswered = 0

    def _set_signal_handlers(self) -> None:
        """None, and the program's own stay: no socket is to be closed. Those of the other providers stay for ever."""

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether there is a connection, and the node answers over it."""
        return self._connection is not None and await super().is_connected(show_traceback)

    async def socket_send(self, request_data: bytes) -> None:
        """Send a request or a batch, once the one before is taken. Raises NodeClosedError."""
        if self._connection is None:
            raise ProviderConnectionError("not connected: use `async with AsyncWeb3(provider)`, or call connect()")
        async with self._sending:
            if self._sent is not None:
                await asyncio.wrap_future(self._sent)
            # web3.py notes what it has asked when this returns, and takes an answer for a fault that comes before:
            # nothing here may give way to its listener
            self._sent = self._connection.send(request_data)
            self._unanswered += 1

    async def socket_recv(self) -> RPCResponse:
        """The next answer or notification. Raises NodeClosedError where requests wait for an answer."""
        message = await self._received.get()
        if message is None:
            if self._unanswered:
                raise self._door.closed_error
            raise PersistentConnectionClosedOK(user_message="the node has ended the connection")
        response = self.decode_rpc_response(message)
        if "method" not in response:
            self._unanswered -= 1
        return response

    async def disconnect(self) -> None:
        """End the connection. Idempotent."""
        with suppress(DoorClosedError):
            # it tells again what ended the listener
            await super().disconnect()
            return
        await super().disconnect()

    async def _provider_specific_connect(self) -> None:
        loop = asyncio.get_running_loop()
        received = self._received = asyncio.Queue(RECEIVED_MESSAGES)
        self._sending, self._sent, self._unanswered = asyncio.Lock(), None, 0

        async def deliver(message: bytes) -> None:
            putting = received.put(message)
            try:
                future = asyncio.run_coroutine_threadsafe(putting, loop)
            except RuntimeError:
                putting.close()
                raise
            await asyncio.wrap_future(future)

        def end() -> None:
            while received.full():
                received.get_nowait()
            received.put_nowait(None)

        def cut() -> None:
            # after the program's loop has ended there is nobody left to tell
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(end)

        self._connection = await asyncio.wrap_future(self._door.connect(deliver, cut))

    async def _provider_specific_disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DoorClosedError):
                await asyncio.wrap_future(connection.close())

    async def _provider_specific_socket_reader(self) -> RPCResponse:
        return await self.socket_recv()
