"""What clients can make the node hold: unfinished input, unread output, events; each at its limit and one past it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS, slowness
from tests.rpc.codec.test_parsing import LongestPause
from tests.rpc.support import (
    TOPIC,
    ask,
    block,
    call,
    http,
    log,
    publish,
    read_answer,
    running_dispatcher,
    running_server,
    tiny,
)
from tests.rpc.transport.raw_websocket import (
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    frame,
    open_raw_websocket,
    raw_websocket,
)
from zevm.rpc.memory import released as released_memory
from zevm.rpc.memory.budgets import InputBudget, OutputBudget
from zevm.rpc.server import ServerOptions

ECHO = orjson.dumps(call("test_echo", "x"))
NEVER = 1_000.0


async def until(condition: Any, timeout_seconds: float = 20) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(timeout_seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def echo(client: RawWebSocket) -> Any:
    await client.send(frame(ECHO))
    return orjson.loads(await client.message())["result"]


async def subscribe(client: RawWebSocket, *params: Any) -> None:
    await client.send(frame(orjson.dumps(call("eth_subscribe", *params))))
    assert "result" in orjson.loads(await client.message())


# Input over WebSocket


async def test_b9_fragments_of_one_message() -> None:
    async with running_server(websocket_fragments=50) as (port, _):
        for count, refused in ((50, False), (51, True)):
            async with raw_websocket(port) as client:
                first, *rest = [ECHO[index : index + 1] for index in range(len(ECHO))]
                empty = [b""] * (count - 1 - len(rest)) if count > len(ECHO) else []
                parts = rest[: count - 2]
                last = b"".join(rest[len(parts) :])
                await client.send(frame(first, fin=False))
                for part in [*empty, *parts]:
                    await client.send(frame(part, CONTINUATION, fin=False))
                await client.send(frame(last, CONTINUATION))
                if refused:
                    assert await client.close_code() == 1008
                else:
                    assert orjson.loads(await client.message())["result"] == "x"


@pytest.mark.lengthy
@pytest.mark.parametrize("part", [b"", b"["], ids=["empty", "one byte"])
async def test_b9_a_flood_of_fragments_stops_nobody(part: bytes) -> None:
    async with running_server() as (port, _):
        pauses = []
        for _ in range(3):
            async with raw_websocket(port) as client, LongestPause() as pause:
                await client.send(frame(b"[", fin=False))
                sent = await client.flood(frame(part, CONTINUATION, fin=False) * 20_000, 10)
                assert sent < 10, "200,000 fragments were taken"
            pauses.append(pause.seconds)
        assert min(pauses) < 0.25 * slowness()


async def test_b9_pings_in_a_second() -> None:
    async with running_server(websocket_controls=20) as (port, _):
        async with raw_websocket(port) as client:
            await client.send(frame(b"p", PING) * 20)
            for _ in range(20):
                assert await client.receive() == (PONG, b"p")
            assert await echo(client) == "x"
        for opcode in (PING, PONG):
            async with raw_websocket(port) as client:
                await client.send(frame(b"p", opcode) * 21)
                assert await client.close_code() == 1008


@pytest.mark.lengthy
async def test_b9_unread_pongs_are_unread_output() -> None:
    async with (
        running_server(websocket_controls=10**9, websocket_write_seconds=0.5) as (port, services),
        raw_websocket(port) as client,
    ):
        sent = await client.flood(frame(b"p" * 125, PING) * 1_000, 1_000)
        assert sent < 1_000, "130 MB of pings were taken whose pongs nobody reads"
        assert services.budgets.input.used_bytes <= 1_000_000


@pytest.mark.lengthy
@pytest.mark.parametrize(
    "begun",
    [frame(b"[", fin=False), frame(b"[" * 500)[:100], b"\x81", frame(b"", fin=False)],
    ids=["a fragment", "half a frame", "half a head", "an empty fragment"],
)
async def test_b9_a_message_must_become_whole_in_time(begun: bytes) -> None:
    async with running_server(websocket_message_seconds=0.3) as (port, services):
        async with raw_websocket(port) as client:
            await client.send(begun)
            started = time.monotonic()
            assert await client.close_code() == 1008
            assert 0.2 < time.monotonic() - started < PATIENCE_SECONDS
        await until(lambda: services.budgets.input.used_bytes == 0)


async def test_b9_time_counts_the_clients_part_alone() -> None:
    async with (
        running_server(websocket_message_seconds=0.2, websocket_calls=1) as (port, services),
        raw_websocket(port) as client,
    ):
        slow = frame(orjson.dumps(call("test_execute")))
        # the node takes the second call, and leaves the echo and what follows it until the first has ended
        await client.send(slow + slow + frame(ECHO) + frame(ECHO)[:10])
        await asyncio.sleep(0.5)
        tiny(services).gate.set()
        await client.send(frame(ECHO)[10:])
        answers = [orjson.loads(await client.message())["result"] for _ in range(4)]
        assert sorted(map(str, answers)) == ["1.0", "1.0", "x", "x"]


async def test_b9_unfinished_input_of_all_clients() -> None:
    """B9: WebSocket, HTTP and IPC share the budget; who asks for more is refused, and all comes back."""
    async with running_server(input_bytes=10_000) as (port, services):
        budget = services.budgets.input
        async with raw_websocket(port) as holder:
            await holder.send(frame(b"[" * 6_000, fin=False))
            await until(lambda: budget.used_bytes == 6_000)
            assert await chunked_status(port, 4_000) == 200
            assert await chunked_status(port, 4_001) == 503
            async with raw_websocket(port) as other:
                await other.send(frame(b"[" * 4_001, fin=False))
                assert await other.close_code() == 1013
            assert (await http(port, call("test_echo", 1))).json["result"] == 1
        await until(lambda: budget.used_bytes == 0)


async def chunked_status(port: int, size: int) -> int:
    """The status of an answer to a body of this size that arrives in two parts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = ECHO.ljust(size)
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n" % size + body[:100])
    await asyncio.sleep(0.05)
    writer.write(body[100:])
    answer = await asyncio.wait_for(read_answer(reader), 5)
    writer.close()
    return answer.status


