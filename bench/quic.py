"""Measure functions over QUIC (zvm/1) against the same functions over HTTP (zvm_executeFunction), in one run.

    python -m bench.quic            half a minute
    python -m bench.quic --quick    fewer requests

One node serves both; they take turns. The clients are quick ones: qh3, whose packets are made in Rust, with datagrams
as large as the node's own client finds on loopback; and bare asyncio streams with one connection for each request in
flight. Each request carries its module, a greatest common divisor, and is executed. The large request carries 1 MiB of
call data, for which the module has no memory: it ends in a trap on both sides. The last rows are the latency of
eth_blockNumber over HTTP while 32 callers keep the node busy over QUIC, over HTTP, or not at all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import qh3.asyncio.client
from qh3.quic.configuration import QuicConfiguration

from testing.node_process import NodeProcess, zevm_command
from testing.wasm_modules import box, maths
from zevm.covenant.wasm import WasmExecutionRequest
from zevm.rpc.transport.quic.options import AUTHORITY_NAME
from zevm.rpc.transport.quic.path_size import SIZES
from zevm.rpc.transport.quic.zvm.messages import ALPN, decode_result, encode_request, framed

IN_FLIGHT, CALLERS, CONNECTING, ROUNDS = 64, 32, 8, 5
QUIC_LINE = re.compile(r"QUIC on \S+:(?P<port>\d+)")
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
    return post({"jsonrpc": "2.0", "id": 1, "method": "zvm_executeFunction", "params": [call]})


def post(call: object) -> bytes:
    """A request over HTTP."""
    body = json.dumps(call).encode()
    head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    return head.encode() + b"%d\r\n\r\n" % len(body) + body


@dataclass(frozen=True, slots=True)
class Target:
    """The node's ports and the file of its certificate's authority."""

    http_port: int
    quic_port: int
    authority: Path


async def quic_connection(stack: AsyncExitStack, target: Target) -> Ask:
    """Ask over streams of one connection."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=[ALPN], server_name="localhost", max_datagram_size=SIZES[-1]
    )
    configuration.load_verify_locations(cafile=str(target.authority))
    client = await stack.enter_async_context(
        qh3.asyncio.client.connect("127.0.0.1", target.quic_port, configuration=configuration)
    )

    async def ask(data: bytes) -> None:
        reader, writer = await client.create_stream()
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        assert decode_result(answer[4:]).status in (0, 5), answer

    return ask


