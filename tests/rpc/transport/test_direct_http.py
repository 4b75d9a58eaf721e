"""The direct way of POST / and the application's way give the same bytes, for requests of every kind and any timing."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import orjson
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from testing.speed import slowness
from tests.rpc.dispatch.test_dispatcher import MALFORMED
from tests.rpc.support import call, http, running_server, tiny
from tests.rpc.transport.test_http import GARBAGE
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.direct import DIRECT_BODY_BYTES
from zevm.rpc.transport.protocols import HttpProtocol

BOTH = (True, False)


def post(body: bytes, *lines: str, version: str = "1.1", length: int | None = None) -> bytes:
    """A request as most clients send it, with further header lines."""
    size = len(body) if length is None else length
    head = [f"POST / HTTP/{version}", "Host: localhost", "Content-Type: application/json", f"Content-Length: {size}"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


ECHO = orjson.dumps(call("test_echo", "x"))
BATCH = orjson.dumps([call("test_echo", index) for index in range(3)])


def chunked(*codings: str, further: str = "") -> bytes:
    """A request in one chunk, with a header for each coding."""
    lines = "".join(f"Transfer-Encoding: {coding}\r\n" for coding in codings)
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lines}{further}\r\n"
    return head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ECHO), ECHO)


CHUNKED = chunked("chunked")
CODINGS = (("chunked",), ("Chunked",), ("CHUNKED",), ("  chunked",), ("\tchunked",), ("chunked ",))
"""Lines of Transfer-Encoding that are read."""

REFUSED_CODINGS = (
    ("gzip, chunked",),
    ("gzip,chunked",),
    ("gzip", "chunked"),
    ("identity, chunked",),
    ("identity",),
    ("gzip",),
    ("chunked, gzip",),
    ("chunked", "gzip"),
    ("chunked, chunked",),
    ("chunked", "chunked"),
    (", chunked",),
    ("chunked,",),
    ("",),
    ("", "chunked"),
    ("xchunked",),
    ("chunkedx",),
    ("x chunked",),
    ("chunked;q=1",),
    ("'chunked'",),
    ('"chunked"',),
    ("\x0bchunked",),
    ("chunked\x0c",),
    ("chunked\xa0",),
    ("chun\x00ked",),
    ("\r\n chunked",),
    ("chu\r\n nked",),
)
GET = b"GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
CASES: dict[str, list[bytes]] = {
    "one": [post(ECHO)],
    "batch": [post(BATCH)],
    "notification": [post(orjson.dumps({"jsonrpc": "2.0", "method": "test_echo"}))],
    "nothing": [post(b"")],
    "execution": [post(orjson.dumps(call("test_execute"))), post(orjson.dumps(call("test_async")))],
    "write": [post(orjson.dumps(call("test_write", 1)))],
    "unknown method": [post(orjson.dumps(call("test_nothing")))],
    "closing": [post(ECHO, "Connection: close")],
    "old version": [post(ECHO, version="1.0")],
    "old version, kept": [post(ECHO, "Connection: keep-alive", version="1.0")],
    "local origin": [post(ECHO, "Origin: http://localhost:3000")],
    "another origin": [post(ECHO, "Origin: http://evil.example")],
    "two origins": [post(ECHO, "Origin: http://localhost:1", "Origin: http://localhost:2")],
    "another site": [post(ECHO, "Sec-Fetch-Site: cross-site")],
    "another host": [post(ECHO).replace(b"localhost", b"evil.example", 1)],
    "no host": [post(ECHO).replace(b"Host: localhost\r\n", b"")],
    "text": [post(ECHO).replace(b"application/json", b"text/plain")],
    "no type": [post(ECHO).replace(b"Content-Type: application/json\r\n", b"")],
    "too large": [post(ECHO, length=200_001)],
    "query": [post(ECHO).replace(b" / ", b" /?a=1 ")],
    "whole address": [post(ECHO).replace(b" / ", b" http://localhost/ ")],
    "upgrade": [post(ECHO, "Connection: Upgrade", "Upgrade: h2c")],
    "websocket without a key": [post(ECHO, "Connection: Upgrade", "Upgrade: websocket")],
    "two lengths": [post(ECHO, f"Content-Length: {len(ECHO)}")],
    "length and chunks": [post(ECHO, "Transfer-Encoding: chunked")],
    **{f"coding {coding}": [chunked(*coding), post(ECHO)] for coding in (*CODINGS, *REFUSED_CODINGS)},
    "chunks in an old version": [chunked("chunked").replace(b"HTTP/1.1", b"HTTP/1.0")],
    "signed length": [post(ECHO).replace(b"Content-Length: ", b"Content-Length: +")],
    "hexadecimal length": [post(ECHO).replace(b"Content-Length: ", b"Content-Length: 0x")],
    "list of lengths": [post(ECHO).replace(b"Content-Length: ", b"Content-Length: 1, ")],
    "space before the colon": [post(ECHO).replace(b"Content-Length:", b"Content-Length :")],
    "folded header": [post(ECHO, "X-A: 1\r\n 2")],
    "bare line feeds": [post(ECHO).replace(b"\r\n", b"\n")],
    "name with NUL": [post(ECHO, "X\x00A: 1")],
    "short length": [post(ECHO, length=len(ECHO) - 1)],
    "length of nothing": [post(ECHO, length=0)],
    "pipeline": [post(ECHO) * 7],
    "pipeline of both ways": [post(ECHO) + GET + post(BATCH) + CHUNKED + post(ECHO) + GET + GET + post(ECHO)],
    "pipeline behind an execution": [post(orjson.dumps(call("test_execute"))) + post(ECHO) + GET + post(BATCH)],
    "pipeline behind a write": [post(orjson.dumps(call("test_write", 2))) + post(ECHO) * 2],
    "pipeline behind a large answer": [post(orjson.dumps(call("test_big", 300_000))) + post(ECHO) + GET],
    "pipeline with a closing one": [post(ECHO) + post(ECHO, "Connection: close") + post(ECHO)],
    "pipeline that ends in garbage": [post(ECHO) * 2 + b"\x00\x01\r\n\r\n"],
    "pipeline with a part": [post(ECHO) * 2 + post(ECHO)[:-5], ECHO[-5:] + post(ECHO)],
    "large answers": [post(orjson.dumps(call("test_big", size))) for size in (65_000, 65_536, 70_000, 1_000_000)],
    "chunks": [CHUNKED, post(ECHO)],
    "other methods": [GET, post(ECHO), b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n"],
    "head apart": [post(ECHO)[: -len(ECHO)], ECHO],
    "body in two": [post(ECHO)[:-7], ECHO[-7:], post(ECHO)],
    "byte by byte": [bytes((byte,)) for byte in post(ECHO)],
    "large body": [post(ECHO.ljust(DIRECT_BODY_BYTES + 9))[:-40_000], b" " * 40_000, post(ECHO)],
    "body at the limit": [post(ECHO.ljust(DIRECT_BODY_BYTES))[:-40_000], b" " * 40_000, post(ECHO)],
    "half a body and the end": [post(ECHO)[:-7]],
    **{f"malformed {index}": [post(body), post(ECHO)] for index, (body, _) in enumerate(MALFORMED)},
    **{f"garbage {index}": [garbage] for index, garbage in enumerate(GARBAGE)},
}


@cache
def _silence_seconds() -> float:
    """Time without a byte after which a server has said all."""
    return 0.15 * slowness()


async def rounds() -> None:
    """Let the event loop, which is the server's too, take what has been sent, however busy the machine is."""
    for _ in range(8):
        await asyncio.sleep(0)
    await asyncio.sleep(0.001)


