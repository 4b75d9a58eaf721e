"""The size of the explorer's pages, and the time that they take, on a long chain.

    python -m verification.explorer.pages --blocks 100000

A chain with transactions at both of its ends, and empty blocks between. Each page is asked for several times, alone.
The run fails where a page has more than LIMIT_BYTES, or the median of its times is above LIMIT_MS. The
first time is told too: a search for an address's transactions executes blocks then that it remembers.
"""

import argparse
import http.client
import sys
import time
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from testing.bare_token import CODE, transfer_data
from testing.node_process import NodeProcess, RpcConnection, zevm_command

LIMIT_BYTES = 150_000
LIMIT_MS = 100.0
ROUNDS = 9
TRANSFERS = 200
"""Transactions at each end of the chain."""
MOST_MINED = 100_000
TOKEN = "0x" + "c0" * 20
OTHER = "0x" + "77" * 20


class Figure(NamedTuple):
    """A page, its bytes, the median of its times, and the first of them."""

    path: str
    size_bytes: int
    ms: float
    first_ms: float


def measure(blocks: int, *, rounds: int = ROUNDS, transfers: int = TRANSFERS) -> list[Figure]:
    """The pages of a chain of at least this many blocks."""
    with NodeProcess(zevm_command("--memory")) as node, node.connect(timeout_seconds=600) as rpc:
        pages = grown(rpc, blocks, transfers)
        return [Figure(path, *asked(node.port, path, rounds)) for path in pages]


def grown(rpc: RpcConnection, blocks: int, transfers: int) -> list[str]:
    """Grow the chain; the paths of its pages."""
    rpc.call("anvil_setCode", TOKEN, f"0x{CODE.hex()}")
    first = transferred(rpc, transfers)
    left = blocks - 2 * transfers
    while left > 0:
        count = min(left, MOST_MINED)
        rpc.call("anvil_mine", hex(count))
        left -= count
    last = transferred(rpc, transfers)
    head = int(rpc.call("eth_blockNumber"), 16)
    sender = rpc.call("eth_accounts")[0]
    return [
        "/", "/blocks", f"/blocks?from={head // 2}", "/block/1", f"/block/{head}", "/pool", "/panel",
        *(f"/tx/{each}{part}" for each in (first, last) for part in ("", "/calls", "/state", "/steps")),
        *(f"/address/{TOKEN}{part}" for part in ("", "/read", "/source", "/storage", "/holders", "/transactions")),
        *(f"/address/{each}{part}" for each in (sender, OTHER) for part in ("", "/transactions")),
    ]  # fmt: skip


def transferred(rpc: RpcConnection, count: int) -> str:
    """The hash of the last of some transactions."""
    sender, sent = rpc.call("eth_accounts")[0], ""
    for number in range(count):
        data = transfer_data(bytes([0x60 + number % 0x90]) * 20, number + 1)
        sent = rpc.call("eth_sendTransaction", {"from": sender, "to": TOKEN, "data": data, "gas": hex(100_000)})
    return sent


def asked(port: int, path: str, rounds: int) -> tuple[int, float, float]:
    """Bytes of a page, the median of its times in milliseconds, and the first. AssertionError: there is no page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers: Mapping[str, str] = {"Accept": "text/html"}
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        times.append(1_000 * (time.perf_counter() - begun))
        assert answer.status == 200, (path, answer.status, body)
    connection.close()
    return len(body), median(times), times[0]


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print a line for each page; 1 where one is too large or too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--limit-ms", type=float, default=LIMIT_MS, help="default: %(default)s")
    options = parser.parse_args(arguments)
    figures = measure(options.blocks)
    past = [each for each in figures if each.size_bytes > LIMIT_BYTES or each.ms > options.limit_ms]
    for each in figures:
        mark = "  past a limit" if each in past else ""
        print(f"{each.ms:8.1f} ms (first {each.first_ms:8.1f}) {each.size_bytes:9,} bytes  {each.path}{mark}")
    limits = f"{LIMIT_BYTES:,} bytes or {options.limit_ms:.0f} ms"
    print(f"{len(figures)} pages at {options.blocks:,} blocks, {len(past)} past {limits}")
    return 1 if past else 0


if __name__ == "__main__":
    sys.exit(main())
