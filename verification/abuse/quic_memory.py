"""Measure a node's memory for each QUIC peer, and that it comes back.

    python -m verification.abuse.quic_memory --peers 8 --rounds 5

Peers of each kind connect at once, in rounds: idle ones; ones that ask; ones that hold as much as they may of requests
that never end; ones that ask for large replies and read none; the last two over HTTP/3 as well. The node is a process
of its own. Its resident memory is read before the peers and with them, and must grow by at most 8 MB for each. After
them it must come back to the rest after the second round, within the time in which the node trims its heap.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, cast

import orjson
from aioquic.h3.connection import H3Connection
from wasmtime import wat2wasm

from testing.node_process import NodeProcess, zevm_command
from verification.abuse.quic import QUIC_LINE, FaultError, request
from zevm.rpc.memory.released import GROWN_BYTES
from zevm.rpc.transport.quic.client import ClientConnection, Trust, connect
from zevm.rpc.transport.quic.h3 import ALPN as HTTP
from zevm.rpc.transport.quic.options import AUTHORITY_NAME
from zevm.rpc.transport.quic.streams import StreamResetError
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, framed

PEER_BYTES = 8_000_000
GROWTH_BYTES = 16_000_000
"""The growth of the rest since the second round that is the allocator's own."""

FIRST_REST_SECONDS = 5.0
REST_SECONDS = 35.0
"""Time for the heap to be trimmed: after trims that returned little, half a minute (rpc.memory.released)."""

MESSAGE_BYTES = 2 * 1024 * 1024
REPLY_BYTES = 1_000_000
PART_BYTES = 64 * 1024
LARGE_REPLY = f"""(module
  (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
  (memory (export "memory") 16 16)
  (func (export "user_entrypoint") (param i32) (result i32)
    (call $write_result (i32.const 0) (i32.const {REPLY_BYTES})) (i32.const 0)))"""
FLAGS = ("--rpc-quic-connections-per-address", "256", "--rpc-quic-idle-seconds", "5", "--rpc-quic-write-seconds", "3")


async def idle(_: ClientConnection) -> None:
    """Do nothing."""


async def asking(client: ClientConnection) -> None:
    """Make small requests."""
    data = framed(request())
    for _ in range(20):
        stream = client.open_stream()
        await stream.write(data)
        stream.write_eof()
        size = int.from_bytes(await stream.readexactly(4), "big")
        decode_result(await stream.readexactly(size))
        client.close_stream(stream)


async def holding(client: ClientConnection) -> None:
    """Send requests of the largest size without their last byte."""
    for _ in range(16):
        stream = client.open_stream()
        try:
            async with asyncio.timeout(5):
                await stream.write(MESSAGE_BYTES.to_bytes(4, "big") + bytes(MESSAGE_BYTES - 1))
        except (StreamResetError, TimeoutError):
            return


async def reading_nothing(client: ClientConnection) -> None:
    """Ask for large replies, and acknowledge none of them."""
    data = framed(request(module_bytecode=bytes(wat2wasm(LARGE_REPLY)), function_name="", arguments=b""))
    for _ in range(30):
        stream = client.open_stream()
        await stream.write(data)
        stream.write_eof()
    for _ in range(20):
        await client.ping()
    cast(Any, client._connection).datagram_received = lambda *_: None
    await asyncio.sleep(2)


async def holding_over_http(client: ClientConnection) -> None:
    """Post bodies without their ends, over HTTP/3."""
    http = _http(client)
    for _ in range(16):
        stream_id = _post(client, http, MESSAGE_BYTES)
        for _ in range(MESSAGE_BYTES // PART_BYTES - 1):
            http.send_data(stream_id, bytes(PART_BYTES), end_stream=False)
    await _heard_for(client, 5)


async def reading_nothing_over_http(client: ClientConnection) -> None:
    """Ask for large answers over HTTP/3, and acknowledge none of them."""
    http = _http(client)
    called = {"to": "0x" + "ca" * 20, "data": "0x"}
    code = {called["to"]: {"code": f"0x62{REPLY_BYTES:06x}5ff3"}}
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [called, "latest", code]})
    for _ in range(30):
        http.send_data(_post(client, http, len(body)), body, end_stream=True)
    for _ in range(20):
        await client.ping()
    cast(Any, client._connection).datagram_received = lambda *_: None
    await asyncio.sleep(2)


class _Deaf:
    """Takes what the server sends, and does nothing with it (connection.EventReceiver)."""

    def received(self, event: object) -> None:
        """See EventReceiver."""

    def closed(self, error: StreamResetError) -> None:
        """See EventReceiver."""


