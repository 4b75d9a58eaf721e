"""HTTP/3 on a node: JSON-RPC by POST from an independent client, with the limits of HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aioquic.h3.connection import ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic import events
from curl_cffi import CurlHttpVersion
from curl_cffi.requests import AsyncSession, Response

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.memory_node import Node, start_node, stop_node
from zevm.rpc.limits import Limits
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.quic.client import Trust, connect
from zevm.rpc.transport.quic.connection import ConnectionLimits
from zevm.rpc.transport.quic.options import QUIC_NAMES, QuicError, QuicPortOptions
from zevm.rpc.transport.quic.streams import StreamResetError

CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}


@asynccontextmanager
async def serving(folder: Path, *, require_authentication: bool = False, **limits: Any) -> AsyncIterator[Node]:
    quic = QuicPortOptions(("127.0.0.1",), 0, folder=folder, require_authentication=require_authentication)
    node = await start_node(limits=replace(Limits(), **limits), server=ServerOptions(hosts=(), quic=quic))
    try:
        yield node
    finally:
        await stop_node(node)


@asynccontextmanager
async def curl(node: Node, folder: Path) -> AsyncIterator[Any]:
    """A client of ngtcp2 and BoringSSL that offers X25519MLKEM768 as Chrome does."""
    host, port = node.server.quic_addresses[0]
    async with AsyncSession(impersonate="chrome", verify=str(folder / QUIC_NAMES[0])) as session:

        async def ask(method: str = "POST", path: str = "/", **options: Any) -> Response:
            url = f"https://{host}:{port}{path}"
            answer = await session.request(method, url, http_version=CurlHttpVersion.V3ONLY, timeout=20, **options)
            return cast(Response, answer)

        yield ask


async def test_json_rpc_from_an_independent_client(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, curl(node, tmp_path) as ask:
        answer = await ask(json=CALL)
        assert (answer.status_code, answer.json()["result"]) == (200, "0x7a69")
        assert answer.headers["content-type"] == "application/json"
        batch = (await ask(json=[CALL | {"id": index} for index in range(50)])).json()
        assert [item["id"] for item in batch] == list(range(50))
        large = CALL | {"params": ["x" * 300_000]}
        assert (await ask(json=large)).json()["error"]["code"] == -32602
        long = await ask(json=CALL | {"method": "eth_getBlockByNumber", "params": ["latest", True]})
        assert long.json()["result"]["number"] == "0x0"
        health = await ask("GET", "/health")
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        graphql = await ask(path="/graphql", json={"query": "{chainID}"})
        assert graphql.json() == {"data": {"chainID": "0x7a69"}}
        assert dict(node.server.quic.served) == {("h3", "X25519MLKEM768"): 1}


async def test_the_limits_and_checks_are_those_of_http(tmp_path: Path) -> None:
    async with serving(tmp_path, http_body_bytes=1_000) as node, curl(node, tmp_path) as ask:
        assert (await ask(json=CALL | {"params": ["x" * 2_000]})).status_code == 413
        assert (await ask(data=b"{}", headers={"content-type": "text/plain"})).status_code == 415
        assert (await ask(json=CALL, headers={"origin": "https://evil.example"})).status_code == 403
        assert (await ask(json=CALL, headers={"host": "evil.example"})).status_code in (400, 403)
        assert (await ask("PUT", json=CALL)).status_code == 405
        assert (await ask(data=b"{", headers={"content-type": "application/json"})).json()["error"]["code"] == -32700
        assert (await ask(json=CALL)).status_code == 200


async def test_a_large_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, curl(node, tmp_path) as ask:
        await node.call("anvil_setCode", "0x" + "cc" * 20, "0x" + "ab" * 200_000)
        code = (await ask(json=CALL | {"method": "eth_getCode", "params": ["0x" + "cc" * 20, "latest"]})).json()
        assert code["result"] == "0x" + "ab" * 200_000


async def test_no_http_where_signatures_are_required(tmp_path: Path) -> None:
    async with serving(tmp_path, require_authentication=True) as node:
        host, port = node.server.quic_addresses[0]
        with pytest.raises(QuicError, match="ALPN"):
            async with connect(host, port, alpn="h3", trust=Trust(authority=tmp_path / QUIC_NAMES[0])):
                pass


class H3Client:
    """aioquic's own state machine, for requests that no other client sends."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.http = H3Connection(connection.quic)
        self.answers: dict[int, list[Any]] = {}
        self.resets: dict[int, int] = {}
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def received(self, event: events.QuicEvent) -> None:
        if isinstance(event, events.StreamReset):
            self.resets[event.stream_id] = event.error_code
        for item in self.http.handle_event(event):
            if isinstance(item, HeadersReceived | DataReceived):
                self.answers.setdefault(item.stream_id, []).append(item)

    def closed(self, error: StreamResetError) -> None:
        if not self.ended.done():
            self.ended.set_result(str(error))

    def post(self, body: bytes, size: int | None = None) -> int:
        """Send a request, without its end if it has another size; its stream."""
        stream_id = self.connection.quic.get_next_available_stream_id()
        length = (b"content-length", b"%d" % (size or len(body)))
        self.http.send_headers(stream_id, [*HEADERS, (b"content-type", b"application/json"), length])
        self.http.send_data(stream_id, body, size is None)
        self.connection.transmit()
        return cast(int, stream_id)

    def statuses(self) -> list[bytes]:
        """Those of the answers that have begun."""
        begun = [item[0] for item in self.answers.values() if isinstance(item[0], HeadersReceived)]
        return sorted(dict(item.headers)[b":status"] for item in begun)


