"""Send a node every precompile and opcode at its dearest, and watch how long others wait for `eth_blockNumber`.

    python -m verification.abuse.walk_gas                              every fork, in calls and in transactions
    python -m verification.abuse.walk_gas --forks byzantium,osaka      of these forks
    python -m verification.abuse.walk_gas --kinds precompiles          these alone
    python -m verification.abuse.walk_gas --gas 50000000 --parallel 8

One node for each fork. The base is the same question on an idle node.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from testing.forked import ForkedNode
from testing.node_process import NodeProcess, RpcError, zevm_command
from verification.abuse.dearest import calling, opcode_programs, opcodes, precompile_inputs
from zevm.chain.rules.forks import Fork, fork_by_name

ASK_SECONDS = 0.02
BASE_SECONDS = 1.0
SENDER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
PLACE = "0x" + "33" * 20
LARGEST_INPUT_BYTES = 400_000
"""Longer call data costs a transaction more gas than what it calls."""


KINDS = ("precompiles", "opcodes")


class Step(NamedTuple):
    """A question for the node: call data for an address, or code to run there. kind: one of KINDS."""

    kind: str
    name: str
    to: str
    data: bytes
    code: bytes


class Waits:
    """Asks for the block number every ASK_SECONDS on a connection of its own, and keeps how long each answer took."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node
        self._ended = threading.Event()
        self._milliseconds: list[float] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Waits:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        with self._node.connect(timeout_seconds=300) as rpc:
            while not self._ended.wait(ASK_SECONDS):
                started = time.perf_counter()
                rpc.call("eth_blockNumber")
                self._milliseconds.append((time.perf_counter() - started) * 1000)

    def percentile(self, share: float) -> float:
        """Milliseconds that this share of the answers took no longer than."""
        ordered = sorted(self._milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def steps(fork: Fork, gas: int) -> Iterator[Step]:
    """Each precompile given its input once, or again and again by a contract where that is short; each opcode."""
    for item in precompile_inputs(fork, gas):
        if len(item.data) <= LARGEST_INPUT_BYTES:
            yield Step("precompiles", item.name, "0x" + item.address.hex(), item.data, b"")
        if len(item.data) < 2_000:
            code = calling(item.address, len(item.data), fork)
            yield Step("precompiles", f"{item.name} again", PLACE, item.data, code)
    for value, operation in opcodes(fork):
        for program in opcode_programs(fork, value, operation):
            yield Step("opcodes", program.name, PLACE, b"", program.code)


class Walk:
    """One node under one fork. found: (step, how, seconds of the dearest request, waits)."""

    def __init__(self, node: NodeProcess, gas: int, parallel: int) -> None:
        self.node, self.gas, self.parallel = node, gas, parallel
        with Waits(node) as waits:
            time.sleep(BASE_SECONDS)
        self.base = waits

    def watch(self, step: Step, how: Callable[[Step], float]) -> tuple[float, Waits]:
        """Seconds that the request took, and how long others waited meanwhile."""
        with Waits(self.node) as waits:
            seconds = how(step)
        return seconds, waits

    def place(self, step: Step) -> None:
        """Put the step's code where it is to stand."""
        if step.code:
            with self.node.connect(timeout_seconds=300) as rpc:
                rpc.call("anvil_setCode", PLACE, "0x" + step.code.hex())

    def in_calls(self, step: Step) -> float:
        """The longest of parallel eth_calls."""
        with ThreadPoolExecutor(self.parallel) as threads:
            return max(threads.map(self._call, [step] * self.parallel))

    def _call(self, step: Step) -> float:
        call = {"from": SENDER, "to": step.to, "data": "0x" + step.data.hex(), "gas": hex(self.gas)}
        started = time.perf_counter()
        with self.node.connect(timeout_seconds=300) as rpc:
            self._answered(lambda: rpc.call("eth_call", call, "latest"))
        return time.perf_counter() - started

    def in_a_transaction(self, step: Step) -> float:
        """A mined transaction."""
        sent = {"from": SENDER, "to": step.to, "data": "0x" + step.data.hex(), "gas": hex(self.gas)}
        started = time.perf_counter()
        with self.node.connect(timeout_seconds=300) as rpc:
            self._answered(lambda: rpc.call("eth_sendTransaction", sent))
        return time.perf_counter() - started

    @staticmethod
    def _answered(request: Callable[[], object]) -> None:
        try:
            request()
        except RpcError as error:
            if error.code == -32603:
                raise


class Found(NamedTuple):
    """Time of one step, and other clients' waiting time during it and on an idle node (99th percentiles)."""

    name: str
    seconds: float
    late_ms: float
    base_ms: float


def walk(fork: Fork, gas: int, parallel: int, wanted: Callable[[Step], bool]) -> Iterator[Found]:
    """Each step in parallel calls, then in a transaction."""
    settings = ("--memory", "--hardfork", fork.flag, "--gas-limit", str(2 * gas))
    with ForkedNode(zevm_command(*settings)) as node:
        walked = Walk(node, gas, parallel)
        base = walked.base.percentile(0.99)
        for step in filter(wanted, steps(fork, gas)):
            walked.place(step)
            for how in (walked.in_calls, walked.in_a_transaction):
                seconds, waits = walked.watch(step, how)
                yield Found(f"{fork.name} {step.name} {how.__name__}", seconds, waits.percentile(0.99), base)


def main(arguments: Sequence[str] | None = None) -> None:
    """Walk and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forks", help="default: all")
    parser.add_argument("--gas", type=int, default=50_000_000)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--kinds", default=",".join(KINDS), help="default: %(default)s")
    parser.add_argument("--only", default="", help="steps whose names have this in them")
    options = parser.parse_args(arguments)
    forks = sorted(map(fork_by_name, options.forks.split(","))) if options.forks else list(Fork)
    kinds = options.kinds.split(",")

    def wanted(step: Step) -> bool:
        return step.kind in kinds and options.only in step.name

    for fork in forks:
        worst = Found("", 0.0, 0.0, 0.0)
        for found in walk(fork, options.gas, options.parallel, wanted):
            worst = max(worst, found, key=lambda each: each.late_ms)
            if found.late_ms > 5 * found.base_ms:
                print(f"{found.name}: {found.late_ms:.0f} ms of {found.seconds:.1f} s", flush=True)
        print(f"{fork.name}: base p99 {worst.base_ms:.1f} ms, worst {worst.late_ms:.1f} ms: {worst.name}", flush=True)


if __name__ == "__main__":
    main()
