"""Measure zEVM, Anvil and Hardhat 2 under the same load in one run, and print a table of medians and ratios.

    python -m bench.run             everything, some minutes
    python -m bench.run --quick     fewer rounds and a tenth of the blocks
    python -m bench.run --only transfer,call,block-number
    python -m bench.run --before ../old --nodes zEVM,"zEVM --memory"
                                    the zEVM of another checkout as well, and what changed since

Every node gets the same pre-signed transactions over one kept-alive connection of a bare socket, in rounds that take
turns between the nodes. zEVM stands twice in the table: with its data on disk, every block synced, as it runs by
default; and in memory, as the other two do. Results also go to bench/results/ as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import clients
from bench.nodes import BEFORE, CONTENDERS, Contender, before
from bench.rpc import through_rpc
from bench.tables import NULL_RESULT, Rows, behind, machine, show, table, timed
from testing.load import (
    RECEIVER,
    RECORDER_RUNTIME,
    SPINNER_GAS_PER_ROUND,
    SPINNER_RUNTIME,
    TRANSFER_GAS,
    WRITE_GAS,
    Signer,
    contract_address,
    creation_code,
    development_signer,
    word,
    write_data,
)
from testing.node_process import ROOT, NodeProcess

SPIN_GAS = 2_600_000
LOG_BLOCKS = 100
BATCH_TRANSFERS, BLOCK_TRANSFERS = 200, 1_400
"""Transfers of a block: many, and nearly all that 30 M gas take."""
CLIENTS = 32
WITH_TRACES = ("zEVM", "zEVM --memory", "Anvil")
"""Nodes that have every method of `bench.rpc`."""


class Bench:
    """One running node with the two contracts deployed. All nodes sign alike, so all see the same transactions."""

    def __init__(self, contender: Contender, node: NodeProcess, signers: Signers) -> None:
        self.contender = contender
        self.node = node
        self.connect()
        self.signers = signers
        self.recorder = self._deploy(signers.recorder)
        self.spinner = self._deploy(signers.spinner)
        self.spin_request = self._call(self.spinner, word(SPIN_GAS // SPINNER_GAS_PER_ROUND), gas=3_000_000)
        self.read_request = self._call(self.recorder, word(0))
        self.transfers = self._frames(signers.transfers)
        self.writes = self._frames(signers.writes)

    def connect(self) -> None:
        """A new connection: Hardhat closes one that was idle while others had their turn."""
        self.rpc = self.node.connect(timeout_seconds=300)

    def _deploy(self, signed: tuple[str, str]) -> str:
        raw, name = signed
        self.rpc.call("eth_sendRawTransaction", raw)
        return str(self.receipt(name)["contractAddress"])

    def _call(self, address: str, data: str, **fields: int) -> bytes:
        call = {"to": address, "data": "0x" + data} | {name: hex(value) for name, value in fields.items()}
        return self.rpc.request("eth_call", call, "latest")

    def _frames(self, signed: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
        return [
            (self.rpc.request("eth_sendRawTransaction", raw), self.rpc.request("eth_getTransactionReceipt", name))
            for raw, name in signed
        ]

    def receipt(self, name: str) -> dict[str, Any]:
        while (receipt := self.rpc.call("eth_getTransactionReceipt", name)) is None:
            pass
        return dict(receipt)

    def send_and_read(self, frames: tuple[bytes, bytes]) -> None:
        """A client's steps: send, then request the receipt until it exists."""
        send, receipt = frames
        answer = self.rpc.exchange(send)
        if b'"error"' in answer:
            raise RuntimeError(f"{self.contender.name} refused: {answer[:300]!r}")
        while NULL_RESULT in self.rpc.exchange(receipt).replace(b" ", b""):
            pass

    def ask(self, frame: bytes) -> bytes:
        answer = self.rpc.exchange(frame)
        if b'"error"' in answer:
            raise RuntimeError(f"{self.contender.name} refused: {answer[:300]!r}")
        return answer


