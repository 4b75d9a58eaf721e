"""Memory of QUIC's clients goes back to the system: the node looks at it after each request and each connection."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aioquic.quic.stream import QuicStream

from testing.speed import PATIENCE_SECONDS
from tests.rpc.transport.quic_support import dial, quic_port
from tests.rpc.transport.test_quic_zvm import RICH, connected, dialled, request, serving
from zevm.covenant.wasm import ExecutionStatus, WasmExecutionRequest, WasmExecutionResult
from zevm.rpc.transport.quic import client as quic_client
from zevm.rpc.transport.quic.streams import Stream
from zevm.rpc.transport.quic.zvm import service
from zevm.rpc.transport.quic.zvm.messages import encode_request, framed


def counted_looks(node: Any, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    looks: list[None] = []
    monkeypatch.setattr(node.services.budgets.released, "look", lambda: looks.append(None))
    return looks


async def more_than(looks: list[None], count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(looks) <= count:
            await asyncio.sleep(0.01)


async def test_after_each_connection_of_every_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as node:
        looks = counted_looks(node, monkeypatch)
        host, port = node.server.quic_addresses[0]
        trust = quic_client.Trust(server_key_hash=node.server.quic.identity.server_key_hash)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while list(node.server.quic.connections()):  # of the proof at the start
                await asyncio.sleep(0.01)
        protocols = [alpn for alpn in node.server.quic._protocols if alpn != "zevm-probe"]
        assert {"zvm/1", "h3"} <= set(protocols)
        for alpn in protocols:
            before = len(looks)
            async with quic_client.connect(host, port, alpn=alpn, trust=trust):
                assert len(looks) == before
            await more_than(looks, before)


async def test_after_a_request_and_its_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as node, dialled(node) as client:
        looks = counted_looks(node, monkeypatch)
        module = request().module_bytecode
        assert (await client.execute_function(module, "gcd", [54, 24], RICH)).return_value[-1] == 6
        await more_than(looks, 1)


async def test_after_a_request_that_the_client_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as node, connected(node) as client:
        looks = counted_looks(node, monkeypatch)
        stream = client.open_stream()
        await stream.write(framed(encode_request(request()))[:-1])
        while not node.server.quic._connections or not next(node.server.quic.connections()).held_bytes:
            await asyncio.sleep(0.01)
        stream.reset(0)
        await more_than(looks, 0)


@contextmanager
def without_collections() -> Iterator[None]:
    """gc.get_objects() gives what begins in here: millions of others that the tests before have left are frozen."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def stream_bytes() -> int:
    """What streams of this process hold that are not freed yet, whoever has forgotten them."""
    return sum(
        len(item.sender._buffer) + len(item.receiver._buffer) for item in gc.get_objects() if type(item) is QuicStream
    )


@pytest.mark.lengthy
@pytest.mark.parametrize("leaves", [True, False], ids=["closes", "vanishes"])
async def test_an_ended_connection_holds_nothing_until_a_collection(leaves: bool) -> None:
    size = 200_000

    async def flood(stream: Stream) -> None:
        await stream.write(bytes(size))

    with without_collections():
        async with quic_port(flood, quic_idle_seconds=1.0) as port:
            async with dial(port) as client:
                streams = [client.open_stream() for _ in range(4)]
                for stream in streams:
                    stream.write_eof(b"a")
                await client.ping()
                client._connection.datagram_received = lambda *_: None  # type: ignore[method-assign]
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while stream_bytes() < size:
                        await asyncio.sleep(0.01)
                if not leaves:
                    client._connection.transmit = lambda: None  # type: ignore[method-assign]
            async with asyncio.timeout(PATIENCE_SECONDS):
                while list(port.connections()):
                    await asyncio.sleep(0.01)
            assert stream_bytes() < 4_096  # of the handshakes


@pytest.mark.lengthy
async def test_an_unread_reply_is_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the request nor the result that it was made from is kept until the client has taken it."""
    size = 1_000_000
    with without_collections():
        results = [WasmExecutionResult(0, ExecutionStatus.SUCCESS, bytes(size), 1, 1, "", b"")]
        monkeypatch.setattr(service, "execute", lambda *_, **__: results.pop())
        async with serving() as node, connected(node) as client:
            stream = client.open_stream()
            stream.write_eof(framed(encode_request(request(module_bytecode=b"\0asm" + bytes(1_000)))))
            server = next(connection for connection in node.server.quic.connections() if connection.alpn == "zvm/1")
            client._connection.datagram_received = lambda *_: None  # type: ignore[method-assign]
            async with asyncio.timeout(PATIENCE_SECONDS):
                while server.pending_bytes < size or not server._sending:
                    await asyncio.sleep(0.01)
            gc.collect()
            held = [item for item in gc.get_objects() if isinstance(item, WasmExecutionResult | WasmExecutionRequest)]
            assert [item for item in held if len(getattr(item, "return_value", b"")) == size] == []
