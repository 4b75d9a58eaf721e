"""HTTP: status codes, body limits, slow and endless bodies, calls whose client leaves, health."""

import asyncio
import gzip
from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest

from tests.rpc import support
from tests.rpc.dispatch.test_dispatcher import MALFORMED, check_answers
from tests.rpc.support import HttpAnswer, call, http, make_registry, make_services, read_answer, running_server, tiny
from zevm.rpc.dispatch.dispatcher import Dispatcher
from zevm.rpc.explorer.endpoint import Explorer
from zevm.rpc.graphql.endpoint import GraphqlEndpoint
from zevm.rpc.transport.guard import Guard
from zevm.rpc.transport.http import NodeApplication
from zevm.rpc.transport.protocols import REQUEST_HEAD_BYTES


@pytest.fixture(autouse=True, params=[True, False], ids=["direct", "by the application"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test, by both ways that POST / has."""
    monkeypatch.setattr(support, "DIRECT_HTTP", request.param)


async def test_post_answers_and_keeps_the_connection() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = orjson.dumps(call("test_echo", "x"))
        head = b"POST /?key=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for _ in range(3):
            writer.write(request)
            answer = await read_answer(reader)
            assert (answer.status, answer.json["result"]) == (200, "x")
            assert answer.headers["content-type"] == "application/json"
        writer.write(request * 5)
        for _ in range(5):
            assert (await read_answer(reader)).json["result"] == "x"
        writer.close()


@pytest.mark.parametrize(
    ("method", "path", "content_type", "status"),
    [
        ("GET", "/", "", 200),
        ("HEAD", "/", "", 200),
        ("PUT", "/", "application/json", 405),
        ("DELETE", "/", "", 405),
        ("PATCH", "/", "application/json", 405),
        ("OPTIONS", "/", "", 204),
        ("POST", "/", "", 415),
        ("POST", "/", "text/plain", 415),
        ("POST", "/", "application/x-www-form-urlencoded", 415),
        ("POST", "/", "application/jsonx", 415),
        ("POST", "/", "application/json", 200),
        ("POST", "/", "application/json; charset=utf-8", 200),
        ("POST", "/", "Application/JSON;charset=UTF-8", 200),
        ("POST", "/", "application/json-rpc", 200),
        ("POST", "/", "application/jsonrequest", 200),
        ("POST", "/elsewhere", "application/json", 404),
        ("GET", "/elsewhere", "", 404),
    ],
)
async def test_methods_paths_and_content_types(method: str, path: str, content_type: str, status: int) -> None:
    async with running_server() as (port, _):
        body = orjson.dumps(call("test_echo")) if method == "POST" else b""
        answer = await http(port, body, {"Content-Type": content_type}, method=method, path=path)
        assert answer.status == status
        if status == 415:
            assert answer.body == b"invalid content type, only application/json is supported\n"


async def test_notifications_get_an_empty_answer() -> None:
    async with running_server() as (port, _):
        answer = await http(port, {"jsonrpc": "2.0", "method": "test_echo"})
        assert (answer.status, answer.body) == (200, b"")


async def test_body_limit() -> None:
    async with running_server(http_body_bytes=1_000) as (port, _):
        body = orjson.dumps(call("test_echo", ""))
        fitting = orjson.dumps(call("test_echo", "x" * (1_000 - len(body))))
        assert len(fitting) == 1_000
        assert (await http(port, fitting)).status == 200
        answer = await http(port, fitting + b" ")
        assert (answer.status, answer.body) == (413, b"content length too large (1001>1000)\n")
        for size, status in ((1_000, 200), (1_001, 413)):
            assert (await in_two_chunks(port, fitting.ljust(size))).status == status


async def in_two_chunks(port: int, body: bytes) -> HttpAnswer:
    """Send a body without its length, in two parts that arrive apart."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    writer.write(b"Transfer-Encoding: chunked\r\n\r\n64\r\n" + body[:100] + b"\r\n")
    await asyncio.sleep(0.05)
    writer.write(b"%x\r\n" % (len(body) - 100) + body[100:] + b"\r\n0\r\n\r\n")
    answer = await asyncio.wait_for(read_answer(reader), 5)
    writer.close()
    return answer


async def test_default_body_limit_is_geths() -> None:
    async with running_server() as (port, _):
        limit = 5 * 1024 * 1024
        assert (await http(port, orjson.dumps(call("test_echo", 1)).ljust(limit))).json["result"] == 1
        assert (await http(port, b"[]", {"Content-Length": str(limit + 1)})).status == 413


async def test_chunks_without_end_are_cut_off() -> None:
    async with running_server(http_header_seconds=0.3) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            writer.write(b"1\r\n \r\n")
            await asyncio.sleep(0.02)
        answer = await asyncio.wait_for(read_answer(reader), 5)
        assert answer.status == 408
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"P", b"POST / HTTP/1.1\r\nHost: local", b"POST / HTTP/1.1\r\nHost: a\r\nX: "])
async def test_heads_without_end_are_cut_off(sent: bytes) -> None:
    async with running_server(http_header_seconds=0.2) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()