async def test_b9_unfinished_input_over_ipc(tmp_path: Path) -> None:
    options = ServerOptions(port=0, ipc_path=tmp_path / "z.ipc")
    async with running_server(options, input_bytes=10_000, websocket_message_seconds=0.5) as (_, services):
        for size, code in ((10_000, "was not whole"), (10_001, "--rpc-input-bytes")):
            reader, writer = await asyncio.open_unix_connection(str(options.ipc_path))
            writer.write(b"[" * size)
            answer = orjson.loads(await asyncio.wait_for(reader.readline(), 5))
            assert code in answer["error"]["message"]
            assert await reader.read() == b""
            writer.close()
        await until(lambda: services.budgets.input.used_bytes == 0)


async def test_b9_the_input_budget_at_its_edge() -> None:
    budget = InputBudget(10)
    assert budget.take(10)
    assert not budget.take(1)
    budget.give_back(10)
    assert budget.used_bytes == 0


# Output


@pytest.mark.lengthy
async def test_b9_unread_bytes_of_one_connection() -> None:
    """B9: a connection with more than the limit unread is cut off by the next notification, not before."""
    large = b"\x01" * 40_000
    async with running_server(unread_bytes=4_000_000, websocket_write_seconds=NEVER) as (port, services):
        client = await open_raw_websocket(port)
        await subscribe(client, "logs", {})
        sent_bytes = 0
        for number in range(1_000):
            publish(services, block(number, (log(data=large),)))
            sent_bytes += 2 * len(large)
            await asyncio.sleep(0)
            if not len(services.subscriptions):
                break
            await until(lambda: not services.subscriptions.waiting_bytes)
        assert not len(services.subscriptions), "80 MB of unread notifications were kept"
        assert sent_bytes > 4_000_000
        await until(lambda: services.budgets.output.used_bytes == 0)
        client.socket.close()