async def http_connection(stack: AsyncExitStack, target: Target) -> Ask:
    """Ask over one kept-alive connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.http_port)
    stack.callback(writer.close)

    async def ask(data: bytes) -> None:
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        assert b'"result":' in await reader.readexactly(length)

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


class Rows:
    """Row -> values of QUIC and of HTTP."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[list[float], list[float]]] = {}

    def note(self, row: str, side: int, value: float) -> None:
        """Add a value; side 0 is QUIC."""
        self._values.setdefault(row, ([], []))[side].append(value)

    def medians(self) -> dict[str, tuple[float, float]]:
        """Row -> (QUIC, HTTP); nan where there is none."""
        return {row: (_median(first), _median(second)) for row, (first, second) in self._values.items()}


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else math.nan


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the values lie."""
    return sorted(values)[int(len(values) * share)]


async def requests(rows: Rows, target: Target, count: int) -> None:
    """Small and large requests, in five rounds that take turns."""
    small, large = (maths(), "gcd", [54, 24]), (box(), "get()", bytes(LARGE_BYTES))
    async with AsyncExitStack() as stack:
        quic = await quic_connection(stack, target)
        http = [await http_connection(stack, target) for _ in range(IN_FLIGHT)]
        sides = (([quic] * IN_FLIGHT, quic_bytes), (http, http_bytes))
        for _ in range(ROUNDS):
            for side, (asks, encode) in enumerate(sides):
                found = await latencies(asks[0], encode(*small), count)
                rows.note("small request p50, ms", side, statistics.median(found))
                rows.note("small request p99, ms", side, percentile(found, 0.99))
                found_rate = await rate(asks, encode(*small), 4 * count)
                rows.note(f"requests a second, {IN_FLIGHT} in flight", side, found_rate)
                rows.note("request of 1 MiB, ms", side, statistics.median(await latencies(asks[0], encode(*large), 3)))


async def connections(rows: Rows, target: Target) -> None:
    """New connections: one after another to the first reply, and some at once."""
    small = (maths(), "gcd", [54, 24])
    sides = ((quic_connection, quic_bytes), (http_connection, http_bytes))

    for _ in range(ROUNDS):
        for side, (connect, encode) in enumerate(sides):
            for at_once in (1, CONNECTING):
                # a client of QUIC draws out its close, which is not measured
                async with AsyncExitStack() as stack:
                    began = time.perf_counter()
                    asks = await asyncio.gather(*(connect(stack, target) for _ in range(at_once)))
                    await asyncio.gather(*(ask(encode(*small)) for ask in asks))
                    seconds = time.perf_counter() - began
                if at_once == 1:
                    rows.note("connect and first reply, ms", side, seconds * 1_000)
                else:
                    rows.note(f"connections with a reply a second, {at_once} at once", side, at_once / seconds)


async def busy(side: int, target: Target) -> None:
    """Small requests without end, by as many callers as CALLERS."""
    connect, encode = ((quic_connection, quic_bytes), (http_connection, http_bytes))[side]
    data = encode(maths(), "gcd", [54, 24])
    async with AsyncExitStack() as stack:
        asks = [await connect(stack, target) for _ in range(CALLERS if side else CALLERS // 8)]
        print("busy", flush=True)

        async def caller(ask: Ask) -> None:
            while True:
                await ask(data)

        await asyncio.gather(*(caller(asks[index % len(asks)]) for index in range(CALLERS)))


def neighbours(rows: Rows, target: Target, count: int) -> None:
    """Latency of eth_blockNumber over HTTP while a process of its own keeps the node busy over QUIC, or over HTTP."""
    for _ in range(3):
        for side in range(2):
            with busy_process(side, target):
                found = asyncio.run(probe(target, count))
            rows.note(f"HTTP p50 with {CALLERS} busy callers, ms", side, statistics.median(found))
            rows.note(f"HTTP p99 with {CALLERS} busy callers, ms", side, percentile(found, 0.99))
    idle = asyncio.run(probe(target, count))
    rows.note("HTTP p50 with none, ms", 1, statistics.median(idle))
    rows.note("HTTP p99 with none, ms", 1, percentile(idle, 0.99))


async def probe(target: Target, count: int) -> list[float]:
    """Milliseconds of eth_blockNumber over HTTP."""
    async with AsyncExitStack() as stack:
        ask = await http_connection(stack, target)
        return await latencies(ask, post({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}), count)


@contextmanager
def busy_process(side: int, target: Target) -> Iterator[None]:
    """A process that keeps the node busy for the length of the block."""
    command = [sys.executable, "-m", "bench.quic", "--busy", str(side)]
    command += [str(target.http_port), str(target.quic_port), str(target.authority)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != "busy\n":
                raise RuntimeError("the busy callers did not begin")
            yield
        finally:
            process.kill()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--busy", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.busy is not None:
        side, http_port, quic_port, authority = given.busy
        asyncio.run(busy(int(side), Target(int(http_port), int(quic_port), Path(authority))))
        return
    count, rows = 100 if given.quick else 500, Rows()
    with TemporaryDirectory() as folder:
        chain = Path(folder) / "chain"
        with NodeProcess(zevm_command("--quic-port", "0", "--datadir", str(chain), *STREAMS)) as node:
            quic_port = int(node.wait_for_line(QUIC_LINE)["port"])
            target = Target(node.port, quic_port, chain / AUTHORITY_NAME)
            asyncio.run(requests(rows, target, count))
            asyncio.run(connections(rows, target))
            neighbours(rows, target, 2 * count)
    print("|  | QUIC | HTTP | QUIC is faster by |\n|---|---:|---:|---:|")
    for row, (quic, http) in rows.medians().items():
        ratio = quic / http if "a second" in row else http / quic
        cells = [f"{value:,.2f}" if value == value else "n/a" for value in (quic, http, ratio)]
        print(f"| {row} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