async def test_a_second_head_without_end_is_cut_off() -> None:
    async with running_server(http_header_seconds=0.2) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        writer.write(b"GET / HTTP/1.1\r\nHo")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()


async def test_a_slow_call_is_not_taken_for_a_slow_head() -> None:
    async with running_server(http_header_seconds=0.1) as (port, services):
        asyncio.get_running_loop().call_later(0.4, tiny(services).gate.set)
        assert (await http(port, call("test_execute"))).json["result"] == 1.0


async def test_head_size_limit() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        writer.write(b"x" * REQUEST_HEAD_BYTES)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()


def _head_of(size: int, *, many: bool) -> bytes:
    """A head of so many bytes as the node counts them: a long header, or many short ones."""
    first = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    left = size - len(b"/") - len(b"Host: localhost\r\n")
    if not many:
        return first + b"X: " + b"x" * (left - len(b"X: \r\n")) + b"\r\n\r\n"
    count, rest = divmod(left, 8)
    return first + b"X: xyz\r\n" * (count - 1) + b"X: xyz" + b"x" * rest + b"\r\n\r\n"


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("gap", [False, True])
async def test_a_whole_head_has_the_same_limit_however_it_arrives(many: bool, gap: bool) -> None:
    """The head bound of 64 KB is not passed by one large read."""
    async with running_server() as (port, _):
        for size, status in ((REQUEST_HEAD_BYTES, 200), (REQUEST_HEAD_BYTES + 1, 431), (200_000, 431)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = _head_of(size, many=many)
            writer.write(head[:50_000])
            if gap:
                await asyncio.sleep(0.05)
            writer.write(head[50_000:])
            try:
                assert (await asyncio.wait_for(read_answer(reader), 5)).status == status
            except (ConnectionError, asyncio.IncompleteReadError):
                assert status == 431  # what is still unread resets the connection
            writer.close()


async def test_trailers_have_the_limit_of_the_head() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n" + b"X: xyz\r\n" * 10_000)
        with suppress(ConnectionError, asyncio.IncompleteReadError):  # what is still unread resets the connection
            assert (await asyncio.wait_for(read_answer(reader), 5)).status == 431
        assert (await http(port, call("test_echo", 1))).json["result"] == 1
        writer.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", 400),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
    ],
)
async def test_a_host_header_is_required(head: bytes, status: int) -> None:
    """RFC 9112, section 3.2: 400 for HTTP/1.1 without Host."""
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        assert (await asyncio.wait_for(read_answer(reader), 5)).status == status
        writer.close()


async def test_an_answer_leaves_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    transport = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    original = transport.write

    def write(self: Any, data: bytes) -> None:
        if bytes(data[:5]) == b"HTTP/" or (writes and not bytes(data[:5]).startswith((b"POST", b"GET", b"HEAD"))):
            writes.append(bytes(data))
        original(self, data)

    async with running_server() as (port, _):
        monkeypatch.setattr(transport, "write", write)
        for body, method, path in (
            (orjson.dumps(call("test_echo", "x")), "POST", "/"),
            (orjson.dumps(call("test_big", 50_000)), "POST", "/"),
            (b"{", "POST", "/graphql"),
            (b"", "GET", "/"),
            (b"", "GET", "/health"),
            (b"", "HEAD", "/"),
            (b"", "OPTIONS", "/"),
            (b"", "PUT", "/"),
        ):
            writes.clear()
            await http(port, body, method=method, path=path)
            assert len(writes) == 1, (method, path, writes)


async def test_a_client_that_waits_for_continue_gets_it_before_the_answer() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = orjson.dumps(call("test_echo", "x"))
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body))
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await asyncio.wait_for(read_answer(reader), 5)).json["result"] == "x"
        writer.close()


async def test_idle_connections_are_closed() -> None:
    async with running_server(http_idle_seconds=0.3) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()


