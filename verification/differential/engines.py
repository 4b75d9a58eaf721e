"""Run random programs and blocks on both engines in this process, and compare all that they leave.

    python -m verification.differential.engines --programs 1000000     every fork; two hours
    python -m verification.differential.engines --seconds 600 --blocks     blocks of whole transactions too
    python -m verification.differential.engines --seconds 600 --nests      calls within creations within calls
    python -m verification.differential.engines --program 4711             one of them again

Each program runs with much gas, and again with less than it used, so that it ends anywhere. The engines are compared by
the check mode, and so are the frames that a tracer sees of every other program. A difference between messages is
written to a file, which `python -m zevm.chain.vm.engines.replay FILE` runs again.
Ends with 1 where the engines differ, or where the core refused a program.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from bench.time_per_gas import environment_of
from testing.memory_state import MemoryReader
from verification.differential.build import address_of, run_here, transactions_of
from verification.differential.cases import FORKS, KEYS, new_case
from verification.differential.nests import Nest, nest_of
from verification.differential.programs import Program, program_of
from zevm.chain.errors import EngineDifferenceError, TransactionError
from zevm.chain.tracing.registry import make_tracer
from zevm.chain.tracing.settings import TraceContext
from zevm.chain.vm.block_state import BlockState
from zevm.chain.vm.engines import choice
from zevm.chain.vm.engines.engine import Engine
from zevm.chain.vm.executor import Executor
from zevm.contracts.revert_reasons import Decoder

_TRACERS = {
    "callTracer": {"withLog": True},
    "flatCallTracer": {},
    "4byteTracer": {},
    "prestateTracer": {},
    "muxTracer": {"prestateTracer": {"diffMode": True}},
}
_CONTEXT = TraceContext(Decoder().revert_reason)


def run_program(seed: int) -> None:
    """Run a program twice; a tracer of frames watches every other seed. Raises EngineDifferenceError."""
    program, is_traced = program_of(seed), bool(seed % 2)
    used = _run(program, program.request.gas_limit, is_traced=is_traced)
    least = program.request.gas_limit - 600_000
    _run(program, Random(seed).randrange(least, max(used, least + 1)), is_traced=is_traced)


def _run(program: Program, gas_limit: int, *, is_traced: bool) -> int:
    """The gas that it used; 0 where the message may not begin."""
    environment = replace(environment_of(program.fork), engine=Engine.CHECK, number=300)
    executor = Executor(environment, BlockState(program.state))
    tracer = make_tracer("callTracer", {"withLog": True}, _CONTEXT) if is_traced else None
    try:
        request = program.request.with_gas_limit(gas_limit)
        return executor.call(request, tracer=tracer).gas_used_before_refund
    except TransactionError:
        return 0


def run_blocks(seed: int) -> None:
    """Run the blocks of a seed of `verification.differential.run`. Raises EngineDifferenceError."""
    for fork in FORKS:
        case = new_case(seed, fork, [address_of(key) for key in KEYS])
        run_here(case, transactions_of(case), engine=Engine.CHECK)


def run_nest(seed: int) -> None:
    """Run messages in a row on one state: with the check mode, and on each engine alone, whose states must be equal.

    Tracers of frames watch every other seed, and must tell the same. Raises EngineDifferenceError.
    """
    nest, is_traced = nest_of(seed), bool(seed % 2)
    reference = _left_by(nest, Engine.CHECK, is_traced=is_traced)
    if _left_by(nest, Engine.NATIVE, is_traced=is_traced) != reference:
        raise EngineDifferenceError("the messages leave another state, or trace, where the core alone has run them")


def _left_by(nest: Nest, engine: Engine, *, is_traced: bool) -> tuple[Any, ...]:
    """The outcomes, what tracers told, and the state's change."""
    state = BlockState(MemoryReader(nest.accounts))
    environment = replace(environment_of(nest.fork), engine=engine, number=300, coinbase=nest.coinbase)
    outcomes: list[Any] = []
    for request in nest.requests:
        try:
            tracer = make_tracer("muxTracer", _TRACERS, _CONTEXT) if is_traced else None
            outcome = Executor(environment, state).call(request, tracer=tracer)
            outcomes.append(tracer and b"".join(tracer.encode()))
            outcomes.append((outcome.gas_used, outcome.output, outcome.logs, str(outcome.error)))
        except TransactionError as error:
            outcomes.append(str(error))
    return outcomes, state.diff()


def campaign(run: Callable[[int], None], first: int, count: int, seconds: float, name: str) -> int:
    """Run seeds until their number, or the time, is over; how many differed."""
    end, seed, differences = time.monotonic() + seconds, first, 0
    before = Counter(choice.messages)
    while seed < first + count and time.monotonic() < end:
        try:
            run(seed)
        except EngineDifferenceError as error:
            differences += 1
            print(f"{name} {seed}: {error}", flush=True)
        seed += 1
    ran = Counter(choice.messages) - before
    print(
        f"{seed - first} {name}s, {ran['native']} messages on both engines, {ran['refused']} refused by the core, "
        f"{differences} differences"
    )
    return differences + ran["refused"]


def main() -> int:
    """1 where something differed or was refused."""
    parser = argparse.ArgumentParser(description="Compare the two engines with each other.")
    parser.add_argument("--seconds", type=float, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=0, help="of the first program; later ones follow")
    parser.add_argument("--programs", type=int, default=20_000, help="how many at most")
    parser.add_argument("--blocks", action="store_true", help="run blocks in place of programs")
    parser.add_argument("--nests", action="store_true", help="run trees of calls and creations in place of programs")
    parser.add_argument("--program", type=int, metavar="SEED", help="run this program alone")
    arguments = parser.parse_args()
    if arguments.program is not None:
        return int(campaign(run_program, arguments.program, 1, sys.maxsize, "program") > 0)
    run, name = (run_blocks, "block") if arguments.blocks else (run_program, "program")
    if arguments.nests:
        run, name = run_nest, "nest"
    return int(campaign(run, arguments.seed, arguments.programs, arguments.seconds, name) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