async def test_b9_a_payload_is_held_once_for_all_who_wait_for_it() -> None:
    """S3: fifty stalled subscribers to logs hold each payload once."""
    async with running_server(websocket_write_seconds=NEVER) as (port, services):
        clients = [await open_raw_websocket(port) for _ in range(50)]
        for client in clients:
            await subscribe(client, "logs", {})
        count, size = 20, 200_000
        for number in range(count):
            publish(services, block(number, (log(data=bytes(size)),)))
        await until(lambda: not services.subscriptions.waiting_bytes)
        used = services.budgets.output.used_bytes
        assert len(services.subscriptions) == 50
        assert used <= count * (2 * size + 1_000)
        for client in clients:
            client.socket.close()
        await until(lambda: services.budgets.output.used_bytes == 0)


async def test_b9_past_the_budget_of_all_the_greatest_debtor_is_cut_off() -> None:
    async with running_server(output_bytes=6_000_000, websocket_write_seconds=NEVER) as (port, services):
        greedy, modest = await open_raw_websocket(port), await open_raw_websocket(port)
        await subscribe(greedy, "logs", {})
        await subscribe(modest, "newHeads")
        number = 0
        while len(services.subscriptions) == 2:
            assert number < 300
            number += 1
            publish(services, block(number, (log(data=bytes(50_000)),)))
            await until(lambda: not services.subscriptions.waiting_bytes)
            await asyncio.sleep(0)
        assert len(services.subscriptions) == 1
        assert b"newHeads" not in await modest.message()
        assert services.budgets.output.used_bytes < 6_000_000
        greedy.socket.close()
        modest.socket.close()


async def test_b9_the_output_budget_counts_shared_bytes_once_and_gives_all_back() -> None:
    cut: list[str] = []
    budget = OutputBudget(100)
    one, two = budget.open(lambda _: cut.append("one")), budget.open(lambda _: cut.append("two"))
    shared, own = bytes(60), bytes(40)
    one.add(shared)
    two.add(shared)
    two.add(own)
    assert (budget.used_bytes, one.unread_bytes, two.unread_bytes) == (100, 60, 100)
    await asyncio.sleep(0)
    assert cut == []
    one.add(b"x")
    await asyncio.sleep(0)
    assert cut[0] == "two"
    for account, data in ((one, shared), (two, shared), (two, own), (one, b"x")):
        account.remove(data)
    assert budget.used_bytes == one.unread_bytes == two.unread_bytes == 0


@pytest.mark.lengthy
async def test_b9_a_stalled_reader_is_cut_from_the_first_unread_byte_on() -> None:
    """S3: in good time, also while the fan-out goes on feeding it."""
    seconds = 1.0
    async with running_server(websocket_write_seconds=seconds, subscription_queue=10**6) as (port, services):
        client = await open_raw_websocket(port)
        await subscribe(client, "logs", {})
        number = 0
        while not services.budgets.output.used_bytes:
            number += 1
            publish(services, block(number, (log(data=bytes(30_000)),)))
            await until(lambda: not services.subscriptions.waiting_bytes)
            await asyncio.sleep(0)
        began = time.monotonic()
        while len(services.subscriptions):
            number += 1
            publish(services, block(number))
            await asyncio.sleep(0.02)
            assert time.monotonic() - began < PATIENCE_SECONDS
        assert 0.8 * seconds <= time.monotonic() - began < 1.8 * seconds
        client.socket.close()


