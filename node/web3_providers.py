"""Providers for web3.py that reach a node in this process, without a socket. The extra `web3` installs the library."""

import asyncio
from contextlib import suppress
from typing import Any, cast

from web3.exceptions import PersistentConnectionClosedOK, ProviderConnectionError
from web3.providers import JSONBaseProvider, PersistentConnectionProvider
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from zevm.rpc.transport.in_process import InProcess, InProcessConnection, NodeClosedError

RECEIVED_MESSAGES = 64
"""Messages that may wait in the program for its listener; the node keeps further ones, within its own limits."""

Requests = list[tuple[RPCEndpoint, Any]]
Responses = list[RPCResponse] | RPCResponse


class InProcessProvider(JSONBaseProvider):
    """For Web3. Calls wait on their thread; any thread may make them."""

    def __init__(self, door: InProcess) -> None:
        super().__init__()
        self._door = door

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response to one request."""
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

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The response to one request."""
        return await self._respond(self.encode_rpc_request(method, params))

    async def make_batch_request(self, requests: Requests) -> Responses:
        """The responses to a batch, in its order; one error where the batch is refused."""
        return cast(Responses, await self._respond(self.encode_batch_rpc_request(requests)))

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

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether there is a connection, and the node answers over it."""
        return self._connection is not None and await super().is_connected(show_traceback)

    async def socket_send(self, request_data: bytes) -> None:
        """Send a request or a batch."""
        if self._connection is None:
            raise ProviderConnectionError("not connected: use `async with AsyncWeb3(provider)`, or call connect()")
        await asyncio.wrap_future(self._connection.send(request_data))

    async def socket_recv(self) -> RPCResponse:
        """The next answer or notification."""
        message = await self._received.get()
        if message is None:
            raise PersistentConnectionClosedOK(user_message="the node has ended the connection")
        return self.decode_rpc_response(message)

    async def _provider_specific_connect(self) -> None:
        loop = asyncio.get_running_loop()
        received = self._received = asyncio.Queue(RECEIVED_MESSAGES)

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
            with suppress(NodeClosedError):
                await asyncio.wrap_future(connection.close())

    async def _provider_specific_socket_reader(self) -> RPCResponse:
        return await self.socket_recv()