async def exchange(port: int, parts: list[bytes], *, silence_seconds: float | None = None) -> bytes:
    """All that the server sends to a client that sends these parts, each in a packet of its own, and then no more.

    `silence_seconds`: time without a byte after which it has said all; None takes the time of a server that is busy.

    A server that closes before it has read all resets the connection; its answer is there all the same, for a socket.
    """
    loop, received = asyncio.get_running_loop(), b""
    patience = _silence_seconds() if silence_seconds is None else silence_seconds
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await rounds()
        with suppress(ConnectionError):
            for part in parts:
                await loop.sock_sendall(client, part)
                await rounds()
        with suppress(ConnectionError, TimeoutError):
            while piece := await asyncio.wait_for(loop.sock_recv(client, 1 << 20), patience):
                received += piece
    return received


@pytest.mark.lengthy
async def test_both_ways_answer_alike() -> None:
    async with (
        running_server(ServerOptions(port=0), http_body_bytes=200_000) as (direct, one_chain),
        running_server(ServerOptions(port=0, direct_http=False), http_body_bytes=200_000) as (whole, other_chain),
    ):
        tiny(one_chain).gate.set()
        tiny(other_chain).gate.set()
        names = list(CASES)
        # the second time the heads of plain requests are known
        for group in (names[start : start + 16] for start in range(0, len(names), 16) for _ in range(2)):
            answers = await asyncio.gather(*(exchange(port, CASES[name]) for name in group for port in (direct, whole)))
            for name, one, other in zip(group, answers[::2], answers[1::2], strict=True):
                assert b" 500 " not in one, name
                assert one == other, name


