"""Measure the guide's table of performance; print each cell with the guide's figure and how it is measured.

    python -m bench.guide             about a minute
    python -m bench.guide --quick     fewer rounds

In process and on the thread that makes blocks, with warm caches and without RPC and a disk: processor time of that
thread, the best of several rounds. The guide is that of SHROUD's ZVM, chapter Performance.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from wasmtime import wat2wasm

from bench.tables import machine, number_text
from bench.zvm_chain import OFF_CHAIN_GAS, RECEIVER, SLOTS, Bench, call_data, seconds_of
from testing.memory_state import MemoryAccount, MemoryReader
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest
from zevm.chain.zvm.module.prepare import prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import Program, shared_engine
from zevm.chain.zvm.runtime.program_cache import HOT
from zevm.chain.zvm.runtime.runtime import run
from zevm.storage.primitives import Address

COLUMNS = ("Native Zig", "WASM", "Ethereum EVM")
CALLS = 1_000
"""Calls that the guide wants within a second."""
CALLS_LIMIT_MS = 1_000.0
METERED_ROUNDS = 1_000_000
LEAST_SHOWN = 0.0001
INK = 1 << 62
STACK_WORDS = 1_000
INSTRUCTIONS, MARKS = 5_000, 100
"""Rounds of the EVM's loops, and how many instructions more stand in the longer one."""

CONTRACT = Address(b"\x33" * 20)
BALANCE = call_data("balanceOf(address)", RECEIVER)


class Row(NamedTuple):
    """A row: what the guide allows in each column, in the unit of the title, and how ours is measured there."""

    title: str
    allowed: tuple[float, float, float]
    ways: tuple[str, str, str]


ROWS = (
    Row(
        "contract call, µs",
        (10, 100, 1_000),
        (
            f"a contract in optimised machine code calls `balanceOf` of another, {CALLS:,} times in one run; of a call",
            "`balanceOf` of code that was not optimised, as an execution of its own",
            "`balanceOf` of the twin in Solidity, as an execution of its own",
        ),
    ),
    Row(
        "state read, µs",
        (1, 10, 100),
        (
            f"{SLOTS} elements of a mapping, cold, in optimised code; of one, with its hash",
            "the same in code that was not optimised",
            "the same in Solidity",
        ),
    ),
    Row(
        "state write, µs",
        (5, 50, 500),
        (
            f"{SLOTS} elements of a mapping from zero to a number, in optimised code; of one, with its hash",
            "the same in code that was not optimised",
            "the same in Solidity",
        ),
    ),
    Row(
        "gas metering, µs",
        (0.1, 1, 10),
        (
            f"{METERED_ROUNDS:,} rounds of a loop that pays once a round, less the same loop unmetered; optimised code",
            "the same in code that was not optimised",
            "an instruction of 1 gas (JUMPDEST), all of it: its gas is not apart from its work",
        ),
    ),
    Row(
        f"{CALLS:,} contract calls, ms",
        (CALLS_LIMIT_MS, CALLS_LIMIT_MS, CALLS_LIMIT_MS),
        ("the calls of the first row in one run, elapsed time", "1,000 executions, elapsed time", "the same"),
    ),
)

COUNTERS = """
  (global (export "zvm_ink") (mut i64) (i64.const 0))
  (global (export "zvm_stack") (mut i32) (i32.const 0))
  (global (export "zvm_fault") (mut i32) (i32.const 0))
"""
"""The name that the runtime looks for in a module without metering."""


def loop_module(added: str = "") -> bytes:
    """A module whose function `go` runs a loop of one metered block this number of times."""
    text = f"""(module {added}
      (func (export "go") (param $n i32) (result i32) (local $x i32)
        (loop $again
          (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x)))"""
    return bytes(wat2wasm(text))


@dataclass(frozen=True)
class AsItIs:
    """A module as it is, in the form that the compiler takes."""

    instrumented: bytes
    initial_pages: int = 0
    data_bytes: int = 0
    activation_gas: int = 0


