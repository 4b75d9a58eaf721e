"""The FastAPI application is whole: under uvicorn as it comes, it answers all that the node's own port does, alike."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from tests.rpc.dispatch.test_dispatcher import MALFORMED
from tests.rpc.support import call, make_registry, make_services, tiny
from tests.rpc.transport.test_direct_http import BATCH, CASES, exchange
from zevm.rpc.server import Server, ServerOptions
from zevm.rpc.transport.asgi import Receive, Scope, Send


def _request(line: str, *headers: str, body: bytes = b"") -> bytes:
    head = [f"{line} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


HTML = "Accept: text/html"
ORIGIN = "Origin: http://localhost:3000"
QUERY = b'{"query": "{ __typename }"}'
REQUESTS: dict[str, bytes] = {
    **{
        name: b"".join(CASES[name])
        for name in (
            *("one", "batch", "notification", "nothing", "execution", "write", "unknown method", "closing"),
            *("old version", "old version, kept", "local origin", "another origin", "two origins", "another site"),
            *("another host", "text", "no type", "too large", "query", "pipeline", "pipeline of both ways"),
            *("pipeline behind an execution", "pipeline behind a write", "large answers", "chunks", "other methods"),
            *(f"malformed {index}" for index in range(len(MALFORMED))),
        )
    },
    "front page": _request("GET /"),
    "front page of a page elsewhere": _request("GET /", ORIGIN),
    "head of the front page": _request("HEAD /"),
    "explorer": _request("GET /assets/explorer.css"),
    "nothing there": _request("GET /nothing", ORIGIN),
    "nothing there for a browser": _request("GET /nothing", HTML),
    "refused host": _request("GET /nothing").replace(b"localhost", b"evil.example"),
    "refused host of a page": _request("GET /blocks", HTML).replace(b"localhost", b"evil.example"),
    "options": _request("OPTIONS /", ORIGIN, "Access-Control-Request-Headers: content-type"),
    "options elsewhere": _request("OPTIONS /graphql", ORIGIN),
    "put": _request("PUT /", body=BATCH),
    "graphql": _request("POST /graphql", "Content-Type: application/json", body=QUERY),
    "graphql by a page": _request("POST /graphql", ORIGIN, "Content-Type: application/json", body=QUERY),
    "graphql by its address": _request("GET /graphql?query=%7B__typename%7D"),
    "help for graphql": _request("GET /graphql", HTML),
    "added": _request("GET /added", ORIGIN),
}


async def answers(port: int, sent: bytes) -> bytes:
    """All that a server answers until it closes the connection, as the last request asks it to."""
    closing = _request("GET /elsewhere", "Connection: close")
    # the first question for GraphQL waits for its schema to be read
    return await exchange(port, [sent + closing], silence_seconds=60)


class Added:
    """An endpoint of the node's own."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"added"})


@asynccontextmanager
async def both() -> AsyncIterator[tuple[int, int]]:
    """The port of a node, and the port of its FastAPI application under plain uvicorn."""
    services = make_services(http_body_bytes=200_000)
    server = Server(services, ServerOptions(port=0), make_registry())

    await server.start()
    application = server.app.fastapi()
    server.app.add_route("/added", Added())
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(application, lifespan="off", log_config=None, server_header=False, date_header=False)
    plain = uvicorn.Server(config)
    serving = asyncio.create_task(plain.serve(sockets=[listening]))
    tiny(services).gate.set()
    try:
        yield server.addresses[0][1], listening.getsockname()[1]
    finally:
        plain.should_exit = True
        await serving
        await server.stop()
        services.chain.writer.stop()


@pytest.mark.lengthy
async def test_every_request_is_answered_alike() -> None:
    async with both() as ports:
        for name, sent in REQUESTS.items():
            short, whole = [await answers(port, sent) for port in ports]
            assert short.startswith(b"HTTP/1."), name
            assert short == whole, name


async def test_websockets_are_answered_alike() -> None:
    async with both() as ports:
        for port in ports:
            async with connect(f"ws://127.0.0.1:{port}/anywhere") as client:
                await client.send(json.dumps(call("test_echo", "x")))
                assert json.loads(await client.recv()) == {"jsonrpc": "2.0", "id": 1, "result": "x"}
            with pytest.raises(InvalidStatus) as refused:
                async with connect(f"ws://127.0.0.1:{port}", origin=Origin("http://evil.example")):
                    pass
            assert refused.value.response.status_code == 403