@pytest.mark.parametrize("direct", BOTH)
async def test_no_transfer_coding_but_chunked_alone_is_read(direct: bool) -> None:
    """A proxy in front may have read another end of the body: nothing behind such a head is taken for a request."""
    async with running_server(ServerOptions(port=0, direct_http=direct)) as (port, _):
        for codings in CODINGS:
            assert (await exchange(port, [chunked(*codings) + post(ECHO)])).count(b" 200 OK") == 2, codings
        length = f"Content-Length: {len(ECHO)}\r\n"
        refused = [chunked(*codings) for codings in REFUSED_CODINGS]
        refused += [chunked(*codings, further=length) for codings in (*CODINGS, *REFUSED_CODINGS)]
        refused += [request.replace(b"POST", b"GET") for request in refused]
        refused.append(chunked("chunked").replace(b"HTTP/1.1", b"HTTP/1.0"))
        for start in range(0, len(refused), 16):
            group = refused[start : start + 16]
            answers = await asyncio.gather(*(exchange(port, [request + post(ECHO)]) for request in group))
            for request, answer in zip(group, answers, strict=True):
                assert answer.count(b"HTTP/1.1 ") == 1, request
                assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), request
        assert b" 501 " in await exchange(port, [chunked("gzip, chunked")])


async def test_a_head_that_came_before_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    on_url = HttpProtocol.on_url

    def counted(self: HttpProtocol, url: bytes) -> None:
        parsed.append(url)
        on_url(self, url)

    monkeypatch.setattr(HttpProtocol, "on_url", counted)
    longer, foreign = orjson.dumps(call("test_echo", "xy")), post(ECHO, "Origin: http://evil.example")
    async with running_server() as (port, _):
        first = await exchange(port, [post(ECHO)])
        assert len(parsed) == 1
        assert await exchange(port, [post(ECHO)] * 3) == first * 3
        assert len(parsed) == 1
        # what differs in a byte, is closing, refused, cut, or not alone, is parsed each time
        for parts in (
            [post(longer)[:-3], longer[-3:]],
            [post(ECHO, "Connection: close")],
            [post(ECHO, version="1.0")],
            [foreign],
            [post(ECHO) * 2],
            [post(ECHO)[:-1], ECHO[-1:]],
            [CHUNKED],
        ):
            before = len(parsed)
            answers = [await exchange(port, parts) for _ in range(2)]
            assert answers[0] == answers[1]
            assert len(parsed) >= before + 2, parts
        assert b" 403 " in await exchange(port, [post(ECHO), foreign])


def cuts() -> Iterator[list[bytes]]:
    """Three requests, cut in two at every place."""
    whole = post(ECHO) + post(BATCH, "Origin: http://localhost") + post(ECHO, "Connection: close")
    for place in range(1, len(whole)):
        yield [whole[:place], whole[place:]]