class Signers:
    """Every transaction of the run, signed before the first measurement. One account for each kind of load."""

    def __init__(self, transfers: int, writes: int, batches: int, blocks: int) -> None:
        deployer = development_signer(0)
        self.recorder = deployer.sign(to=None, data="0x" + creation_code(RECORDER_RUNTIME).hex(), gas=500_000)
        self.spinner = deployer.sign(to=None, data="0x" + creation_code(SPINNER_RUNTIME).hex(), gas=500_000)
        recorder = contract_address(deployer.address)
        self.transfers = signed_transfers(development_signer(1), transfers)
        writer = development_signer(2)
        self.writes = [
            writer.sign(to=recorder, data=write_data(number, number + 1), gas=WRITE_GAS) for number in range(writes)
        ]
        batcher = development_signer(3)
        self.batches = [signed_transfers(batcher, BATCH_TRANSFERS) for _ in range(batches)]
        self.blocks = [signed_transfers(batcher, BLOCK_TRANSFERS) for _ in range(blocks)]


def signed_transfers(signer: Signer, count: int) -> list[tuple[str, str]]:
    return [signer.sign(to=RECEIVER, value_wei=1, gas=TRANSFER_GAS) for _ in range(count)]


# ------ measurements: (bench, round) -> samples in milliseconds ------


def transfer(bench: Bench, number: int, size: int) -> list[float]:
    frames = bench.transfers[number * size : (number + 1) * size]
    return [timed(partial(bench.send_and_read, frame)) for frame in frames]


def write(bench: Bench, number: int, size: int) -> list[float]:
    frames = bench.writes[number * size : (number + 1) * size]
    return [timed(partial(bench.send_and_read, frame)) for frame in frames]


def call(bench: Bench, _: int, size: int) -> list[float]:
    return [timed(lambda: bench.ask(bench.read_request)) for _ in range(size)]


def block_number(bench: Bench, _: int, size: int) -> list[float]:
    frame = bench.rpc.request("eth_blockNumber")
    return [timed(lambda: bench.ask(frame)) for _ in range(size)]


def batch(bench: Bench, number: int, _: int) -> list[float]:
    return [submit_and_mine(bench, bench.signers.batches[number])]


def block(bench: Bench, number: int, _: int) -> list[float]:
    return [submit_and_mine(bench, bench.signers.blocks[number])]


def submit_and_mine(bench: Bench, signed: Sequence[tuple[str, str]]) -> float:
    """Milliseconds to submit with mining off and to mine; see that all of them are in that block."""
    frames = [bench.rpc.request("eth_sendRawTransaction", raw) for raw, _ in signed]
    bench.rpc.call("evm_setAutomine", False)

    def submit() -> None:
        for frame in frames:
            bench.ask(frame)
        bench.rpc.call("evm_mine")

    taken_ms = timed(submit)
    count = len(bench.rpc.call("eth_getBlockByNumber", "latest", False)["transactions"])
    if count != len(signed):
        raise RuntimeError(f"{bench.contender.name} put {count} of {len(signed)} transfers into the block")
    bench.rpc.call("evm_setAutomine", True)
    return taken_ms


def spin(bench: Bench, _: int, size: int) -> list[float]:
    return [timed(lambda: bench.ask(bench.spin_request)) for _ in range(size)]


def logs(bench: Bench, _: int, size: int) -> list[float]:
    head = int(bench.rpc.call("eth_blockNumber"), 16)
    first = int(bench.receipt(bench.signers.writes[0][1])["blockNumber"], 16)
    query = {"address": bench.recorder, "fromBlock": hex(first), "toBlock": hex(min(first + LOG_BLOCKS - 1, head))}
    frame = bench.rpc.request("eth_getLogs", query)
    return [timed(lambda: bench.ask(frame)) for _ in range(size)]