@pytest.mark.lengthy
async def test_b9_a_slow_reader_is_not_cut_off() -> None:
    """B9: it takes less in the time allowed than makes the system take more; it takes something."""
    async with running_server(websocket_write_seconds=0.4) as (port, _):
        client = await open_raw_websocket(port, 20_000)
        await client.send(frame(orjson.dumps(call("test_big", 8_000_000))))
        received = 0
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        while time.monotonic() - began < 2:
            data = await asyncio.wait_for(loop.sock_recv(client.socket, 10_000), PATIENCE_SECONDS)
            assert data, f"cut off after {received} bytes"
            received += len(data)
            await asyncio.sleep(0.05)
        assert received < 1_000_000
        while received < 8_000_000:
            data = await asyncio.wait_for(loop.sock_recv(client.socket, 1_000_000), PATIENCE_SECONDS)
            assert data, f"cut off after {received} bytes"
            received += len(data)
        client.socket.close()


async def test_b9_an_http_client_that_reads_nothing_is_cut_off() -> None:
    async with running_server(http_write_seconds=0.5) as (port, services):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
        body = orjson.dumps(call("test_big", 20_000_000))
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await until(lambda: services.budgets.output.used_bytes > 20_000_000)
        began = time.monotonic()
        await until(lambda: services.budgets.output.used_bytes == 0)
        assert time.monotonic() - began < PATIENCE_SECONDS
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(20_000_000)
        writer.close()


@pytest.mark.lengthy
async def test_b9_nothing_is_read_from_a_client_that_does_not_read() -> None:
    async with running_server(websocket_write_seconds=NEVER) as (port, services):
        client = await open_raw_websocket(port)
        asked = frame(orjson.dumps(call("test_big", 100_000)).ljust(2_000))
        sent = await flood_until_blocked(client, asked)
        assert sent < 20_000, "20,000 requests were read whose answers nobody reads"
        assert services.budgets.output.used_bytes < 10_000_000
        client.socket.close()


async def flood_until_blocked(client: RawWebSocket, data: bytes) -> int:
    for index in range(20_000):
        try:
            await asyncio.wait_for(client.send(data), 1)
        except TimeoutError:
            return index
    return 20_000


async def test_s3_events_that_wait_to_be_told_are_bounded() -> None:
    """S3: past the bound every subscriber is cut off; none is told less than what happened."""
    async with running_server(event_bytes=102_000) as (port, services):
        async with raw_websocket(port) as client:
            await subscribe(client, "newHeads")
            hub = services.subscriptions
            for number in range(100):
                hub.publish(_head_event(number))
            assert len(hub) == 1
            assert hub.waiting_bytes > 102_000
            hub.publish(_head_event(100))
            assert len(hub) == 0
            assert hub.waiting_bytes < 150_000
            assert (await client.receive())[0] == CLOSE
        async with raw_websocket(port) as client:
            await subscribe(client, "newHeads")
            publish(services, block(200))
            opcode, data = await client.receive()
            assert (opcode, orjson.loads(data)["params"]["result"]["number"]) == (TEXT, "0xc8")


def _head_event(number: int) -> Any:
    from zevm.chain.events import HeadChanged
    from zevm.rpc.notifications.events import HeadEvent

    return HeadEvent(HeadChanged((block(number),)))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


@pytest.mark.slow
async def test_b9_memory_comes_back_after_stalled_readers_and_large_bodies() -> None:
    """B9, S3: resident memory after many is within 20 % of what it was after five."""
    async with running_server(websocket_write_seconds=0.4, websocket_connections=500) as (port, services):
        large = b"[" + b",".join([b"[]"] * 120_000) + b"]"
        body = b'{"jsonrpc":"2.0","id":1,"method":"test_types","params":[' + large + b"]}"

        async def abuse(count: int) -> None:
            clients = [await open_raw_websocket(port) for _ in range(count)]
            for client in clients:
                await subscribe(client, "logs", {})
            for number in range(20):
                publish(services, block(number, (log(TOPIC_ADDRESS, TOPIC, data=bytes(100_000)),)))
                await asyncio.sleep(0)
            await until(lambda: not len(services.subscriptions))
            for client in clients:
                client.socket.close()

        async def bodies(count: int) -> None:
            for _ in range(count):
                assert (await http(port, body)).json["error"]["code"] == -32602

        await abuse(5)
        await bodies(5)
        before = resident_bytes()
        await abuse(150)
        await bodies(20)
        assert resident_bytes() < 1.2 * before