@pytest.mark.lengthy
async def test_every_cut_of_a_request_gets_the_same_answers() -> None:
    async with running_server() as (port, _):
        expected = await exchange(port, [post(ECHO) + post(BATCH, "Origin: http://localhost") + post(ECHO)])
        expected = expected.removesuffix(b'\r\n\r\n{"jsonrpc":"2.0","id":1,"result":"x"}')
        every = list(cuts())
        for start in range(0, len(every), 64):
            for answer in await asyncio.gather(*(exchange(port, parts) for parts in every[start : start + 64])):
                assert answer.startswith(expected)
                assert answer.endswith(b'connection: close\r\n\r\n{"jsonrpc":"2.0","id":1,"result":"x"}')


@pytest.mark.lengthy
@pytest.mark.parametrize("direct", BOTH)
async def test_only_a_plain_request_goes_without_the_application(monkeypatch: pytest.MonkeyPatch, direct: bool) -> None:
    cycles = 0
    made = RequestResponseCycle.__init__

    def counted(self: RequestResponseCycle, *arguments: object, **named: object) -> None:
        nonlocal cycles
        cycles += 1
        made(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(RequestResponseCycle, "__init__", counted)
    async with running_server(ServerOptions(port=0, direct_http=direct)) as (port, services):
        tiny(services).gate.set()
        for parts in (CASES["one"], CASES["head apart"], CASES["pipeline"], CASES["execution"], CASES["write"]):
            await exchange(port, parts)
        assert cycles == (0 if direct else 12)
        await exchange(port, CASES["query"])
        assert cycles == (1 if direct else 13)


@pytest.mark.parametrize("direct", BOTH)
async def test_a_body_that_does_not_arrive_in_time_is_refused(direct: bool) -> None:
    async with running_server(ServerOptions(port=0, direct_http=direct), http_header_seconds=0.1) as (port, services):
        for parts in ([post(ECHO)[:-7]], [post(ECHO) * 3 + post(ECHO)[:-7]], [post(ECHO)[: -len(ECHO)]]):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"".join(parts))
            received = await asyncio.wait_for(reader.read(), 5)
            assert received.endswith(b"content-length: 32\r\n\r\nthe body did not arrive in time\n")
            assert received.count(b" 408 ") == 1
            writer.close()
        assert services.budgets.input.used_bytes == 0


@pytest.mark.parametrize("direct", BOTH)
async def test_unfinished_bodies_have_the_budget_of_all_clients(direct: bool) -> None:
    options = ServerOptions(port=0, direct_http=direct)
    async with running_server(options, input_bytes=100_000, http_header_seconds=20) as (port, services):
        body = ECHO.ljust(50_000)
        unfinished = []
        for _ in range(2):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(body)[:-100])
            unfinished.append(writer)
            await asyncio.sleep(0.05)
        assert services.budgets.input.used_bytes >= 99_000
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(body)[:-100])
        assert b" 503 " in await asyncio.wait_for(reader.read(), 5)
        for other in (*unfinished, writer):
            other.close()
        await asyncio.sleep(0.05)
        assert services.budgets.input.used_bytes == 0
        assert (await http(port, ECHO)).json["result"] == "x"


async def test_a_program_that_logs_everything_gets_large_answers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("uvicorn.access")
    async with running_server() as (port, _):
        monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
        assert logger.hasHandlers()
        assert len((await http(port, call("test_big", 300_000))).json["result"]) == 300_000


async def test_a_pipeline_lets_others_through() -> None:
    async with running_server() as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        slow = post(orjson.dumps(call("test_echo", 1))) * 2_000
        writer.write(slow)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.get_running_loop().create_task(count())
        received = 0
        while received < 2_000:
            received += (await asyncio.wait_for(reader.read(1 << 16), 5)).count(b"HTTP/1.1 200")
        counting.cancel()
        assert turns > 1_000
        writer.close()
