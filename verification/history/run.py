"""Grow a long chain and compare its costs with a fresh one's: processor, bytes written, disk, reads, proofs, starts.

    python -m verification.history.run --blocks 300000

Blocks are empty: each rewrites slots of two system contracts. Figures are of the node's own process, from /proc, and
other programs disturb them little. The run fails when the last blocks cost more than a fresh chain's by more than the
limits below, or when a past value is not what it was.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from testing.node_process import NodeProcess, RpcConnection, zevm_command

STEP_BLOCKS = 1_000
MOST_CPU_RATIO = 1.3
MOST_WRITTEN_RATIO = 2.0
MOST_WRITTEN_BYTES = 10 * 1024
MOST_DISK_BYTES = 1536
READS = 200
HISTORY_STORAGE = "0x0000f90827f1c53a10cb7a02335b175320002935"
"""EIP-2935's contract: slot (n - 1) mod 8191 holds the hash of block n - 1 since block n."""

HISTORY_SLOTS = 8191


class Cost(NamedTuple):
    """Of the blocks up to `blocks`, each: processor microseconds, bytes written; and bytes on disk per block of all."""

    blocks: int
    cpu_us: float
    written_bytes: float
    disk_bytes: float


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a line for each part of the chain, and exit with 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=20_000, help="height of the chain (default: %(default)s)")
    parser.add_argument("--parts", type=int, default=10, help="lines of the table (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the blocks that are read (default: %(default)s)")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="zevm-history-") as folder:
        problems = list(run(Path(folder), options.blocks, options.parts, random.Random(options.seed)))
    for problem in problems:
        print(f"problem: {problem}")
    sys.exit(1 if problems else 0)


def run(folder: Path, blocks: int, parts: int, chance: random.Random) -> Iterator[str]:
    """The problems of one chain."""
    with started(folder) as node, node.connect(timeout_seconds=600) as rpc:
        costs = [grow(node, rpc, folder, blocks // parts) for _ in range(parts)]
        yield from judged(costs)
        yield from read_back(rpc, chance)
        memory_mebibytes = node.resident_mebibytes()
        node.kill()
    began = time.perf_counter()
    with started(folder) as node, node.connect() as rpc:
        print(f"start after kill -9 to first answer: {head_of(rpc):,} blocks in {time.perf_counter() - began:.2f} s")
        print(f"resident memory before: {memory_mebibytes:.0f} MiB")
        if head_of(rpc) != blocks // parts * parts:
            yield f"the head is {head_of(rpc)} after a kill"
        yield from read_back(rpc, chance)


def started(folder: Path) -> NodeProcess:
    """A node that mines on request alone."""
    return NodeProcess(zevm_command("--datadir", str(folder / "data"), "--no-mining"), ready_timeout_seconds=600)


def grow(node: NodeProcess, rpc: RpcConnection, folder: Path, count: int) -> Cost:
    """Make blocks, and say what each has cost."""
    cpu, written = cpu_seconds(node), written_bytes(node)
    for left in range(count, 0, -STEP_BLOCKS):
        rpc.call("anvil_mine", hex(min(left, STEP_BLOCKS)), "0x1")
    head = head_of(rpc)
    cost = Cost(
        head,
        (cpu_seconds(node) - cpu) * 1e6 / count,
        (written_bytes(node) - written) / count,
        sum(file.stat().st_size for file in (folder / "data" / "leveldb").iterdir()) / head,
    )
    print(
        f"{cost.blocks:>9,} blocks: {cost.cpu_us:6.0f} us of processor and {cost.written_bytes:7,.0f} bytes written a "
        f"block, {cost.disk_bytes:6,.0f} bytes of disk a block",
        flush=True,
    )
    return cost


def judged(costs: list[Cost]) -> Iterator[str]:
    """Costs of the last blocks above what they may be, compared with the first."""
    first, last = costs[0], costs[-1]
    for name, value, most in (
        ("processor, to that of a fresh chain", last.cpu_us / first.cpu_us, MOST_CPU_RATIO),
        ("bytes written, to those of a fresh chain", last.written_bytes / first.written_bytes, MOST_WRITTEN_RATIO),
        ("bytes written a block", last.written_bytes, MOST_WRITTEN_BYTES),
        ("bytes of disk a block", last.disk_bytes, MOST_DISK_BYTES),
    ):
        print(f"{name}: {value:,.2f} (at most {most:,.2f})")
        if value > most:
            yield f"{name}: {value:,.2f}, at most {most:,.2f}"


def read_back(rpc: RpcConnection, chance: random.Random) -> Iterator[str]:
    """Past slots against the blocks' hashes, and proofs of new and old states."""
    head = head_of(rpc)
    places = [chance.randrange(2, head + 1) for _ in range(READS)]
    for number in places:
        parent = rpc.call("eth_getBlockByNumber", hex(number - 1), False)["hash"]
        slot = hex((number - 1) % HISTORY_SLOTS)
        if rpc.call("eth_getStorageAt", HISTORY_STORAGE, slot, hex(number)) != parent:
            yield f"the slot {slot} after block {number} is not the hash of block {number - 1}"
    frames = [rpc.request("eth_getStorageAt", HISTORY_STORAGE, "0x1", hex(number)) for number in places]
    print(f"a slot at a random block, warm: {timed_ms(rpc, frames):.3f} ms")
    newest = [rpc.request("eth_getProof", HISTORY_STORAGE, ["0x1"], hex(max(head - 7 * n, 1))) for n in range(100)]
    print(f"a proof at one of the newest states: {timed_ms(rpc, newest):.3f} ms")
    oldest = [rpc.request("eth_getProof", HISTORY_STORAGE, ["0x1"], hex(number)) for number in places[:5]]
    print(f"a proof at a random block: {timed_ms(rpc, oldest):.0f} ms")


def timed_ms(rpc: RpcConnection, frames: list[bytes]) -> float:
    """The median time of an answer."""
    return median(_timed(lambda frame=frame: rpc.exchange(frame)) for frame in frames) * 1000  # type: ignore[misc]


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def head_of(rpc: RpcConnection) -> int:
    """The newest block's number."""
    return int(rpc.call("eth_blockNumber"), 16)


def cpu_seconds(node: NodeProcess) -> float:
    """Of the node's process, in user and system mode."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def written_bytes(node: NodeProcess) -> int:
    """Bytes that the node's process had written to files."""
    lines = Path(f"/proc/{node.process.pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


if __name__ == "__main__":
    main()