def _http(client: ClientConnection) -> H3Connection:
    client._connection._receiver = _Deaf()
    return H3Connection(client._connection.quic)


def _post(client: ClientConnection, http: H3Connection, size: int) -> int:
    """The stream of a request whose body is to come."""
    stream_id = client._connection.quic.get_next_available_stream_id()
    fields = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": "/"}
    fields |= {"content-type": "application/json", "content-length": str(size)}
    http.send_headers(stream_id, [(name.encode(), value.encode()) for name, value in fields.items()])
    client._connection.send_soon()
    return stream_id


async def _heard_for(client: ClientConnection, seconds: float) -> None:
    """Let the connection work for a time, or until the server ends it."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(seconds):
            while True:
                await client.ping()
                await asyncio.sleep(0.2)


KINDS: dict[Callable[[ClientConnection], Awaitable[None]], str] = {
    idle: ALPN,
    asking: ALPN,
    holding: ALPN,
    reading_nothing: ALPN,
    holding_over_http: HTTP,
    reading_nothing_over_http: HTTP,
}
"""Kinds of peers, with their protocols."""


def resident_bytes(process: int) -> int:
    """The process's memory now."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def rest_bytes(process: int, earlier: list[int]) -> int:
    """The least memory of the process in the time for a trim; no longer than it takes to be as little as before."""
    wanted, seconds = (earlier[1] + GROWN_BYTES, REST_SECONDS) if len(earlier) > 1 else (0, FIRST_REST_SECONDS)
    until, least = time.monotonic() + seconds, resident_bytes(process)
    while least > wanted and time.monotonic() < until:
        time.sleep(0.1)
        least = min(least, resident_bytes(process))
    return least


async def with_peers(
    port: int, authority: Path, process: int, kind: Callable[[ClientConnection], Awaitable[None]], peers: int
) -> int:
    """The largest memory of the node with these peers."""
    largest, done = 0, asyncio.Event()

    async def watch() -> None:
        nonlocal largest
        while not done.is_set():
            largest = max(largest, resident_bytes(process))
            await asyncio.sleep(0.02)

    async with AsyncExitStack() as stack:
        watching = asyncio.create_task(watch())
        trust = Trust(authority=authority)
        clients = [
            await stack.enter_async_context(connect("127.0.0.1", port, alpn=KINDS[kind], trust=trust))
            for _ in range(peers)
        ]
        await asyncio.gather(*(kind(client) for client in clients))
        done.set()
        await watching
    largest = max(largest, resident_bytes(process))
    # whose answer comes after the node has let the others go
    async with connect("127.0.0.1", port, alpn=ALPN, trust=trust) as client:
        await asking(client)
    return largest


def measure(peers: int, rounds: int, kinds: Sequence[Callable[[ClientConnection], Awaitable[None]]]) -> None:
    """Print the figures. Raises FaultError."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder) / "chain"
        with NodeProcess(zevm_command("--quic-port", "0", "--datadir", str(chain), *FLAGS)) as node:
            port, process = int(node.wait_for_line(QUIC_LINE)["port"]), node.process.pid
            for kind in kinds:
                left: list[int] = []
                grown: list[int] = []
                for _ in range(rounds):
                    before = resident_bytes(process)
                    most = asyncio.run(with_peers(port, chain / AUTHORITY_NAME, process, kind, peers))
                    grown.append((most - before) // peers)
                    left.append(rest_bytes(process, left))
                name = kind.__name__.replace("_", " ")
                told = ", ".join(f"{value / 1e6:.0f}" for value in left)
                print(f"{name}: {max(grown) / 1e6:.2f} MB a peer; left after each round, MB: {told}", flush=True)
                judge(name, grown, left)


def judge(name: str, grown: list[int], left: list[int]) -> None:
    """Raises FaultError. grown: bytes a peer in each round; left: bytes of the node after it."""
    if max(grown) > PEER_BYTES:
        raise FaultError(f"{name}: {max(grown)} bytes a peer, the limit is {PEER_BYTES}")
    if len(left) > 2 and left[-1] - left[1] > GROWTH_BYTES:
        raise FaultError(f"{name}: {left[-1] - left[1]} bytes more are left than after the second round")


def main(arguments: list[str] | None = None) -> int:
    """Measure; 1 if a peer takes too much."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=[kind.__name__ for kind in KINDS], help="(default: all)")
    given = parser.parse_args(arguments)
    try:
        measure(
            given.peers, given.rounds, [kind for kind in KINDS if kind.__name__ in (given.kinds or [kind.__name__])]
        )
    except FaultError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
