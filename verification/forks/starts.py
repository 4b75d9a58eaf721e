"""The start of a fork whose block has many slots on disk, which must not take longer for them.

    python -m verification.forks.starts --slots 100000

A contract with this many slots is forked, and the fork reads all of them, with their proofs. Then the fork is killed
and started again, in turns with one that has nothing on disk: until it listens, and until it has answered a slot. The
run fails if the median of the starts is above LIMIT_SECONDS, or an answer is wrong. Other programs make a start wait:
its processor time, which is printed with it, tells how much.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcConnection, zevm_command

LIMIT_SECONDS = 1.5
SLOTS_OF_A_TRANSACTION = 2_000
SLOTS_OF_A_CALL = 1_000
CONTRACT = "0x" + "c0" * 20
WRITER = "0x5f355b80805560010180602035116002" + "5700"
"""Stores each number under itself, from the first word of the input up to the second, which it leaves out."""
READER = WRITER.replace("808055", "805450")
"""Reads the same slots."""


class Start(NamedTuple):
    """Seconds until a fork listened, and until it had answered a slot, and its processor time up to then."""

    listening: float
    answered: float
    processor: float

    def __str__(self) -> str:
        return f"{self.listening:.2f} s, has answered after {self.answered:.2f} s ({self.processor:.2f} s of processor)"


def run(slots: int, turns: int) -> Iterator[tuple[Start, Start]]:
    """Starts of a fork with the slots on disk, each with one of an empty folder. AssertionError: a wrong answer."""
    with (
        TemporaryDirectory(prefix="zevm-fork-starts-") as folder,
        ForkedNode(zevm_command("--memory")) as origin,
        origin.connect(timeout_seconds=600) as rpc,
    ):
        fill(rpc, slots)
        kept = Path(folder) / "kept"
        with ForkedNode(fork_command(origin, kept)) as fork, fork.connect(timeout_seconds=600) as reader:
            read(reader, slots)
            fork.kill()
        size = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file())
        print(f"{slots:,} slots with their proofs are {size / 2**20:.1f} MiB on disk", flush=True)
        for turn in range(turns):
            yield started(origin, kept, slots), started(origin, Path(folder) / f"empty-{turn}", slots)


def fill(rpc: RpcConnection, slots: int) -> None:
    """Give a contract its slots, and seal them in a block."""
    rpc.call("anvil_setCode", CONTRACT, WRITER)
    sender = rpc.call("eth_accounts")[0]
    for first, last in parts(slots, SLOTS_OF_A_TRANSACTION):
        fields = {"from": sender, "to": CONTRACT, "data": words(first, last), "gas": hex(55_000_000)}
        receipt = rpc.call("eth_getTransactionReceipt", rpc.call("eth_sendTransaction", fields))
        assert receipt["status"] == "0x1", receipt


def read(rpc: RpcConnection, slots: int) -> None:
    """Have a fork fetch each slot."""
    for first, last in parts(slots, SLOTS_OF_A_CALL):
        rpc.call("eth_call", {"to": CONTRACT, "data": words(first, last)}, "latest", {CONTRACT: {"code": READER}})


def started(origin: NodeProcess, folder: Path, slots: int) -> Start:
    """Start a fork, and ask for its last slot."""
    begun = time.perf_counter()
    with NodeProcess(fork_command(origin, folder)) as fork, fork.connect(timeout_seconds=600) as rpc:
        listening = time.perf_counter() - begun
        answer = rpc.call("eth_getStorageAt", CONTRACT, hex(slots), "latest")
        answered = time.perf_counter() - begun
        processor = fork.processor_seconds()
        assert int(answer, 16) == slots, answer
        fork.kill()
    return Start(listening, answered, processor)


def fork_command(origin: NodeProcess, folder: Path) -> list[str]:
    """The command of a fork that keeps its answers in a folder."""
    return zevm_command("--fork-url", origin.url, "--fork-cache", str(folder))


def parts(slots: int, size: int) -> Iterator[tuple[int, int]]:
    """The slots from 1 on in parts: the first, and the one after the last."""
    for first in range(1, slots + 1, size):
        yield first, min(first + size, slots + 1)


def words(first: int, last: int) -> str:
    """The input of WRITER and READER."""
    return f"0x{first:064x}{last:064x}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print each start; 1 where they take too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--turns", type=int, default=7, help="starts (default: %(default)s)")
    parser.add_argument("--limit-seconds", type=float, default=LIMIT_SECONDS, help="default: %(default)s")
    options = parser.parse_args(arguments)
    found = []
    for full, empty in run(options.slots, options.turns):
        print(f"listens after {full}; with nothing on disk {empty}", flush=True)
        found.append(full.answered)
    middle = median(found)
    print(f"a fork with {options.slots:,} slots on disk: {middle:.2f} s (at most {options.limit_seconds:.2f} s)")
    return 1 if middle > options.limit_seconds else 0


if __name__ == "__main__":
    sys.exit(main())
