"""Measure what listeners cost: many WebSockets that subscribe to new heads, and one node.

    python -m bench.listeners [--subscribers 10000] [--blocks 10]

fan-out: from the request for a block until a subscriber has the block's header, over all subscribers and blocks; the
clients share the machine with the node. unheard: the node's processor time for a transaction into the pool, to which
no client listens, and that of the same node before the clients have subscribed. The pings of 10,000 WebSockets go on
meanwhile: they are measured by themselves.
"""

import argparse
import asyncio
import resource
import time
from pathlib import Path
from statistics import median, quantiles

from testing.load import Signer, development_signer
from testing.node_process import NodeProcess, RpcConnection, zevm_command

CONNECTING = 100
"""Connections that are opened at once."""
SENT, ROUNDS = 200, 5
REST_SECONDS = 5
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'
NOTIFICATION = b'"eth_subscription"'
PING, PONG = b"\x89", 0x8A
"""The first byte of these frames."""


def frame(text: bytes) -> bytes:
    """A short message as a client sends it, with a mask of zeros."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


class Subscriber(asyncio.Protocol):
    """A client that notes when each notification came."""

    def __init__(self) -> None:
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.came_at: list[float] = []
        self._head = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        """Count; a notification is one segment, as it is short."""
        if not self.is_ready.done():
            self._head += data
            if self._head.endswith(b"\r\n\r\n"):
                self._transport.write(frame(SUBSCRIBE))
            if b'"result":' in self._head:
                self.is_ready.set_result(None)
        if data.startswith(PING):
            size = data[1]
            self._transport.write(bytes((PONG, 0x80 | size, 0, 0, 0, 0)) + data[2 : 2 + size])
        self.came_at += [time.perf_counter()] * data.count(NOTIFICATION)


async def subscribed(port: int, count: int) -> list[Subscriber]:
    """That many subscribers."""
    found: list[Subscriber] = []
    loop = asyncio.get_running_loop()
    while len(found) < count:
        opened = [
            loop.create_connection(Subscriber, "127.0.0.1", port) for _ in range(min(CONNECTING, count - len(found)))
        ]
        made = [protocol for _, protocol in await asyncio.gather(*opened)]
        await asyncio.gather(*[protocol.is_ready for protocol in made])
        found += made
    return found


async def fan_out(rpc: RpcConnection, subscribers: list[Subscriber], blocks: int) -> list[float]:
    """Seconds from the request until each of the subscribers was told, of each block."""
    waits = []
    for number in range(1, blocks + 1):
        began = time.perf_counter()
        rpc.send(rpc.request("evm_mine"))
        while any(len(subscriber.came_at) < number for subscriber in subscribers):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(rpc.receive)
        waits += [subscriber.came_at[-1] - began for subscriber in subscribers]
    return waits


def processor_microseconds(node: NodeProcess) -> float:
    """Time of a processor that the node's threads have had so far (proc_pid_schedstat: nanoseconds)."""
    threads = Path(f"/proc/{node.process.pid}/task").iterdir()
    return sum([int((thread / "schedstat").read_text().split()[0]) for thread in threads]) / 1_000


def resting_share(node: NodeProcess) -> float:
    """The part of a processor that the node takes while no client asks: it pings its WebSockets."""
    began = processor_microseconds(node)
    time.sleep(REST_SECONDS)
    return (processor_microseconds(node) - began) / (REST_SECONDS * 1_000_000)


def sending_microseconds(node: NodeProcess, rpc: RpcConnection, signer: Signer, rest: float = 0) -> float:
    """The node's processor time for a transaction that waits in the pool. rest: the `resting_share` meanwhile."""
    frames = [
        rpc.request("eth_sendRawTransaction", signer.sign(to="0x" + "11" * 20, gas=21_000)[0]) for _ in range(SENT)
    ]
    began, started = processor_microseconds(node), time.perf_counter()
    for request in frames:
        rpc.exchange(request)
    resting = rest * (time.perf_counter() - started) * 1_000_000
    return (processor_microseconds(node) - began - resting) / SENT


async def measure(node: NodeProcess, subscribers: int, blocks: int) -> list[tuple[str, str]]:
    """The rows of the table."""
    rpc, signer = node.connect(), development_signer(0)
    sending_microseconds(node, rpc, signer)
    alone = median([sending_microseconds(node, rpc, signer) for _ in range(ROUNDS)])
    rpc.call("anvil_dropAllTransactions")
    signer = development_signer(1)
    connected = await subscribed(node.port, subscribers)
    rpc = node.connect()
    rest = resting_share(node)
    beside = median([sending_microseconds(node, rpc, signer, rest) for _ in range(ROUNDS)])
    rpc.call("anvil_dropAllTransactions")
    waits = await fan_out(rpc, connected, blocks)
    cuts = quantiles(waits, n=100)
    return [
        (f"fan-out to {subscribers:,}, p50", f"{cuts[49]:.2f} s"),
        (f"fan-out to {subscribers:,}, p99", f"{cuts[98]:.2f} s"),
        ("a transaction into the pool, without subscribers", f"{alone:,.0f} µs"),
        (f"of a processor, for {subscribers:,} subscribers at rest", f"{100 * rest:.1f} %"),
        (f"a transaction into the pool, unheard by {subscribers:,}, without that", f"{beside:,.0f} µs"),
        ("of that for the event that no client listens to", f"{beside - alone:,.0f} µs"),
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="what listeners cost")
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--blocks", type=int, default=10)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with NodeProcess(zevm_command("--memory", "--no-mining")) as node:
        rows = asyncio.run(measure(node, options.subscribers, options.blocks))
    print("| | |\n|---|---:|")
    for title, figure in rows:
        print(f"| {title} | {figure} |")


if __name__ == "__main__":
    main()