@asynccontextmanager
async def raw(node: Node, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[H3Client]:
    monkeypatch.setattr("zevm.rpc.transport.quic.client.StreamProtocol", H3Client)
    host, port = node.server.quic_addresses[0]
    trust, limits = Trust(authority=folder / QUIC_NAMES[0]), ConnectionLimits(streams=0, unidirectional_streams=3)
    async with connect(host, port, alpn="h3", trust=trust, limits=limits) as opened:
        yield cast(H3Client, opened._connection.receiver)


HEADERS = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/")]


async def test_a_frame_without_an_end_closes_the_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as node, raw(node, tmp_path, monkeypatch) as client:
        stream_id = client.connection.quic.get_next_available_stream_id()
        client.connection.send(stream_id, b"\x01\x80\xff\xff\xff" + bytes(100_000))  # HEADERS of 16 MiB
        assert "not DATA" in await asyncio.wait_for(client.ended, 10)


async def test_a_client_that_gives_up_its_request_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as node, raw(node, tmp_path, monkeypatch) as client:
        (server,) = (item for item in node.server.quic.connections() if item.alpn == "h3")
        stream_id = client.connection.quic.get_next_available_stream_id()
        client.http.send_headers(stream_id, [*HEADERS, (b"content-type", b"application/json")])
        client.http.send_data(stream_id, json.dumps(CALL).encode()[:10], False)
        client.connection.transmit()
        while not server.receiver._exchanges:
            await asyncio.sleep(0.001)
        client.connection.reset_stream(stream_id, 0x10C)
        while server.receiver._exchanges:
            await asyncio.sleep(0.001)
        assert not node.services.budgets.input.used_bytes


@pytest.mark.parametrize("path", [b"/?q=\x19\xa4", b"/\xff", b"/nothing?\xc3\xa4", b"/health?\x7f", b"/ ?"])
async def test_a_path_of_other_bytes_is_refused(
    path: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as node, raw(node, tmp_path, monkeypatch) as client:
        stream_id = client.connection.quic.get_next_available_stream_id()
        fields = [*HEADERS[:-1], (b":path", path), (b"content-type", b"application/json")]
        client.http.send_headers(stream_id, fields)
        client.http.send_data(stream_id, json.dumps(CALL).encode(), True)
        client.connection.transmit()
        while len(client.answers.get(stream_id, ())) < 2 and not client.resets:
            await client.connection.ping()
        assert client.statuses() == [b"400"]
        assert b"RFC 3986" in client.answers[stream_id][1].data
    assert not caplog.text


async def test_trailers_after_the_answer_are_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that is refused at its headers is answered before it ends; what follows of it starts nothing."""
    async with serving(tmp_path) as node, raw(node, tmp_path, monkeypatch) as client:
        served: list[Any] = []
        (server,) = (item for item in node.server.quic.connections() if item.alpn == "h3")
        begin = server.receiver._begin

        def counted(event: Any) -> None:
            served.append(event)
            begin(event)

        monkeypatch.setattr(server.receiver, "_begin", counted)
        # a hostile client goes on sending when it is asked to stop
        handlers = client.connection.quic._QuicConnection__frame_handlers
        stop_sending = (
            lambda _context, _kind, frame: (frame.pull_uint_var(), frame.pull_uint_var()),
            handlers[0x05][1],
        )
        handlers[0x05] = stop_sending
        stream_id = client.connection.quic.get_next_available_stream_id()
        client.http.send_headers(stream_id, [*HEADERS, (b"content-type", b"text/plain")])
        client.connection.transmit()
        while not client.answers.get(stream_id):
            await asyncio.sleep(0.001)
        client.http.send_headers(stream_id, [(b"x-trailer", b"1")], end_stream=True)
        client.connection.transmit()
        await client.connection.ping()
        while server.receiver._exchanges:
            await asyncio.sleep(0.001)
        assert len(served) == 1
    assert not caplog.text


async def test_a_request_that_is_not_whole_in_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(tmp_path, quic_body_seconds=0.1) as node,
        raw(node, tmp_path, monkeypatch) as client,
    ):
        (server,) = (item for item in node.server.quic.connections() if item.alpn == "h3")
        for body in (b"", b'{"jsonrpc"'):
            stream_id = client.connection.quic.get_next_available_stream_id()
            client.http.send_headers(stream_id, [*HEADERS, (b"content-type", b"application/json")])
            if body:
                client.http.send_data(stream_id, body, False)
            client.connection.transmit()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not server.receiver._exchanges:
                    await asyncio.sleep(0.001)
                while server.receiver._exchanges:
                    await asyncio.sleep(0.001)
        assert not node.services.budgets.input.used_bytes
    assert not caplog.text


@pytest.mark.lengthy
async def test_requests_held_are_bounded_for_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first body may be longer than the limit, as one over HTTP/1.1 may be; a further one has to fit."""
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serving(tmp_path, quic_input_bytes=200_000) as node,
        raw(node, tmp_path, monkeypatch) as client,
    ):
        (server,) = (item for item in node.server.quic.connections() if item.alpn == "h3")
        end = json.dumps(CALL).encode()
        first = client.post(b" " * 240_000, 240_000 + len(end))
        while server.held_bytes < 240_000:
            await asyncio.sleep(0.001)
        others = [client.post(b" " * 1_000, 2_000) for _ in range(2)]
        while len(client.resets) < 2:
            await asyncio.sleep(0.001)
        assert client.resets == dict.fromkeys(others, ErrorCode.H3_EXCESSIVE_LOAD)
        client.http.send_data(first, end, True)
        client.connection.transmit()
        while server.receiver._exchanges or not client.statuses():
            await asyncio.sleep(0.001)
        assert (client.statuses(), server.held_bytes) == ([b"200"], 0)
        assert not node.services.budgets.input.used_bytes


async def test_answers_held_are_bounded_for_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further answer that does not fit is refused in words, and all of them count for the budget of all clients."""
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serving(tmp_path, quic_output_bytes=1_200_000) as node,
        raw(node, tmp_path, monkeypatch) as client,
    ):
        (server,) = (item for item in node.server.quic.connections() if item.alpn == "h3")
        # returns 524,288 bytes: an answer of 1 MiB
        account = {"0x" + "ca" * 20: {"code": "0x620800005ff3"}}
        call = CALL | {"method": "eth_call", "params": [{"to": "0x" + "ca" * 20}, "latest", account]}
        # a client that takes one window of each answer, and no more
        client.connection.quic._write_stream_limits = lambda **_: None
        for _ in range(3):
            client.post(json.dumps(call).encode())
        while len(client.statuses()) < 3:
            await asyncio.sleep(0.001)
        assert client.statuses() == [b"200", b"503", b"503"]
        assert 1_000_000 < server.pending_bytes <= 1_200_000
        budget = node.services.budgets.output
        assert budget.used_bytes == server.pending_bytes
        client.connection.close()
        while server.pending_bytes:
            await asyncio.sleep(0.001)
        assert budget.used_bytes == 0


async def test_a_connection_is_cut_for_the_budget_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serving(tmp_path, output_bytes=200_000) as node,
        raw(node, tmp_path, monkeypatch) as client,
    ):
        account = {"0x" + "ca" * 20: {"code": "0x620800005ff3"}}
        call = CALL | {"method": "eth_call", "params": [{"to": "0x" + "ca" * 20}, "latest", account]}
        client.connection.quic._write_stream_limits = lambda **_: None
        stream_id = client.post(json.dumps(call).encode())
        while not client.resets:
            await asyncio.sleep(0.001)
        assert client.resets == {stream_id: ErrorCode.H3_EXCESSIVE_LOAD}
        assert node.services.budgets.output.used_bytes == 0
