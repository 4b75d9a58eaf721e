"""Measure functions over QUIC (zvm/1) against the same functions over HTTP (zvm_executeFunction), in one run.

    python -m bench.quic            half a minute
    python -m bench.quic --quick    fewer requests

One node serves both; the two take turns. The clients are quick ones: qh3, whose packets are made in Rust, and bare
asyncio streams with one connection for each request in flight. Each request carries its module, a greatest common
divisor, and is executed. The large request carries 1 MiB of call data,
for which the module has no memory: it ends in a trap on both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qh3.asyncio.client
from qh3.quic.configuration import QuicConfiguration

from testing.node_process import NodeProcess, zevm_command
from testing.wasm_modules import box, maths
from zevm.covenant.wasm import WasmExecutionRequest
from zevm.rpc.transport.quic.options import AUTHORITY_NAME
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, encode_request, framed

IN_FLIGHT = 64
LARGE_BYTES = 1024 * 1024 - 4
STREAMS = ("--rpc-quic-streams", str(4 * IN_FLIGHT))
"""qh3 fails at the limit of streams, and does not wait for the server to raise it."""

GAS = 40_000_000
Ask = Callable[[bytes], Awaitable[None]]


def quic_bytes(module: bytes, name: str, arguments: Any) -> bytes:
    """A request of zvm/1 in its frame."""
    return framed(encode_request(WasmExecutionRequest(1, module, name, arguments, GAS, 2**26, 5_000)))


def http_bytes(module: bytes, name: str, arguments: Any) -> bytes:
    """The same as a POST of zvm_executeFunction."""
    given = "0x" + arguments.hex() if isinstance(arguments, bytes) else arguments
    call = {"module": "0x" + module.hex(), "function": name, "arguments": given, "gasLimit": hex(GAS)}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "zvm_executeFunction", "params": [call]}).encode()
    head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    return head.encode() + b"%d\r\n\r\n" % len(body) + body


async def quic_connection(stack: AsyncExitStack, port: int, authority: Path) -> Ask:
    """Ask over streams of one connection."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=[ALPN], server_name="localhost")
    configuration.load_verify_locations(cafile=str(authority))
    client = await stack.enter_async_context(qh3.asyncio.client.connect("127.0.0.1", port, configuration=configuration))

    async def ask(data: bytes) -> None:
        reader, writer = await client.create_stream()
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        assert decode_result(answer[4:]).status in (0, 5), answer

    return ask


async def http_connection(stack: AsyncExitStack, port: int) -> Ask:
    """Ask over one kept-alive connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)

    async def ask(data: bytes) -> None:
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        assert b'"statusCode":' in await reader.readexactly(length)

    return ask


async def latencies(ask: Ask, data: bytes, count: int) -> list[float]:
    """Milliseconds of requests, one after another."""
    found = []
    for _ in range(count):
        began = time.perf_counter()
        await ask(data)
        found.append((time.perf_counter() - began) * 1_000)
    return found


async def rate(asks: list[Ask], data: bytes, count: int) -> float:
    """Requests a second with as many in flight as there are askers."""

    async def worker(ask: Ask) -> None:
        for _ in range(count // len(asks)):
            await ask(data)

    began = time.perf_counter()
    await asyncio.gather(*(worker(ask) for ask in asks))
    return count / (time.perf_counter() - began)


async def measure(http_port: int, quic_port: int, authority: Path, count: int) -> dict[str, tuple[float, float]]:
    """Row -> (QUIC, HTTP): medians of five rounds that take turns."""
    small, large = (maths(), "gcd", [54, 24]), (box(), "get()", bytes(LARGE_BYTES))
    rows: dict[str, tuple[list[float], list[float]]] = {}

    def note(row: str, side: int, value: float) -> None:
        rows.setdefault(row, ([], []))[side].append(value)

    async with AsyncExitStack() as stack:
        quic = await quic_connection(stack, quic_port, authority)
        http = [await http_connection(stack, http_port) for _ in range(IN_FLIGHT)]
        sides = (([quic] * IN_FLIGHT, quic_bytes), (http, http_bytes))
        for _ in range(5):
            for side, (asks, encode) in enumerate(sides):
                found = sorted(await latencies(asks[0], encode(*small), count))
                note("small request p50, ms", side, statistics.median(found))
                note("small request p99, ms", side, found[int(len(found) * 0.99)])
                note(f"requests a second, {IN_FLIGHT} in flight", side, await rate(asks, encode(*small), 4 * count))
                note("request of 1 MiB, ms", side, statistics.median(await latencies(asks[0], encode(*large), 3)))
        for _ in range(10):
            began = time.perf_counter()
            async with AsyncExitStack() as own:
                await (await quic_connection(own, quic_port, authority))(quic_bytes(*small))
                note("connect and first reply, ms", 0, (time.perf_counter() - began) * 1_000)
            began = time.perf_counter()
            async with AsyncExitStack() as own:
                await (await http_connection(own, http_port))(http_bytes(*small))
                note("connect and first reply, ms", 1, (time.perf_counter() - began) * 1_000)
    return {row: (statistics.median(first), statistics.median(second)) for row, (first, second) in rows.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    count = 100 if parser.parse_args().quick else 500
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with TemporaryDirectory() as folder:
        chain = Path(folder) / "chain"
        with NodeProcess(zevm_command("--quic-port", str(port), "--datadir", str(chain), *STREAMS)) as node:
            while not (chain / AUTHORITY_NAME).exists():
                time.sleep(0.01)
            rows = asyncio.run(measure(node.port, port, chain / AUTHORITY_NAME, count))
    print("|  | zvm/1 over QUIC | JSON-RPC over HTTP |\n|---|---:|---:|")
    for row, (quic, http) in rows.items():
        print(f"| {row} | {quic:,.2f} | {http:,.2f} |")


if __name__ == "__main__":
    main()
