"""WebSockets: calls, batches, subscriptions in order, limits, stalled readers, and a stop with many open."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from testing.speed import PATIENCE_SECONDS
from tests.rpc.dispatch.test_dispatcher import MALFORMED
from tests.rpc.support import (
    ALICE,
    BOB,
    OTHER_TOPIC,
    TOPIC,
    block,
    call,
    http,
    log,
    make_registry,
    make_services,
    publish,
    running_server,
    tiny,
    transaction,
)
from zevm.chain.events import TransactionAdded
from zevm.rpc.codec import results as encoding
from zevm.rpc.server import Server, ServerOptions
from zevm.rpc.services import Services

HEX_ALICE, HEX_BOB = "0x" + ALICE.hex(), "0x" + BOB.hex()


async def receive(client: ClientConnection) -> Any:
    return orjson.loads(await asyncio.wait_for(client.recv(), 10))


async def request(client: ClientConnection, name: str, *params: Any) -> Any:
    await client.send(orjson.dumps(call(name, *params)).decode())
    return await receive(client)


async def subscribe(client: ClientConnection, *params: Any) -> str:
    answer = await request(client, "eth_subscribe", *params)
    identifier = answer["result"]
    assert isinstance(identifier, str)
    assert len(identifier) == 34
    return identifier


@asynccontextmanager
async def client_of(**limits: Any) -> AsyncIterator[tuple[ClientConnection, Services]]:
    async with running_server(**limits) as (port, services), connect(f"ws://127.0.0.1:{port}") as client:
        yield client, services


def results(frame: Any, identifier: str) -> Any:
    assert frame["method"] == "eth_subscription"
    assert frame["params"]["subscription"] == identifier
    return frame["params"]["result"]


async def test_calls_batches_and_binary_frames() -> None:
    async with client_of() as (client, _):
        assert (await request(client, "test_echo", "x"))["result"] == "x"
        await client.send(orjson.dumps(call("test_echo", "bytes")))
        assert (await receive(client))["result"] == "bytes"
        await client.send(orjson.dumps([call("test_echo", 1, identifier=1), call("test_async", identifier=2)]).decode())
        assert [answer["result"] for answer in await receive(client)] == [1, "later"]
        await client.send(orjson.dumps({"jsonrpc": "2.0", "method": "test_echo"}).decode())
        assert (await request(client, "test_echo", "after the notification"))["result"] == "after the notification"


async def test_slow_calls_do_not_hold_up_others() -> None:
    async with client_of() as (client, services):
        await client.send(orjson.dumps(call("test_execute", identifier="slow")).decode())
        assert (await request(client, "test_echo", 1))["id"] == 1
        tiny(services).gate.set()
        assert (await receive(client))["id"] == "slow"


async def test_malformed_messages() -> None:
    async with client_of() as (client, _):
        for body, code in MALFORMED:
            await client.send(body)
            assert (await receive(client))["error"]["code"] == code


async def test_invalid_text_closes_only_its_connection() -> None:
    async with running_server() as (port, _):
        async with connect(f"ws://127.0.0.1:{port}") as client:
            await client.send(b"\xff\xfe", text=True)
            with pytest.raises(ConnectionClosed) as closed:
                await receive(client)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1007
        assert (await http(port, call("test_echo", 1))).status == 200


async def test_new_heads() -> None:
    async with client_of() as (client, services):
        identifier = await subscribe(client, "newHeads")
        first, second = block(1), block(2)
        publish(services, first, second)
        for item in (first, second):
            frame = await receive(client)
            assert results(frame, identifier) == encoding.header(item.block.header)
        assert await request(client, "eth_unsubscribe", identifier) == {"jsonrpc": "2.0", "id": 1, "result": True}
        publish(services, block(3))
        answer = await request(client, "eth_unsubscribe", identifier)
        assert answer["error"] == {"code": -32000, "message": "subscription not found"}


async def test_logs_by_address_and_topics_and_removed_ones() -> None:
    async with client_of() as (client, services):
        every = await subscribe(client, "logs", {})
        some = await subscribe(client, "logs", {"address": HEX_ALICE, "topics": [None, ["0x" + TOPIC.hex()]]})
        matching = log(ALICE, OTHER_TOPIC, TOPIC, data=b"\x05")
        old = block(1, (log(BOB), matching))
        publish(services, old)
        frames = [await receive(client) for _ in range(3)]
        of_every = [frame["params"]["result"] for frame in frames if frame["params"]["subscription"] == every]
        of_some = [frame["params"]["result"] for frame in frames if frame["params"]["subscription"] == some]
        assert [entry["logIndex"] for entry in of_every] == ["0x0", "0x1"]
        assert [entry["address"] for entry in of_every] == [HEX_BOB, HEX_ALICE]
        assert len(of_some) == 1
        assert of_some[0]["removed"] is False
        new = block(1, (log(ALICE, TOPIC),), salt=1)
        publish(services, new, removed=(old,))
        frames = [await receive(client) for _ in range(4)]
        of_every = [frame["params"]["result"] for frame in frames if frame["params"]["subscription"] == every]
        assert [(entry["removed"], entry["blockHash"]) for entry in of_every] == [
            (True, "0x" + old.block.hash.hex()),
            (True, "0x" + old.block.hash.hex()),
            (False, "0x" + new.block.hash.hex()),
        ]


async def test_pending_transactions_as_hashes_and_whole() -> None:
    async with client_of() as (client, services):
        hashes, whole = (
            await subscribe(client, "newPendingTransactions"),
            await subscribe(client, "newPendingTransactions", True),
        )
        arrived = transaction(5)
        services.chain.events.publish(TransactionAdded(arrived))
        assert results(await receive(client), hashes) == "0x" + arrived.hash.hex()
        entry = results(await receive(client), whole)
        assert entry["hash"] == "0x" + arrived.hash.hex()
        assert (entry["blockHash"], entry["blockNumber"], entry["transactionIndex"]) == (None, None, None)


async def test_transaction_receipts() -> None:
    async with client_of() as (client, services):
        item = block(1, (), (log(),), ())
        wanted = item.block.transactions[1].hash
        some = await subscribe(client, "transactionReceipts", {"transactionHashes": ["0x" + wanted.hex()]})
        every = await subscribe(client, "transactionReceipts", None)
        publish(services, block(3))
        publish(services, item)
        entries = results(await receive(client), some)
        assert [entry["transactionHash"] for entry in entries] == ["0x" + wanted.hex()]
        assert entries[0]["logs"][0]["logIndex"] == "0x0"
        assert len(results(await receive(client), every)) == 3


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        (["bogus"], -32601, 'no "bogus" subscription in eth namespace'),
        ([], -32602, "missing value for required argument 0"),
        ([5], -32602, "invalid argument 0: expected a string, got number"),
        (["logs", 5], -32602, "expected an object, got number"),
        (["logs", {"topics": [None] * 5}], -32602, "field topics: exceed max topics: have 5, want at most 4"),
        (["newPendingTransactions", "yes"], -32602, "expected a boolean, got string"),
        (["newHeads", None, None], -32602, "too many arguments, want at most 2"),
    ],
)
async def test_subscriptions_that_are_refused(params: list[Any], code: int, message: str) -> None:
    async with client_of() as (client, _):
        assert (await request(client, "eth_subscribe", *params))["error"] == {"code": code, "message": message}


async def test_syncing_is_accepted() -> None:
    async with client_of() as (client, services):
        identifier = await subscribe(client, "syncing")
        assert len(services.subscriptions) == 1
        assert (await request(client, "eth_unsubscribe", identifier))["result"] is True
        assert len(services.subscriptions) == 0


async def test_the_answer_comes_before_its_notifications() -> None:
    async with client_of() as (client, services):
        tiny(services).gate.clear()
        batch = [call("eth_subscribe", "newHeads", identifier=1), call("test_execute", identifier=2)]
        await client.send(orjson.dumps(batch).decode())
        while len(services.subscriptions) == 0 or tiny(services).executions == 0:
            await asyncio.sleep(0.01)
        publish(services, block(1))
        await asyncio.sleep(0.05)
        tiny(services).gate.set()
        answer = await receive(client)
        assert answer[1]["result"] == 1.0
        assert results(await receive(client), answer[0]["result"])["number"] == "0x1"


async def test_subscription_limit() -> None:
    async with client_of(subscriptions=3) as (client, _):
        identifiers = [await subscribe(client, "newHeads") for _ in range(3)]
        assert (await request(client, "eth_subscribe", "newHeads"))["error"]["code"] == -32005
        await request(client, "eth_unsubscribe", identifiers[0])
        await subscribe(client, "newHeads")


async def test_receipt_hash_limit() -> None:
    async with client_of(receipt_hashes=2) as (client, _):
        hashes = ["0x" + bytes((number,) * 32).hex() for number in range(3)]
        await subscribe(client, "transactionReceipts", {"transactionHashes": hashes[:2]})
        answer = await request(client, "eth_subscribe", "transactionReceipts", {"transactionHashes": hashes})
        assert answer["error"]["code"] == -32602


async def test_message_limit() -> None:
    async with client_of(websocket_message_bytes=1_000) as (client, _):
        empty = len(orjson.dumps(call("test_echo", "")))
        assert len((await request(client, "test_echo", "x" * (1_000 - empty)))["result"]) == 1_000 - empty
        await client.send(orjson.dumps(call("test_echo", "x" * (1_001 - empty))).decode())
        with pytest.raises(ConnectionClosed) as closed:
            await receive(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


REFUSED_HANDSHAKES = {
    "foreign page": b"Origin: https://evil.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
    "no key": b"Sec-WebSocket-Version: 13\r\n",
    "bad key": b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
    "old version": b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: %s\r\n",
    "two keys": b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Key: %s\r\n",
    "long header": b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nX: " + b"x" * 20_000 + b"\r\n",
    "many headers": b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n" + b"X: x\r\n" * 300,
    "too many": b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
}


@pytest.mark.parametrize("name", REFUSED_HANDSHAKES)
async def test_a_refused_handshake_logs_no_error(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async with running_server(websocket_connections=0 if name == "too many" else 10) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        headers = REFUSED_HANDSHAKES[name].replace(b"%s", b"dGhlIHNhbXBsZSBub25jZQ==")
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
        writer.write(headers + b"\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5"), answer
        writer.close()
        assert (await http(port, call("test_echo", 1))).status == 200
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_connection_limit() -> None:
    async with running_server(websocket_connections=2) as (port, _):
        url = f"ws://127.0.0.1:{port}"
        async with connect(url), connect(url):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 503
        async with connect(url) as client:
            assert (await request(client, "test_echo", 1))["result"] == 1


async def test_calls_on_one_connection_are_bounded() -> None:
    async with client_of(websocket_calls=2, evm_workers=4) as (client, services):
        for identifier in range(3):
            await client.send(orjson.dumps(call("test_execute", identifier=identifier)).decode())
        await asyncio.sleep(0.2)
        assert tiny(services).executions == 2
        tiny(services).gate.set()
        assert {(await receive(client))["id"] for _ in range(3)} == {0, 1, 2}


async def test_subscriptions_end_with_their_connection() -> None:
    async with running_server() as (port, services):
        async with connect(f"ws://127.0.0.1:{port}") as client:
            await subscribe(client, "newHeads")
            assert len(services.subscriptions) == 1
        while len(services.subscriptions):
            await asyncio.sleep(0.01)
        publish(services, block(1))


async def stalled_subscriber(port: int) -> socket.socket:
    """A raw WebSocket that subscribes to newHeads and never reads again."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(
        client,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    assert b" 101 " in await loop.sock_recv(client, 4_096)
    body = orjson.dumps(call("eth_subscribe", "newHeads"))
    masked = bytes((0x81, 0x80 | len(body))) + bytes(4) + body
    await loop.sock_sendall(client, masked)
    return client