async def test_connection_limit() -> None:
    async with running_server(http_connections=3) as (port, _):
        connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in connections:
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await read_answer(reader)).status == 200
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await http(port, call("test_echo"))
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await http(port, call("test_echo"))).status == 200


async def test_waiting_calls_end_when_their_client_leaves() -> None:
    async with running_server(evm_workers=1, evm_queue_ms=5_000) as (port, services):
        busy = asyncio.get_running_loop().create_task(http(port, call("test_execute")))
        while tiny(services).executions < 1:
            await asyncio.sleep(0.01)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = orjson.dumps(call("test_execute"))
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.1)
        tiny(services).gate.set()
        assert (await busy).json["result"] == 1.0
        assert (await http(port, call("test_execute"))).json["result"] == 1.0
        assert tiny(services).executions == 2


async def test_writes_go_on_when_their_client_leaves() -> None:
    async with running_server() as (port, services):
        gate = tiny(services).gate
        services.chain.writer.submit(gate.wait)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = orjson.dumps(call("test_write", "kept"))
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await asyncio.sleep(0.1)
        writer.close()
        await asyncio.sleep(0.1)
        gate.set()
        assert (await http(port, call("test_write", "next"))).status == 200
        assert tiny(services).written == ["kept", "next"]


@pytest.mark.slow
async def test_executions_leave_the_loop_answering() -> None:
    async with running_server(evm_timeout_seconds=5.0, evm_workers=2) as (port, _):
        spinning = [asyncio.get_running_loop().create_task(http(port, call("test_spin"))) for _ in range(2)]
        await asyncio.sleep(0.1)
        async with httpx.AsyncClient() as client:
            for _ in range(5):
                answer = await client.post(f"http://127.0.0.1:{port}", json=call("test_echo", 1))
                assert answer.json()["result"] == 1
        assert not spinning[0].done(), "an answer waited for the execution's end"
        for answered in await asyncio.gather(*spinning):
            assert answered.json["error"]["message"] == "execution aborted (timeout = 5s)"


async def test_health() -> None:
    async with running_server() as (port, services):
        answer = await http(port, b"", {"Content-Type": ""}, method="GET", path="/health")
        assert answer.status == 200
        report = answer.json
        assert (report["status"], report["head"], report["database"]) == ("ok", 7, "ok")
        assert 0 <= report["ageSeconds"] < 5

        def broken(number: int) -> Any:
            raise OSError(f"input/output error at {number}")

        services.chain.header_by_number = broken  # type: ignore[method-assign]
        answer = await http(port, b"", {"Content-Type": ""}, method="GET", path="/health")
        assert answer.status == 503
        assert "input/output error" in answer.json["database"]


async def test_large_answers_are_compressed_for_other_machines_alone() -> None:
    services = make_services()
    dispatcher = Dispatcher(make_registry(), services, None)
    guard = Guard()
    graphql = GraphqlEndpoint(services, dispatcher.workers, guard)
    app = NodeApplication(services, dispatcher, graphql, [Explorer(services, dispatcher, is_open=False)], guard)
    for client, accepts, compressed in (
        ("192.168.1.9", "gzip, deflate", True),
        ("192.168.1.9", "identity", False),
        ("127.0.0.1", "gzip", False),
    ):
        transport = httpx.ASGITransport(app=app, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
            request = session.build_request("POST", "/", json=call("test_big", 70_000))
            request.headers["accept-encoding"] = accepts
            answer = await session.send(request, stream=True)
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert ("content-encoding" in answer.headers) is compressed
        body = gzip.decompress(raw) if compressed else raw
        assert len(orjson.loads(body)["result"]) == 70_000
    services.chain.writer.stop()


async def test_malformed_bodies_over_sockets() -> None:
    async with running_server() as (port, _):
        for body, code in MALFORMED:
            answer = await http(port, body)
            assert answer.status == 200
            assert answer.json["error"]["code"] == code
            check_answers(answer.body)


GARBAGE = [
    b"\x00\x01\x02\r\n\r\n",
    b"GET\r\n\r\n",
    b"POST / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


async def test_garbage_on_the_socket_harms_nobody() -> None:
    async with running_server(http_header_seconds=0.3) as (port, _):
        for garbage in GARBAGE:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(garbage)
            try:
                answer = await asyncio.wait_for(reader.read(200), 3)
            except ConnectionResetError:
                answer = b""
            assert b" 500 " not in answer, garbage
            writer.close()
        assert (await http(port, call("test_echo", 1))).json["result"] == 1
