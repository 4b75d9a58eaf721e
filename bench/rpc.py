"""Measure tracing, simulation, proofs and large answers against Anvil in one run; then imports and fixtures.

    python -m bench.rpc             a minute or two
    python -m bench.rpc --quick     fewer rounds

Through RPC: medians of what a client waits for, until the last byte of the answer, in rounds that take turns between
the nodes. A first round warms up, and there the answers are compared. Anvil records each transaction's steps when it is
mined, and its traces only read them; zEVM executes the transaction again. In process, on one core: the import of
execution-apis' 54 blocks and the official state fixtures, where CONFORMANCE_DIR has them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.nodes import CONTENDERS, Contender
from bench.tables import Rows, machine, show, table, timed
from bench.zvm_chain import call_data
from testing.contracts import solidity
from testing.load import (
    RECORDER_RUNTIME,
    SPINNER_RUNTIME,
    contract_address,
    creation_code,
    development_signer,
    word,
    write_data,
)
from testing.node_process import NodeProcess
from verification.conformance.chain_suite import import_suite
from verification.conformance.data import find_data
from verification.conformance.state_fixtures import Case, load_cases, run_case

NODES = ("zEVM", "zEVM --memory", "Anvil")
ANVIL = CONTENDERS["Anvil"]
RECORDING_ANVIL = replace(ANVIL, command=lambda folder: [*ANVIL.command(folder), "--steps-tracing"])
"""Anvil that records the steps of what it mines, without which it traces none."""
GAS = 16_000_000
CALLS = 1_000
STEPS = 100_000
STEPS_PER_ROUND = 13
SIMULATED_CALLS = 100
SLOTS = 8
LOG_BYTES = 100_000
LOGS_PER_TRANSACTION = 18
LOG_TRANSACTIONS = 6
LOGGER_RUNTIME = bytes.fromhex(
    "5f35"  # count
    "5b6020355fa0"  # loop: log0(memory[0 .. calldata[1]])
    "6001900380600257"  # count -= 1; jump to loop while count > 0
    "00"
)
"""Called with (count, size) it makes `count` logs of `size` bytes."""


class Target:
    """A running node with the contracts and the transactions that are traced. All nodes hold the same ones."""

    def __init__(self, node: NodeProcess) -> None:
        self.rpc = node.connect(timeout_seconds=300)
        self.signer = development_signer(0)
        self.recorder = self._deploy(creation_code(RECORDER_RUNTIME))
        spinner = self._deploy(creation_code(SPINNER_RUNTIME))
        logger = self._deploy(creation_code(LOGGER_RUNTIME))
        caller = self._deploy(solidity(("Measure",))["Measure"])
        for slot in range(SLOTS):
            self._send(self.recorder, write_data(slot, slot + 1))
        poke = call_data("poke(address,uint64)", bytes.fromhex(self.recorder[2:]), CALLS)
        self.calling = self._send(caller, "0x" + poke.hex())
        self.stepping = self._send(spinner, "0x" + word(STEPS // STEPS_PER_ROUND))
        logs = "0x" + word(LOGS_PER_TRANSACTION) + word(LOG_BYTES)
        for _ in range(LOG_TRANSACTIONS):
            self._send(logger, logs)
        self.logger = logger

    def _deploy(self, data: bytes) -> str:
        address = contract_address(self.signer.address, self.signer.nonce)
        self._send(None, "0x" + data.hex())
        return address

    def _send(self, to: str | None, data: str) -> str:
        """The hash of a transaction that has been mined. Raises RuntimeError where it failed."""
        raw, name = self.signer.sign(to=to, data=data, gas=GAS)
        self.rpc.call("eth_sendRawTransaction", raw)
        while (receipt := self.rpc.call("eth_getTransactionReceipt", name)) is None:
            pass
        if receipt["status"] != "0x1":
            raise RuntimeError(f"a transaction failed: {receipt}")
        return name

    def requests(self) -> dict[str, bytes]:
        """{row: the request}."""
        read = {"to": self.recorder, "data": "0x" + word(0)}
        keys = ["0x" + word(slot) for slot in range(SLOTS)]
        simulated = {"blockStateCalls": [{"calls": [read] * SIMULATED_CALLS}]}
        request = self.rpc.request
        return {
            CALL_TRACE: request("debug_traceTransaction", self.calling, {"tracer": "callTracer"}),
            STRUCT_LOGS: request("debug_traceTransaction", self.stepping, {}),
            SIMULATION: request("eth_simulateV1", simulated, "latest"),
            PROOF: request("eth_getProof", self.recorder, keys, "latest"),
            LOGS: request("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": self.logger}),
        }


CALL_TRACE = f"callTracer of a transaction with {CALLS:,} calls"
STRUCT_LOGS = f"struct logs of {STEPS:,} steps"
SIMULATION = f"eth_simulateV1 of {SIMULATED_CALLS} calls"
PROOF = f"eth_getProof of an account and {SLOTS} slots"
LOGS = "eth_getLogs of 20 MB"
EXTENTS: dict[str, Callable[[Any], int]] = {
    CALL_TRACE: lambda result: len(result["calls"]),
    STRUCT_LOGS: lambda result: len(result["structLogs"]),
    SIMULATION: lambda result: len(result[0]["calls"]),
    PROOF: lambda result: len(result["storageProof"]),
    LOGS: lambda result: sum(len(log["data"]) for log in result),
}
"""How large an answer is: what must be the same of all nodes."""
SAMPLES = {CALL_TRACE: 3, STRUCT_LOGS: 1, SIMULATION: 10, PROOF: 20, LOGS: 1}
"""Samples of a round."""


def through_rpc(contenders: Sequence[Contender], rounds: int) -> Rows:
    """Median milliseconds."""
    names = [contender.name for contender in contenders]
    samples: dict[str, dict[str, list[float]]] = {row: {name: [] for name in names} for row in SAMPLES}
    with tempfile.TemporaryDirectory(prefix="zevm-bench-") as folder, ExitStack() as stack:
        targets = {}
        for contender in contenders:
            node = RECORDING_ANVIL if contender is ANVIL else contender
            targets[node.name] = Target(stack.enter_context(node.start(Path(folder) / node.name.replace(" ", "-"))))
        requests = {name: target.requests() for name, target in targets.items()}
        for row in SAMPLES:
            answers = {name: target.rpc.exchange(requests[name][row]) for name, target in targets.items()}
            compare(row, answers)
            for number in range(rounds):
                for name, target in targets.items():
                    frame = requests[name][row]
                    taken = [timed(partial(target.rpc.exchange, frame)) for _ in range(SAMPLES[row])]
                    samples[row][name] += taken
                show(f"{row}: round {number + 1} of {rounds}")
    return {
        f"{row}, ms": {name: statistics.median(values) for name, values in by_node.items()}
        for row, by_node in samples.items()
    }


def compare(row: str, answers: dict[str, bytes]) -> None:
    """Raises RuntimeError where a node refused, or where the nodes did not do the same work."""
    extents = {}
    for name, answer in answers.items():
        parsed = json.loads(answer)
        if "error" in parsed:
            raise RuntimeError(f"{name}, {row}: {parsed['error']}")
        extents[name] = EXTENTS[row](parsed["result"])
        show(f"{row}: {name} answers {extents[name]:,} in {len(answer) / 1e6:.2f} MB")
    if len(set(extents.values())) > 1:
        raise RuntimeError(f"{row}: the answers differ: {extents}")


def in_process(rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Rows of this node alone; none where the data is missing."""
    try:
        chain, fixtures = find_data("rpc-compat"), find_data("state_tests")
    except FileNotFoundError as missing:
        show(str(missing))
        return
    yield "import of execution-apis' 54 blocks, ms", {"zEVM": statistics.median(imports_ms(chain, rounds))}
    cases = [case for file in sorted(fixtures.rglob("*.json")) for case in load_cases(file)]
    yield f"state fixtures a second, {len(cases):,} on one core", {"zEVM": fixtures_per_second(cases)}


def imports_ms(folder: Path, rounds: int) -> Iterator[float]:
    """Each on a new chain in memory, every field verified."""
    for _ in range(rounds):
        result = import_suite(folder)
        if result.shortfalls:
            raise RuntimeError(f"the import failed: {result.shortfalls[0]}")
        yield result.seconds * 1e3


def fixtures_per_second(cases: Sequence[Case]) -> float:
    """Over all cases, each with its state built and its root compared."""
    started = time.perf_counter()
    for case in cases:
        if (difference := run_case(case)) is not None:
            raise RuntimeError(f"{case.name}: {difference}")
    return len(cases) / (time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args(arguments)
    rounds = 3 if options.quick else 9
    load = os.getloadavg()[0]
    rows = through_rpc([CONTENDERS[name] for name in NODES], rounds) | dict(in_process(rounds))
    print(f"{machine()}, load {load:.1f} before and {os.getloadavg()[0]:.1f} after")
    print()
    print(table(rows, NODES))


if __name__ == "__main__":
    main()