def metering_seconds(*, optimise: bool, rounds: int) -> float:
    """The time of one payment of a block in compiled code: least time with metering less least time without."""
    engine = shared_engine(pooled=True)
    metered = engine.compile(prepare(loop_module(), ZVM, library=True), optimise=optimise)
    unmetered = engine.compile(AsItIs(loop_module(COUNTERS)), optimise=optimise)
    if loop_ink(metered, 2) <= loop_ink(metered, 1) or loop_ink(unmetered, 2):
        raise RuntimeError("the metered loop pays nothing, or the other one pays")

    def seconds(program: Program) -> float:
        return seconds_of(lambda: loop_ink(program, METERED_ROUNDS), rounds) / METERED_ROUNDS

    return max(seconds(metered) - seconds(unmetered), 0.0)


def loop_ink(program: Program, rounds: int) -> int:
    """Ink that this number of rounds of the loop cost."""
    result = run(program, (), context=None, ink=INK, stack_words=STACK_WORDS, entry="go", arguments=(rounds,))
    return INK - result.ink_left


class Guide:
    """The measurements of a bench; everything for the thread that makes blocks."""

    def __init__(self, bench: Bench, rounds: int) -> None:
        self.bench = bench
        self.rounds = rounds
        self.token, self.measure = bench.tokens["WebAssembly"], bench.measures["WebAssembly"]

    def rows(self) -> Iterator[tuple[Row, tuple[float, float, float]]]:
        """The guide's rows and our figures, in its order."""
        wasm = self.plain_wasm()
        native = self.native()
        evm = self.evm()
        return zip(ROWS, zip(native, wasm, evm, strict=True), strict=True)

    def plain_wasm(self) -> tuple[float, ...]:
        """The column of code that was not optimised, which it never is from now on."""
        for address, data in ((self.token, BALANCE), (self.measure, call_data("read(uint256)", 1))):
            self.bench.call("WebAssembly", address, data)
            self.program(address).heat = -sys.maxsize
        return self.alone("WebAssembly", metering_seconds(optimise=False, rounds=self.rounds))

    def native(self) -> tuple[float, ...]:
        """The column of optimised code within one run."""
        for address, data in ((self.token, BALANCE), (self.measure, call_data("read(uint256)", 1))):
            self.program(address).heat = HOT
            self.bench.warm_up(address, data)

        def calls(count: int) -> Callable[[], object]:
            data = call_data("balancesThrough(address,address,uint64)", self.token, RECEIVER, count)
            return lambda: self.bench.call("WebAssembly", self.measure, data)

        call = (seconds_of(calls(CALLS), self.rounds) - seconds_of(calls(0), self.rounds)) / CALLS
        read, write = self.per_slot("WebAssembly")
        metering = metering_seconds(optimise=True, rounds=self.rounds)
        return call * 1e6, read, write, metering * 1e6, elapsed_ms(calls(CALLS), self.rounds)

    def evm(self) -> tuple[float, ...]:
        """The column of the EVM's contracts."""
        return self.alone("EVM", self.instruction_seconds())

    def alone(self, name: str, metering: float) -> tuple[float, ...]:
        """Calls of a machine's contracts, each an execution of its own; metering: seconds of it."""
        to = self.bench.tokens[name]

        def many() -> None:
            for _ in range(CALLS):
                self.bench.call(name, to, BALANCE)

        call = self.alone_seconds(name, to, BALANCE)
        return call * 1e6, *self.per_slot(name), metering * 1e6, elapsed_ms(many, 1)

    def alone_seconds(self, name: str, to: Address, data: bytes) -> float:
        """Of a call that is an execution of its own."""
        return seconds_of(lambda: self.bench.call(name, to, data), self.rounds)

    def per_slot(self, name: str) -> tuple[float, float]:
        """Microseconds of a read and of a write."""
        to = self.bench.measures[name]

        def one(signature: str, *arguments: int) -> float:
            none, many = (call_data(signature, count, *arguments) for count in (0, SLOTS))
            least = [seconds_of(partial(self.bench.call, name, to, data), self.rounds) for data in (none, many)]
            return (least[1] - least[0]) / SLOTS * 1e6

        return one("read(uint256)"), one("write(uint256,uint256)", 9)

    def instruction_seconds(self) -> float:
        """An instruction of 1 gas in the EVM: a loop with MARKS of them less the loop without, of one."""
        long, short = (self.evm_seconds(marked_loop(marks)) for marks in (MARKS, 0))
        return (long - short) / (MARKS * INSTRUCTIONS)

    def evm_seconds(self, code: bytes) -> float:
        environment = self.bench.frame.environment
        request = CallRequest(to=CONTRACT, gas_limit=OFF_CHAIN_GAS)
        reader = MemoryReader({CONTRACT: MemoryAccount(nonce=1, code=code)})

        def once() -> None:
            outcome = Executor(environment, BlockState(reader)).call_alone(request)
            if outcome.error is not None:
                raise RuntimeError(outcome.error.message)

        return seconds_of(once, self.rounds)

    def program(self, address: Address) -> Program:
        """The compiled code of a contract."""
        account = self.bench.chain.head.state.account(address)
        assert account is not None
        assert self.bench.chain.zvm is not None
        found: Program = self.bench.chain.zvm.programs(pooled=True).get(account.code_hash, _none)
        return found


