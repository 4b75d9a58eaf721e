"""Random calls of contracts in Zig and of their twins in Solidity until the time is over; every outcome must be equal.

Compared after each call: result or revert data, logs, storage slots, and the contract's wei. Halfway through a sequence
the twins exchange their code, so that each continues with the storage that the other wrote. A difference is made small,
and printed with the command that runs it again.

    python -m verification.twins.run --seconds 600 --seed 1
    python -m verification.twins.run --twin escrow --seed 77 --rounds 1

Ends with 0 if nothing was found.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import zevm
from testing.twins.actions import Step, steps
from testing.twins.sequences import DifferenceError, run, two_nodes
from testing.twins.worlds import SCENARIOS

Nodes = tuple[zevm.Node, zevm.Node]


def round_of(twin: str, number: int, sequences: int, length: int, nodes: Nodes) -> tuple[int, int]:
    """Run sequences of at most `length` calls; how many calls there were, and how many of them succeeded.

    Raises DifferenceError with the shortest sequence that was found.
    """
    counted = Counter[str]()

    @seed(number)
    @settings(
        max_examples=sequences,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(steps(SCENARIOS[twin].actions), min_size=1, max_size=length))
    def check(drawn: Sequence[Step]) -> None:
        counted["calls"] += len(drawn)
        counted["succeeded"] += run(twin, drawn, nodes)

    check()
    return counted["calls"], counted["succeeded"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if the twins differ."""
    options = _parser().parse_args(arguments)
    twins = options.twin or list(SCENARIOS)
    end = time.monotonic() + options.seconds
    counted = {twin: Counter[str]() for twin in twins}
    with two_nodes() as nodes:
        for number in range(options.seed, options.seed + options.rounds):
            for twin in twins:
                try:
                    calls, succeeded = round_of(twin, number, options.sequences, options.steps, nodes)
                except DifferenceError as error:
                    print(error, *getattr(error, "__notes__", ()), sep="\n")
                    print(f"again: python -m verification.twins.run --twin {twin} --seed {number} --rounds 1"
                          f" --sequences {options.sequences} --steps {options.steps}")  # fmt: skip
                    return 1
                counted[twin].update(calls=calls, succeeded=succeeded)
            if time.monotonic() > end:
                break
    for twin, counts in counted.items():
        print(f"{twin}: {counts['calls']} calls, {counts['succeeded']} of them succeeded")
    print("nothing found")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare contracts in Zig with their twins in Solidity.")
    parser.add_argument("--seconds", type=float, default=60, help="when to stop, after the round that runs (60)")
    parser.add_argument("--rounds", type=int, default=1_000_000, help="how many rounds at most")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; the next has the next number (1)")
    parser.add_argument("--sequences", type=int, default=10, help="sequences of a contract in a round (10)")
    parser.add_argument("--steps", type=int, default=60, help="calls of a sequence at most (60)")
    parser.add_argument("--twin", action="append", choices=list(SCENARIOS), help="one contract; may be repeated (all)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