class Measurement:
    """A row of the table: what it runs, how many samples a round takes, and in how many rounds (full, quick)."""

    def __init__(
        self, title: str, run: Callable[[Bench, int, int], list[float]], size: int, rounds: tuple[int, int]
    ) -> None:
        self.title, self.run, self.size, self.rounds = title, run, size, rounds


MEASUREMENTS = {
    "transfer": Measurement("transfer sent + receipt read", transfer, 20, (10, 4)),
    "write": Measurement("call writing a slot and a log + receipt read", write, 20, (10, 5)),
    "call": Measurement("eth_call of a getter", call, 50, (10, 4)),
    "block-number": Measurement("eth_blockNumber", block_number, 100, (10, 4)),
    "batch": Measurement(f"{BATCH_TRANSFERS} transfers in one block, submit + mine", batch, 1, (5, 2)),
    "block": Measurement(f"{BLOCK_TRANSFERS:,} transfers in one block, submit + mine", block, 1, (3, 1)),
    "spin": Measurement("2.6 Mgas of arithmetic in eth_call", spin, 1, (7, 2)),
    "logs": Measurement(f"eth_getLogs over {LOG_BLOCKS} blocks, a log in each", logs, 10, (10, 4)),
}
NEEDS = {"logs": "write"}
OTHERS = {"answers": "the rows of bench.rpc", "clients": f"{CLIENTS} clients at once: rows of bench.clients"}
HISTORY = {"start": "start to first answer", "memory": "resident memory"}
WANTED = {"eth_call of a getter, ms": 1.2, "2.6 Mgas of arithmetic in eth_call, ms": 1.3}
"""{row: Anvil / zEVM --memory that it should reach}; other rows 1."""


Samples = dict[str, dict[str, list[float]]]
"""{measurement: {node: milliseconds}}"""


def measure(names: Sequence[str], contenders: Sequence[Contender], quick: bool, work: Path) -> Samples:
    """Rounds of every measurement, in turns between the nodes."""
    rounds = {name: MEASUREMENTS[name].rounds[quick] for name in names}
    signers = Signers(
        transfers=rounds.get("transfer", 0) * MEASUREMENTS["transfer"].size,
        writes=rounds.get("write", 0) * MEASUREMENTS["write"].size,
        batches=rounds.get("batch", 0),
        blocks=rounds.get("block", 0),
    )
    samples: Samples = {name: {contender.name: [] for contender in contenders} for name in names}
    with ExitStack() as stack:
        benches = []
        for contender in contenders:
            node = stack.enter_context(contender.start(work / contender.name.replace(" ", "-")))
            benches.append(Bench(contender, node, signers))
        for name in names:
            row = MEASUREMENTS[name]
            for number in range(rounds[name]):
                for bench in benches:
                    bench.connect()
                    samples[name][bench.contender.name] += row.run(bench, number, row.size)
                show(f"{row.title}: round {number + 1} of {rounds[name]}")
    return samples


def others(names: Sequence[str], contenders: Sequence[Contender], quick: bool) -> Rows:
    """The rows that other modules measure, each on nodes of its own."""
    tracing = [item for item in contenders if item.name in WITH_TRACES or item.name.startswith(BEFORE)]
    rounds = 3 if quick else 9
    rows: Rows = {}
    if "answers" in names:
        rows |= through_rpc(tracing, rounds)
    if "clients" in names:
        rows |= clients.measure(tracing, (CLIENTS,), rounds, proofs=False)
    return rows


def histories(contenders: Sequence[Contender], blocks: int, work: Path) -> Rows:
    """The rows of a long chain."""
    transfers = signed_transfers(development_signer(4), blocks)
    rows: Rows = {}
    for contender in contenders:
        datadir = work / f"{contender.name.replace(' ', '-')}-history"
        for title, value in history(contender, blocks, transfers, datadir).items():
            rows.setdefault(title, {})[contender.name] = value
    return rows