ONLY_THE_QUEUE = {"subscription_queue": 50, "websocket_write_seconds": 1_000.0}
ONLY_THE_TIME = {"subscription_queue": 1_000_000, "websocket_write_seconds": 0.3}


async def read_to_the_end(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while await asyncio.wait_for(loop.sock_recv(client, 65_536), 5):
            pass
    except ConnectionResetError:
        pass


@pytest.mark.lengthy
@pytest.mark.parametrize("limits", [ONLY_THE_QUEUE, ONLY_THE_TIME])
async def test_a_stalled_reader_is_cut_off_and_others_miss_nothing(limits: dict[str, Any]) -> None:
    async with client_of(**limits) as (client, services):
        port = client.remote_address[1]
        identifier = await subscribe(client, "newHeads")
        stalled = await stalled_subscriber(port)
        while len(services.subscriptions) < 2:
            await asyncio.sleep(0.01)
        deadline = time.monotonic() + PATIENCE_SECONDS
        number = 0
        while len(services.subscriptions) == 2:
            assert time.monotonic() < deadline, "the stalled reader was not cut off"
            for _ in range(25):
                number += 1
                publish(services, block(number))
            for expected in range(number - 24, number + 1):
                assert results(await receive(client), identifier)["number"] == hex(expected)
        await read_to_the_end(stalled)
        stalled.close()
        assert (await request(client, "test_echo", 1))["result"] == 1


async def test_a_reset_connection_is_forgotten() -> None:
    async with running_server() as (port, services):
        stalled = await stalled_subscriber(port)
        while len(services.subscriptions) == 0:
            await asyncio.sleep(0.01)
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stalled.close()
        for number in range(3):
            publish(services, block(number))
            await asyncio.sleep(0.02)
        assert len(services.subscriptions) == 0


async def test_silent_peers_are_dropped_by_the_ping() -> None:
    async with running_server(websocket_ping_seconds=0.2) as (port, services):
        stalled = await stalled_subscriber(port)
        while len(services.subscriptions) == 0:
            await asyncio.sleep(0.01)
        begun = time.monotonic()
        while len(services.subscriptions):
            assert time.monotonic() - begun < PATIENCE_SECONDS
            await asyncio.sleep(0.02)
        stalled.close()


@pytest.mark.slow
async def test_a_thousand_subscribers_hear_everything_and_the_stop_is_quick() -> None:
    services = make_services()
    server = Server(services, ServerOptions(port=0), make_registry())
    await server.start()
    port = server.addresses[0][1]
    subscribers = [await stalled_subscriber(port) for _ in range(1_000)]
    while len(services.subscriptions) < 1_000:
        await asyncio.sleep(0.01)
    publish(services, block(1), block(2))
    loop = asyncio.get_running_loop()
    for subscriber in subscribers:
        heard = b""
        while heard.count(b'"eth_subscription"') < 2:
            heard += await asyncio.wait_for(loop.sock_recv(subscriber, 65_536), 10)
        assert heard.index(b'"number":"0x1"') < heard.index(b'"number":"0x2"')
    begun = time.monotonic()
    await server.stop()
    assert time.monotonic() - begun < PATIENCE_SECONDS
    for subscriber in subscribers:
        while await loop.sock_recv(subscriber, 65_536):
            pass
        subscriber.close()
    assert len(services.subscriptions) == 0
    services.chain.writer.stop()
