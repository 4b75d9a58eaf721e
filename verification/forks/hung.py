"""The time of eth_blockNumber on a fork while calls wait for an origin that hangs, next to that of an idle fork.

    python -m verification.forks.hung --calls 20000

In turns: calls alone, then calls while WAITING executions wait for accounts that no proof has shown yet. The run fails
where the median of the 99th percentiles next to them is above LIMIT times that of the calls alone.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median, quantiles
from typing import NamedTuple

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, zevm_command
from testing.origin_proxy import OriginProxy

LIMIT = 1.5
WAITING = 24
"""More than there are workers, and than may be asked of a node at once."""


class Turn(NamedTuple):
    """99th percentiles in milliseconds."""

    alone: float
    beside: float


def run(calls: int, turns: int) -> Iterator[Turn]:
    """Measure. AssertionError: a call that waited was answered while the origin hung."""
    flags = ("--no-storage-caching", "--rpc-evm-queue-ms", "60000")
    with (
        ForkedNode(zevm_command("--memory")) as origin,
        OriginProxy(origin.url) as proxy,
        ForkedNode(zevm_command("--fork-url", proxy.url, *flags)) as fork,
        fork.connect() as rpc,
    ):
        percentile(rpc, calls // 10)
        for turn in range(turns):
            alone = percentile(rpc, calls)
            with ExitStack() as stack:
                proxy.held.clear()
                stack.callback(proxy.held.set)
                waiting = ask(fork, stack, turn)
                beside = percentile(rpc, calls)
                assert not proxy.held.is_set()
                proxy.held.set()
                assert all(b'"result":"0x"' in connection.receive() for connection in waiting)
            yield Turn(alone, beside)


def ask(fork: NodeProcess, stack: ExitStack, turn: int) -> list[RpcConnection]:
    """Begin calls of accounts that were not read, each on a connection of its own."""
    connections = []
    for number in range(WAITING):
        connection = stack.enter_context(fork.connect())
        call = {"to": f"0x{turn + 1:020x}{number + 1:020x}"}
        connection.send(connection.request("eth_call", call, "latest"))
        connections.append(connection)
    return connections


def percentile(rpc: RpcConnection, calls: int) -> float:
    """The 99th percentile of the times of calls, in milliseconds."""
    times = []
    for _ in range(calls):
        begun = time.perf_counter()
        rpc.call("eth_blockNumber")
        times.append(1_000 * (time.perf_counter() - begun))
    return quantiles(times, n=100)[-1]


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print each turn; 1 where calls take longer next to those that wait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000, help="of each part of a turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=LIMIT, help="default: %(default)s")
    options = parser.parse_args(arguments)
    found = []
    for turn in run(options.calls, options.turns):
        print(f"p99 {turn.alone:.3f} ms alone, {turn.beside:.3f} ms next to {WAITING} calls that wait", flush=True)
        found.append(turn)
    alone, beside = (median(each) for each in zip(*found, strict=True))
    print(f"eth_blockNumber, p99: {alone:.3f} ms, {beside:.3f} ms next to a hung origin ({beside / alone:.2f} times)")
    return 1 if beside > options.limit * alone else 0


if __name__ == "__main__":
    sys.exit(main())
