"""Grow a long chain and compare its costs with a fresh one's: processor, bytes written, disk, reads, proofs, starts.

    python -m verification.history.run --blocks 300000

Blocks are empty: each rewrites slots of two system contracts. Figures are of the node's own process, from /proc, so
that other programs disturb them little. At the end a fresh chain and the long one grow in turns. Then follow a
chain in memory (--memory-blocks), a state of many accounts and slots (--wide-blocks) and a rewind of the long chain.

The run fails where a limit below is passed, or a past value is not what it was.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from testing.node_process import ROOT, NodeProcess, RpcConnection, zevm_command
from verification.history.wide import WideState, measure

STEP_BLOCKS = 1_000
TURNS = 7
READS = 200
HISTORY_STORAGE = "0x0000f90827f1c53a10cb7a02335b175320002935"
"""EIP-2935's contract: slot (n - 1) mod 8191 holds the hash of block n - 1 since block n."""

HISTORY_SLOTS = 8191

LIMITS = {
    "processor time a block, to that of a fresh chain": 1.3,
    "bytes written a block, to those of a fresh chain": 2.0,
    "bytes written a block": 10 * 1024.0,
    "bytes of disk a block": 1536.0,
    "a slot at a random block, warm, ms": 1.0,
    "start after kill -9, s": 3.0,
    "resident memory of a chain in memory, MiB": 381.0,
    "disk of a wide state, to its flat records": 6.0,
    "resident memory of a rewind, MiB": 476.0,
}
"""Most of each figure."""


class Cost(NamedTuple):
    """Of each of some blocks: processor microseconds, and bytes written."""

    cpu_us: float
    written_bytes: float


class Figures:
    """Figures as they are told, and those past their limit."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def tell(self, name: str, value: float) -> None:
        """Print a figure, which has a limit."""
        most = LIMITS[name]
        print(f"{name}: {value:,.2f} (at most {most:,.2f})", flush=True)
        if value > most:
            self.problems.append(f"{name}: {value:,.2f}, at most {most:,.2f}")


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print a line for each figure; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=20_000, help="blocks of the chain (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="data directory of an earlier run to go on with; kept")
    parser.add_argument("--parts", type=int, default=10, help="lines of the table (default: %(default)s)")
    parser.add_argument("--memory-blocks", type=int, default=0, help="height of a chain in memory")
    parser.add_argument("--wide-blocks", type=int, default=0, help="blocks of a wide state; 320 make the whole of it")
    parser.add_argument("--seed", type=int, default=1, help="of the blocks that are read (default: %(default)s)")
    options = parser.parse_args(arguments)
    figures, chance = Figures(), random.Random(options.seed)
    with TemporaryDirectory(prefix="zevm-history-") as folder:
        if options.blocks:
            data = options.data or Path(folder) / "long"
            grown_chain(data, Path(folder) / "fresh", options.blocks // options.parts, options.parts, chance, figures)
        if options.memory_blocks:
            in_memory(options.memory_blocks, figures)
        if options.wide_blocks:
            wide_state(Path(folder) / "wide", options.wide_blocks, chance, figures)
    for problem in figures.problems:
        print(f"problem: {problem}")
    return 1 if figures.problems else 0


def grown_chain(data: Path, fresh: Path, count: int, parts: int, chance: random.Random, figures: Figures) -> None:
    """Grow a chain by parts of `count` blocks, read from it, kill its node, start it again and take it back."""
    with started(data) as node:
        for _ in range(parts):
            cost = grow(node, count)
            with node.connect() as rpc:
                head = head_of(rpc)
            print(
                f"{head:>9,} blocks: {cost.cpu_us:6.0f} us of processor and {cost.written_bytes:7,.0f} bytes "
                f"written a block, {disk_bytes(data) / head:6,.0f} bytes of disk a block",
                flush=True,
            )
        figures.tell("bytes written a block", cost.written_bytes)
        figures.tell("bytes of disk a block", disk_bytes(data) / head)
        beside_a_fresh_one(node, fresh, min(STEP_BLOCKS, count), figures)
        with node.connect(timeout_seconds=600) as rpc:
            read_back(rpc, chance, figures)
            head, resident = head_of(rpc), node.resident_mebibytes()
        print(f"resident memory at {head:,} blocks: {resident:.0f} MiB")
        node.kill()
    began = time.perf_counter()
    with started(data) as node, node.connect() as rpc:
        found = head_of(rpc)
        figures.tell("start after kill -9, s", time.perf_counter() - began)
        if found != head:
            figures.problems.append(f"the head is {found} after a kill, and was {head}")
        read_back(rpc, chance, figures)
    rewind(data, figures)


def beside_a_fresh_one(node: NodeProcess, folder: Path, count: int, figures: Figures) -> None:
    """Let both grow in turns."""
    pairs = []
    with started(folder) as fresh:
        for _ in range(TURNS):
            pairs.append((grow(node, count), grow(fresh, count)))
    ours, theirs = zip(*pairs, strict=True)
    cpu = median(long.cpu_us / short.cpu_us for long, short in pairs)
    figures.tell("processor time a block, to that of a fresh chain", cpu)
    written = sum(cost.written_bytes for cost in ours) / sum(cost.written_bytes for cost in theirs)
    figures.tell("bytes written a block, to those of a fresh chain", written)


def in_memory(blocks: int, figures: Figures) -> None:
    """Grow a chain in memory."""
    with NodeProcess(zevm_command("--memory", "--no-mining")) as node:
        grow(node, blocks)
        print(f"a chain of {blocks:,} blocks in memory")
        figures.tell("resident memory of a chain in memory, MiB", node.resident_mebibytes())


def wide_state(folder: Path, blocks: int, chance: random.Random, figures: Figures) -> None:
    """Write accounts and slots, as many a block as the whole state has."""
    whole = WideState()
    wide = WideState(blocks, whole.accounts * blocks // whole.blocks, whole.slots * blocks // whole.blocks)
    began = time.perf_counter()
    cost = measure(folder, wide, chance)
    print(
        f"{wide.accounts:,} accounts and {wide.slots:,} slots in {blocks} blocks: {cost.flat_bytes:,} bytes of flat "
        f"records, {cost.disk_bytes:,} bytes of disk ({cost.stopped_bytes:,} after the stop), "
        f"{time.perf_counter() - began:.0f} s"
    )
    figures.tell("disk of a wide state, to its flat records", cost.disk_bytes / cost.flat_bytes)


def rewind(data: Path, figures: Figures) -> None:
    """Take the whole chain back by its command."""
    command = [sys.executable, "-m", "zevm", "db", "rewind", "1", "--datadir", str(data)]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(f"a rewind to block 1: {time.perf_counter() - began:.1f} s")
    figures.tell("resident memory of a rewind, MiB", usage.ru_maxrss / 1024)
    if process.returncode:
        figures.problems.append(f"the rewind ended with {process.returncode}")


def started(data: Path) -> NodeProcess:
    """A node that mines on request alone."""
    return NodeProcess(zevm_command("--datadir", str(data), "--no-mining"), ready_timeout_seconds=600)


def grow(node: NodeProcess, count: int) -> Cost:
    """Make blocks, by a connection of their own: a node closes one that waits while another node's turn lasts."""
    cpu, written = node.processor_seconds(), written_bytes(node)
    with node.connect(timeout_seconds=600) as rpc:
        for left in range(count, 0, -STEP_BLOCKS):
            rpc.call("anvil_mine", hex(min(left, STEP_BLOCKS)), "0x1")
    return Cost((node.processor_seconds() - cpu) * 1e6 / count, (written_bytes(node) - written) / count)