def marked_loop(marks: int) -> bytes:
    """EVM code that runs this number of JUMPDEST in each of INSTRUCTIONS rounds."""
    return bytes.fromhex(f"61{INSTRUCTIONS:04x}5b{'5b' * marks}6001900380600357")


def _none() -> object:
    raise RuntimeError("a program that ran is not in the cache")


def elapsed_ms(action: Callable[[], object], rounds: int) -> float:
    """The least elapsed time of this number of runs."""

    def one() -> float:
        started = time.perf_counter()
        action()
        return (time.perf_counter() - started) * 1e3

    return min(one() for _ in range(rounds))


def table(rows: Sequence[tuple[Row, tuple[float, ...]]]) -> str:
    """Markdown: in each cell our figure, and the guide's."""
    lines = ["|  | " + " | ".join(COLUMNS) + " |", "|---" + "|---:" * len(COLUMNS) + "|"]
    for row, values in rows:
        cells = [f"{_figure(value)} ({allowed:,g})" for value, allowed in zip(values, row.allowed, strict=True)]
        lines.append("| " + " | ".join([row.title, *cells]) + " |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    if value < LEAST_SHOWN:
        return f"< {LEAST_SHOWN}"
    return f"{value:.4f}" if value < 0.1 else number_text(value)


def ways() -> str:
    """How each cell is measured, a line a cell."""
    return "\n".join(
        f"* {row.title.rpartition(',')[0]}, {column}: {way}"
        for row in ROWS
        for column, way in zip(COLUMNS, row.ways, strict=True)
    )


def misses(rows: Sequence[tuple[Row, tuple[float, ...]]]) -> list[str]:
    """The cells that are over the guide's, a line each."""
    return [
        f"{row.title}, {column}: {_figure(value)}, the guide has {allowed:,g}"
        for row, values in rows
        for column, value, allowed in zip(COLUMNS, values, row.allowed, strict=True)
        if value > allowed
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args(arguments)
    bench = Bench()
    try:
        guide = Guide(bench, 3 if options.quick else 15)
        rows = bench.chain.writer.run(lambda: list(guide.rows()))
    finally:
        bench.close()
    print(f"{machine()}\n\nOurs, and in brackets the guide's:\n\n{table(rows)}\n")
    print(f"How each cell is measured:\n\n{ways()}\n")
    over = misses(rows)
    print("\n".join(["Over the guide's:", *over]) if over else "No cell is over the guide's.")


if __name__ == "__main__":
    main()
