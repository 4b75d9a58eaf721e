"""The places of a node's compiler, shared among clients: by address, whichever way they come."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any, cast

import pytest
from websockets.asyncio.client import connect

from tests.rpc.methods.memory_node import Node
from zevm.contracts.artifact import Artifact
from zevm.contracts.errors import BuildError, ClientCompilesError, CompilerBusyError
from zevm.contracts.sandbox.compiler import SandboxedZig
from zevm.contracts.sandbox.service import CompileService

METHOD = "zvm_deployZigContract"


class Waiting:
    """In the place of the compiler: each source waits until it is let go, and then does not compile."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def compile(self, *_: object) -> Artifact:
        self.go.wait(10)
        raise BuildError("done")

    def end(self) -> None:
        self.go.set()

    def close(self) -> None:
        self.go.set()


@pytest.fixture
def compiler() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.go.set()


async def test_one_client_leaves_places_to_others(compiler: Waiting) -> None:
    service = CompileService(cast(SandboxedZig, compiler), running=1, waiting=3, of_one_client=2)
    begun = [asyncio.create_task(service.compile("X", "", "10.0.0.1")) for _ in range(3)]
    with pytest.raises(ClientCompilesError, match=r"2 sources of 10\.0\.0\.1 "):
        await begun.pop()
    begun += [asyncio.create_task(service.compile("X", "", client)) for client in ("10.0.0.2", None)]
    await asyncio.sleep(0)
    # all places are taken now, by three clients
    with pytest.raises(CompilerBusyError, match="as many as may; try again"):
        await service.compile("X", "", "10.0.0.3")
    compiler.go.set()
    for each in begun:
        with pytest.raises(BuildError, match="done"):
            await each
    # whoever has been answered may ask again
    with pytest.raises(BuildError, match="done"):
        await service.compile("X", "", "10.0.0.1")
    assert not service._clients
    service.close()


class Noting:
    """In the place of the service: notes whose a source is."""

    def __init__(self) -> None:
        self.clients: list[str | None] = []

    async def compile(self, name: str, source: str, client: str | None) -> Artifact:  # noqa: ARG002
        self.clients.append(client)
        raise BuildError("noted")


async def test_a_client_is_known_by_its_address(node: Node) -> None:
    noting = Noting()
    node.services.compiler = noting
    ((host, port),) = node.server.addresses
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": METHOD, "params": ["X", ""]}).encode()

    def post(*parts: bytes) -> Any:
        # a body in pieces goes by the application, a whole one directly
        data: Any = parts[0] if len(parts) == 1 else iter(parts)
        with urllib.request.urlopen(
            urllib.request.Request(f"http://{host}:{port}", data, {"content-type": "application/json"})
        ) as response:
            return json.load(response)

    for parts in ((body,), (body[:9], body[9:])):
        assert (await asyncio.to_thread(post, *parts))["error"]["code"] == -32050
    async with connect(f"ws://{host}:{port}") as socket:
        await socket.send(body.decode())
        assert json.loads(await socket.recv())["error"]["code"] == -32050
    await node.fails(METHOD, "X", "")
    assert noting.clients == ["127.0.0.1"] * 3 + [None]