@pytest.mark.slow
@pytest.mark.skipif(released_memory._MALLOC_TRIM is None, reason="the C library cannot give back holes in its heap")
async def test_s3_memory_comes_back_after_many_stalled_readers() -> None:
    """S3: what Python freed is given back to the system, although something that lives lies above it."""
    async with running_server(websocket_write_seconds=0.4) as (port, services):

        async def abuse(count: int) -> int:
            clients = [await open_raw_websocket(port) for _ in range(count)]
            most = 0
            for client in clients:
                await subscribe(client, "logs", {})
            for number in range(20):
                publish(services, block(number, (log(data=bytes(100_000)),)))
                await asyncio.sleep(0)
                most = max(most, resident_bytes())
            await until(lambda: not len(services.subscriptions), 60)
            for client in clients:
                client.socket.close()
            return most

        await abuse(5)
        assert released_memory._MALLOC_TRIM is not None
        released_memory._MALLOC_TRIM(0)  # what earlier tests freed would be used again, and nothing grow
        before = resident_bytes()
        grown = await abuse(600) - before
        assert grown > 32 << 20
        await until(lambda: resident_bytes() < before + grown / 4, 60)


async def test_s3_a_flood_of_ended_calls_is_one_look_at_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    resident = 100 << 20
    returned = released_memory.GROWN_BYTES

    def trim(kept_bytes: int) -> int:
        nonlocal resident
        looks.append(kept_bytes)
        resident -= returned
        return 1

    monkeypatch.setattr(released_memory, "_MALLOC_TRIM", trim)
    monkeypatch.setattr(released_memory, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(released_memory, "resident_bytes", lambda: resident)
    released = released_memory.ReleasedMemory()
    resident += released_memory.GROWN_BYTES - 1
    released.look()
    await asyncio.sleep(0.2)
    assert looks == []
    resident += 1
    for _ in range(100):
        released.look()
    await until(lambda: looks == [0])
    released.look()
    await asyncio.sleep(0.2)
    assert looks == [0]
    resident += released_memory.GROWN_BYTES
    released.look()
    await until(lambda: looks == [0, 0])


async def test_s3_what_is_freed_after_a_trim_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3: it lets nothing grow; while a trim returns nothing, the next one waits longer."""
    looks: list[int] = []
    monkeypatch.setattr(released_memory, "_MALLOC_TRIM", looks.append)
    monkeypatch.setattr(released_memory, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(released_memory, "resident_bytes", lambda: 100 << 20)
    released = released_memory.ReleasedMemory()
    monkeypatch.setattr(released_memory, "resident_bytes", lambda: 200 << 20)
    began = asyncio.get_running_loop().time()
    while len(looks) < 4:
        released.look()
        await asyncio.sleep(0.01)
    # a look while a trim ends has the delay from before it; four equal delays are 0.2 s
    assert asyncio.get_running_loop().time() - began >= 0.05 + 0.05 + 0.1 + 0.2


async def test_b5_memory_is_looked_at_after_every_execution_and_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """B5: whether it succeeded, failed or ran out of time."""
    looks: list[None] = []
    async with running_dispatcher(evm_timeout_seconds=0.1) as (dispatcher, services):
        monkeypatch.setattr(services.budgets.released, "look", lambda: looks.append(None))
        for request in (call("test_spin"), call("test_write", "x"), call("test_async")):
            before = len(looks)
            await ask(dispatcher, request)
            assert len(looks) == before + 1, request
        await ask(dispatcher, call("test_echo"))
        assert len(looks) == 3


TOPIC_ADDRESS = bytes(20)
