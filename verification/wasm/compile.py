"""Deploy modules made to be dear to compile, and find the dearest for its gas, against the EVM in the same run.

    python -m verification.wasm.compile --seconds 600 --seed 1
    python -m verification.wasm.compile --shape nests --seconds 60

Each case is a shape of the module `shapes` with random numbers, packed with Brotli as an attacker would send it, in
one creation by the executor: data, checks, compilation and deposit. The EVM's nanoseconds a gas are the median over
loops of plain opcodes. Ends with 1 where a case is more than TIMES as dear as that, or its machine code is larger than
its price allows.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from testing.load import development_signer
from verification.wasm.shapes import SHAPES
from zevm.chain.blockchain import Chain
from zevm.chain.blocks.clock import Clock
from zevm.chain.rules.genesis import load_default_genesis
from zevm.chain.types.block_reference import LATEST
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.environment import BlockEnvironment
from zevm.chain.vm.executor import Executor
from zevm.chain.vm.interface import CallRequest, Outcome
from zevm.chain.zvm.errors import ModuleRefusedError
from zevm.chain.zvm.module.activation import BASE_GAS, CODE_BYTES_PER_GAS
from zevm.chain.zvm.module.creation import creation_data
from zevm.chain.zvm.module.prepare import Prepared, prepare
from zevm.chain.zvm.price_table import ZVM
from zevm.chain.zvm.runtime.engine import shared_engine
from zevm.storage.database import Database
from zevm.storage.primitives import Address

TIMES = 10
"""Maximum time of a deployment per gas, in multiples of the EVM's."""
GAS = 40_000_000
CODE_BASE_BYTES = 16_384
"""Of a program that holds nothing: headers, and pages that are filled up."""

_LOOPED = {
    "arithmetic": "600760030160050260030360090450",
    "comparison": "6007600310600114156005161950",
    "memory": "600160005260005150",
    "stack": "600160028190505050",
}
"""Bodies of EVM loops that leave the stack as it was."""
_LOOP_GAS = 1_000_000


def _loop(body: str) -> bytes:
    """EVM creation code without an end: a jump destination, the body, and a jump back to it."""
    return bytes.fromhex("5b" + body + "5f56")


@dataclass(frozen=True, slots=True)
class Case:
    """One deployment. nanoseconds_per_gas: of the thread's processor time. code_bytes: what the program takes."""

    shape: str
    seed: int
    gas: int
    seconds: float
    activation_gas: int
    code_bytes: int

    @property
    def nanoseconds_per_gas(self) -> float:
        return self.seconds / self.gas * 1e9

    @property
    def code_limit_bytes(self) -> int:
        """The code's maximum time for its price."""
        return CODE_BASE_BYTES + CODE_BYTES_PER_GAS * (self.activation_gas - BASE_GAS)

    def line(self, base: float) -> str:
        """One line of the report."""
        times = self.nanoseconds_per_gas / base
        return (
            f"{self.shape:15} seed {self.seed:<5} {self.gas:>9,} gas {self.seconds:6.3f} s"
            f" {self.nanoseconds_per_gas:6.0f} ns a gas ({times:4.1f} x) {self.code_bytes:>9,} bytes of code"
        )


class Deployments:
    """A chain in memory to deploy on. Everything runs on its writer thread; no changes are kept."""

    def __init__(self) -> None:
        self.chain = Chain(Database.open(None), load_default_genesis(), None, Clock(lambda: 1_900_000_000))
        self._frame = self.chain.frame_at(LATEST)
        self._sender = bytes.fromhex(development_signer(0).address[2:])

    @property
    def environment(self) -> BlockEnvironment:
        """Of the next block."""
        return self._frame.environment

    def close(self) -> None:
        self.chain.close()

    def create(self, data: bytes, gas: int = GAS, engine: Engine | None = None) -> tuple[Outcome, float]:
        """The outcome of a creation, and its seconds. engine: None for the default."""
        environment = self._frame.environment
        if engine is not None:
            environment = replace(environment, engine=engine)

        def work() -> tuple[Outcome, float]:
            executor = Executor(environment, BlockState(self._frame.reader))
            request = CallRequest(sender=Address(self._sender), data=data, gas_limit=gas)
            started = time.thread_time()
            outcome = executor.call(request)
            return outcome, time.thread_time() - started

        return self.chain.writer.run(work)

    def evm(self) -> float:
        """Nanoseconds a gas of plain opcodes: the median of several loops, each at its best of three.

        On py-evm, by whose time WebAssembly's prices are set: the core's EVM is some thirty times as fast.
        """
        return statistics.median(
            min(self.create(_loop(body), _LOOP_GAS, Engine.PY_EVM)[1] for _ in range(3)) / _LOOP_GAS * 1e9
            for body in _LOOPED.values()
        )

    def case(self, shape: str, seed: int) -> Case | None:
        """One case; None for a module that is refused."""
        module = SHAPES[shape](Random(seed)).build()
        try:
            prepared = prepare(module, ZVM)
            packed = creation_data(module, compress=True)
            outcome, seconds = self.create(min(packed, module, key=len))
        except ModuleRefusedError:
            return None
        if outcome.error is not None:
            raise RuntimeError(f"{shape}, seed {seed}: a checked module is not deployed: {outcome.error}")
        size = code_bytes(prepared)
        return Case(shape, seed, outcome.gas_used, seconds, prepared.activation_gas, size)


def code_bytes(prepared: Prepared) -> int:
    """Bytes of a module's machine code as it is kept."""
    return len(shared_engine(pooled=True).compile(prepared, optimise=False).serialise())


def campaign(deployments: Deployments, shapes: Sequence[str], seconds: float, seed: int) -> Iterator[Case]:
    """Cases of each shape for its share of the time."""
    for shape in shapes:
        end = time.monotonic() + seconds / len(shapes)
        number = seed
        while time.monotonic() < end:
            case = deployments.case(shape, number)
            if case is not None:
                yield case
            number += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the dearest, and tell whether one is too dear."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", action="append", choices=list(SHAPES))
    options = parser.parse_args(arguments)
    deployments = Deployments()
    try:
        base = deployments.evm()
        cases = list(campaign(deployments, options.shape or list(SHAPES), options.seconds, options.seed))
    finally:
        deployments.close()
    print(f"EVM: {base:.0f} ns a gas; {len(cases)} deployments. The dearest, the longest, the largest:")
    for order in (lambda case: case.nanoseconds_per_gas, lambda case: case.seconds, lambda case: case.code_bytes):
        for case in sorted(cases, key=order, reverse=True)[:5]:
            print(case.line(base))
        print()
    dear = [
        case for case in cases if case.nanoseconds_per_gas > TIMES * base or case.code_bytes > case.code_limit_bytes
    ]
    for case in dear:
        print(f"too dear: {case.line(base)}; at most {case.code_limit_bytes:,} bytes of code")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
