"""Measure how long a unit of gas takes, for everything that is paid in gas, and print a table.

    python -m bench.time_per_gas                         every opcode and precompile of every fork, WebAssembly
    python -m bench.time_per_gas --kinds precompile      of these kinds alone
    python -m bench.time_per_gas --forks byzantium,osaka

The executor alone, in this process. Each row is the dearest input that verification.abuse.dearest has for it; an opcode
or precompile that is the same under several forks is measured once, under the first. The ratio is to the median of the
EVM's opcodes of the same run; a row above LIMIT is named at the end.

A kind of rows is a function of KINDS: it takes the forks and yields rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bench import zvm_per_gas
from bench.tables import machine
from testing.memory_state import MemoryAccount, MemoryReader
from verification.abuse.dearest import (
    CALLEE,
    CONTRACT,
    Input,
    Program,
    calling,
    opcode_programs,
    opcodes,
    precompile_inputs,
)
from zevm.chain.rules.forks import BlobParameters, Fork, ForkRules, fork_by_name
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.fork_table import PRECOMPILES
from zevm.chain.vm.interface import CallRequest
from zevm.storage.keccak import keccak256
from zevm.storage.primitives import Address

LIMIT = 10
"""Maximum time of a row, in multiples of the EVM opcodes' median."""
OPCODE_GAS = 1_500_000
PRECOMPILE_GAS = 5_000_000
SMALL_GAS = 100_000
REPEATED_GAS = 1_000_000
LARGEST_GAS = 1 << 40
SENDER = Address(b"\x11" * 20)


class Row(NamedTuple):
    """A measurement. gas: what was paid in `seconds`."""

    kind: str
    name: str
    fork: str
    gas: int
    seconds: float

    @property
    def nanoseconds_per_gas(self) -> float:
        return self.seconds * 1e9 / self.gas


Rows = Iterator[Row]


def environment_of(fork: Fork) -> BlockEnvironment:
    """A block without fees."""
    blob = BlobParameters(6, 9, 5_007_716) if fork >= Fork.CANCUN else None
    return BlockEnvironment(
        rules=ForkRules(fork, 31_337, blob),
        coinbase=Address(b"\x99" * 20),
        number=1,
        timestamp=1_000,
        gas_limit=LARGEST_GAS,
        block_hash=lambda number: keccak256(str(number).encode()),
        base_fee_per_gas=0 if fork >= Fork.LONDON else None,
        blob_base_fee=1 if fork >= Fork.CANCUN else None,
    )


def time_call(fork: Fork, to: Address, data: bytes, gas_limit: int, code: bytes = b"") -> tuple[int, float]:
    """Gas used and seconds of one call on a state with the accounts of verification.abuse.dearest.

    Seconds of the wall: a precompile may run in another process.
    """
    accounts = {
        SENDER: MemoryAccount(balance=1 << 200),
        CONTRACT: MemoryAccount(balance=1 << 200, code=code),
        CALLEE: MemoryAccount(nonce=1, code=b"\x00"),
    }
    executor = Executor(environment_of(fork), BlockState(MemoryReader(accounts)))
    request = CallRequest(sender=SENDER, to=to, data=data, gas_limit=gas_limit)
    started = time.perf_counter()
    outcome = executor.call_alone(request)
    return outcome.gas_used_before_refund, time.perf_counter() - started


def opcode_rows(forks: Sequence[Fork]) -> Rows:
    """Each opcode with operands of each kind, once for each price and body that it has had."""
    seen = set()
    for fork in forks:
        for value, operation in opcodes(fork):
            key = (operation.name, operation.body, operation.gas, str(operation.operand))
            if key in seen:
                continue
            seen.add(key)
            for program in opcode_programs(fork, value, operation):
                yield _opcode_row(fork, program)


def _opcode_row(fork: Fork, program: Program) -> Row:
    runs = [time_call(fork, CONTRACT, b"", OPCODE_GAS, program.code) for _ in range(2)]
    gas, seconds = min(runs, key=lambda run: run[1])
    return Row("opcode", program.name, fork.title, gas, seconds)


def precompile_rows(forks: Sequence[Fork]) -> Rows:
    """Each precompile with its dearest inputs, once for each that has stood at its address."""
    seen = set()
    for fork in forks:
        for item in precompile_inputs(fork, PRECOMPILE_GAS):
            body = PRECOMPILES[fork][item.address]
            if (body, item.name) in seen:
                continue
            seen.add((body, item.name))
            yield Row("precompile", item.name, fork.title, *_precompile_figures(fork, item))


def _precompile_figures(fork: Fork, item: Input) -> tuple[int, float]:
    """A large input is given once; a small one again and again by a contract, so that nothing else weighs."""
    gas, seconds = time_call(fork, item.address, item.data, LARGEST_GAS)
    if gas < SMALL_GAS:
        code = calling(item.address, len(item.data), fork)
        return time_call(fork, CONTRACT, item.data, REPEATED_GAS, code)
    return gas, min(seconds, time_call(fork, item.address, item.data, LARGEST_GAS)[1])


def wasm_rows(kind: str) -> Callable[[Sequence[Fork]], Rows]:
    """The priced operations of WebAssembly contracts; the same under every fork."""

    def rows(forks: Sequence[Fork]) -> Rows:
        for name, gas, seconds in zvm_per_gas.figures(kind):
            yield Row(kind, name, max(forks).title, gas, seconds)

    return rows


KINDS: dict[str, Callable[[Sequence[Fork]], Rows]] = {
    "opcode": opcode_rows,
    "precompile": precompile_rows,
    **{kind: wasm_rows(kind) for kind in zvm_per_gas.KINDS},
}
"""The maker of each kind's rows. Every run measures the opcodes, since the others are compared with them."""


def table(rows: Sequence[Row], median: float) -> str:
    """Markdown, the dearest first within each kind."""
    lines = ["| kind | name | since | gas | ns per gas | ratio |", "|---|---|---|---:|---:|---:|"]
    kinds = list(KINDS)
    for row in sorted(rows, key=lambda row: (kinds.index(row.kind), -row.nanoseconds_per_gas)):
        ratio = row.nanoseconds_per_gas / median
        cells = (row.kind, row.name, row.fork, f"{row.gas:,}", f"{row.nanoseconds_per_gas:,.0f}", f"{ratio:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def median_of(rows: Sequence[Row]) -> float:
    """Nanoseconds per gas of the EVM's opcode in the middle."""
    return statistics.median(row.nanoseconds_per_gas for row in rows if row.kind == "opcode")


def measure(kinds: Sequence[str], forks: Sequence[Fork]) -> list[Row]:
    """The rows of these kinds, those of the opcodes first in any case."""
    rows = list(opcode_rows(forks))
    for kind in kinds:
        if kind != "opcode":
            rows += KINDS[kind](forks)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="default: %(default)s")
    parser.add_argument("--forks", help="default: all")
    options = parser.parse_args(arguments)
    forks = sorted(map(fork_by_name, options.forks.split(","))) if options.forks else list(Fork)
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - KINDS.keys():
        raise SystemExit(f"unknown kinds: {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}")
    rows = measure(kinds, forks)
    median = median_of(rows)
    print(machine())
    print(f"\nMedian of the opcodes: {median:.0f} ns per gas\n")
    print(table([row for row in rows if row.kind in kinds], median))
    dear = [row for row in rows if row.kind in kinds and row.nanoseconds_per_gas > LIMIT * median]
    names = sorted({f"{row.kind} {row.name} ({row.fork})" for row in dear})
    print(f"\nAbove {LIMIT} times the median: {'; '.join(names) or 'none'}")


if __name__ == "__main__":
    main()
