"""Answers of 20 MB: whole, in good time, over every transport, and no other caller waits for them."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, MutableMapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from testing.speed import PATIENCE_SECONDS
from tests.rpc.methods.assembly import ENDLESS, assemble
from tests.rpc.methods.memory_node import Node, start_node, stop_node
from tests.rpc.support import http
from zevm.rpc.server import ServerOptions
from zevm.rpc.transport.http_bodies import pieces_of, respond

pytestmark = pytest.mark.slow

LOG_BYTES = 130_000
LOGS = 77
LOGGER = assemble(f"0x{LOG_BYTES:06x} 0x00") + b"\xa0"
"""Makes a log of zeros without topics."""

READER = """
import socket, sys
from websockets.sync.client import connect
kind, place, body = sys.argv[1], sys.argv[2], sys.stdin.read()
if kind == "websocket":
    with connect("ws://127.0.0.1:" + place, max_size=None) as client:
        client.send(body)
        answer = client.recv(decode=False)
elif kind == "http":
    client = socket.create_connection(("127.0.0.1", int(place)))
    head = "POST / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nContent-Type: application/json\\r\\n"
    client.sendall(f"{head}Content-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
    answer = b"".join(iter(lambda: client.recv(1 << 20), b"")).partition(b"\\r\\n\\r\\n")[2]
else:
    client = socket.socket(socket.AF_UNIX)
    client.connect(place)
    client.sendall(body.encode())
    answer = b""
    parts = []
    while not answer.endswith(b"\\n"):
        answer = client.recv(1 << 20)
        parts.append(answer)
    answer = b"".join(parts)
sys.stdout.buffer.write(answer)
"""
"""A client in a process of its own: what it takes is not the node's."""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    running = await start_node(server=ServerOptions(port=0, ipc_path=tmp_path / "z.ipc"))
    yield running
    await stop_node(running)


async def read_apart(node: Node, kind: str, name: str, *params: Any) -> tuple[bytes, float, float]:
    """The answer as another process reads it, its time, and the longest that the event loop worked at one go.

    The last in seconds of processor time, so that a busy machine does not make it longer.
    """
    path, port = node.server._options.ipc_path, node.server.addresses[0][1]
    place = str(path) if kind == "ipc" else str(port)
    body = orjson.dumps({"jsonrpc": "2.0", "id": "large", "method": name, "params": params})
    pipe = asyncio.subprocess.PIPE
    reader = await asyncio.create_subprocess_exec(sys.executable, "-c", READER, kind, place, stdin=pipe, stdout=pipe)
    started = time.monotonic()
    answer = asyncio.get_running_loop().create_task(reader.communicate(body))
    turns: list[float] = []
    watching = asyncio.get_running_loop().create_task(watch(turns))
    while not answer.done():
        head = await http(port, {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
        assert "result" in head.json
    watching.cancel()
    return (await answer)[0], time.monotonic() - started, max(turns)


async def watch(turns: list[float]) -> None:
    """Note what the event loop's thread worked in each millisecond, or until it came back to this."""
    while True:
        worked = time.thread_time()
        await asyncio.sleep(0.001)
        turns.append(time.thread_time() - worked)


@pytest.mark.parametrize("kind", ["http", "websocket", "ipc"])
async def test_logs_of_20_megabytes(node: Node, kind: str) -> None:
    logger = await node.place(LOGGER)
    await node.call("evm_setAutomine", False)
    for _ in range(LOGS):
        await node.call("eth_sendTransaction", {"to": logger, "gas": hex(1_500_000)})
    while len((await node.call("txpool_content"))["pending"]):
        await node.call("evm_mine")
    text, seconds, longest = await read_apart(node, kind, "eth_getLogs", {"fromBlock": "0x0"})
    answer = orjson.loads(text)
    assert len(text) > 20_000_000
    assert answer["id"] == "large"
    assert [int(log["blockNumber"], 16) for log in answer["result"]] == sorted(
        int(log["blockNumber"], 16) for log in answer["result"]
    )
    assert len({log["transactionHash"] for log in answer["result"]}) == LOGS
    assert all(log["data"] == "0x" + "00" * LOG_BYTES for log in answer["result"])
    assert seconds < PATIENCE_SECONDS
    assert longest < 0.2
    number = await node.call("eth_newFilter", {"fromBlock": "0x0"})
    assert await node.call("eth_getFilterLogs", number) == answer["result"]


async def test_a_trace_of_20_megabytes(node: Node) -> None:
    endless = await node.place(ENDLESS)
    receipt = await node.send(to=endless, gas=hex(1_500_000))
    config = {"disableStack": True}
    text, _, longest = await read_apart(node, "websocket", "debug_traceBlockByNumber", receipt["blockNumber"], config)
    (traced,) = orjson.loads(text)["result"]
    assert len(text) > 20_000_000
    assert traced["txHash"] == receipt["transactionHash"]
    assert traced["result"]["gas"] == 1_500_000
    steps = traced["result"]["structLogs"]
    assert [step["op"] for step in steps[:3]] == ["JUMPDEST", "PUSH1", "JUMP"]
    assert all(after["gas"] == before["gas"] - before["gasCost"] for before, after in pairwise(steps))
    assert longest < 0.2
    alone = await node.call("debug_traceTransaction", receipt["transactionHash"], config)
    assert alone == traced["result"]


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 524_288, 524_289, 1_000_000])
async def test_pieces_are_small_and_lack_nothing(size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    pieces = list(pieces_of(body))
    assert b"".join(pieces) == body
    assert all(0 < len(piece) <= 262_144 for piece in pieces)
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await respond(send, 200, [], body)
    head, *rest = sent
    assert (b"content-length", b"%d" % size) in head["headers"]
    assert b"".join(message["body"] for message in rest) == body
    assert [bool(message.get("more_body")) for message in rest] == [True] * (len(rest) - 1) + [False]
    assert all(len(message["body"]) <= 262_144 for message in rest)