def read_back(rpc: RpcConnection, chance: random.Random, figures: Figures) -> None:
    """Past slots against the blocks' hashes, and proofs of new and old states."""
    head = head_of(rpc)
    places = [chance.randrange(2, head + 1) for _ in range(READS)]
    for number in places:
        parent = rpc.call("eth_getBlockByNumber", hex(number - 1), False)["hash"]
        slot = hex((number - 1) % HISTORY_SLOTS)
        if rpc.call("eth_getStorageAt", HISTORY_STORAGE, slot, hex(number)) != parent:
            figures.problems.append(f"the slot {slot} after block {number} is not the hash of block {number - 1}")
    frames = [rpc.request("eth_getStorageAt", HISTORY_STORAGE, "0x1", hex(number)) for number in places]
    figures.tell("a slot at a random block, warm, ms", timed_ms(rpc, frames))
    newest = [rpc.request("eth_getProof", HISTORY_STORAGE, ["0x1"], hex(max(head - 7 * n, 1))) for n in range(100)]
    print(f"a proof at one of the newest states: {timed_ms(rpc, newest):.3f} ms")
    oldest = [rpc.request("eth_getProof", HISTORY_STORAGE, ["0x1"], hex(number)) for number in places[:5]]
    print(f"a proof at a random block: {timed_ms(rpc, oldest):.0f} ms", flush=True)


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


def written_bytes(node: NodeProcess) -> int:
    """Bytes that the node's process had written to files."""
    lines = Path(f"/proc/{node.process.pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def disk_bytes(data: Path) -> int:
    """Bytes of LevelDB's files."""
    return sum(_sizes(data / "leveldb"))


def _sizes(folder: Path) -> Iterator[int]:
    for file in folder.iterdir():
        try:
            yield file.stat().st_size
        except FileNotFoundError:
            # a compaction has removed it meanwhile
            continue


if __name__ == "__main__":
    sys.exit(main())