def history(contender: Contender, blocks: int, transfers: Sequence[tuple[str, str]], datadir: Path) -> dict[str, Any]:
    """Fill a chain with one transfer a block; resident memory half-way and at the end; then restart on it."""
    found: dict[str, Any] = {}
    with contender.start(datadir) as node, node.connect(timeout_seconds=300) as rpc:
        started = time.perf_counter()
        for number, (raw, name) in enumerate(transfers, start=1):
            rpc.call("eth_sendRawTransaction", raw)
            while rpc.call("eth_getTransactionReceipt", name) is None:
                pass
            if number in (blocks // 2, blocks):
                found[f"memory after {number:,} blocks, MiB"] = node.resident_mebibytes()
                show(f"{contender.name}: {number:,} blocks")
        found["a block with one transfer, mean over that chain, ms"] = (time.perf_counter() - started) * 1000 / blocks
        if int(rpc.call("eth_blockNumber"), 16) != blocks:
            raise RuntimeError(f"{contender.name} made {int(rpc.call('eth_blockNumber'), 16)} blocks of {blocks}")
    if contender.persistent:
        found[f"start to first answer with {blocks:,} blocks, ms"] = statistics.median(
            timed(lambda: first_answer(contender, datadir, blocks)) for _ in range(3)
        )
    return found


def first_answer(contender: Contender, datadir: Path, blocks: int) -> None:
    """Start on existing data and stop at once when the head has been read."""
    node = contender.start(datadir)
    with node, node.connect() as rpc:
        if int(rpc.call("eth_blockNumber"), 16) != blocks:
            raise RuntimeError(f"{contender.name} lost blocks")
        node.kill()


# ------ the table ------


def summary(samples: Samples) -> Rows:
    """Medians, one row for each measurement."""
    return {
        f"{MEASUREMENTS[name].title}, ms": {node: statistics.median(values) for node, values in by_node.items()}
        for name, by_node in samples.items()
    }


def chosen_names(only: str | None) -> list[str]:
    """The measurements asked for, with those they need before them."""
    known = [*MEASUREMENTS, *OTHERS, *HISTORY]
    wanted = set(only.split(",")) if only else set(known)
    if unknown := wanted - set(known):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    wanted |= {NEEDS[name] for name in wanted if name in NEEDS}
    return [name for name in known if name in wanted]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a tenth of the blocks")
    parser.add_argument("--only", metavar="NAMES", help=f"of: {', '.join([*MEASUREMENTS, *OTHERS, *HISTORY])}")
    parser.add_argument("--nodes", metavar="NAMES", default=",".join(CONTENDERS), help="default: %(default)s")
    parser.add_argument("--blocks", type=int, help="blocks of the long chain; default 10000, quick 1000")
    parser.add_argument("--before", metavar="CHECKOUT", type=Path, help="compare with this installed checkout as well")
    options = parser.parse_args(arguments)
    names = chosen_names(options.only)
    contenders = [CONTENDERS[name.strip()] for name in options.nodes.split(",")]
    contenders += before(options.before.resolve()) if options.before else []
    rows: Rows = {}
    with tempfile.TemporaryDirectory(prefix="zevm-bench-") as work:
        samples = measure([name for name in names if name in MEASUREMENTS], contenders, options.quick, Path(work))
        rows |= summary(samples)
        rows |= others(names, contenders, options.quick)
        if HISTORY.keys() & set(names):
            blocks = options.blocks or (1_000 if options.quick else 10_000)
            rows |= histories(contenders, blocks, Path(work))
    print(machine())
    print()
    print(table(rows, [contender.name for contender in contenders]))
    for line in behind(rows, WANTED, "Anvil", "zEVM --memory"):
        print(f"behind Anvil in memory: {line}")
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    report = {"machine": machine(), "quick": options.quick, "rows": rows, "samples_ms": samples}
    (results / f"{stamp}.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
